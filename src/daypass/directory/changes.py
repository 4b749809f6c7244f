"""The changes of a store, and the positions between them in its history.

Owns the values alone. Leaves what a store promises about them to store.py, and the log of a database to
storage/history.py.
"""

from typing import NamedTuple

import msgspec


class RecordChange(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """A record was inserted, replaced or deleted.

    These are its names before or after.
    """

    kind: str
    account: str
    key: str
    sort: str
    unique_id: str | None


class LinkChange(msgspec.Struct, frozen=True, tag="l", array_like=True):
    """A link was inserted, changed or deleted."""

    kind: str
    source: str
    target: str


StoreChange = RecordChange | LinkChange


class Position(NamedTuple):
    """A position in the history of a store.

    It is the number of a write and its random nonce. Two histories that share a number differ in the nonce: a database
    that was restored or failed over counts from an older number, and reaches the same numbers with other writes.
    """

    number: int
    nonce: bytes


NOWHERE = Position(-1, b"")  # of a cache that knows nothing yet; part of no history
EMPTY = Position(0, b"")  # of a store without writes, with which every history begins


class Changes(msgspec.Struct, frozen=True):
    """The changes after one position, up to and including `position`.

    `nonces` are those of the writes in between, oldest first, and end with that of `position`.
    """

    position: Position
    changed: frozenset[StoreChange]
    nonces: tuple[bytes, ...] = ()

    @property
    def revision(self) -> int:
        """Return the number of the newest write."""
        return self.position.number

    def has_passed(self, position: Position) -> bool:
        """Return whether a position is one of these writes."""
        before_newest = self.position.number - position.number
        if before_newest == 0:
            return position == self.position
        return 0 < before_newest < len(self.nonces) and self.nonces[-1 - before_newest] == position.nonce


class Announced(msgspec.Struct, frozen=True):
    """The changes of writes that their processes announced.

    `counter` is the change counter after them, and `number` the newest number of these writes.
    """

    counter: int
    number: int
    changed: frozenset[StoreChange]
