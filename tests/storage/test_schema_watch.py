"""A running node whose tables a later Daypass migrates."""

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user
from tests.storage.test_cache import HandSeconds

from daypass.directory.changes import EMPTY
from daypass.directory.store import StoreUnavailableError
from daypass.storage.address import SqliteAddress, parse_address
from daypass.storage.open import open_store
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.schema_watch import WATCH_SECONDS, SchemaWatch, health_of
from daypass.storage.sql.engines import Engines, postgresql_engines, sqlite_engines


def _engines(url: str) -> Engines:
    address = parse_address(url)
    if isinstance(address, SqliteAddress):
        return sqlite_engines(address.path)
    assert isinstance(address, PostgresqlAddress)
    return postgresql_engines(address)


def set_version(url: str, version: str) -> None:
    """Write the version of the tables, as a migration does."""
    engines = _engines(url)
    with engines.writing.begin() as connection:
        connection.execute(text("UPDATE daypass_schema SET version_num = :version"), {"version": version})
    engines.dispose()


def test_a_node_stops_writing_to_newer_tables(database_url: str, clock: HandClock) -> None:
    """Its next query for changes after a few seconds reads the version: no write of any kind goes through."""
    store = open_store(database_url, clock=clock)
    seconds = HandSeconds()
    store.schema = SchemaWatch(("0001",), seconds)  # type: ignore[attr-defined]
    with store.write() as writer:
        writer.insert(user("ada"))
    store.changes_since(EMPTY)
    set_version(database_url, "0002")
    seconds.seconds += WATCH_SECONDS
    with capture_logs() as lines:
        store.changes_since(EMPTY)
        seconds.seconds += WATCH_SECONDS
        store.changes_since(EMPTY)
    assert [line["event"] for line in lines] == ["store_is_too_new"]
    with pytest.raises(StoreUnavailableError) as refused, store.write():
        raise AssertionError  # unreachable
    assert "Upgrade Daypass" in refused.value.detail
    with pytest.raises(StoreUnavailableError):
        store.claim("k", until=clock.now())
    with pytest.raises(StoreUnavailableError):
        store.record_uses([])
    with store.read() as reader:
        assert reader.find("user", "111111111111", "ada") == user("ada")
    assert [health_of(each, store) for each in ("ready", "degraded", "unable")] == ["degraded", "degraded", "unable"]

    set_version(database_url, "0001")  # the operator went back
    seconds.seconds += WATCH_SECONDS
    store.changes_since(EMPTY)
    with store.write() as writer:
        writer.insert(user("bob"))
    assert health_of("ready", store) == "ready"
    store.close()
