"""Count durations in fixed buckets.

Owns the bounds, which are the same in each worker, so that workers can be summed. An observation is one binary
search and two additions: the buckets are accumulated when they are read.
"""

from bisect import bisect_left

BOUNDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0),
)
"""The upper bounds of the buckets, in seconds. One more bucket has no bound."""

TRANSFER_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Those of the transfers of a gateway, which move large bodies."""

BUCKETS = len(BOUNDS) + 1
SUM = BUCKETS
"""The place of the sum behind the buckets."""


def empty_cell(bounds: tuple[float, ...] = BOUNDS) -> list[float]:
    """Return the buckets and the sum of a histogram without observations."""
    return [0] * (len(bounds) + 1) + [0.0]


class Histogram:
    """The durations of one kind of work, in seconds."""

    __slots__ = ("cell",)

    def __init__(self) -> None:
        self.cell = empty_cell()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        cell = self.cell
        cell[bisect_left(BOUNDS, seconds)] += 1
        cell[SUM] += seconds
