"""Whether an S3 store can be reached, and how long its answers take.

Owns the times of one store, for the metrics. The connection pool notes them.
"""

from bisect import bisect_left
from collections.abc import Iterator

from daypass.metrics.histogram import TRANSFER_BOUNDS, empty_cell
from daypass.metrics.outage_count import OutageCount
from daypass.metrics.snapshot import Reading


class S3StoreTimes:
    """The outages, the answers and the connections of one store.

    A worker's event loop changes them, and any thread reads them.
    """

    __slots__ = ("_cell", "connections", "idle", "is_known", "outages")

    def __init__(self) -> None:
        self.outages = OutageCount()
        self.is_known = False  # a connection has succeeded or failed
        self.connections = self.idle = 0
        self._cell = empty_cell(TRANSFER_BOUNDS)

    def answered(self, seconds: float) -> None:
        """Count an answer whose head came after some seconds."""
        self._cell[bisect_left(TRANSFER_BOUNDS, seconds)] += 1
        self._cell[-1] += seconds

    def readings(self, backend: str) -> Iterator[Reading]:
        """Yield the readings for the metrics."""
        yield "daypass_gateway_store_connections", (backend, "idle"), self.idle
        yield "daypass_gateway_store_connections", (backend, "used"), self.connections - self.idle
        yield "daypass_gateway_store_answer_seconds", (backend,), list(self._cell)
        if self.is_known:
            yield "daypass_gateway_store_up", (backend,), float(not self.outages.is_away)
        yield "daypass_gateway_store_outages_total", (backend,), self.outages.times_away
        yield "daypass_gateway_store_away_seconds_total", (backend,), self.outages.seconds_away
