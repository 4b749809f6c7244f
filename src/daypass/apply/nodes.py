"""A value of a file together with where it stands, and the complaint that says so.

Pure. Owns Node, Place and Mistake. Reading text into nodes is reading.py's work, what they may be is shapes.py's.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line and column, counted from one; 0 where the format does not tell.

    `value` is a text, number, flag or None, a list of nodes, or a mapping from text to nodes.
    """

    value: Any
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file: its path from the top, and its line and column where they are known."""

    path: str = ""
    line: int = 0
    column: int = 0

    def of(self, name: str | int, node: Node) -> "Place":
        """Return the place of a member or an element."""
        step = f"[{name}]" if isinstance(name, int) else f".{name}" if self.path else name
        return Place(self.path + step, node.line, node.column)

    def below(self, name: str) -> "Place":
        """Return the place of a part whose own line is not known: that of the whole stands for it."""
        return Place(f"{self.path}.{name}" if self.path else name, self.line, self.column)

    def __str__(self) -> str:
        at = f"line {self.line}, column {self.column}" if self.line else ""
        return f"{self.path} ({at})" if self.path and at else self.path or at


class Mistake(Exception):  # noqa: N818 - read as a sentence
    """Something in a file that cannot be carried out. `place` says where, `words` what and what would do.

    `refused` says that the rules of the API refused it, and not the form of the file.
    """

    def __init__(self, place: Place, words: str, *, refused: bool = False) -> None:
        super().__init__(f"{place}: {words}" if str(place) else words)
        self.place = place
        self.words = words
        self.refused = refused
