"""The cache in front of the store: derived values that are always fresh.

Owns freshness. A value can be used while three conditions are true:

* The change counter is as at the cache's last update: no process of this machine has written since.
* The cache queried the store for changes within the last second, and misses another machine's writes only for that
  time.
* No data from which the value was derived has changed.

A value is derived from one snapshot, without a lock, and kept only if the snapshot is at least as new as the cache. The
next update drops it if a later change affects it.

A database may go back, by a failover or a restored backup, and then count other writes with the same numbers. So the
cache compares positions, which contain a nonce: if the store's history lacks the position of the cache, or that of a
snapshot from which a value was kept, every value is dropped.

While the database is unavailable, cached values are still served, for at most `stale_seconds` since the last query that
it answered: a revocation may be among the changes that the cache cannot see. The exception is a write of this machine
that the cache has not seen: then requests fail at once, because they must not get the old values.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Literal, NamedTuple, TypeVar, TypeVarTuple

from daypass.directory.changes import NOWHERE, Changes, Position, StoreChange
from daypass.directory.loader_marks import charged_argument, find_measure, is_little, is_short
from daypass.directory.store import Reader, Snapshot, Store, WouldBlockError
from daypass.metrics.snapshot import Reading
from daypass.storage.cache_entries import CacheEntry, Entries, Key
from daypass.storage.change_poller import ChangePoller
from daypass.storage.change_queries import ChangeQuery
from daypass.storage.freshness import Freshness
from daypass.storage.invalidation import invalidated_keys
from daypass.storage.loop_reads import LOAD_LIMITS, LoopReads
from daypass.storage.recording_reader import RecordingReader
from daypass.storage.refusals import StoreReplacedError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STALE_SECONDS = 300  # how long values are served while the database does not answer
_LONGEST_NAME = 256  # a longer argument is not a name but the source of a value, such as a session policy
_LITTLE_BYTES = 65_536  # the maximum weight for a loader that keeps little of large records
_TEXT_WEIGHT = 6  # the weight of such a string, relative to a stored body: compiled policies are the largest values


def _owner_of(loader: Callable[..., Any], args: tuple[Hashable, ...], accounts: AbstractSet[str]) -> str:
    """Return the account whose share a value counts against.

    It is empty if the value belongs to no account or several.
    """
    place = charged_argument(loader)
    if place is not None:
        return str(args[place]) if place < len(args) else ""
    return next(iter(accounts)) if len(accounts) == 1 else ""


def _derive(reader: Snapshot, loader: Callable[..., Any], args: tuple[Hashable, ...]) -> tuple[CacheEntry, Position]:
    """Return the entry of a value that is derived from a snapshot, and the snapshot's position."""
    position = reader.position()
    recording = RecordingReader(reader)
    value = loader(recording, *args)
    texts = sum(len(text) for text in args if isinstance(text, str) and len(text) > _LONGEST_NAME)
    read_bytes = min(recording.read_bytes, _LITTLE_BYTES) if is_little(loader) else recording.read_bytes
    owner = _owner_of(loader, args, recording.accounts)
    loaded = CacheEntry(value, recording.dependencies, read_bytes + _TEXT_WEIGHT * texts, owner)
    loaded.number = position.number
    measure = find_measure(loader)
    if measure is not None:
        loaded.weigh(measure(value))
    return loaded, position


CacheHealth = Literal["ready", "degraded", "unable"]


class CacheProgress(NamedTuple):
    """How far a cache has read.

    Its entries show at least `position`. `age` is the time since it last asked the database, in seconds. If
    `is_overtaken` is true, this machine has written changes after `position`.
    """

    position: Position
    age: float
    is_overtaken: bool


class CachedOnly:
    """The cache for the event loop: raises WouldBlockError instead of waiting.

    `load` loads a missing value of a short loader at once. `follow` applies the writes that this machine announced, or
    raises WouldBlockError if the cache is still out of date.
    """

    __slots__ = ("_entries", "_entry", "_follow", "_freshness", "_load", "hits")

    def __init__(
        self,
        freshness: Freshness,
        entries: Entries,
        load: Callable[[Callable[..., Any], tuple[Hashable, ...]], Any],
        follow: Callable[[], None],
    ) -> None:
        self.hits = 0
        self._follow = follow
        self._freshness = freshness
        self._entries = entries
        self._entry = entries.get
        self._load = load

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the cached value. It costs less than a microsecond."""
        given = self._freshness
        # The body of is_given, inlined: every request runs this about six times.
        if given.change_counter[0] != given.seen or given.monotonic() >= given.until:
            self._follow()
        entry = self._entry((loader, args))
        value: T
        if entry is None:
            value = self._load(loader, args)
            return value
        entry.used = True
        self.hits += 1
        value = entry.value
        return value

    def generation(self) -> int | None:
        """Return a number that changes when a value leaves the cache.

        Returns None if values cannot be used now. While it stays the same, `get` returns the values that it returned.
        """
        given = self._freshness
        if given.change_counter[0] != given.seen or given.monotonic() >= given.until:
            try:
                self._follow()
            except WouldBlockError:
                return None
        return self._entries.generation


class Loading:
    """The cache for worker threads: it updates itself and loads as needed.

    Raises StoreUnavailableError if it cannot.
    """

    __slots__ = ("_cache",)

    def __init__(self, cache: "StoreCache") -> None:
        self._cache = cache

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the value from the cache, or load it from the store."""
        self._cache.catch_up()
        value: T = self._cache.find_or_load(loader, args)
        return value


class StoreCache:
    """Keeps the values that loaders derive from a store.

    Accounts share limits on the number of entries and their approximate size.
    """

    def __init__(
        self,
        store: Store,
        *,
        max_entries: int = 50_000,
        max_bytes: int = 64 * 2**20,
        stale_seconds: float = STALE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        loop_reads: LoopReads | None = None,
    ) -> None:
        self._store = store
        self._loop_reads = loop_reads
        self._entries = Entries(max_entries=max_entries, max_bytes=max_bytes)
        self._changing = threading.Lock()  # protects changes of the entries; never held during a query of the store
        self._freshness = Freshness(store.change_counter, monotonic, stale_seconds=stale_seconds)
        self._position = NOWHERE  # the entries are at least as new as this position
        # The positions of newer snapshots from which values were kept. The next update must find them in the history.
        self._ahead: set[Position] = set()
        self._misses = self._late_hits = 0  # of worker threads: values derived from the store, and found here
        self._announced_number = 0  # of the newest write that was announced: an older snapshot may lack it
        self._poller = ChangePoller(self._freshness, self._query, self._follow_announced)
        self.cached_only = CachedOnly(self._freshness, self._entries, self._load_at_once, self._follow_at_once)
        self.loading = Loading(self)

    def progress(self) -> CacheProgress:
        """Return how far the cache has read. It never blocks."""
        freshness = self._freshness
        heard_at, position = freshness.heard_at, self._position  # in this order: the position is at least as new
        is_overtaken = freshness.is_overtaken() or self._announced_number > position.number
        return CacheProgress(position, freshness.monotonic() - heard_at, is_overtaken)

    def start(self) -> None:
        """Start to poll for changes in the background."""
        self._poller.start()

    def close(self) -> None:
        """Stop polling. The caller closes the store."""
        self._poller.close()

    def poll(self) -> None:
        """Query the changes now. Raises StoreUnavailableError as `catch_up` does."""
        self._poller.poll()

    def catch_up(self) -> None:
        """Update the entries if necessary, or raise StoreUnavailableError."""
        self._poller.catch_up()

    async def wait_until_settled(self) -> None:
        """Wait until a new request need not wait for changes."""
        await self._poller.wait_until_settled()

    @property
    def is_away(self) -> bool:
        """Return whether the database does not answer in time."""
        return self._poller.is_away

    @property
    def queries_begun(self) -> int:
        """The number of the last query for changes that began."""
        return self._poller.begun

    @property
    def queries_answered(self) -> int:
        """The number of the last query for changes that the database answered."""
        return self._poller.answered

    @property
    def is_fresh(self) -> bool:
        """Return whether cached values can be used at once."""
        return self._freshness.is_given()

    def health(self) -> CacheHealth:
        """Return whether requests can be answered. It never blocks.

        `degraded`: the database is away, and cached values are served. `unable`: they may not be served any more.
        """
        if not self._freshness.is_usable():
            return "unable"
        if not self._poller.is_away:
            return "ready"
        if self._freshness.is_overtaken() and not self._follow_announced(blocking=False):
            return "unable"
        return "degraded"

    def find_or_load(self, loader: Callable[..., Any], args: tuple[Hashable, ...]) -> Any:
        """Return the entry's value, or derive it from one snapshot of the store."""
        entry = self._entries.get((loader, args))
        if entry is not None:
            entry.used = True
            self._late_hits += 1
            return entry.value
        with self._store.read() as reader:
            loaded, position = _derive(reader, loader, args)
        with self._changing:
            self._keep((loader, args), loaded, position)
        return loaded.value

    def _load_at_once(self, loader: Callable[..., Any], args: tuple[Hashable, ...]) -> Any:
        """Derive a value on the event loop, or raise WouldBlockError."""
        if self._loop_reads is None or not is_short(loader):
            raise WouldBlockError
        with self._loop_reads.open(LOAD_LIMITS) as reader:
            loaded, position = _derive(reader, loader, args)
        if self._changing.acquire(blocking=False):  # else another thread changes the entries: the next request keeps it
            try:
                self._keep((loader, args), loaded, position)
            finally:
                self._changing.release()
        return loaded.value

    def readings(self) -> Iterator[Reading]:
        """Yield the size and the use of the cache, for the metrics."""
        yield "daypass_cache_entries", (), len(self._entries)
        yield "daypass_cache_bytes", (), self._entries.weight
        yield "daypass_cache_hits_total", (), self.cached_only.hits + self._late_hits
        yield "daypass_cache_misses_total", (), self._misses
        yield "daypass_cache_age_seconds", (), max(0.0, self.progress().age)

    def _keep(self, key: Key, loaded: CacheEntry, position: Position) -> None:
        """Keep a value that was derived at this position. The caller holds `_changing`."""
        self._misses += 1
        if position.number < self._announced_number:
            return
        if position.number > self._position.number:
            self._ahead.add(position)
        elif position != self._position:
            return  # older, or of another history
        self._entries.put(key, loaded)

    def _follow_at_once(self) -> None:
        if not (self._freshness.is_overtaken() and self._follow_announced(blocking=False) and self.is_fresh):
            raise WouldBlockError

    def _follow_announced(self, *, blocking: bool = True) -> bool:
        """Apply the writes that this machine announced, and return whether that are all.

        Neither the position nor the time until which values are valid changes: other machines announce nothing here.
        """
        if not self._changing.acquire(blocking=blocking):
            return False
        try:
            seen = self._freshness.seen
            if seen == self._freshness.change_counter[0]:
                return True
            announced = None if seen is None else self._store.announced(seen)
            if announced is None:
                return False
            self._drop_changed(announced.changed)
            self._announced_number = max(self._announced_number, announced.number)
            self._freshness.seen = announced.counter
        finally:
            self._changing.release()
        return True

    def _query(self, query: ChangeQuery) -> None:
        with self._changing:
            ahead = frozenset(self._ahead)  # those that are added from now on may be newer than the answer
            announced = self._announced_number
        try:
            changes = self._store.changes_since(self._position)
        except StoreReplacedError:
            with self._changing:
                self._start_anew(NOWHERE)
                self._freshness.forget()
            raise
        self._take_in(query, changes, ahead)
        with self._changing:
            if self._announced_number == announced:  # the answer has them, unless a failover lost them
                self._announced_number = 0

    def _take_in(self, query: ChangeQuery, changes: Changes | None, ahead: frozenset[Position]) -> None:
        """Apply the changes, or drop every value if one of them may be of another history."""
        if changes is not None:
            with self._changing:
                if self._follow(changes, ahead):
                    self._freshness.take_in(query)
                    return
        position = self._store.position()  # read before the entries are dropped: later loads are at least as new
        with self._changing:
            self._start_anew(position)
            self._freshness.take_in(query)

    def _start_anew(self, position: Position) -> None:
        """Drop every value. The caller holds `_changing`."""
        self._entries.clear()
        self._ahead.clear()
        self._position = position
        self._misses = self._late_hits = 0  # of worker threads: values derived from the store, and found here
        self._announced_number = 0  # the query began before later announcements: they are followed again

    def _follow(self, changes: Changes, ahead: frozenset[Position]) -> bool:
        """Apply the changes, and return whether all values are of their history. The caller holds `_changing`.

        `ahead` are the positions of values that were kept before the query for changes, whose answer must have them.
        """
        newest = changes.position
        passed = {position for position in self._ahead if position in ahead or position.number <= newest.number}
        if not all(map(changes.has_passed, passed)):
            return False
        self._ahead -= passed
        # A value of the newest snapshot has these changes: it was read after their announcement.
        self._drop_changed(changes.changed, unless_number=newest.number)
        self._position = newest
        return True

    def _drop_changed(self, changed: Iterable[StoreChange], unless_number: int | None = None) -> None:
        for change in changed:
            for dependency in invalidated_keys(change):
                self._entries.drop_dependents(dependency, unless_number=unless_number)
