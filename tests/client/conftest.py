"""Fixtures: one server for a file, and a machine of their own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine, prepared

from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    """Run one server for the tests of a file."""
    with running_server(account=ACCOUNT) as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, served: RunningServer) -> Machine:
    """Return a machine for one test."""
    return prepared(tmp_path / "home", served)
