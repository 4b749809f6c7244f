"""The positions behind the revisions that resource servers name.

An earlier resource server names a revision by its number alone, without the nonce. This process remembers which
position it meant. Of two histories with one number it cannot know which was meant, so such a number is not known:
everything may have changed.
"""

import threading
from collections import OrderedDict

from daypass.directory.changes import EMPTY, NOWHERE, Position

MOST_POSITIONS = 10_000
_AMBIGUOUS = NOWHERE


class KnownPositions:
    """The positions that this process has told to resource servers."""

    def __init__(self) -> None:
        self._positions: OrderedDict[int, Position] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, position: Position) -> None:
        """Remember a position."""
        with self._lock:
            known = self._positions.setdefault(position.number, position)
            if known != position:
                self._positions[position.number] = _AMBIGUOUS
            self._positions.move_to_end(position.number)
            while len(self._positions) > MOST_POSITIONS:
                self._positions.popitem(last=False)

    def find(self, number: int) -> Position:
        """Return the position with this number, or NOWHERE if it is not known."""
        return EMPTY if number == 0 else self._positions.get(number, NOWHERE)

    def is_ambiguous(self, number: int) -> bool:
        """Return whether two histories have a write with this number."""
        return number in self._positions and self._positions[number] == _AMBIGUOUS
