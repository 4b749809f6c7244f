"""Reads from a streaming replica: as new as the primary's, or the primary's."""

import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from tests.storage.conftest import HandClock
from tests.storage.faulty_proxy import faulty_proxy
from tests.storage.postgresql import Cluster, Replica, primary_and_replica
from tests.storage.sample_records import user

from daypass.directory.changes import NOWHERE
from daypass.directory.store import Store
from daypass.storage.address import parse_address, parse_replica
from daypass.storage.open import open_address, open_store
from daypass.storage.refusals import StoreOpenError
from daypass.storage.sql.sql_store import SqlStore

pytestmark = [pytest.mark.slow, pytest.mark.component("postgresql")]
ACCOUNT = "111111111111"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cluster, Replica]]:
    """Return a primary and its streaming replica."""
    with primary_and_replica() as pair:
        yield pair


@pytest.fixture
def database(servers: tuple[Cluster, Replica]) -> Iterator[tuple[str, str]]:
    """Return the URLs of a new database on the primary and on the replica, and let the replica replay."""
    primary, replica = servers
    name = f"d{time.monotonic_ns()}"
    primary.execute(f"CREATE DATABASE {name}")
    yield (_url(primary, name), _url(replica, name))
    replica.execute("SELECT pg_wal_replay_resume()")


def _url(server: Cluster, name: str) -> str:
    return server.url.set(database=name).render_as_string(hide_password=False)


def _open(primary: str, replica: str, clock: HandClock) -> SqlStore:
    store = open_address(parse_address(primary), clock=clock, replica=parse_replica(replica))
    assert isinstance(store, SqlStore)
    return store


def _insert(store: Store, name: str) -> None:
    with store.write() as writer:
        writer.insert(user(name))


def _has(store: Store, name: str) -> bool:
    with store.read() as reader:
        return reader.find("user", ACCOUNT, name) is not None


def _poll(store: Store) -> None:
    store.changes_since(store.position())


def _wait_for_the_replica(store: SqlStore, name: str) -> None:
    """Read until the replica has answered."""
    assert store.replica is not None
    before, deadline = store.replica.answers, time.monotonic() + PATIENCE
    while store.replica.answers == before:
        assert time.monotonic() < deadline
        _poll(store)
        assert _has(store, name)


def test_a_replica_answers_only_with_what_the_primary_has_told(
    servers: tuple[Cluster, Replica], database: tuple[str, str], clock: HandClock
) -> None:
    """A replica that stands still is not used after a write of this machine, nor after one of another that was seen."""
    _, replica = servers
    store = _open(*database, clock)
    assert store.replica is not None
    _insert(store, "ada")
    assert not store.replica.answers  # nothing was asked yet
    _wait_for_the_replica(store, "ada")

    replica.execute("SELECT pg_wal_replay_pause()")
    _insert(store, "bob")  # after the last query for changes: the ring of this machine says so
    answers = store.replica.answers
    assert _has(store, "bob")
    _poll(store)
    assert _has(store, "bob")
    assert store.replica.answers == answers

    replica.execute("SELECT pg_wal_replay_resume()")
    _wait_for_the_replica(store, "bob")
    store.close()


def test_a_process_that_does_not_poll_reads_the_primary(database: tuple[str, str], clock: HandClock) -> None:
    """It cannot know what others wrote. The same after a position of another history."""
    store = _open(*database, clock)
    assert store.replica is not None
    _insert(store, "ada")
    assert store.changes_since(NOWHERE) is None
    for _ in range(3):
        assert _has(store, "ada")
    assert store.replica.answers == 0
    store.close()


def test_a_replica_of_another_history_is_not_used(
    servers: tuple[Cluster, Replica], database: tuple[str, str], clock: HandClock
) -> None:
    """A store with the same number of writes is recognized by its nonces."""
    primary, _ = servers
    other_name = f"o{time.monotonic_ns()}"
    primary.execute(f"CREATE DATABASE {other_name}")
    other = open_store(_url(primary, other_name), clock=clock)
    store = _open(database[0], _url(primary, other_name), clock)
    assert store.replica is not None
    for name in ("ada", "bob"):
        _insert(store, name)
        _insert(other, f"not-{name}")
    for _ in range(3):
        _poll(store)
        assert _has(store, "bob")
    assert store.replica.answers == 0
    other.close()
    store.close()


def test_a_replica_that_is_silent_is_left_alone(database: tuple[str, str], clock: HandClock) -> None:
    """The primary answers, and the log says so once. No line has the password."""
    with faulty_proxy(database[1]) as (proxy, url), capture_logs() as lines:
        store = _open(database[0], url, clock)
        _insert(store, "ada")
        _wait_for_the_replica(store, "ada")
        proxy.is_silent = True
        _poll(store)
        for _ in range(5):
            assert _has(store, "ada")
        store.close()
    assert [line["event"] for line in lines] == ["replica_is_away"]
    assert url.partition("@")[0].rpartition(":")[2] not in repr(lines)


def test_a_replica_is_of_postgresql(sqlite_url: str, clock: HandClock) -> None:
    """SQLite has no replicas, and a SQLite file is not one."""
    with pytest.raises(StoreOpenError, match="read_store"):
        parse_replica(sqlite_url)
    with pytest.raises(StoreOpenError, match="read_store"):
        open_address(parse_address(sqlite_url), clock=clock, replica=parse_replica("postgresql://h/db"))
