"""The cache's entries: what was derived, from which questions, and which to let go of when there are too many.

Owns the bounds and the index from questions to entries; knows no store and no time. Not safe for threads by
itself, but for `get`: cache.py holds a lock around everything else.
An entry that was used since it was last looked at gets a second chance, so that a flood of unknown names pushes
out other unknown names before it pushes out what the traffic lives on.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any

from daypass.storage.touched import Dependency

_OVERHEAD_BYTES = 1024  # an entry without its value: keys, index, objects
_BYTES_PER_BODY_BYTE = 4  # a parsed and compiled value against the body it was made of


class Entry:
    """A derived value. `used` is set by every reader and cleared by the sweep."""

    __slots__ = ("asked", "used", "value", "weight")

    def __init__(self, value: Any, asked: Iterable[Dependency], read_bytes: int) -> None:
        self.value = value
        self.asked = tuple(asked)
        self.used = False
        self.weight = _OVERHEAD_BYTES * (1 + len(self.asked) // 4) + _BYTES_PER_BODY_BYTE * read_bytes


class Entries:
    """At most `max_entries` values of together about `max_bytes`."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._dependents: dict[Dependency, set[Hashable]] = {}
        self._weight = 0
        self.get = self._entries.get  # bound once: this is the hottest line of the server

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """About how many bytes the entries hold."""
        return self._weight

    def put(self, key: Hashable, entry: Entry) -> None:
        """Keep an entry, and let go of others where there are too many. One too large for all is not kept."""
        self.drop(key)
        if entry.weight > self._max_bytes or self._max_entries < 1:
            return
        self._entries[key] = entry
        self._weight += entry.weight
        for dependency in entry.asked:
            self._dependents.setdefault(dependency, set()).add(key)
        while len(self._entries) > self._max_entries or self._weight > self._max_bytes:
            self._let_one_go()

    def drop(self, key: Hashable) -> None:
        """Forget an entry, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._weight -= entry.weight
        for dependency in entry.asked:
            keys = self._dependents[dependency]
            keys.discard(key)
            if not keys:
                del self._dependents[dependency]

    def drop_dependents(self, dependency: Dependency) -> None:
        """Forget every entry that asked this question."""
        for key in tuple(self._dependents.get(dependency, ())):
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._dependents.clear()
        self._weight = 0

    def _let_one_go(self) -> None:
        """Drop the oldest unused entry. Each used one that is passed over loses its mark, so this ends."""
        while True:
            key, entry = next(iter(self._entries.items()))
            if not entry.used:
                self.drop(key)
                return
            entry.used = False
            self._entries.move_to_end(key)
