"""A clock that stands still until it is moved.

For tests of software that uses STS: sessions expire when the test says so.
"""

from datetime import UTC, datetime, timedelta


class MovableClock:
    """Tells real time plus an offset that can be moved, or a fixed instant once it is frozen."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        if self._frozen is not None:
            return self._frozen
        return datetime.now(UTC) + self._offset

    def move(self, by: timedelta) -> None:
        """Move the clock forward, or back with a negative step."""
        if self._frozen is not None:
            self._frozen += by
        else:
            self._offset += by

    def freeze(self, at: datetime | None = None) -> None:
        """Stop the clock, at `at` or where it stands."""
        self._frozen = self.now() if at is None else at

    def reset(self) -> None:
        """Tell real time again."""
        self._frozen, self._offset = None, timedelta()
