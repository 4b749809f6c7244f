"""The clock of the computer, as the protocol in ports.py.

Owns the only place of the server that reads the time. Tests pass a clock that does not move.
"""

from datetime import UTC, datetime


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)
