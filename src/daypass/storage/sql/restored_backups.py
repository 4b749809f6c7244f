"""An old backup that was restored under a running process.

It is from before an addition to the tables. Owns the repair: the queries for changes fail, because the tables lack a
column, so this process adds it again, as each start does. It tries at most once in RETRY_SECONDS, because the statement
locks a table for up to two seconds, and says in the log what it did, or what the operator must do.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from daypass.directory.store import StoreUnavailableError
from daypass.storage import schema
from daypass.storage.refusals import StoreOpenError
from daypass.storage.sql.transactions import StoreIncompleteError, translated

T = TypeVar("T")
RETRY_SECONDS = 10.0
_REMEDY = "Allow the database user to alter the tables, or restart one server with a user that may; see postgresql.md"


class RestoredBackups:
    """Completes the tables of one database. Threads share it."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._next_at = float("-inf")

    def repeat(self, query: Callable[[], T]) -> T:
        """Return the result of a query.

        It is repeated if the tables were completed meanwhile. Raises StoreUnavailableError.
        """
        try:
            return query()
        except StoreIncompleteError:
            if not self.complete():
                raise
        return query()

    def complete(self) -> bool:
        """Return whether the tables may be complete now."""
        now = self._monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + RETRY_SECONDS
        try:
            with translated():
                schema.add_again(self._engine)
        except (StoreUnavailableError, StoreOpenError, DBAPIError) as problem:
            reason = getattr(problem, "detail", "") or str(problem)
            structlog.get_logger().error("restored_store_is_incomplete", reason=reason, remedy=_REMEDY)
            return False
        structlog.get_logger().warning("restored_store_was_completed")
        return True
