"""The limit of recorded requests that callers may ask for.

Owns the counts. A caller that sets the flag "sampled" makes this process record and export spans, although its own
sampler may not. Each account has a share, so that one cannot use that of another.
"""

import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic


class FlagBudget:
    """Limits how often the flag of a caller counts within a second.

    `of_one` is the limit of one account, and `of_all` that of all together.
    """

    def __init__(self, of_one: int, of_all: int, clock: Callable[[], float] = monotonic) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._clock = clock
        self._second = -1
        self._taken: Counter[str] = Counter()
        self._total = 0
        self._lock = threading.Lock()

    def take(self, account: str) -> bool:
        """Take one for an account. Return whether one was left."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._total = second, 0
                self._taken.clear()
            if self._total >= self._of_all or self._taken[account] >= self._of_one:
                return False
            self._taken[account] += 1
            self._total += 1
            return True
