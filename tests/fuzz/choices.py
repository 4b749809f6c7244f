"""Decisions from the bytes of a fuzzer, for structured input.

Owns the reading. When the bytes run out, every decision is the first one, so that a short input is a simple one.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions, read from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def below(self, limit: int) -> int:
        """Return a number from 0 to limit - 1."""
        width = 1 if limit <= 256 else 2
        return int.from_bytes(self.take(width)) % limit

    def pick(self, options: Sequence[T]) -> T:
        """Return one of a few options."""
        return options[self.below(len(options))]

    def flag(self) -> bool:
        """Return a boolean; False at the end."""
        return bool(self.below(2))

    def chunk(self) -> bytes:
        """Return at most 255 bytes, whose number comes first."""
        return self.take(self.below(256))

    def text(self) -> str:
        """Return a string.

        Bytes that are not UTF-8 become surrogates, as in external input.
        """
        return self.chunk().decode("utf-8", "surrogateescape")

    def rest(self) -> bytes:
        """Return the remaining bytes."""
        return self.take(len(self._data))

    @property
    def is_over(self) -> bool:
        """Return whether the bytes have run out."""
        return self._at >= len(self._data)


def mutated(original: bytes, choices: Choices, *, most: int = 4) -> bytes:
    """Return bytes with a few ranges deleted, doubled, replaced or moved."""
    for _ in range(1 + choices.below(most)):
        start = choices.below(len(original) + 1)
        end = min(len(original), start + choices.below(64))
        piece, kind = original[start:end], choices.below(4)
        before, after = original[:start], original[end:]
        if kind == 0:
            original = before + choices.chunk() + after
        elif kind == 1:
            original = before + piece + piece + after
        elif kind == 2:
            place = choices.below(len(before + after) + 1)
            rest = before + after
            original = rest[:place] + piece + rest[place:]
        elif piece:
            original = before + bytes([piece[0] ^ (1 << choices.below(8))]) + piece[1:] + after
    return original
