"""Which webhook notifications may be posted now, so that no account and no host holds up the others.

Owns the lanes and how long a host that failed is left alone. Pure: the time is an argument, and posting is courier.py's
work. The rules:

- 64 notifications are posted at a time, 4 of them for one account and 2 for one host of an account;
- after a failure, the host waits for 1, 2, 4 … up to 300 seconds, with all that this account has for it;
- accounts of which a host failed last time share 16 of the lanes, so hosts that hang hold up one another alone; each of
  these accounts may have one of the 16, and more only while half of them is free.

A host counts for each account by itself: many accounts may have webhooks at the same host, and one account's wrong path
there says nothing about the others'.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from daypass.federation.oidc.shares import Shares

OF_ALL, OF_FAILING, OF_ACCOUNT, OF_HOST = 64, 16, 4, 2
LONGEST_PAUSE = 300
_MOST_REMEMBERED = 10_000
_FORGOTTEN_AFTER = 600  # seconds after a host may be tried again

Lane = tuple[str, str]
"""An account, and the host of its webhook."""


@dataclass(frozen=True, slots=True)
class _Failure:
    times: int
    again: int


class WebhookLanes:
    """Counts what is being posted, and remembers which hosts failed last time."""

    def __init__(self) -> None:
        self._running: dict[str, Lane] = {}
        self._slow = Shares(OF_FAILING)
        self._slow_running: set[str] = set()
        self._failures: OrderedDict[Lane, _Failure] = OrderedDict()
        self._failing: Counter[str] = Counter()

    def is_full(self) -> bool:
        """Tell whether nothing at all may begin."""
        return len(self._running) >= OF_ALL

    def take(self, notification: str, lane: Lane, *, now: int) -> bool:
        """Take a lane for a notification, by its id, or return False where it has to wait or is being posted."""
        account, _ = lane
        failure = self._failures.get(lane)
        if notification in self._running or self.is_full() or (failure is not None and now < failure.again):
            return False
        lanes = list(self._running.values())
        if lanes.count(lane) >= OF_HOST or sum(other == account for other, _ in lanes) >= OF_ACCOUNT:
            return False
        if self._failing[account]:
            if not self._slow.take(account):
                return False
            self._slow_running.add(notification)
        self._running[notification] = lane
        return True

    def give_back(self, notification: str, *, failed: bool | None, now: int) -> None:
        """Give the lane of a notification back, and remember how it went; None where it was not posted."""
        lane = self._running.pop(notification)
        if notification in self._slow_running:
            self._slow_running.remove(notification)
            self._slow.give_back(lane[0])
        if failed is not None:
            before = self._forget(lane)
            if failed:
                self._remember(lane, 0 if before is None else before.times, now)
        self._clean(now)

    def _remember(self, lane: Lane, times: int, now: int) -> None:
        self._failures[lane] = _Failure(times + 1, now + min(2**times, LONGEST_PAUSE))
        self._failing[lane[0]] += 1

    def _forget(self, lane: Lane) -> _Failure | None:
        before = self._failures.pop(lane, None)
        if before is not None:
            self._failing[lane[0]] -= 1
            if not self._failing[lane[0]]:
                del self._failing[lane[0]]
        return before

    def _clean(self, now: int) -> None:
        """Forget the failures that are longest ago: they stand first."""
        while self._failures:
            lane, failure = next(iter(self._failures.items()))
            if len(self._failures) <= _MOST_REMEMBERED and now < failure.again + _FORGOTTEN_AFTER:
                return
            self._forget(lane)
