"""Whether cached values can be used now.

Owns the two conditions that every read checks: the change counter is as at the last update, and the time until which
the last answer of the database is valid.
"""

from collections.abc import Callable, Sequence

from daypass.directory.store import StoreUnavailableError
from daypass.storage.change_queries import FRESH_SECONDS, GRACE_SECONDS, LATE_SECONDS, ChangeQuery


class Freshness:
    """The state that readers check without a lock."""

    __slots__ = ("_stale_seconds", "change_counter", "heard_at", "monotonic", "seen", "until")

    def __init__(self, change_counter: Sequence[int], monotonic: Callable[[], float], *, stale_seconds: float) -> None:
        self._stale_seconds = stale_seconds
        self.change_counter = change_counter
        self.monotonic = monotonic
        self.seen: int | None = None  # the change counter at the last update
        self.until = float("-inf")
        self.heard_at = float("-inf")  # the beginning of the last query for changes that the database answered

    def is_given(self) -> bool:
        """Return whether the entries show all changes, within the allowed delay."""
        return self.change_counter[0] == self.seen and self.monotonic() < self.until

    def is_overtaken(self) -> bool:
        """Return whether this machine wrote changes that the entries may not show."""
        return self.change_counter[0] != self.seen

    def is_usable(self) -> bool:
        """Return whether values may be served while the database is away."""
        return self.monotonic() < self.heard_at + self._stale_seconds

    def now(self) -> tuple[int, float]:
        """Return the change counter and the clock, before a query for changes."""
        return self.change_counter[0], self.monotonic()

    def take_in(self, query: ChangeQuery) -> None:
        """Note that the entries show the answer to a query."""
        self.seen = query.counter
        self.heard_at = query.began
        now = self.monotonic()
        grace = GRACE_SECONDS if now - query.began < LATE_SECONDS else 0.0  # the process may have stood still
        self._set_until(max(query.began + FRESH_SECONDS, now + grace))

    def forget(self) -> None:
        """Allow no values until the next answer to a query."""
        self.heard_at = self.until = float("-inf")

    def extend(self) -> None:
        """Let readers use the values for a while although the database is away."""
        self._set_until(max(self.until, self.monotonic() + FRESH_SECONDS))

    def require_usable(self, trouble: str) -> None:
        """Raise StoreUnavailableError if values may not be served."""
        if self.is_overtaken():
            raise StoreUnavailableError(
                f"the database is unavailable, and the cache has not seen its latest changes; {trouble}"
            )
        if not self.is_usable():
            raise StoreUnavailableError(f"the database has been unavailable for too long; {trouble}")

    def _set_until(self, until: float) -> None:
        self.until = min(until, self.heard_at + self._stale_seconds)
