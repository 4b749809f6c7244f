"""The history of a store, as its log of changes shows it. Pure.

Owns the comparison of nonces. A database that went back, by a failover to a replica that lacked some writes or by a
restored backup, reaches the same numbers again with other writes. A position is part of the history only if the log has
its number with its nonce; otherwise nothing that was read there may be used any more.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from daypass.directory.changes import EMPTY, Changes, Position, StoreChange

decode_changes = msgspec.msgpack.Decoder(list[StoreChange]).decode
"""Return the changes of an entry of the log."""

LoggedWrite = Sequence[Any]
"""A row of the log: the number of a write, its nonce, and its changes (None: too many to log)."""


def to_position(row: Sequence[Any] | None) -> Position:
    """Return the position of a row of the log, or EMPTY for no row."""
    if row is None:
        return EMPTY
    number, nonce = row
    return Position(int(number), bytes(nonce or b""))


def changes_after(position: Position, log: Sequence[LoggedWrite]) -> Changes | None:
    """Return the changes after a position, or None if the log lacks it.

    `log` has the rows from the position's number on, oldest first. The first row is the position's own; it is missing
    for EMPTY alone. A row without a nonce confirms no position.
    """
    if position == EMPTY:
        if not log:
            return Changes(EMPTY, frozenset())
        later, number = log, 0
    else:
        if not log or not position.nonce or to_position(log[0][:2]) != position:
            return None
        later, number = log[1:], position.number
        if not later:
            return Changes(position, frozenset())
    return _changes(number, later)


def _changes(number: int, later: Sequence[LoggedWrite]) -> Changes | None:
    positions = [to_position(row[:2]) for row in later]
    entries = [touched for _, _, touched in later if touched is not None]
    if len(entries) != len(later) or positions[-1].number - number != len(later):
        return None
    changed = frozenset(change for entry in entries for change in decode_changes(entry))
    return Changes(positions[-1], changed, tuple(each.nonce for each in positions))
