"""The lifecycle of a key in a ring: published, active, retired, destroyed.

Owns the rules for keys of every kind.

- A key becomes active at its activation time, and the previous key retires at the same instant.
- Only activation times are stored, so nodes cannot disagree about a key's state.
- A retired key is kept until everything that it made has expired.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

# The largest difference between the clocks of two nodes, in seconds.
SKEW = 300

Material = TypeVar("Material")


class KeyState(Enum):
    """The state of a key."""

    PUBLISHED = "published"  # known, not used yet
    ACTIVE = "active"  # seals (or signs) and opens
    RETIRED = "retired"  # opens only
    DESTROYED = "destroyed"  # cannot be needed any more, to be removed


# Without slots: a generic alias sets an attribute on its instances, which a frozen class with slots does not allow
# (CPython 3.11).
@dataclass(frozen=True)
class RingKey(Generic[Material]):
    """One key. Times are whole seconds since 1970."""

    id: str
    material: Material
    created: int
    activates: int


FindKey: TypeAlias = Callable[[str], RingKey[Material] | None]


def find_no_key(_key_id: str) -> None:
    """Return None: there are no keys but those of the ring."""


class NoActiveKeyError(Exception):
    """No key of the ring is active yet."""


class KeyRing(Generic[Material]):
    """An immutable snapshot of all keys of one kind.

    `find_missing` finds a key that another node made after the snapshot.
    """

    __slots__ = ("_by_id", "find_missing", "keys")

    def __init__(self, keys: tuple[RingKey[Material], ...] = (), find_missing: FindKey[Material] = find_no_key) -> None:
        self.find_missing = find_missing
        # The ID orders keys of one activation time, alike on every node.
        self.keys = tuple(sorted(keys, key=lambda key: (key.activates, key.id)))
        self._by_id = {key.id: key for key in keys}
        if len(self._by_id) != len(keys):
            raise ValueError("two keys have the same ID")

    def active(self, now: int) -> RingKey[Material]:
        """Return the active key at `now`: the one that was activated last."""
        for key in reversed(self.keys):
            if key.activates <= now:
                return key
        raise NoActiveKeyError

    def find(self, key_id: str) -> RingKey[Material] | None:
        """Return the key with this ID, in any state, or None."""
        return self._by_id.get(key_id)

    def retires(self, key: RingKey[Material]) -> int | None:
        """Return when `key` retires, or None if it does not have a successor."""
        position = self.keys.index(key) + 1
        return self.keys[position].activates if position < len(self.keys) else None

    def state(self, key: RingKey[Material], *, now: int, longest: int) -> KeyState:
        """Return the state of `key` at `now`.

        `longest` is the maximum lifetime of its tokens, in seconds.
        """
        retires = self.retires(key)
        if retires is not None and retires + longest + SKEW <= now:
            return KeyState.DESTROYED
        if retires is not None and retires <= now:
            return KeyState.RETIRED
        return KeyState.ACTIVE if key.activates <= now else KeyState.PUBLISHED

    def has_pending(self, now: int) -> bool:
        """Return whether a published key is not active yet."""
        return any(key.activates > now for key in self.keys)

    def with_key(self, key: RingKey[Material]) -> "KeyRing[Material]":
        """Return the ring with one more key."""
        return KeyRing((*self.keys, key))


def drop_expired(ring: KeyRing[Material], *, now: int, longest: int) -> KeyRing[Material]:
    """Return the ring without the keys whose last token has expired."""
    kept = [key for key in ring.keys if ring.state(key, now=now, longest=longest) is not KeyState.DESTROYED]
    return ring if len(kept) == len(ring.keys) else KeyRing(tuple(kept))
