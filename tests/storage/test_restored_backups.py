"""A backup of version 0.1.0, whose tables lack every addition, is restored under a running node."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs
from tests.storage.conftest import HandClock

from daypass.directory.changes import EMPTY
from daypass.directory.store import Link
from daypass.storage import schema
from daypass.storage.address import SqliteAddress, parse_address
from daypass.storage.cache import StoreCache
from daypass.storage.open import open_store
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.sql.engines import postgresql_engines, sqlite_engines
from daypass.storage.sql.restored_backups import RETRY_SECONDS, RestoredBackups


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    address = parse_address(url)
    if isinstance(address, SqliteAddress):
        engines = sqlite_engines(address.path)
    else:
        assert isinstance(address, PostgresqlAddress)
        engines = postgresql_engines(address)
    yield engines.writing
    engines.dispose()


def _take_additions_away(url: str) -> None:
    """Leave the tables as version 0.1.0 makes them."""
    with _engine(url) as engine, engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER changes_nonce"))
        connection.execute(text("ALTER TABLE changes DROP COLUMN nonce"))
        connection.execute(text("DROP TABLE last_uses"))


def _targets(reader: Any) -> list[str]:
    return [link.target for link in reader.targets("member", "a")]


def test_a_running_node_adds_what_the_backup_lacks(database_url: str, clock: HandClock) -> None:
    """The next query for changes succeeds, and nothing that was cached before stays."""
    store = open_store(database_url, clock=clock)
    cache = StoreCache(store)
    with store.write() as writer:
        writer.link(Link("member", "a", "one"))
    assert cache.loading.get(_targets) == ["one"]
    before = store.position()
    _take_additions_away(database_url)
    with capture_logs() as logs:
        cache.poll()
    assert "restored_store_was_completed" in {line["event"] for line in logs}
    assert cache.progress().position.number == before.number
    assert cache.progress().position != before
    assert cache.loading.get(_targets) == ["one"]
    with store.write() as writer:
        writer.link(Link("member", "a", "two"))
    assert cache.loading.get(_targets) == ["one", "two"]
    store.close()


def test_a_failed_attempt_is_repeated_after_a_while(
    database_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says what to do, and the table is not locked at each query for changes."""
    open_store(database_url, clock=clock).close()
    _take_additions_away(database_url)
    now = [1000.0]
    with _engine(database_url) as engine, capture_logs() as logs:
        restored = RestoredBackups(engine, lambda: now[0])
        with monkeypatch.context() as patched:
            patched.setattr(schema, "VERSIONS", ("0000",))  # the tables are of another version: they are left alone
            assert [restored.complete() for _ in range(3)] == [False] * 3
        now[0] += RETRY_SECONDS - 0.001
        assert not restored.complete()
        assert not schema.is_current(engine)
        now[0] = 1000.0 + RETRY_SECONDS
        assert restored.complete()
        assert schema.is_current(engine)
    assert [line["event"] for line in logs] == ["restored_store_is_incomplete", "restored_store_was_completed"]
    assert "restart" in logs[0]["remedy"]


def test_an_old_file_that_replaces_the_database_is_completed(clock: HandClock, tmp_path: Path) -> None:
    """An operator puts a copy of a SQLite file in its place with `mv`."""
    path, backup = tmp_path / "daypass.db", tmp_path / "backup.db"
    store = open_store(f"sqlite:///{path}", clock=clock)
    with store.write() as writer:
        writer.link(Link("member", "a", "one"))
    before = store.position()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    _take_additions_away(f"sqlite:///{backup}")
    backup.rename(path)
    assert store.changes_since(before) is None
    assert store.position().number == before.number
    with store.write() as writer:
        writer.link(Link("member", "a", "two"))
    found = store.changes_since(EMPTY)
    assert found is not None
    assert len(set(found.nonces)) == 2
    store.close()
