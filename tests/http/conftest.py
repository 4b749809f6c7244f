"""One server for the tests of a file that do not change its data."""

from collections.abc import Iterator

import pytest

from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RunningServer]:
    """Run a server for all tests of a file: they send bytes and leave no data."""
    with running_server() as server:
        yield server
