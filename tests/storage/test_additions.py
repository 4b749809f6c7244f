"""Additions to the tables: nodes of version 0.1.0 and present ones run on one store, in any order of start."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from sqlalchemy import Connection, event, text
from tests.storage.conftest import HandClock

from daypass.directory.changes import EMPTY, LinkChange, StoreChange
from daypass.directory.store import Link
from daypass.storage import additions, schema
from daypass.storage.address import SqliteAddress, parse_address
from daypass.storage.open import open_store
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.refusals import StoreUnreachableError
from daypass.storage.sql.engines import Engines, postgresql_engines, sqlite_engines

# The statements of version 0.1.0 (storage/sql.py at revision ead41f8), as SQLAlchemy sent them.
_OLD_NUMBER = "SELECT revision.number FROM revision"
_OLD_SET = "UPDATE revision SET number = :number"
_OLD_LOG = "INSERT INTO changes (revision, touched) VALUES (:revision, :touched)"
_OLD_TRIM = "DELETE FROM changes WHERE changes.revision <= :oldest"
_OLD_CHANGES = "SELECT changes.touched FROM changes WHERE changes.revision > :revision"


@contextmanager
def _engines(url: str) -> Iterator[Engines]:
    address = parse_address(url)
    if isinstance(address, SqliteAddress):
        engines = sqlite_engines(address.path)
    else:
        assert isinstance(address, PostgresqlAddress)
        engines = postgresql_engines(address)
    yield engines
    engines.dispose()


def _leave_out_additions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next start make the tables of version 0.1.0 alone."""
    monkeypatch.setattr(schema, "missing_additions", lambda _: [])
    monkeypatch.setattr(schema, "apply_additions", lambda _: None)


def _write_as_0_1_0(connection: Connection, change: StoreChange) -> int:
    """Write one change as a node of version 0.1.0 does, and return its number."""
    number = int(connection.execute(text(_OLD_NUMBER)).scalar_one()) + 1
    connection.execute(text(_OLD_SET), {"number": number})
    connection.execute(text(_OLD_LOG), {"revision": number, "touched": msgspec.msgpack.encode([change])})
    connection.execute(text(_OLD_TRIM), {"oldest": number - 4096})
    return number


def test_a_write_of_an_old_node_has_a_nonce(database_url: str, clock: HandClock) -> None:
    """The database itself sets the nonce, a different one for each write, also in one transaction."""
    store = open_store(database_url, clock=clock)
    changes: list[StoreChange] = [LinkChange("member", "a", str(number)) for number in range(3)]
    with _engines(database_url) as engines:
        with engines.writing.begin() as connection:
            _write_as_0_1_0(connection, changes[0])
            _write_as_0_1_0(connection, changes[1])
        first = store.position()
        with engines.writing.begin() as connection:
            assert _write_as_0_1_0(connection, changes[2]) == 3
    found = store.changes_since(EMPTY)
    assert found is not None
    assert found.changed == set(changes)
    assert len(set(found.nonces)) == 3
    assert {len(nonce) for nonce in found.nonces} == {16}
    assert found.has_passed(first)
    later = store.changes_since(first)
    assert later is not None
    assert later.changed == {changes[2]}
    store.close()


def test_an_old_node_reads_the_log(database_url: str, clock: HandClock) -> None:
    """Its statements find the number and the changes of our writes."""
    store = open_store(database_url, clock=clock)
    for number in range(3):
        with store.write() as writer:
            writer.link(Link("member", "a", str(number)))
    with _engines(database_url) as engines, engines.reading.begin() as connection:
        assert connection.execute(text(_OLD_NUMBER)).scalar_one() == 3
        entries = connection.execute(text(_OLD_CHANGES), {"revision": 1}).scalars().all()
    decoded = [msgspec.msgpack.decode(entry, type=list[StoreChange]) for entry in entries]
    assert sorted(change.target for each in decoded for change in each if isinstance(change, LinkChange)) == ["1", "2"]
    store.close()


def test_the_log_of_an_old_store_gets_nonces(
    database_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old node that started first made tables without them; its rows are filled when a present node starts."""
    _leave_out_additions(monkeypatch)
    with _engines(database_url) as engines:
        schema.migrate(engines.writing)
        with engines.writing.begin() as connection:
            for number in range(3):
                _write_as_0_1_0(connection, LinkChange("member", "a", str(number)))
        monkeypatch.undo()
        assert not schema.is_current(engines.writing)
        store = open_store(database_url, clock=clock)
        assert schema.is_current(engines.writing)
    found = store.changes_since(EMPTY)
    assert found is not None
    assert len(set(found.nonces)) == len(found.changed) == 3
    assert all(len(nonce) == 16 for nonce in found.nonces)
    store.close()


def test_additions_are_found_with_one_query(database_url: str, clock: HandClock) -> None:
    """The start of a server does not get longer with each addition."""
    open_store(database_url, clock=clock).close()
    with _engines(database_url) as engines, engines.reading.connect() as connection:
        connection.begin()
        seen: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: seen.append(args[2]))
        assert additions.missing_additions(connection) == []
        assert len(seen) == 1


def test_a_table_in_use_delays_the_start_alone(
    postgresql_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup reads the table for as long as it takes: the start gives up, and succeeds afterwards."""
    _leave_out_additions(monkeypatch)
    open_store(postgresql_url, clock=clock).close()
    monkeypatch.undo()
    monkeypatch.setattr(schema, "_ATTEMPTS", 3)
    monkeypatch.setattr(schema, "_ATTEMPT_MILLISECONDS", 20)
    monkeypatch.setattr(schema, "_PAUSE_SECONDS", 0.01)
    with _engines(postgresql_url) as engines, engines.reading.begin() as backup:
        backup.execute(text(_OLD_CHANGES), {"revision": 0})
        with pytest.raises(StoreUnreachableError, match="lock timeout"):
            open_store(postgresql_url, clock=clock)
    store = open_store(postgresql_url, clock=clock)
    assert store.position() == EMPTY
    store.close()
