"""Share the worker threads out among accounts, for what holds a thread longer than a moment.

Owns how much of one sort of work is under way at a time, for one account and for all together: decisions over large
policies, and calls that wait for their turn to write. Whoever has too much of it is told to come again; everybody else
still finds a free thread.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from daypass.errors import Throttling


class WorkShares:
    """Counts what is under way. One that is beyond its account's share is told to come again."""

    def __init__(self, *, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, account: str) -> Iterator[None]:
        """Hold one share for `account`, or raise Throttling. It never waits: that would hold the thread."""
        with self._lock:
            if self._running[account] >= self._of_one or self._running.total() >= self._of_all:
                raise Throttling("Rate exceeded", detail=f"account {account} has its share of the threads")
            self._running[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[account] -= 1
                if not self._running[account]:
                    del self._running[account]
