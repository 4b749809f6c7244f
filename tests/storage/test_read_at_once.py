"""The promises of `Store.read_at_once`, with which the event loop reads."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.store import Link, Reader, ReadLimits, Store, WouldBlockError
from daypass.storage.open import open_store

ACCOUNT = "111111111111"
AMPLE = ReadLimits(queries=1_000, rows=10_000, body_bytes=1_000_000)
QUERIES: dict[str, Callable[[Reader], Any]] = {
    "find": lambda reader: reader.find("user", ACCOUNT, "ada"),
    "find_missing": lambda reader: reader.find("user", ACCOUNT, "nobody"),
    "find_by_id": lambda reader: reader.find_by_id(f"AIDA{ACCOUNT}Bob"),
    "page": lambda reader: reader.page("user", ACCOUNT, limit=100),
    "page_after": lambda reader: reader.page("user", ACCOUNT, after="/Ada", limit=100, prefix="/"),
    "page_everywhere": lambda reader: reader.page("user", None, after=f"{ACCOUNT}/Ada", limit=100),
    "count": lambda reader: reader.count("user", ACCOUNT),
    "count_missing": lambda reader: reader.count("role", ACCOUNT),
    "find_link": lambda reader: reader.find_link("member", "a", "g"),
    "find_link_missing": lambda reader: reader.find_link("member", "a", "h"),
    "targets": lambda reader: reader.targets("member", "a"),
    "sources": lambda reader: reader.sources("member", "g", limit=2),
    "count_sources": lambda reader: reader.count_sources("member", "g"),
    "revision": lambda reader: reader.revision(),
}


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: HandClock) -> Iterator[Store]:
    """Return a store that can read at once, with some records and links."""
    url = "memory:" if request.param == "memory" else request.getfixturevalue("sqlite_url")
    opened = open_store(url, clock=clock)
    with opened.write() as writer:
        writer.insert(user("Ada", body=b"a" * 10))
        writer.insert(user("Bob", body=b"b" * 20))
        writer.insert(user("Cy", path="/eng/", body=b"c" * 30))
        writer.insert(user("Eve", account="222222222222"))
        for source in ("a", "b", "c"):
            writer.link(Link("member", source, "g", b"body"))
    _prepare(opened)
    yield opened
    opened.close()


def _prepare(store: Store) -> None:
    """Let the store open what a read at once needs, as a worker thread does after the first attempt."""
    if not _can_read(store):
        with store.read():
            pass
    assert _can_read(store)


def _can_read(store: Store) -> bool:
    try:
        _read(store, AMPLE, QUERIES["revision"])
    except WouldBlockError:
        return False
    return True


def _read(store: Store, limits: ReadLimits, query: Callable[[Reader], Any]) -> Any:
    with store.read_at_once(limits) as reader:
        return query(reader)


@pytest.mark.parametrize("name", QUERIES)
def test_it_reads_what_a_snapshot_reads(store: Store, name: str) -> None:
    """Each method has the same result, also the second time in a snapshot."""
    query = QUERIES[name]
    with store.read() as reader:
        expected = query(reader)
    with store.read_at_once(AMPLE) as reader:
        assert query(reader) == expected
        assert query(reader) == expected


@pytest.mark.parametrize(
    ("name", "rows", "body_bytes"),
    [("find", 1, 10), ("find_by_id", 1, 20), ("page", 3, 60), ("targets", 1, 4), ("sources", 2, 8)],
)
def test_rows_and_bytes_are_limited(store: Store, name: str, rows: int, body_bytes: int) -> None:
    """Exactly the limit is allowed, and one less raises WouldBlockError."""
    limits, query = ReadLimits(queries=1, rows=rows, body_bytes=body_bytes), QUERIES[name]
    assert _read(store, limits, query)
    for changed in ({"rows": rows - 1}, {"body_bytes": body_bytes - 1}):
        with pytest.raises(WouldBlockError):
            _read(store, msgspec.structs.replace(limits, **changed), query)


def test_counted_links_and_queries_are_limited(store: Store) -> None:
    """A count of links reads them, so that it is not free."""
    assert _read(store, ReadLimits(queries=1, rows=3, body_bytes=12), QUERIES["count_sources"]) == 3
    with pytest.raises(WouldBlockError):
        _read(store, ReadLimits(queries=1, rows=2, body_bytes=12), QUERIES["count_sources"])
    with store.read_at_once(ReadLimits(queries=2, rows=9, body_bytes=0)) as reader:
        reader.find_by_id("AIDA")
        reader.find_by_id("AIDB")
        with pytest.raises(WouldBlockError):
            reader.find_by_id("AIDC")


def test_the_newest_write_is_read(store: Store) -> None:
    """There is no delay after a write, and an open snapshot does not show later writes."""
    with store.read_at_once(AMPLE) as before:
        assert before.find("user", ACCOUNT, "dan") is None
        with store.write() as writer:
            writer.insert(user("Dan"))
        assert before.find_by_id(f"AIDA{ACCOUNT}Dan") is None
    assert _read(store, AMPLE, lambda reader: reader.find("user", ACCOUNT, "dan")) == user("Dan")


def test_a_running_write_is_not_waited_for(store: Store) -> None:
    """It is not visible before its commit."""
    with store.write() as writer:
        writer.insert(user("Dan"))
        assert _read(store, AMPLE, lambda reader: reader.find("user", ACCOUNT, "dan")) is None


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 1001])
def test_text_that_no_database_could_hold_is_not_found(store: Store, text: str) -> None:
    """As in every snapshot."""
    with store.read_at_once(AMPLE) as reader:
        assert reader.find("user", ACCOUNT, text) is None
        assert reader.count_sources("member", text) == 0


def test_a_large_memory_store_is_not_searched(clock: HandClock) -> None:
    """Only its methods for one record take the same time at each size."""
    store = open_store("memory:", clock=clock)
    with store.write() as writer:
        for number in range(1_001):
            writer.insert(user(f"u{number}"))
    assert _read(store, AMPLE, lambda reader: reader.find("user", ACCOUNT, "u7")) == user("u7")
    for name in ("page", "count", "targets", "sources", "count_sources"):
        with pytest.raises(WouldBlockError):
            _read(store, AMPLE, QUERIES[name])


def test_a_store_on_a_network_is_not_read_at_once(postgresql_url: str, clock: HandClock) -> None:
    """Every query of PostgreSQL waits for its server."""
    store = open_store(postgresql_url, clock=clock)
    for _ in range(2):
        assert not _can_read(store)
        with store.read():
            pass
    store.close()


@contextmanager
def _sqlite(url: str, clock: HandClock) -> Iterator[Store]:
    store = open_store(url, clock=clock)
    with store.write() as writer:
        writer.insert(user("Ada"))
    _prepare(store)
    yield store
    store.close()


def test_the_event_loop_never_opens_the_connection(sqlite_url: str, clock: HandClock) -> None:
    """The first attempt asks for one, and the next snapshot of a worker thread opens it."""
    store = open_store(sqlite_url, clock=clock)
    with store.read():
        pass
    assert [_can_read(store), _can_read(store)] == [False, False]
    with store.read():
        pass
    assert _can_read(store)
    store.close()
    assert not _can_read(store)


def test_one_snapshot_at_a_time(sqlite_url: str, clock: HandClock) -> None:
    """A second one does not wait for the first."""
    with _sqlite(sqlite_url, clock) as store:
        with store.read_at_once(AMPLE):
            assert not _can_read(store)
        assert _can_read(store)


def test_a_snapshot_survives_the_end_of_its_store(sqlite_url: str, clock: HandClock) -> None:
    """Its connection is closed when it ends."""
    store = open_store(sqlite_url, clock=clock)
    _prepare(store)
    with store.read_at_once(AMPLE) as reader:
        store.close()
        assert reader.find("user", ACCOUNT, "ada") is None
    assert not _can_read(store)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("database is locked"), sqlite3.DatabaseError("disk image")])
def test_an_error_of_the_driver_is_left_to_a_worker_thread(
    sqlite_url: str, clock: HandClock, error: sqlite3.Error
) -> None:
    """The connection is replaced by that thread, and the next read succeeds."""
    with _sqlite(sqlite_url, clock) as store:

        def fail(*_: object) -> Any:
            raise error

        for query in (QUERIES["find"], QUERIES["page"], QUERIES["count"]):
            with store.read_at_once(AMPLE) as reader:
                reader._query = reader._query_one = fail  # type: ignore[attr-defined] # as the driver does
                with pytest.raises(WouldBlockError):
                    query(reader)
            assert not _can_read(store)
            with store.read():
                pass
            assert _can_read(store)


def test_a_writer_is_not_waited_for(sqlite_url: str, clock: HandClock, tmp_path: Path) -> None:
    """Another program holds the lock for writing as long as it likes, and its commit is visible at once."""
    with _sqlite(sqlite_url, clock) as store, closing(sqlite3.connect(tmp_path / "daypass.db")) as other:
        other.isolation_level = None
        for lock in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"):
            other.execute(lock)
            other.execute("INSERT INTO changes (revision, touched) VALUES (77, NULL)")
            assert _read(store, AMPLE, QUERIES["revision"]) == 1
            other.execute("ROLLBACK")
        other.execute("INSERT INTO changes (revision, touched) VALUES (99, NULL)")
        assert _read(store, AMPLE, QUERIES["revision"]) == 99
