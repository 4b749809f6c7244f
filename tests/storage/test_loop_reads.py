"""Reads on the event loop: the guard against a slow disk, and the cache's short loads."""

import threading
from itertools import count

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user
from tests.storage.test_cache import ACCOUNT, HandSeconds

from daypass.directory.loader_marks import short_load
from daypass.directory.store import Reader, Record, Store, WouldBlockError
from daypass.storage.cache import StoreCache
from daypass.storage.loop_reads import LOAD_LIMITS, REQUEST_LIMITS, SLOW_SECONDS, LoopReads, count_waits
from daypass.storage.memory import MemoryStore


@short_load
def load_short(reader: Reader, name: str) -> Record | None:
    """Load one user on the event loop."""
    return reader.find("user", ACCOUNT, name)


def load_long(reader: Reader, name: str) -> Record | None:
    """Load one user in a worker thread."""
    return reader.find("user", ACCOUNT, name)


@pytest.fixture
def memory(clock: HandClock) -> Store:
    """Return a store that never waits, with one user."""
    store = MemoryStore(clock)
    with store.write() as writer:
        writer.insert(user("Ada", body=b"a"))
    return store


@pytest.fixture
def seconds() -> HandSeconds:
    """Return the clock of the reads and of the cache."""
    return HandSeconds()


@pytest.fixture
def cache(memory: Store, seconds: HandSeconds) -> StoreCache:
    """Return a cache that is up to date."""
    cache = StoreCache(memory, monotonic=seconds, loop_reads=LoopReads(memory, monotonic=seconds))
    cache.poll()
    return cache


def _read(reads: LoopReads, seconds: HandSeconds, *, lasting: float = 0.0) -> bool:
    """Read for some time. Return whether the event loop may read at all."""
    try:
        with reads.open(REQUEST_LIMITS) as reader:
            seconds.seconds += lasting
            reader.revision()
    except WouldBlockError:
        return False
    return True


@pytest.mark.parametrize(("slow", "pause"), [(0.06, 3.0), (0.5, 25.0), (10.0, 60.0)])
def test_a_slow_read_sends_the_next_ones_to_worker_threads(
    memory: Store, seconds: HandSeconds, slow: float, pause: float
) -> None:
    """The pause is 50 times as long as the read, and at most a minute."""
    reads = LoopReads(memory, monotonic=seconds, waits=count().__next__)
    assert _read(reads, seconds, lasting=slow)
    seconds.seconds += pause - 0.001
    assert not _read(reads, seconds)
    seconds.seconds += 0.002
    assert _read(reads, seconds)


def test_a_busy_processor_is_not_a_slow_disk(memory: Store, seconds: HandSeconds) -> None:
    """A thread that was interrupted has not waited."""
    reads = LoopReads(memory, monotonic=seconds, waits=lambda: 7)
    assert all(_read(reads, seconds, lasting=1.0) for _ in range(3))


def test_waits_of_a_thread_are_counted() -> None:
    """A lock that another one holds makes it wait, as a disk does."""
    before, lock = count_waits(), threading.Lock()
    lock.acquire()
    assert not lock.acquire(timeout=0.001)
    assert count_waits() > before


def test_usual_reads_have_no_pause(memory: Store, seconds: HandSeconds) -> None:
    """A read may take 50 ms."""
    reads = LoopReads(memory, monotonic=seconds, waits=count().__next__)
    assert all(_read(reads, seconds, lasting=SLOW_SECONDS - 0.001) for _ in range(3))


def _exceed(reader: Reader, seconds: HandSeconds) -> None:
    seconds.seconds += 1
    for _ in range(REQUEST_LIMITS.queries + 1):
        reader.find("user", ACCOUNT, "ada")


def test_a_slow_read_beyond_its_limits_is_slow(memory: Store, seconds: HandSeconds) -> None:
    """Its exception is passed on."""
    reads = LoopReads(memory, monotonic=seconds, waits=count().__next__)
    with pytest.raises(WouldBlockError), reads.open(REQUEST_LIMITS) as reader:
        _exceed(reader, seconds)
    assert not _read(reads, seconds)


def test_a_short_load_does_not_need_a_worker_thread(cache: StoreCache, memory: Store) -> None:
    """The value is kept, as one that a worker thread loads, until a change affects it."""
    found = cache.cached_only.get(load_short, "ada")
    assert found == user("Ada", body=b"a")
    assert cache.cached_only.get(load_short, "ada") is cache.loading.get(load_short, "ada") is found
    with memory.write() as writer:
        writer.replace(user("Ada", body=b"b"))
    with pytest.raises(WouldBlockError):  # the cache has not seen the change yet
        cache.cached_only.get(load_short, "ada")
    cache.poll()
    assert cache.cached_only.get(load_short, "ada") == user("Ada", body=b"b")


def test_a_missing_record_is_kept_too(cache: StoreCache, memory: Store) -> None:
    """Its insertion drops the entry."""
    assert cache.cached_only.get(load_short, "bob") is None
    with memory.write() as writer:
        writer.insert(user("Bob"))
    cache.poll()
    assert cache.cached_only.get(load_short, "bob") == user("Bob")


def test_other_loaders_need_a_worker_thread(cache: StoreCache) -> None:
    """Only marked loaders run on the event loop."""
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(load_long, "ada")


def test_a_stale_cache_does_not_load(cache: StoreCache, seconds: HandSeconds) -> None:
    """The event loop does not catch up."""
    seconds.seconds += 1
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(load_short, "ada")


def test_a_large_record_needs_a_worker_thread(cache: StoreCache, memory: Store) -> None:
    """Its policies may take long to compile. A failed load leaves no entry."""
    with memory.write() as writer:
        writer.insert(user("Big", body=b"x" * (LOAD_LIMITS.body_bytes + 1)))
        writer.insert(user("Fits", body=b"x" * LOAD_LIMITS.body_bytes))
    cache.poll()
    assert cache.cached_only.get(load_short, "fits") is not None
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(load_short, "big")
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(load_short, "big")
    assert cache.loading.get(load_short, "big") is not None


def test_a_cache_without_reads_on_the_event_loop_raises(memory: Store, seconds: HandSeconds) -> None:
    """The gateway and commands have none."""
    cache = StoreCache(memory, monotonic=seconds)
    cache.poll()
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(load_short, "ada")


def test_a_value_of_an_older_snapshot_is_not_kept(memory: Store, seconds: HandSeconds) -> None:
    """A write and an update of the cache between the load and the keeping win."""
    own = StoreCache(memory, monotonic=seconds, loop_reads=LoopReads(memory, monotonic=seconds))
    own.poll()

    @short_load
    def load_slowly(reader: Reader, name: str) -> Record | None:
        found = reader.find("user", ACCOUNT, name)
        with memory.write() as writer:
            writer.replace(user("Ada", body=b"b"))
        own.poll()
        return found

    assert own.cached_only.get(load_slowly, "ada") == user("Ada", body=b"a")
    assert own._entries.get((load_slowly, ("ada",))) is None
