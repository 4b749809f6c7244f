"""Statements of a writer that SQLite's driver itself executes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.store import Store, StoreUnavailableError
from daypass.storage.open import open_store

ACCOUNT = "111111111111"


@pytest.fixture
def store(sqlite_url: str, clock: HandClock) -> Iterator[Store]:
    """Return an empty store."""
    opened = open_store(sqlite_url, clock=clock)
    yield opened
    opened.close()


def _run(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(statement)


def test_an_error_of_the_driver_is_unavailable_and_rolls_back(store: Store, tmp_path: Path) -> None:
    """The fault has the driver's reason without parameters, and the next write succeeds."""
    _run(tmp_path / "daypass.db", "ALTER TABLE changes RENAME TO other")
    with pytest.raises(StoreUnavailableError) as caught, store.write() as writer:
        writer.insert(user("Ada"))
    assert caught.value.detail == "OperationalError: no such table: changes"
    _run(tmp_path / "daypass.db", "ALTER TABLE other RENAME TO changes")
    with store.write() as writer:
        assert writer.find("user", ACCOUNT, "ada") is None
        writer.insert(user("Ada"))
    assert store.revision() == 1


def test_a_violated_constraint_is_our_bug(store: Store, tmp_path: Path) -> None:
    """It is not an unavailable database."""
    _run(tmp_path / "daypass.db", "CREATE UNIQUE INDEX bodies ON records (body)")
    with store.write() as writer:
        writer.insert(user("Ada", body=b"a"))
        writer.insert(user("Bob", body=b"b"))
    with pytest.raises(sqlite3.IntegrityError), store.write() as writer:
        writer.replace(user("Bob", body=b"a"))


def test_statements_with_and_without_a_fixed_text_see_each_other(store: Store) -> None:
    """A page, which SQLAlchemy reads, shows the writer's own inserts."""
    with store.write() as writer:
        writer.insert(user("Ada"))
        assert [found.sort for found in writer.page("user", ACCOUNT, limit=9)] == ["/Ada"]
        assert writer.count("user", ACCOUNT) == 1
