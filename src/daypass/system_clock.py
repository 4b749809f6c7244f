"""The clock of the computer, behind the promise in ports.py.

Owns the one place of the server that asks for the time. Tests hand in a clock that stands still.
"""

from datetime import UTC, datetime


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)
