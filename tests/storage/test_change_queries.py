"""The query for changes: one for all that wait, bounded waits, and a database that is slow or silent."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user
from tests.storage.test_cache import ACCOUNT, find_user, list_users

from daypass.directory.changes import Changes, Position
from daypass.directory.store import Store, StoreUnavailableError, WouldBlockError
from daypass.storage.cache import StoreCache
from daypass.storage.change_queries import AWAY_SECONDS, LATE_SECONDS, POLL_SECONDS, STOPPED_SECONDS, ChangeQueries
from daypass.storage.freshness import Freshness
from daypass.storage.memory import MemoryStore

_RATE = 80  # warm calls a second


class Slow(MemoryStore):
    """A store whose answers take time, and which counts the queries for changes."""

    def __init__(self, clock: HandClock, delay: float = 0.0) -> None:
        super().__init__(clock)
        self.delay = delay
        self.queries = 0
        self.answering = threading.Event()
        self.answering.set()

    def changes_since(self, position: Position) -> Changes | None:
        """Return the changes after the delay, and not before `answering` is set."""
        self.queries += 1
        found = super().changes_since(position)
        threading.Event().wait(self.delay)
        assert self.answering.wait(60)
        return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time after which a database is away, and the time between two queries."""
    monkeypatch.setattr("daypass.storage.change_queries.AWAY_SECONDS", 0.05)
    monkeypatch.setattr("daypass.storage.change_queries.POLL_SECONDS", 0.01)


def until(is_true: Callable[[], bool]) -> None:
    """Wait for another thread."""
    pause = threading.Event()
    while not is_true():
        pause.wait(0.001)


@contextmanager
def started(
    store: Store, *, stale_seconds: float = 300, monotonic: Callable[[], float] = monotonic
) -> Iterator[StoreCache]:
    """Yield a cache that polls."""
    cache = StoreCache(store, stale_seconds=stale_seconds, monotonic=monotonic)
    cache.start()
    try:
        yield cache
    finally:
        if isinstance(store, Slow):
            store.answering.set()
        cache.close()


def test_requests_of_one_moment_share_a_query(clock: HandClock) -> None:
    """Twenty threads that find the cache stale cause one query more than the poller, and all get the answer."""
    store = Slow(clock, delay=0.05)
    with started(store) as cache, ThreadPoolExecutor(20) as threads:
        cache.loading.get(list_users, "/")
        for _ in range(5):
            with store.write() as writer:
                writer.insert(user(f"u{store.revision()}"))
            before = store.queries
            found = list(threads.map(lambda _: cache.loading.get(list_users, "/"), range(20)))
            assert {len(each) for each in found} == {store.revision()}
            assert store.queries - before <= 4  # one that began before the write, one for it, and polls


def test_a_request_joins_a_query_that_knows_all_writes_of_its_machine() -> None:
    """It needs the next one if this machine wrote after the query began, or if the query hangs."""
    queries = ChangeQueries()
    query = queries.begin(7, 100.0)
    assert queries.find_needed(7, 100.0) == query.number
    assert queries.find_needed(7, 100.0 + AWAY_SECONDS - 0.001) == query.number
    assert queries.find_needed(8, 100.0) == query.number + 1
    assert queries.find_needed(7, 100.0 + AWAY_SECONDS) == query.number + 1
    queries.end(query, 100.1, is_answered=True)
    assert queries.find_needed(7, 100.1) == query.number + 1


def test_the_database_is_away_after_a_second_without_an_answer() -> None:
    """The bound is exact: it counts for the query in flight, and for an answer that came late."""
    queries = ChangeQueries()
    query = queries.begin(7, 100.0)
    assert not queries.is_away(100.0 + AWAY_SECONDS - 0.001)
    assert queries.is_away(100.0 + AWAY_SECONDS)
    queries.end(query, 100.0 + AWAY_SECONDS, is_answered=True)
    assert queries.is_away(101.5)
    query = queries.begin(7, 102.0)
    assert queries.is_away(102.1)
    queries.end(query, 102.9, is_answered=True)
    assert not queries.is_away(103.0)
    assert queries.next_poll == 102.0 + POLL_SECONDS


@pytest.mark.usefixtures("quick")
def test_a_hanging_query_holds_nobody_for_long(clock: HandClock) -> None:
    """A request waits for the bound at most, later ones do not wait, and the event loop serves cached values itself."""
    store = Slow(clock)
    with started(store) as cache:
        known = cache.loading.get(list_users, "/")
        store.answering.clear()
        while cache.health() != "degraded":
            assert cache.loading.get(list_users, "/") is known
        queries = store.queries
        for _ in range(1_000):
            assert cache.loading.get(list_users, "/") is known
        until(lambda: cache.is_fresh)  # the watching thread extends the validity
        assert cache.cached_only.get(list_users, "/") is known
        assert store.queries == queries  # all that with the one query that hangs
        store.answering.set()
        while cache.health() != "ready":
            cache.loading.get(list_users, "/")


class Distant(Slow):
    """A slow store that another machine writes: no change counter here tells of its writes."""

    @property
    def change_counter(self) -> Sequence[int]:
        """Return a counter that stands still."""
        return (0,)


def test_a_process_that_stood_still_waits_for_a_new_answer(clock: HandClock) -> None:
    """It stood still during a query. Its silence is not the database's, and its answer is as old as the pause."""
    store, paused = Distant(clock), [0.0]
    with store.write() as writer:
        writer.insert(user("ada"))
    with started(store, monotonic=lambda: monotonic() + paused[0]) as cache, ThreadPoolExecutor(1) as threads:
        assert cache.loading.get(find_user, "ada") is not None
        store.answering.clear()
        queries = store.queries
        until(lambda: store.queries > queries)
        with store.write() as writer:
            writer.delete("user", ACCOUNT, "ada")
        paused[0] += 60
        found = threads.submit(cache.loading.get, find_user, "ada")
        store.answering.set()
        assert found.result(60) is None


def test_the_time_of_a_stop_is_no_silence_of_the_database() -> None:
    """Requests wait for the database after a stop of the process, as long as for a query that begins then."""
    queries = ChangeQueries()
    queries.note_time(100.0)
    query = queries.begin(7, 100.0)
    resumed = 100.0 + STOPPED_SECONDS
    queries.note_time(resumed)
    assert not queries.is_away(resumed + AWAY_SECONDS - 0.001)
    assert queries.find_needed(7, resumed) == query.number + 1
    assert queries.is_away(resumed + AWAY_SECONDS)
    queries.end(query, resumed + 0.1, is_answered=True)
    assert not queries.is_away(resumed + 0.2)


def test_an_answer_that_came_late_is_valid_for_no_time() -> None:
    """The process may have stood still since the database answered."""
    seconds = [100.0]
    freshness, queries = Freshness((7,), lambda: seconds[0], stale_seconds=300), ChangeQueries()
    for took, is_valid in ((LATE_SECONDS - 0.001, True), (LATE_SECONDS, False)):
        query = queries.begin(7, seconds[0])
        seconds[0] += took
        queries.end(query, seconds[0], is_answered=True)
        freshness.take_in(query)
        assert freshness.is_given() is is_valid


@pytest.mark.usefixtures("quick")
def test_a_write_that_the_cache_has_not_seen_is_refused_in_bounded_time(clock: HandClock) -> None:
    """While the query hangs, the old value is never served after a write of this machine."""
    store = Slow(clock)
    with started(store) as cache:
        assert cache.loading.get(find_user, "ada") is None
        store.answering.clear()
        with store.write() as writer:
            writer.insert(user("ada"))
        with pytest.raises(StoreUnavailableError):
            cache.loading.get(find_user, "ada")
        assert cache.health() == "unable"
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(find_user, "ada")
        store.answering.set()
        until(lambda: cache.health() == "ready")
        assert cache.loading.get(find_user, "ada") == user("ada")


@pytest.mark.usefixtures("quick")
def test_values_end_at_the_stale_bound_while_a_query_hangs(clock: HandClock) -> None:
    """The thread that extends the validity of values does not extend it beyond `stale_seconds`."""
    store = Slow(clock)
    with started(store, stale_seconds=0.2) as cache:
        cache.loading.get(list_users, "/")
        store.answering.clear()
        until(lambda: cache.health() == "unable")
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(list_users, "/")
        with pytest.raises(StoreUnavailableError):
            cache.loading.get(list_users, "/")


@pytest.mark.usefixtures("quick")
def test_a_bug_does_not_end_the_queries(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception counts as no answer, and the next query is made."""
    store = Slow(clock)
    with started(store) as cache:
        cache.loading.get(list_users, "/")
        with monkeypatch.context() as patch:
            patch.setattr(MemoryStore, "changes_since", lambda *_: 1 / 0)
            until(lambda: cache.is_away)
        until(lambda: not cache.is_away)
        assert cache.loading.get(list_users, "/") == ()


async def call(cache: StoreCache, threads: ThreadPoolExecutor) -> object:
    """Read as the server does: from the cache, else after a wait, else in a thread."""
    try:
        return cache.cached_only.get(find_user, "ada")
    except WouldBlockError:
        await cache.wait_until_settled()
    try:
        return cache.cached_only.get(find_user, "ada")
    except WouldBlockError:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: cache.loading.get(find_user, "ada"))


async def measure(cache: StoreCache, threads: ThreadPoolExecutor, calls: int) -> list[float]:
    """Make warm calls at the rate, and return how long each took."""

    async def timed() -> float:
        began = monotonic()
        assert await call(cache, threads) == user("ada")
        return monotonic() - began

    tasks = []
    for _ in range(calls):
        tasks.append(asyncio.ensure_future(timed()))
        await asyncio.sleep(1 / _RATE)
    return list(await asyncio.gather(*tasks))


@pytest.mark.slow
def test_latency_grows_with_the_round_trip_and_every_call_is_answered(clock: HandClock) -> None:
    """80 warm calls a second: from 0 to 900 ms, 90 % take one round trip at most, and not one fails."""
    for delay in (0.0, 0.3, 0.6, 0.9):
        store = Slow(clock, delay)
        with store.write() as writer:
            writer.insert(user("ada"))
        with started(store) as cache, ThreadPoolExecutor(16) as threads:
            assert cache.loading.get(find_user, "ada") == user("ada")
            taken = sorted(asyncio.run(measure(cache, threads, calls=2 * _RATE)))
        assert taken[len(taken) * 9 // 10] <= delay + 0.5
        assert taken[-1] <= 2 * AWAY_SECONDS + 1.0
        assert store.queries <= 20  # no query for each call
