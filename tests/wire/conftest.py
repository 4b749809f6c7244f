"""One catalog serves all tests of the wire, as it serves a whole process."""

import pytest

from daypass.wire.catalog import Catalog


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Return every action of both services."""
    return Catalog.load()
