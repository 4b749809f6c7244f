"""Reads of the store on the event loop.

Owns the limits of one such read, and the guard against a slow disk: a read is bounded in queries, rows and bytes, but
not in time. After a read that waited long, worker threads read for 50 times as long. So the event loop spends at most
two percent of its time on slow reads, unless one takes longer than a second.
"""

import asyncio
import resource
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from daypass.directory.store import ReadLimits, Snapshot, Store, WouldBlockError
from daypass.storage.store_times import LOOP_READ, find_times

# A page of 100 users, or an entity with everything that its answer shows. 24 KiB of roles are decoded, shown and
# rendered in less than a millisecond.
REQUEST_LIMITS = ReadLimits(queries=128, rows=128, body_bytes=24_576)
# The cache parses and compiles what it loads: 4 KiB of policies take up to a millisecond.
LOAD_LIMITS = ReadLimits(queries=16, rows=16, body_bytes=4_096)
SLOW_SECONDS = 0.05
_PAUSE_FACTOR = 50
_LONGEST_PAUSE_SECONDS = 60.0
_WHO = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)  # macOS counts processes alone


def count_waits() -> int:
    """Return how often this thread has waited, for instance for a disk.

    A busy processor that interrupts the thread does not count.
    """
    return resource.getrusage(_WHO).ru_nvcsw


class LoopReads:
    """The snapshots of one event loop."""

    def __init__(
        self,
        store: Store,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        waits: Callable[[], int] = count_waits,
    ) -> None:
        self._store = store
        self._times = find_times(store)
        self._observe = self._times.by_kind[LOOP_READ].observe
        self._waits = waits
        self._monotonic = monotonic
        self._paused_until = float("-inf")

    def open(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        """Return a context with a snapshot.

        Both raise WouldBlockError instead of waiting.
        """
        return _TimedRead(self, self._store.read_at_once(limits))

    def begin(self) -> tuple[float, int]:
        """Return the present time and waits.

        Raises WouldBlockError for a time after a slow read.
        """
        now = self._monotonic()
        if now < self._paused_until:
            raise WouldBlockError
        return now, self._waits()

    def end(self, began: float, waits: int) -> None:
        """Pause if the read that began with these values was slow."""
        now = self._monotonic()
        self._observe(now - began)
        if self._times.on_end is not None:
            self._times.on_end(LOOP_READ, began, now)
        # On a busy machine, a pause would only add the work of worker threads.
        if now - began > SLOW_SECONDS and self._waits() != waits:
            self._paused_until = now + min(_PAUSE_FACTOR * (now - began), _LONGEST_PAUSE_SECONDS)


class _TimedRead:
    """One snapshot, whose time is measured."""

    __slots__ = ("_began", "_reads", "_snapshot", "_waits")

    def __init__(self, reads: LoopReads, snapshot: AbstractContextManager[Snapshot]) -> None:
        self._reads = reads
        self._snapshot = snapshot

    def __enter__(self) -> Snapshot:
        self._began, self._waits = self._reads.begin()
        return self._snapshot.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._snapshot.__exit__(kind, error, frames)
        self._reads.end(self._began, self._waits)


def is_on_event_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
