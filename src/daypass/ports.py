"""Protocols for the outside world: time and randomness.

wiring.py chooses their implementations; tests pass a fixed clock and deterministic randomness.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Returns the time. A whole process shares one clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class Entropy(Protocol):
    """Returns unpredictable bytes. Two results are never related."""

    def __call__(self, count: int, /) -> bytes:
        """Return `count` bytes that are suitable for keys."""
        ...
