"""Snapshots of a replica, which relieve the primary of loads.

Owns the rule that keeps the bound of freshness. The queries for changes go to the primary, and tell the position that
this process has seen. A snapshot of the replica is used only if

* the primary answered such a query that began within the last second,
* no process of this machine has written since that query, and
* the position of the snapshot is exactly the one that the primary told, with its nonce.

An older snapshot lacks writes. A newer one may be of a branch that the primary has left: after a failover or a
restored backup, a replica goes on with writes that were lost, and nothing in it says so.

So a replica that lags, is away, or follows another history delays a read by its own short bound, and is left alone for
a while; the primary answers instead. Whoever never asks for changes, such as a command, never reads from the replica.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import structlog
from sqlalchemy import Engine

from daypass.directory.changes import Position
from daypass.directory.store import StoreUnavailableError
from daypass.storage.history import to_position
from daypass.storage.sql.engines import READ_SECONDS, allow_seconds
from daypass.storage.sql.psycopg_connection import last_begun
from daypass.storage.sql.sql_reader import SqlReader
from daypass.storage.sql.transactions import transaction

SEEN_SECONDS = 1.0  # how long a position counts, from the start of the query that told it
BEHIND_SECONDS = 0.25  # how long a replica that lags is left alone
AWAY_SECONDS = 10.0  # how long one that does not answer is left alone
_FIRST = "SELECT revision, nonce FROM changes ORDER BY revision DESC LIMIT 1"


class _Seen(NamedTuple):
    """What this process has seen of the primary."""

    position: Position
    counter: int
    asked_at: float


class ReplicaReads:
    """The connections to a replica, and what its snapshots must contain.

    Threads share it.
    """

    def __init__(
        self,
        engine: Engine,
        counter: Sequence[int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._counter = counter
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._paused_until = float("-inf")
        self._is_away = False
        self.answers = 0  # snapshots of the replica that were used

    def see(self, position: Position | None, counter: int, asked_at: float) -> None:
        """Take in the answer to a query for changes.

        `counter` and `asked_at` are the change counter and the time before it.
        """
        self._seen = None if position is None or not position.nonce else _Seen(position, counter, asked_at)

    def find(self, stack: ExitStack) -> SqlReader | None:
        """Open a snapshot of the position that the primary told.

        `stack` ends it. Returns None if the primary must answer.
        """
        seen = self._present()
        if seen is None or self._monotonic() < self._paused_until:
            return None
        context = transaction(self._engine, _FIRST)
        try:
            connection = context.__enter__()
        except StoreUnavailableError as error:
            self._leave(error.detail)
            return None
        position = to_position(last_begun(connection) or None)
        is_recent = self._monotonic() < seen.asked_at + SEEN_SECONDS  # again: this process may have been stopped
        if position != seen.position or not is_recent:
            context.__exit__(None, None, None)
            self._paused_until = self._monotonic() + BEHIND_SECONDS
            return None
        stack.push(context)
        allow_seconds(connection, READ_SECONDS)
        self._return()
        return SqlReader(connection, position)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _present(self) -> _Seen | None:
        """Return what this process has seen if it is recent, and if this machine has not written since."""
        seen = self._seen
        if seen is None or self._counter[0] != seen.counter or self._monotonic() >= seen.asked_at + SEEN_SECONDS:
            return None
        return seen

    def _leave(self, reason: str) -> None:
        with self._lock:
            self._paused_until = self._monotonic() + AWAY_SECONDS
            was, self._is_away = self._is_away, True
        if not was:
            structlog.get_logger().warning("replica_is_away", reason=reason)

    def _return(self) -> None:
        self.answers += 1
        if self._is_away:
            with self._lock:
                was, self._is_away = self._is_away, False
            if was:
                structlog.get_logger().warning("replica_is_back")
