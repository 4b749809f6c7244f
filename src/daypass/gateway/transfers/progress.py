"""The progress of one transfer, as the limits of time see it.

Owns the two clocks of a transfer: the rate of the request's body, and the time without any progress. They count ticks,
so that the path of the bytes never reads a clock.
"""

from daypass.gateway.transfers.limits import TransferLimits


class TransferProgress:
    """Counts the ticks of one transfer."""

    __slots__ = ("_limits", "_marks", "_quiet_ticks", "_rate_mark", "_rate_ticks")

    def __init__(self, limits: TransferLimits) -> None:
        self._limits = limits
        self._marks = (0, 0, 0)
        self._quiet_ticks = self._rate_ticks = self._rate_mark = 0

    def is_too_slow(self, received: int) -> bool:
        """Return whether the body of a request comes too slowly.

        Called once a tick while the body is read.
        """
        limits = self._limits
        self._rate_ticks += 1
        if self._rate_ticks * limits.tick < limits.rate_seconds:
            return False
        before, self._rate_mark, self._rate_ticks = self._rate_mark, received, 0
        return received - before < limits.least_rate * limits.rate_seconds

    def count_quiet(self, marks: tuple[int, int, int], *, is_excused: bool) -> float:
        """Return the seconds since one of the marks changed. Called once a tick.

        `is_excused` is whether somebody else is the reason for the silence.
        """
        self._quiet_ticks = self._quiet_ticks + 1 if marks == self._marks and not is_excused else 0
        self._marks = marks
        return self._quiet_ticks * self._limits.tick
