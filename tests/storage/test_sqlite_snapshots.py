"""The connections from which snapshots of a SQLite store are read."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.store import Store, StoreUnavailableError
from daypass.storage.open import open_store
from daypass.storage.sql.sqlite_snapshots import MOST_CONNECTIONS, SqliteSnapshots


@pytest.fixture
def store(sqlite_url: str, clock: HandClock) -> Iterator[Store]:
    """Return an empty store."""
    opened = open_store(sqlite_url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def path(store: Store, tmp_path: Path) -> Path:
    """Return its file."""
    return tmp_path / "daypass.db"


def test_snapshots_cannot_write(path: Path) -> None:
    """A statement that writes is refused by SQLite itself."""
    snapshots = SqliteSnapshots(path)
    with snapshots.open() as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._query("DELETE FROM records")
    snapshots.close()


def test_open_snapshots_do_not_see_each_other_or_later_writes(store: Store) -> None:
    """Sixteen at once keep their state, and the connections are used again."""
    for number in range(3):
        with ExitStack() as running:
            readers = [running.enter_context(store.read()) for _ in range(MOST_CONNECTIONS)]
            with store.write() as writer:
                writer.insert(user(f"ada{number}"))
            assert {reader.count("user", user("ada").account) for reader in readers} == {number}


def test_an_error_of_the_caller_ends_the_snapshot_alone(store: Store) -> None:
    """The next snapshot of the same connection is a new one."""
    with pytest.raises(KeyError), store.read():
        raise KeyError
    with store.write() as writer:
        writer.insert(user("ada"))
    with store.read() as reader:
        assert reader.count("user", user("ada").account) == 1


def test_a_missing_or_damaged_file_is_unavailable(path: Path) -> None:
    """It is not created, and the fault has the driver's reason for the log."""
    missing = SqliteSnapshots(path.with_name("missing.db"))
    with pytest.raises(StoreUnavailableError) as caught, missing.open():
        raise AssertionError("a missing file was opened")
    assert caught.value.detail == "OperationalError: unable to open database file"
    assert not path.with_name("missing.db").exists()
    path.with_name("other.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailableError) as caught, SqliteSnapshots(path.with_name("other.db")).open() as reader:
        reader.revision()
    assert caught.value.detail == "DatabaseError: file is not a database"


def test_odd_names_of_files_are_names(store: Store, path: Path, tmp_path: Path) -> None:
    """The characters of a URI have no meaning in a path."""
    odd = tmp_path / "a?mode=ro#b%41.db"
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM INTO ?", (str(odd),))
    connection.close()
    snapshots = SqliteSnapshots(odd)
    with snapshots.open() as reader:
        assert reader.revision() == store.revision()
    snapshots.close()


def test_a_connection_in_use_is_closed_at_its_end(path: Path) -> None:
    """A store that closes does not leave connections behind, and does not break a snapshot."""
    snapshots = SqliteSnapshots(path)
    with snapshots.open() as reader:
        snapshots.close()
        assert reader.revision() == 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        reader.count("user", "111111111111")
