"""Whether the tables still have a version that this process knows.

Owns what a running node does when a later Daypass migrates the tables under it: it stops writing, because it could
write what the later version does not understand, says so once in the log, and goes on reading. The version is read with
a query for changes every few seconds, and before the first write.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from daypass.directory.store import Store, StoreUnavailableError

WATCH_SECONDS = 3.0


class SchemaWatch:
    """The version of the tables, as last read. Threads share it."""

    def __init__(self, known: Sequence[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._known = known
        self._monotonic = monotonic
        self._due_at = float("-inf")
        self._trouble = ""

    @property
    def is_due(self) -> bool:
        """Return whether the version should be read again."""
        return self._monotonic() >= self._due_at

    @property
    def is_too_new(self) -> bool:
        """Return whether a later version has changed the tables."""
        return self._trouble != ""

    def note(self, version: str) -> None:
        """Take in the version that was read."""
        self._due_at = self._monotonic() + WATCH_SECONDS
        trouble = ""
        if version not in self._known:
            trouble = (
                f"the store's tables have version {version[:40]} of a later Daypass, and this process supports version "
                f"{self._known[-1]}: it does not write any more. Upgrade Daypass"
            )
        was, self._trouble = self._trouble, trouble
        if trouble and not was:
            structlog.get_logger().error("store_is_too_new", reason=trouble)

    def require_known(self) -> None:
        """Raise StoreUnavailableError if this process must not write."""
        if self._trouble:
            raise StoreUnavailableError(self._trouble)


def health_of(health: str, store: Store) -> str:
    """Return the health of a server with this store.

    One that must not write any more is degraded.
    """
    found = getattr(store, "schema", None)
    is_limited = isinstance(found, SchemaWatch) and found.is_too_new
    return "degraded" if health == "ready" and is_limited else health
