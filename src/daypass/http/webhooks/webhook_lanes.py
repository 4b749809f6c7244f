"""Choose the notifications that may be posted now.

Accounts and hosts must not delay one another. Leaves the posting to webhook_sender.py. Pure: the time is an argument.
The rules:

- 64 notifications are posted at a time, at most 4 of them for one account and 2 for one host of an account;
- after a failure, all notifications of this account for the host wait for 1, 2, 4 … up to 300 seconds;
- accounts with a host that failed last time share 16 of the lanes, so hosts that do not answer delay only one another.
  Each of these accounts may use one of the 16, and more only while half of them are free.

A host counts separately for each account: one's wrong path does not affect others at the host.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from daypass.federation.oidc.shares import Shares

OF_ALL, OF_FAILING, OF_ACCOUNT, OF_HOST = 64, 16, 4, 2
LONGEST_PAUSE = 300
_MOST_REMEMBERED = 10_000
_FORGOTTEN_AFTER = 600  # seconds after a host may be retried

Lane = tuple[str, str]
"""An account, and the host of its webhook."""


@dataclass(frozen=True, slots=True)
class _Failure:
    times: int
    again: int


class WebhookLanes:
    """Counts the running posts, and remembers the hosts that failed last time."""

    def __init__(self) -> None:
        self._running: dict[str, Lane] = {}
        self._slow = Shares(OF_FAILING)
        self._slow_running: set[str] = set()
        self._failures: OrderedDict[Lane, _Failure] = OrderedDict()
        self._failing: Counter[str] = Counter()

    def is_full(self) -> bool:
        """Return whether all lanes are in use."""
        return len(self._running) >= OF_ALL

    def take(self, notification: str, lane: Lane, *, now: int) -> bool:
        """Take a lane for a notification, by its id.

        Returns False if it has to wait or is being posted.
        """
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
        """Return the lane of a notification, and remember whether the post failed.

        `failed` is None if it was not posted.
        """
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
        """Forget the oldest failures, first in the dictionary."""
        while self._failures:
            lane, failure = next(iter(self._failures.items()))
            if len(self._failures) <= _MOST_REMEMBERED and now < failure.again + _FORGOTTEN_AFTER:
                return
            self._forget(lane)
