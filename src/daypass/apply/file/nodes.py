"""A value of a file with its position, and the error that reports it.

Pure. Leaves parsing to file_parser.py and the allowed values to shapes.py.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LocatedValue:
    """A value and its line and column, counted from one.

    Both are 0 if the format does not report them. `value` is a string, number, boolean or None, a list of nodes, or a
    mapping from strings to nodes.
    """

    value: Any
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class FilePosition:
    """A position in a file: the path, and line and column if known."""

    path: str = ""
    line: int = 0
    column: int = 0

    def of(self, name: str | int, node: LocatedValue) -> "FilePosition":
        """Return the place of a member or an element."""
        step = f"[{name}]" if isinstance(name, int) else f".{name}" if self.path else name
        return FilePosition(self.path + step, node.line, node.column)

    def below(self, name: str) -> "FilePosition":
        """Return the place of a part whose own line is not known.

        It has the line of the enclosing value.
        """
        return FilePosition(f"{self.path}.{name}" if self.path else name, self.line, self.column)

    def __str__(self) -> str:
        at = f"line {self.line}, column {self.column}" if self.line else ""
        return f"{self.path} ({at})" if self.path and at else self.path or at


class ApplyFileError(Exception):
    """An error in a file.

    `words` describe the error and the remedy. `refused`: the rules of the API refused the file; otherwise its format is
    invalid. `is_late`: batches of the file were committed before.
    """

    is_late = False

    def __init__(self, place: FilePosition, words: str, *, refused: bool = False) -> None:
        super().__init__(f"{place}: {words}" if str(place) else words)
        self.place = place
        self.words = words
        self.refused = refused
