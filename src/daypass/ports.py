"""The outside world, as small promises: time and entropy.

Owns the Protocols that the pure parts and the operations are handed. What really stands behind them is
chosen in wiring.py; tests hand in a frozen clock and a counted entropy.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. The same clock serves a whole process."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class Entropy(Protocol):
    """Gives unpredictable bytes. Two calls never give related answers."""

    def __call__(self, count: int, /) -> bytes:
        """Return `count` bytes from a source fit for keys."""
        ...
