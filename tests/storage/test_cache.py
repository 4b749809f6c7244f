"""The cache: fresh, within its bounds, and safe when it does not know the store's state."""

import threading
import timeit
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.changes import Changes, Position
from daypass.directory.loader_marks import charged_to
from daypass.directory.store import Link, Reader, Record, Snapshot, Store, StoreUnavailableError, WouldBlockError
from daypass.storage.cache import StoreCache
from daypass.storage.cache_entries import CacheEntry, Entries
from daypass.storage.change_queries import FRESH_SECONDS
from daypass.storage.memory import MemoryStore
from daypass.storage.open import open_store

ACCOUNT = "111111111111"


class HandSeconds:
    """Monotonic time that tests move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.seconds


class Breakable(MemoryStore):
    """A store whose database can be down."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.is_away = False
        self.asked = threading.Semaphore(0)

    def changes_since(self, position: Position) -> Changes | None:
        """Return the changes, after an optional pause for a test."""
        self.asked.release()
        if self.is_away:
            raise StoreUnavailableError("away")
        return super().changes_since(position)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self.is_away:
            raise StoreUnavailableError("away")
        with super()._alone():
            yield

    @contextmanager
    def read(self) -> Iterator[Snapshot]:  # type: ignore[override] # a narrower promise will do
        """Open a snapshot, unless the database is down."""
        if self.is_away:
            raise StoreUnavailableError("away")
        with super().read() as reader:
            yield reader


@pytest.fixture
def seconds() -> HandSeconds:
    """Return the cache's own time."""
    return HandSeconds()


@pytest.fixture
def cache(store: Store, seconds: HandSeconds) -> StoreCache:
    """Return a cache before an empty store of each kind."""
    return StoreCache(store, monotonic=seconds)


@pytest.fixture
def breakable(clock: HandClock) -> Breakable:
    """Return a store whose database can go down."""
    return Breakable(clock)


def find_user(reader: Reader, name: str) -> Record | None:
    """Load one user."""
    return reader.find("user", ACCOUNT, name)


def list_users(reader: Reader, prefix: str) -> tuple[str, ...]:
    """Load the names below a path."""
    return tuple(record.sort for record in reader.page("user", ACCOUNT, limit=100, prefix=prefix))


def count_members(reader: Reader, group: str) -> int:
    """Load the size of a group."""
    return len(reader.sources("member", group))


def test_the_event_loop_is_never_kept_waiting(cache: StoreCache) -> None:
    """`cached_only` raises WouldBlockError until the value is loaded, then returns the same object."""
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/")
    loaded = cache.loading.get(list_users, "/")
    assert cache.cached_only.get(list_users, "/") is loaded
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/other/")


def test_the_next_request_sees_a_write(store: Store, cache: StoreCache) -> None:
    """After a write the cache is not used before it has read the changes, and then it is correct."""
    assert cache.loading.get(find_user, "ada") is None
    with store.write() as writer:
        writer.insert(user("ada"))
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(find_user, "ada")
    assert cache.loading.get(find_user, "ada") == user("ada")
    assert cache.cached_only.get(find_user, "ada") == user("ada")


def test_the_generation_changes_with_the_values(store: Store, cache: StoreCache) -> None:
    """It is None while values cannot be used, stays the same for a new value, and changes if a value leaves."""
    assert cache.cached_only.generation() is None
    cache.loading.get(find_user, "ada")
    first = cache.cached_only.generation()
    cache.loading.get(find_user, "bob")
    assert cache.cached_only.generation() == first is not None
    with store.write() as writer:
        writer.insert(user("ada"))
    assert cache.cached_only.generation() != first
    cache.poll()
    assert cache.cached_only.generation() not in (None, first)


def test_an_evicted_value_changes_the_generation(store: Store, seconds: HandSeconds) -> None:
    """A reader that keeps derived values must notice it too."""
    cache = StoreCache(store, max_entries=1, monotonic=seconds)
    cache.loading.get(find_user, "ada")
    first = cache.cached_only.generation()
    cache.loading.get(find_user, "bob")
    assert cache.cached_only.generation() != first


def test_a_write_elsewhere_is_seen_within_a_second(clock: HandClock, seconds: HandSeconds) -> None:
    """Without a change counter, as between machines, values are used for less than a second without a query."""
    store = MemoryStore(clock)
    elsewhere = StoreCache(store, monotonic=seconds)
    elsewhere.loading.get(find_user, "ada")
    change_counter = store.change_counter[0]
    with store.write() as writer:
        writer.insert(user("ada"))
    store._change_counter[0] = change_counter  # the counter does not change
    assert elsewhere.cached_only.get(find_user, "ada") is None
    seconds.seconds += FRESH_SECONDS
    assert FRESH_SECONDS < 1
    with pytest.raises(WouldBlockError):
        elsewhere.cached_only.get(find_user, "ada")
    assert elsewhere.loading.get(find_user, "ada") == user("ada")


def test_polling_keeps_values_usable(cache: StoreCache, seconds: HandSeconds) -> None:
    """A poll without changes makes all values usable for the same time again."""
    value = cache.loading.get(list_users, "/")
    for _ in range(5):
        seconds.seconds += FRESH_SECONDS * 0.7
        cache.poll()
        assert cache.cached_only.get(list_users, "/") is value


@pytest.mark.parametrize(("path", "is_kept"), [("/eng/", False), ("/eng/web/", False), ("/ops/", True), ("/", True)])
def test_a_cached_list_minds_only_its_own_folder(store: Store, cache: StoreCache, path: str, *, is_kept: bool) -> None:
    """Only changes below a path drop a list below that path."""
    with store.write() as writer:
        writer.insert(user("ada", path="/eng/"))
    value = cache.loading.get(list_users, "/eng/")
    with store.write() as writer:
        writer.insert(user("new", path=path))
    assert (cache.loading.get(list_users, "/eng/") is value) is is_kept
    assert cache.loading.get(list_users, "/eng/") == tuple(
        sort for sort in ("/eng/ada", path + "new") if sort.startswith("/eng/")
    )


def test_a_move_disturbs_where_it_leaves_and_where_it_arrives(store: Store, cache: StoreCache) -> None:
    """A changed path drops the lists of both folders."""
    with store.write() as writer:
        writer.insert(user("ada", path="/eng/"))
    assert cache.loading.get(list_users, "/eng/") == ("/eng/ada",)
    assert cache.loading.get(list_users, "/ops/") == ()
    with store.write() as writer:
        writer.replace(user("ada", path="/ops/"))
    assert cache.loading.get(list_users, "/eng/") == ()
    assert cache.loading.get(list_users, "/ops/") == ("/ops/ada",)


def test_links_disturb_both_ends_and_nobody_else(store: Store, cache: StoreCache) -> None:
    """A link drops the cached reads of its source and of its target."""
    assert cache.loading.get(count_members, "g") == 0
    kept = cache.loading.get(list_users, "/")
    with store.write() as writer:
        writer.link(Link("member", "u", "g"))
    assert cache.loading.get(count_members, "g") == 1
    assert cache.loading.get(list_users, "/") is kept


def test_a_load_that_a_write_overtakes_leaves_nothing_stale(store: Store, cache: StoreCache) -> None:
    """A value of a snapshot older than the state of the cache is returned, and not kept."""

    def overtaken(reader: Reader, name: str) -> Record | None:
        found = reader.find("user", ACCOUNT, name)
        with store.write() as writer:
            writer.link(Link("member", "u", str(found)))
            if found is None:
                writer.insert(user(name))
        cache.catch_up()
        return found

    assert cache.loading.get(overtaken, "ada") is None
    assert cache.loading.get(overtaken, "ada") == user("ada")


def test_a_refusal_is_not_kept(store: Store, cache: StoreCache) -> None:
    """A loader's exception is raised each time."""
    calls: list[str] = []

    def refuse(reader: Reader) -> None:
        calls.append("asked")
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            cache.loading.get(refuse)
    assert len(calls) == 2


def test_a_loader_may_not_read_the_revision(cache: StoreCache) -> None:
    """It would differ after every write, and the cache could not detect that."""
    with pytest.raises(TypeError, match="revision"):
        cache.loading.get(lambda reader: reader.revision())


def test_all_is_dropped_when_the_log_does_not_reach_back(
    store: Store, cache: StoreCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that missed too many writes is cleared."""
    monkeypatch.setattr("daypass.storage.memory.LOG_LENGTH", 2)
    monkeypatch.setattr("daypass.storage.sql.sql_writer.LOG_LENGTH", 2)
    monkeypatch.setattr("daypass.storage.sql.sqlite_writer.TRIM_EVERY", 1)
    assert cache.loading.get(find_user, "ada") is None
    with store.write() as writer:
        writer.insert(user("ada"))
    for number in range(4):
        with store.write() as writer:
            writer.link(Link("member", "u", str(number)))
    assert cache.loading.get(find_user, "ada") == user("ada")
    kept = cache.loading.get(list_users, "/")
    assert cache.cached_only.get(list_users, "/") is kept


def test_what_is_cached_is_served_while_the_database_is_away(breakable: Breakable, seconds: HandSeconds) -> None:
    """Cached values stay usable, other reads raise StoreUnavailableError, and both recover with the database."""
    cache = StoreCache(breakable, monotonic=seconds)
    known = cache.loading.get(list_users, "/")
    breakable.is_away = True
    for _ in range(3):
        seconds.seconds += 10
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(list_users, "/")
        assert cache.loading.get(list_users, "/") is known
        assert cache.cached_only.get(list_users, "/") is known
        assert cache.is_away
        with pytest.raises(StoreUnavailableError):
            cache.loading.get(find_user, "ada")
    breakable.is_away = False
    cache.poll()
    assert not cache.is_away
    with breakable.write() as writer:
        writer.insert(user("ada"))
    assert cache.loading.get(list_users, "/") == ("/ada",)


def test_values_are_not_served_beyond_the_stale_bound(breakable: Breakable, seconds: HandSeconds) -> None:
    """A database that does not answer for `stale_seconds` makes every read fail, exactly at the bound."""
    cache = StoreCache(breakable, stale_seconds=60, monotonic=seconds)
    known = cache.loading.get(list_users, "/")
    breakable.is_away = True
    seconds.seconds += 59.5
    assert cache.loading.get(list_users, "/") is known
    assert cache.cached_only.get(list_users, "/") is known
    seconds.seconds += 0.5
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/")
    with pytest.raises(StoreUnavailableError):
        cache.loading.get(list_users, "/")
    with cache._poller._by_hand, pytest.raises(StoreUnavailableError):  # another thread is waiting for the database
        cache.loading.get(list_users, "/")
    breakable.is_away = False
    assert cache.loading.get(list_users, "/") == known


def test_nothing_is_served_after_a_write_that_cannot_be_caught_up_with(
    breakable: Breakable, seconds: HandSeconds
) -> None:
    """The machine knows that the store changed but not how: requests get StoreUnavailableError."""
    cache = StoreCache(breakable, monotonic=seconds)
    cache.loading.get(list_users, "/")
    with breakable.write() as writer:
        writer.insert(user("ada"))
    breakable.is_away = True
    for _ in range(2):
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(list_users, "/")
        with pytest.raises(StoreUnavailableError):
            cache.loading.get(list_users, "/")


def test_one_waits_for_an_absent_database_and_the_others_go_on(breakable: Breakable, seconds: HandSeconds) -> None:
    """While it is known to be down, only one thread at a time waits for it."""
    cache = StoreCache(breakable, monotonic=seconds)
    known = cache.loading.get(list_users, "/")
    breakable.is_away = True
    seconds.seconds += 10
    cache.loading.get(list_users, "/")
    seconds.seconds += 10
    with cache._poller._by_hand:  # another thread is waiting for the database
        assert cache.loading.get(list_users, "/") is known


def test_the_cache_stays_within_its_bounds(store: Store, seconds: HandSeconds) -> None:
    """The limits of entries, bytes and recorded dependencies hold."""
    cache = StoreCache(store, max_entries=50, max_bytes=100_000, monotonic=seconds)
    with store.write() as writer:
        for number in range(10):
            writer.insert(user(f"big{number}", body=b"x" * 20_000))
            writer.insert(user(f"huge{number}", body=b"x" * 200_000))
    for number in range(200):
        cache.loading.get(find_user, f"nobody{number}")
    assert len(cache._entries) == 50
    for number in range(10):
        cache.loading.get(find_user, f"big{number}")
        cache.loading.get(find_user, f"huge{number}")
    assert cache._entries.weight <= 100_000
    assert len(cache._entries._dependents) == len(cache._entries)


def test_a_flood_of_unknown_names_does_not_push_out_what_is_used(store: Store, seconds: HandSeconds) -> None:
    """Used entries get a second chance; names that were read once do not."""
    cache = StoreCache(store, max_entries=20, max_bytes=10**9, monotonic=seconds)
    cache.loading.get(list_users, "/")
    for number in range(500):
        cache.cached_only.get(list_users, "/")
        cache.loading.get(find_user, f"nobody{number}")


def find_of(reader: Reader, account: str, name: str) -> Record | None:
    """Load one user of an account."""
    return reader.find("user", account, name)


def by_invention(_reader: Reader, _text: str, _account: str) -> None:
    """Load a value that is made of no record."""


charged_to(1)(by_invention)


@pytest.mark.parametrize("bounds", [(10**6, 200_000), (60, 10**9)], ids=["bytes", "entries"])
@pytest.mark.parametrize("flood", ["records", "invented", "unknown", "another's names"])
def test_no_account_pushes_out_another(store: Store, seconds: HandSeconds, bounds: tuple[int, int], flood: str) -> None:
    """An account that fills the cache loses its own entries, even against entries that are used once an hour."""
    cache = StoreCache(store, max_entries=bounds[0], max_bytes=bounds[1], monotonic=seconds)
    others = [f"{number:012}" for number in range(10)]
    with store.write() as writer:
        for account in others:
            writer.insert(user("ada", account=account, body=b"x" * 100))
        for number in range(300):
            writer.insert(user(f"u{number}", account=ACCOUNT, body=b"x" * 1_000))
    kept = [cache.loading.get(find_of, account, "ada") for account in others]
    for number in range(300):
        if flood == "records":
            cache.loading.get(find_of, ACCOUNT, f"u{number}")
        elif flood == "invented":
            cache.loading.get(by_invention, "x" * 1_000 + str(number), ACCOUNT)
        else:
            cache.loading.get(find_of, ACCOUNT if flood == "unknown" else others[0], f"nobody{number}")
    assert cache._entries.weight <= bounds[1]
    assert len(cache._entries) <= bounds[0]
    assert [cache.cached_only.get(find_of, account, "ada") for account in others] == kept


def test_the_account_with_the_most_entries_is_found_without_reading_all() -> None:
    """The notes of who holds how much stay few, and they are right whatever was dropped meanwhile."""
    entries = Entries(max_entries=500, max_bytes=10**9)
    random = Random(7)  # noqa: S311 - a test's numbers
    for number in range(20_000):
        owner = f"{random.randrange(100)}"
        entries.put((owner, random.randrange(50)), CacheEntry(None, (), random.randrange(5_000), owner))
        entries.drop((f"{random.randrange(100)}", random.randrange(50)))
        if number % 500 == 0 and len(entries):
            weights: Counter[str] = Counter()
            for entry in entries._entries.values():
                weights[entry.owner] += entry.weight
            assert entries._shares.heaviest().weight == max(weights.values())
    assert len(entries._shares._notes) <= 64 + 2 * 100 + 1


def test_the_poller_brings_news_by_itself(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A started cache polls in the background, survives an absent database, and stops when it is closed."""
    monkeypatch.setattr("daypass.storage.change_queries.POLL_SECONDS", 0.001)
    store = Breakable(clock)
    store.is_away = True
    cache = StoreCache(store)
    cache.start()
    for _ in range(3):
        assert store.asked.acquire(timeout=60)
    assert cache.is_away
    store.is_away = False
    while _is_away(cache):
        assert store.asked.acquire(timeout=60)
    cache.close()
    assert not cache._poller._watcher.is_running
    assert not cache._poller._asker.is_running


def _is_away(cache: StoreCache) -> bool:
    return cache.is_away


def test_two_handles_on_one_database_see_each_other(database_url: str, clock: HandClock, seconds: HandSeconds) -> None:
    """The other handle's next request sees a write, because of the change counter."""
    here, there = (open_store(database_url, clock=clock) for _ in range(2))
    cache = StoreCache(here, monotonic=seconds)
    for number in range(20):
        assert len(cache.loading.get(list_users, "/")) == number
        with there.write() as writer:
            writer.insert(user(f"u{number:02}"))
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(list_users, "/")
    here.close()
    there.close()


def test_a_hit_costs_a_microsecond(sqlite_url: str, clock: HandClock) -> None:
    """The hottest line of the server.

    The bound is generous, because test machines are busy.
    """
    store = open_store(sqlite_url, clock=clock)
    cache = StoreCache(store, monotonic=lambda: 0.0)
    cache.loading.get(find_user, "ada")
    get = cache.cached_only.get
    best = min(timeit.repeat(lambda: get(find_user, "ada"), number=2000, repeat=20)) / 2000
    store.close()
    assert best < 5e-6
