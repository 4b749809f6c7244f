"""A clock that tests move or stop.

It is for tests of software that uses STS: sessions expire when the test says so.
"""

from datetime import UTC, datetime, timedelta


class MovableClock:
    """Real time plus an offset, or a fixed instant after `freeze`.

    >>> clock = MovableClock()
    >>> clock.freeze(datetime(2030, 1, 1, tzinfo=UTC))
    >>> clock.move(timedelta(hours=1))
    >>> clock.now().isoformat()
    '2030-01-01T01:00:00+00:00'
    """

    def __init__(self) -> None:
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        if self._frozen is not None:
            return self._frozen
        return datetime.now(UTC) + self._offset

    def move(self, by: timedelta) -> None:
        """Move the clock forward, or back if `by` is negative."""
        if self._frozen is not None:
            self._frozen += by
        else:
            self._offset += by

    def freeze(self, at: datetime | None = None) -> None:
        """Stop the clock, at `at` or at the present instant."""
        self._frozen = self.now() if at is None else at

    def reset(self) -> None:
        """Return to real time."""
        self._frozen, self._offset = None, timedelta()


def nearest_time(clock: MovableClock, signed_at: datetime) -> datetime:
    """Return the time by which a signature is judged.

    That is the clock's time or the computer's, which SDKs sign with: the one that is nearer.

    >>> clock = MovableClock()
    >>> clock.move(timedelta(hours=1))
    >>> nearest_time(clock, datetime.now(UTC)) < clock.now()
    True
    """
    moved, real = clock.now(), datetime.now(UTC)
    return moved if abs(moved - signed_at) < abs(real - signed_at) else real
