"""The life of a key in a ring: published, active, retired, destroyed.

Owns the rules, whatever the key is made of. A key becomes active at its hour, and the one before it retires
in that instant; nothing but the hours of activation is stored, so two nodes can never disagree about which
is which. A retired key stays for as long as anything it made may live.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

# How far apart the clocks of two nodes may be.
SKEW = 300

Material = TypeVar("Material")


class KeyState(Enum):
    """Where a key is in its life."""

    PUBLISHED = "published"  # known, not used yet
    ACTIVE = "active"  # makes and opens
    RETIRED = "retired"  # opens only
    DESTROYED = "destroyed"  # of no use to anybody any more, and to be removed


# No slots: a generic alias marks what it makes, which a frozen class with slots cannot bear (CPython 3.11).
@dataclass(frozen=True)
class RingKey(Generic[Material]):
    """One key. Times are whole seconds since 1970."""

    id: str
    material: Material
    created: int
    activates: int


class NoActiveKeyError(Exception):
    """No key of the ring is active yet."""


class KeyRing(Generic[Material]):
    """An immutable snapshot of the keys of one kind."""

    __slots__ = ("_by_id", "keys")

    def __init__(self, keys: tuple[RingKey[Material], ...] = ()) -> None:
        # Ids decide between keys of the same hour, for every node alike.
        self.keys = tuple(sorted(keys, key=lambda key: (key.activates, key.id)))
        self._by_id = {key.id: key for key in keys}
        if len(self._by_id) != len(keys):
            raise ValueError("two keys of one id")

    def active(self, now: int) -> RingKey[Material]:
        """Return the key to make things with at `now`: the one that was activated last."""
        for key in reversed(self.keys):
            if key.activates <= now:
                return key
        raise NoActiveKeyError

    def find(self, key_id: str) -> RingKey[Material] | None:
        """Return the key of this id, whatever its state, or None."""
        return self._by_id.get(key_id)

    def retires(self, key: RingKey[Material]) -> int | None:
        """Return when `key` retires, or None while it has no successor."""
        position = self.keys.index(key) + 1
        return self.keys[position].activates if position < len(self.keys) else None

    def state(self, key: RingKey[Material], *, now: int, longest: int) -> KeyState:
        """Return where `key` is in its life, when what it makes lives for `longest` seconds at most."""
        retires = self.retires(key)
        if retires is not None and retires + longest + SKEW <= now:
            return KeyState.DESTROYED
        if retires is not None and retires <= now:
            return KeyState.RETIRED
        return KeyState.ACTIVE if key.activates <= now else KeyState.PUBLISHED

    def has_pending(self, now: int) -> bool:
        """Tell whether a key is published and waits for its hour."""
        return any(key.activates > now for key in self.keys)

    def with_key(self, key: RingKey[Material]) -> "KeyRing[Material]":
        """Return the ring with one key more."""
        return KeyRing((*self.keys, key))


def drop_expired(ring: KeyRing[Material], *, now: int, longest: int) -> KeyRing[Material]:
    """Return the ring without the keys whose last product has expired."""
    kept = [key for key in ring.keys if ring.state(key, now=now, longest=longest) is not KeyState.DESTROYED]
    return ring if len(kept) == len(ring.keys) else KeyRing(tuple(kept))
