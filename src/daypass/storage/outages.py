"""Whether the database of a store answers, for the log and the metrics.

Owns the one line in the log when a database goes away, with its reason, and the one when it is back, with the time
that it was away. The queries for changes of a running server decide: they come twice a second. A message never
contains a password, a statement or a value.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from daypass.directory.store import Store, StoreUnavailableError
from daypass.metrics.outage_count import OutageCount

_PAUSE = 60.0  # between two lines of the log about single connections


class Outages:
    """What is known of one database. Threads share it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._count = OutageCount(monotonic)
        self._complained_at = float("-inf")
        self.deadlines = 0
        self.seconds_of_last_answer = 0.0

    @property
    def is_away(self) -> bool:
        """Return whether the last query for changes had no answer."""
        return self._count.is_away

    @property
    def times_away(self) -> int:
        """Return how often the database went away."""
        return self._count.times_away

    @property
    def seconds_away(self) -> float:
        """Return how long the database was away in total."""
        return self._count.seconds_away

    def count_deadline(self) -> None:
        """Count a call that had no answer in time."""
        with self._lock:
            self.deadlines += 1

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note whether a query for changes is answered, and its time."""
        asked_at = self._monotonic()
        try:
            yield
        except StoreUnavailableError as error:
            self.note_failure(error.detail)
            raise
        self.note_answer(self._monotonic() - asked_at)

    def note_answer(self, seconds: float) -> None:
        """Note that a query for changes was answered after some seconds."""
        self.seconds_of_last_answer = seconds
        if self.is_away:
            duration = self._count.end()
            structlog.get_logger().warning("store_is_back", away_seconds=round(duration, 1))

    def note_failure(self, reason: str) -> None:
        """Note that a query for changes was not answered."""
        if not self.is_away and self._count.begin():
            structlog.get_logger().error("store_is_away", reason=reason)

    def complain(self, reason: str) -> None:
        """Log that one connection failed.

        It does so at most once a minute, and not while the database is away.
        """
        with self._lock:
            now = self._monotonic()
            if self._count.is_away or now < self._complained_at + _PAUSE:
                return
            self._complained_at = now
        structlog.get_logger().warning("store_connection_failed", reason=reason)


def find_outages(store: Store) -> Outages:
    """Return what a store knows of its database.

    A store without a database is never away.
    """
    found = getattr(store, "outages", None)
    return found if isinstance(found, Outages) else Outages()
