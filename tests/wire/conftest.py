"""One catalog for all tests of the wire format, as in a server process."""

import pytest

from daypass.wire.catalog import Catalog


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Return every action of both services."""
    return Catalog.load()
