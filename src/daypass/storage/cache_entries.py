"""The entries of the cache: their bounds, eviction and dependencies.

Owns the limits, the shares of accounts, and the index from dependencies to entries. Only `get` is safe for threads:
cache.py holds a lock around all other calls.

* Of too many entries, the account with the largest share loses one, so it cannot evict those of a smaller share.
* Within one account, an entry used since its last check gets a second chance, so a flood of unknown names evicts other
  unknown names first.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from daypass.storage.invalidation import Dependency

_OVERHEAD_BYTES = 1024  # an entry without its value: keys, index, objects
_BYTES_PER_BODY_BYTE = 4  # the size of a parsed and compiled value, relative to its stored body
_SPARE_NOTES = 64

Key = tuple[Any, ...]  # a loader and its arguments


class CacheEntry:
    """A derived value.

    Readers set `used`, eviction clears it. `owner` is the account that it counts for, and `number` that of the last
    write in the snapshot from which the value was derived.
    """

    __slots__ = ("_overhead", "dependencies", "number", "owner", "used", "value", "weight")

    def __init__(self, value: Any, dependencies: Iterable[Dependency], read_bytes: int, owner: str = "") -> None:
        self.value = value
        self.dependencies = tuple(dependencies)
        self.owner = owner
        self.used = False
        self.number = -1
        self._overhead = _OVERHEAD_BYTES * (1 + len(self.dependencies) // 4)
        self.weight = self._overhead + _BYTES_PER_BODY_BYTE * read_bytes

    def weigh(self, value_bytes: int) -> None:
        """Replace the estimated size of the value by a measured one."""
        self.weight = self._overhead + value_bytes


class _Share:
    """The entries of one account, oldest first."""

    __slots__ = ("entries", "weight")

    def __init__(self) -> None:
        self.entries: OrderedDict[Key, CacheEntry] = OrderedDict()
        self.weight = 0


class _Shares:
    """The share of each account. Finds the largest share.

    `_notes` is a heap of (minus weight, account). Each growth adds a note. An outdated note is corrected at the top, so
    finding the largest share takes about the logarithm of the number of accounts.
    """

    def __init__(self) -> None:
        self._by_owner: dict[str, _Share] = {}
        self._notes: list[tuple[int, str]] = []

    def add(self, key: Key, entry: CacheEntry) -> None:
        share = self._by_owner.setdefault(entry.owner, _Share())
        share.entries[key] = entry
        share.weight += entry.weight
        if len(self._notes) > _SPARE_NOTES + 2 * len(self._by_owner):
            self._notes = [(-share.weight, owner) for owner, share in self._by_owner.items()]
            heapq.heapify(self._notes)
        else:
            heapq.heappush(self._notes, (-share.weight, entry.owner))

    def remove(self, key: Key, entry: CacheEntry) -> None:
        share = self._by_owner[entry.owner]
        del share.entries[key]
        share.weight -= entry.weight
        if not share.entries:
            del self._by_owner[entry.owner]

    def heaviest(self) -> _Share:
        """Return the share with the largest weight. There must be at least one."""
        while True:
            noted, owner = self._notes[0]
            share = self._by_owner.get(owner)
            if share is not None and share.weight == -noted:
                return share
            heapq.heappop(self._notes)
            if share is not None and share.weight < -noted:
                heapq.heappush(self._notes, (-share.weight, owner))


class Entries:
    """At most `max_entries` values with about `max_bytes` in total."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: dict[Key, CacheEntry] = {}
        self._shares = _Shares()
        # One key by itself, or a set of several: most records have one dependent, and a set takes 216 bytes.
        self._dependents: dict[Dependency, Key | set[Key]] = {}
        self._weight = 0
        # Grows after an entry was removed. Otherwise a reader could keep the removed value under the new number.
        self.generation = 0
        self.get = self._entries.get  # bound once: this is the hottest line of the server

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """The approximate number of bytes of all entries."""
        return self._weight

    def put(self, key: Key, entry: CacheEntry) -> None:
        """Store an entry, and evict others if there are too many.

        An entry larger than the limit is not stored.
        """
        self.drop(key)
        if entry.weight > self._max_bytes or self._max_entries < 1:
            return
        self._entries[key] = entry
        self._shares.add(key, entry)
        self._weight += entry.weight
        for dependency in entry.dependencies:
            self._add_dependent(dependency, key)
        while len(self._entries) > self._max_entries or self._weight > self._max_bytes:
            self._let_one_go()

    def drop(self, key: Key) -> None:
        """Remove an entry if it exists."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.generation += 1
        self._shares.remove(key, entry)
        self._weight -= entry.weight
        for dependency in entry.dependencies:
            self._remove_dependent(dependency, key)

    def drop_dependents(self, dependency: Dependency, *, unless_number: int | None = None) -> None:
        """Remove every entry that depends on this query.

        Entries of the snapshot `unless_number` stay.
        """
        known = self._dependents.get(dependency)
        if known is None:
            return
        for key in tuple(known) if isinstance(known, set) else (known,):
            if self._entries[key].number != unless_number:
                self.drop(key)

    def _add_dependent(self, dependency: Dependency, key: Key) -> None:
        known = self._dependents.setdefault(dependency, key)
        if isinstance(known, set):
            known.add(key)
        elif known != key:
            self._dependents[dependency] = {known, key}

    def _remove_dependent(self, dependency: Dependency, key: Key) -> None:
        known = self._dependents[dependency]
        if isinstance(known, set):
            known.discard(key)
        if not isinstance(known, set) or not known:
            del self._dependents[dependency]

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self.generation += 1
        self._shares = _Shares()
        self._dependents.clear()
        self._weight = 0

    def _let_one_go(self) -> None:
        """Drop the oldest unused entry of the account with the largest share.

        A used entry is skipped and marked as unused, so the loop ends.
        """
        entries = self._shares.heaviest().entries
        while True:
            key, entry = next(iter(entries.items()))
            if not entry.used:
                self.drop(key)
                return
            entry.used = False
            entries.move_to_end(key)
