"""How long the operations of a store take.

Owns the histograms by kind, for the metrics, and the hook by which traces learn of single operations.
"""

from collections.abc import Callable, Iterator
from time import monotonic

from daypass.directory.store import Store
from daypass.metrics.histogram import Histogram
from daypass.metrics.snapshot import Reading

READ, LOOP_READ, WRITE, COMMIT = "read", "loop_read", "write", "commit"


class StoreTimes:
    """The durations of a store's operations. Threads share it.

    - `read`: a snapshot of a worker thread, from its opening to its end, with the work between its queries
    - `loop_read`: a snapshot of the event loop
    - `write`: a transaction, with its wait for other writers
    - `commit`: the end of a transaction with changes

    `on_end` is called after each of them, with its kind and the values of `monotonic` at its beginning and its end.
    """

    def __init__(self) -> None:
        self.by_kind = {kind: Histogram() for kind in (READ, LOOP_READ, WRITE, COMMIT)}
        self.on_end: Callable[[str, float, float], None] | None = None

    def ended(self, kind: str, began: float) -> None:
        """Count an operation that ends now."""
        now = monotonic()
        self.by_kind[kind].observe(now - began)
        if self.on_end is not None:
            self.on_end(kind, began, now)

    def readings(self) -> Iterator[Reading]:
        """Yield the readings for the metrics."""
        for kind, durations in self.by_kind.items():
            yield "daypass_store_operation_duration_seconds", (kind,), list(durations.cell)


def find_times(store: Store) -> StoreTimes:
    """Return the times of a store.

    Those of a store that is not a database stay empty.
    """
    found = getattr(store, "times", None)
    return found if isinstance(found, StoreTimes) else StoreTimes()
