"""The clock of the computer, as the protocol in ports.py.

The only place of the server that reads the time.
"""

from datetime import UTC, datetime


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)
