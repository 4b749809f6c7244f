"""The promises of the stores about concurrent threads and processes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import msgspec
import pytest
from tests.storage.conftest import HandClock
from tests.storage.processes import go, race, read, worker
from tests.storage.sample_records import user
from tests.storage.test_cache import find_user

from daypass.directory.store import Link, Reader, Record, Store, StoreUnavailableError, WouldBlockError
from daypass.storage.cache import StoreCache
from daypass.storage.open import open_store
from daypass.storage.sql import engines

ACCOUNT = "111111111111"
THREADS = 6

T = TypeVar("T")


def _in_threads(work: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def test_threads_lose_no_update(store: Store) -> None:
    """Many threads read, add one and write back: every update counts."""
    with store.write() as writer:
        writer.insert(Record(kind="number", account="", key="n", sort="n", body=b"0"))

    def add(_: int) -> None:
        for _ in range(10):
            with store.write() as writer:
                number = writer.find("number", "", "n")
                assert number is not None
                writer.replace(msgspec.structs.replace(number, body=b"%d" % (int(number.body) + 1)))

    _in_threads(add)
    with store.read() as reader:
        number = reader.find("number", "", "n")
    assert number is not None
    assert int(number.body) == THREADS * 10
    assert store.revision() == THREADS * 10 + 1


def test_threads_claim_each_key_once(store: Store, clock: HandClock) -> None:
    """If many threads claim a key at once, exactly one succeeds."""
    until = clock.now() + timedelta(hours=1)
    won = _in_threads(lambda _: [store.claim(f"k{number}", until=until) for number in range(15)])
    assert [sum(wins) for wins in zip(*won, strict=True)] == [1] * 15


def test_a_snapshot_is_of_one_moment(store: Store) -> None:
    """A reader always sees both of two links that are written together."""
    stop = threading.Event()

    def write(_: int) -> None:
        try:
            for number in range(30):
                with store.write() as writer:
                    writer.link(Link("pair", "left", str(number)))
                    writer.link(Link("pair", "right", str(number)))
        finally:
            stop.set()

    def look(_: int) -> None:
        while not stop.is_set():
            with store.read() as reader:
                assert len(reader.targets("pair", "left")) == len(reader.targets("pair", "right"))

    with ThreadPoolExecutor(3) as pool:
        for outcome in [pool.submit(write, 0), pool.submit(look, 1), pool.submit(look, 2)]:
            outcome.result()


def test_a_cache_under_fire_is_never_behind(store: Store) -> None:
    """Each thread sees its own writes, whatever others do to the same cache."""
    cache = StoreCache(store)

    def write_and_ask(thread: int) -> None:
        name = f"u{thread}"
        for number in range(12):
            with store.write() as writer:
                if number % 2:
                    writer.delete("user", ACCOUNT, name)
                else:
                    writer.insert(user(name))
            found = cache.loading.get(find_user, name)
            assert (found is None) is bool(number % 2)

    _in_threads(write_and_ask)


@pytest.mark.slow
def test_processes_lose_no_update(database_url: str, clock: HandClock) -> None:
    """Several processes open the empty store at once, read, add one and write back."""
    assert race(database_url, "add_up", processes=3, times=20) == ["done"] * 3
    store = open_store(database_url, clock=clock)
    with store.read() as reader:
        number = reader.find("number", "", "shared")
    assert number is not None
    assert number.body == b"60"
    store.close()


@pytest.mark.slow
def test_processes_get_each_thing_once(database_url: str) -> None:
    """If several processes claim or create the same key, exactly one succeeds."""
    won = " ".join(race(database_url, "take_all", processes=3, times=20)).split()
    assert sorted(won) == sorted(f"{kind}/{number}" for kind in ("claim", "record") for number in range(20))


def test_another_process_s_write_is_seen_at_once(database_url: str, clock: HandClock) -> None:
    """Its change counter changes before its write returns, so that the next request here cannot be stale."""
    store = open_store(database_url, clock=clock)
    cache = StoreCache(store, monotonic=lambda: 0.0)
    with worker(database_url, "touch_once") as process:
        assert cache.loading.get(find_user, "ada") is None
        assert cache.loading.get(_touches) == 0
        go(process)
        assert read(process) == "done"
        assert cache.cached_only.get(find_user, "ada") is None  # the write did not change this one
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(_touches)
        assert cache.loading.get(_touches) == 1
    store.close()


def _touches(reader: Reader) -> int:
    return len(reader.targets("touched", "by"))


def test_a_write_that_was_answered_survives_kill_9(database_url: str, clock: HandClock) -> None:
    """All writes that the process had reported before it was killed are present, and the store works."""
    with worker(database_url, "write_for_ever") as process:
        go(process)
        for _ in range(30):
            answered = int(read(process))
        process.kill()
        rest = process.stdout.read().split() if process.stdout else []
        answered = max([answered, *map(int, rest)])
    store = open_store(database_url, clock=clock)
    with store.read() as reader:
        kept = [int(link.target) for link in reader.targets("promised", "a")]
        revision = reader.revision()
    assert kept[: answered + 1] == list(range(answered + 1))
    assert len(kept) == revision
    with store.write() as writer:
        writer.link(Link("promised", "a", "x"))
        assert writer.revision() == revision + 1
    store.close()


def test_a_writer_that_does_not_finish_costs_the_others_a_bounded_wait(
    database_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They get StoreUnavailableError, and readers do not wait."""
    monkeypatch.setattr(engines, "LOCK_WAIT_SECONDS", 1)
    monkeypatch.setitem(engines._LIMITS_OF_WRITE, "lock_timeout", "1s")
    slow, other = (open_store(database_url, clock=clock) for _ in range(2))
    with slow.write() as writer:
        writer.insert(user("ada"))
        before = other.change_counter[0]
        with pytest.raises(StoreUnavailableError), other.write():
            raise AssertionError  # unreachable
        assert other.change_counter[0] == before
        with other.read() as reader:
            assert reader.find("user", ACCOUNT, "ada") is None
    with other.write() as writer:
        assert writer.find("user", ACCOUNT, "ada") == user("ada")
    slow.close()
    other.close()
