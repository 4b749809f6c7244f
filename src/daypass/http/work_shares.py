"""Share the worker threads among accounts, for work that takes long.

Owns the number of threads that one kind of work may use at a time, for one account and in total. The kinds are
decisions over large policies, and calls that wait for their turn to write. An account that exceeds its share is
throttled; all other accounts still find a free thread.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from daypass.errors import Throttling


class WorkShares:
    """Counts running work. Work beyond an account's share is throttled."""

    def __init__(self, *, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, account: str) -> Iterator[None]:
        """Take one share for `account`, or raise Throttling.

        It never waits, because a waiting call would occupy the thread.
        """
        with self._lock:
            if self._running[account] >= self._of_one or self._running.total() >= self._of_all:
                raise Throttling("Rate exceeded", detail=f"account {account} uses its share of the worker threads")
            self._running[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[account] -= 1
                if not self._running[account]:
                    del self._running[account]
