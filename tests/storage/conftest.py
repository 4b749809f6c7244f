"""The three stores behind the same fixtures, and a clock that tests move."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.storage.postgresql import fresh_database

from daypass.directory.store import Store
from daypass.storage.open import open_store


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the present instant of the clock."""
        return self._now

    def move(self, by: timedelta) -> None:
        """Move the clock."""
        self._now += by


@pytest.fixture
def clock() -> HandClock:
    """Return the clock of the stores in a test."""
    return HandClock()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a SQLite store that does not exist yet."""
    return f"sqlite:///{tmp_path}/daypass.db"


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """Return the URL of an empty PostgreSQL database."""
    with fresh_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database of each kind, for promises about several processes."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty store of each kind."""
    if request.param == "memory":
        return "memory:"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str, clock: HandClock) -> Iterator[Store]:
    """Return an empty store of each kind."""
    opened = open_store(store_url, clock=clock)
    yield opened
    opened.close()
