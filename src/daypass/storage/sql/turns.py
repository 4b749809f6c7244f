"""The queues of the writers in one process.

A database does not serve waiters in order, and each waiter occupies a connection there.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from daypass.directory.store import StoreUnavailableError


class Turns:
    """One queue for each account, and one for the whole store (None)."""

    def __init__(self, longest_wait: float) -> None:
        self._longest_wait = longest_wait
        self._lock = threading.Lock()
        self._turns: dict[str | None, threading.Lock] = {}
        self._users: Counter[str | None] = Counter()

    @contextmanager
    def take(self, account: str | None) -> Iterator[None]:
        """Wait for the turn of this account.

        Raises StoreUnavailableError after the longest wait.
        """
        with self._lock:
            turn = self._turns.setdefault(account, threading.Lock())
            self._users[account] += 1
        try:
            if not turn.acquire(timeout=self._longest_wait):
                raise StoreUnavailableError("another writer did not finish in time")
            try:
                yield
            finally:
                turn.release()
        finally:
            with self._lock:
                self._users[account] -= 1
                if not self._users[account]:
                    del self._users[account], self._turns[account]
