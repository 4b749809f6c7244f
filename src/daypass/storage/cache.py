"""The cache before the store: derived values that are dropped the moment they would differ.

Owns freshness. A value may be used while three things hold: the beacon shows the number that we last caught up
with (so no process of this machine has written since), the store was asked for news within the last second
(so no other machine has, for longer than that), and nothing that the value was derived from was touched.

A value is derived inside one snapshot, without any lock. It is kept only if that snapshot is not older than
what the cache has already caught up with; changes after the snapshot are caught up with later and drop it then.

While the database is away, what is cached goes on being served, except after a write of this machine that the
cache could not catch up with: then nobody may be told what was true before.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

from daypass.background import Background
from daypass.directory.store import Changes, Reader, Store, StoreUnavailable, WouldBlock, charged_argument, is_little
from daypass.storage.entries import Entries, Entry
from daypass.storage.recording import RecordingReader
from daypass.storage.touched import disturbed

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

POLL_SECONDS = 0.5  # how often news is asked for when nothing rings
FRESH_SECONDS = 0.9  # how long the answer is good for, from the moment of asking
_LONGEST_NAME = 256  # a longer argument is no name but a text that a value is made of, such as a session policy
_LITTLE_BYTES = 65_536  # what a loader that keeps little of large records is weighed as
_TEXT_WEIGHT = 6  # such a text against a stored body: it is all policy, and compiled it is largest


def _owner_of(loader: Callable[..., Any], args: tuple[Hashable, ...], accounts: AbstractSet[str]) -> str:
    """Return the account that a value counts for, or nothing where it is of none or of several."""
    place = charged_argument(loader)
    if place is not None:
        return str(args[place]) if place < len(args) else ""
    return next(iter(accounts)) if len(accounts) == 1 else ""


class _Freshness:
    """Whether the entries may be used now. One thread writes it at a time; everybody reads it."""

    __slots__ = ("beacon", "monotonic", "seen", "until")

    def __init__(self, beacon: Sequence[int], monotonic: Callable[[], float]) -> None:
        self.beacon = beacon
        self.monotonic = monotonic
        self.seen: int | None = None  # the beacon when we last caught up
        self.until = float("-inf")

    def is_given(self) -> bool:
        """Tell whether nothing can have changed that the entries do not show."""
        return self.beacon[0] == self.seen and self.monotonic() < self.until

    def is_overtaken(self) -> bool:
        """Tell whether a process of this machine wrote something that the entries may not show."""
        return self.beacon[0] != self.seen

    def now(self) -> tuple[int, float]:
        """Return what the beacon and the clock say, to be granted after the question asked at this instant."""
        return self.beacon[0], self.monotonic()


class CachedOnly:
    """The cache as the event loop may use it: raises WouldBlock rather than wait."""

    __slots__ = ("_entry", "_freshness")

    def __init__(self, freshness: _Freshness, entries: Entries) -> None:
        self._freshness = freshness
        self._entry = entries.get

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the cached value. It costs less than a microsecond."""
        given = self._freshness
        # What is_given says, written out: this is asked half a dozen times by every request.
        if given.beacon[0] != given.seen or given.monotonic() >= given.until:
            raise WouldBlock
        entry = self._entry((loader, args))
        if entry is None:
            raise WouldBlock
        entry.used = True
        value: T = entry.value
        return value


class Loading:
    """The cache as worker threads use it: catches up and loads as needed, or raises StoreUnavailable."""

    __slots__ = ("_cache",)

    def __init__(self, cache: "Cache") -> None:
        self._cache = cache

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the value, from the cache or else from the store."""
        self._cache.catch_up()
        value: T = self._cache.find_or_load(loader, args)
        return value


class Cache:
    """Keeps what loaders make of a store, within bounds of number and approximate size, which accounts share."""

    def __init__(
        self,
        store: Store,
        *,
        max_entries: int = 50_000,
        max_bytes: int = 64 * 2**20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._entries = Entries(max_entries=max_entries, max_bytes=max_bytes)
        self._changing = threading.Lock()  # around changes to entries; never held while the store is asked
        self._asking = threading.Lock()  # one thread at a time asks for news
        self._freshness = _Freshness(store.beacon, monotonic)
        self._revision = -1  # the entries are as new as this, or newer
        self._is_away = False
        self._poller = Background("cache-poll", self._poll_until_closed)
        self.cached_only = CachedOnly(self._freshness, self._entries)
        self.loading = Loading(self)

    @property
    def is_away(self) -> bool:
        """Tell whether the database did not answer when it was last asked for news."""
        return self._is_away

    def start(self) -> None:
        """Ask for news in the background, so that requests on the event loop need not wait for it."""
        self._poller.start()

    def close(self) -> None:
        """Stop asking. The store is not this cache's to close."""
        self._poller.stop()

    def poll(self) -> None:
        """Ask for news, however fresh the last ones are. Raises StoreUnavailable as `catch_up` does."""
        with self._asking:
            self._ask()

    def catch_up(self) -> None:
        """See that the entries may be used, or raise StoreUnavailable."""
        if self._freshness.is_given():
            return
        # While the database is away one thread waits for it; the others go on with what there is.
        if not self._asking.acquire(blocking=not self._is_away):
            if self._freshness.is_overtaken():
                raise StoreUnavailable("the database is away, and there are changes it has not told yet")
            return
        try:
            if not self._freshness.is_given():
                self._ask()
        finally:
            self._asking.release()

    def find_or_load(self, loader: Callable[..., Any], args: tuple[Hashable, ...]) -> Any:
        """Return the entry's value, or make it from one snapshot of the store."""
        entry = self._entries.get((loader, args))
        if entry is not None:
            entry.used = True
            return entry.value
        with self._store.read() as reader:
            revision = reader.revision()
            recording = RecordingReader(reader)
            value = loader(recording, *args)
        texts = sum(len(text) for text in args if isinstance(text, str) and len(text) > _LONGEST_NAME)
        read_bytes = min(recording.read_bytes, _LITTLE_BYTES) if is_little(loader) else recording.read_bytes
        owner = _owner_of(loader, args, recording.accounts)
        loaded = Entry(value, recording.asked, read_bytes + _TEXT_WEIGHT * texts, owner)
        with self._changing:
            if revision >= self._revision:
                self._entries.put((loader, args), loaded)
        return value

    def _ask(self) -> None:
        light, asked_at = self._freshness.now()
        try:
            self._take_in(self._store.changes_since(self._revision))
        except StoreUnavailable:
            self._is_away = True
            if self._freshness.is_overtaken():
                raise
            _, asked_at = self._freshness.now()  # the waiting must not eat up the time until the next attempt
        else:
            self._is_away = False
            self._freshness.seen = light
        self._freshness.until = asked_at + FRESH_SECONDS

    def _take_in(self, changes: Changes | None) -> None:
        if changes is None:
            revision = self._store.revision()  # before the entries go: what is loaded from here on is as new
            with self._changing:
                self._entries.clear()
                self._revision = revision
            return
        with self._changing:
            for touch in changes.touched:
                for dependency in disturbed(touch):
                    self._entries.drop_dependents(dependency)
            self._revision = changes.revision

    def _poll_until_closed(self) -> None:
        while not self._poller.stopping.wait(POLL_SECONDS):
            with suppress(StoreUnavailable):  # it is remembered in _is_away, and requests are told themselves
                self.poll()
