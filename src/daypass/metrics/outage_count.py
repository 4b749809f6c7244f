"""How often, and for how long, another system was away.

Owns the count of one system. Leaves the log, and the decision whether the system answers, to the part that asks it.
"""

import threading
import time
from collections.abc import Callable


class OutageCount:
    """The outages of one system. Threads share it."""

    __slots__ = ("_away_before", "_away_since", "_lock", "_monotonic", "times_away")

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._away_before = 0.0
        self.times_away = 0

    @property
    def is_away(self) -> bool:
        """Return whether an outage has begun and not ended."""
        return self._away_since is not None

    @property
    def seconds_away(self) -> float:
        """Return how long the system was away in total, with the present outage."""
        since = self._away_since
        return self._away_before + (0.0 if since is None else self._monotonic() - since)

    def begin(self) -> bool:
        """Begin an outage. Return False if it has begun already."""
        with self._lock:
            is_first = self._away_since is None
            if is_first:
                self._away_since = self._monotonic()
                self.times_away += 1
            return is_first

    def end(self) -> float:
        """End the outage. Return its seconds, or 0 if another thread ended it."""
        with self._lock:
            since, self._away_since = self._away_since, None
            duration = 0.0 if since is None else self._monotonic() - since
            self._away_before += duration
            return duration
