"""A connection to PostgreSQL that never waits without end.

Owns the deadline of each wait for the server. The server's own time limits are of no use if it is stopped, if a proxy
swallows its answers, or if the network loses them, so the client counts too:

* A call without an answer within `bound` seconds raises DeadlineError. A background thread asks the server to cancel
  the statement, for at most a second, and the connection is closed at once: its state is unknown.
* The wait itself is psycopg's, in C, which takes a timeout: a statement pays one attribute for it.

Also owns the transactions, which save round trips: `begin` sends BEGIN and what follows it as one message, and the end
of a snapshot is sent without waiting for its answer, which the next use of the connection reads. Statements are never
prepared on the server, which a pooler in transaction mode would give to another client. Leaves the choice of a server
to postgresql_connect.py.
"""

import select
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import pq
from psycopg.abc import RV, PQGen
from psycopg.errors import _WaitTimeout, error_from_result
from psycopg.generators import execute
from psycopg.rows import tuple_row
from psycopg.waiting import Wait, wait_conn

from daypass.storage.outages import Outages

CANCEL_SECONDS = 1.0
PENDING_SECONDS = 2.0  # for the answer to the end of an earlier snapshot, which has usually arrived long ago
_PENDING_SECONDS_OF_REPLICA = 1.0
_INTERVAL = 0.1  # in which psycopg looks for signals
_SUCCESS = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK})
_MOST_MESSAGES = 8  # of a server that says goodbye


class DeadlineError(psycopg.OperationalError):
    """The server did not answer in time."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection in autocommit mode, with transactions of its own.

    `bound` is the longest wait of each call, in seconds.
    """

    def __init__(self, pgconn: pq.abc.PGconn, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.bound = PENDING_SECONDS
        self.outages: Outages | None = None
        self.may_be_replica = False
        self.begun: psycopg.Cursor[Any] | None = None
        self._is_snapshot = False
        self._is_ending = False  # the end of a snapshot was sent, and its answer is not read yet

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """Wait for the server.

        Raises DeadlineError, and closes the connection, after `bound` seconds.
        """
        bound = self.bound if timeout is None else timeout
        try:
            return super().wait(gen, interval, bound)
        except _WaitTimeout:
            self._give_up()
            raise DeadlineError(f"the database did not answer within {bound:g} seconds") from None

    def begin(self, statements: str, *, bound: float, is_snapshot: bool = False) -> None:
        """Begin a transaction with one message.

        `begun` is then the cursor of its results.
        """
        if self._is_ending:
            self._read_end()
        self.bound, self._is_snapshot = bound, is_snapshot
        self.begun = self.execute(statements.encode())

    def begin_write(self, statements: bytes, *, bound: float) -> pq.abc.PGresult:
        """Begin a transaction that writes with one message.

        Returns the result of its last statement.
        """
        if self._is_ending:
            self._read_end()
        self.bound, self._is_snapshot = bound, False
        return self.send_message(statements)[-1]

    def send_message(self, statements: bytes) -> "list[pq.abc.PGresult]":
        """Execute statements without parameters in one message.

        Returns their results, with values as text. This and `query` are a third of the work of a cursor, which
        converts every value by its type.
        """
        self.pgconn.send_query(statements)
        results: list[pq.abc.PGresult] = self.wait(execute(self.pgconn))
        for result in results:
            _require_success(result)
        return results

    def query(
        self, statement: bytes, values: Sequence[bytes | None], types: Sequence[int], formats: Sequence[int]
    ) -> pq.abc.PGresult:
        """Execute a statement with the parameters $1, $2 and so on.

        Returns its result, with values in binary form.
        """
        self.pgconn.send_query_params(statement, values, types, formats, pq.Format.BINARY)
        result: pq.abc.PGresult
        (result,) = self.wait(execute(self.pgconn))
        _require_success(result)
        return result

    def commit(self) -> None:
        """Commit a transaction, or end a snapshot without waiting."""
        if self._is_snapshot:
            self._end_snapshot()
        elif self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            super().commit()

    def rollback(self) -> None:
        """Roll a transaction back, or end a snapshot without waiting."""
        if self._is_snapshot:
            self._end_snapshot()
        elif self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            super().rollback()

    def is_alive(self) -> bool:
        """Return whether a connection that was idle can be used.

        It costs no round trip: a server that ended a connection has said so.
        """
        try:
            if self._is_ending:
                self._read_end()
            for _ in range(_MOST_MESSAGES):
                if self.closed or not _is_readable(self.pgconn.socket):
                    break
                self.pgconn.consume_input()
        except (psycopg.Error, ValueError, OSError):  # the latter two of a socket that is closed
            return False
        return not self.closed

    @property
    def is_demoted(self) -> bool:
        """Return whether a server for writes has become a replica."""
        return not self.may_be_replica and self.is_replica

    @property
    def is_replica(self) -> bool:
        """Return whether the server said that it is a replica.

        It says so again when it changes.
        """
        return self.pgconn.parameter_status(b"in_hot_standby") == b"on"

    def _end_snapshot(self) -> None:
        if self._is_ending or self.closed or self.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            return
        self.pgconn.send_query(b"COMMIT")  # of a failed one too: it becomes a rollback
        self._is_ending = True
        self.pgconn.flush()

    def _read_end(self) -> None:
        self.bound = _PENDING_SECONDS_OF_REPLICA if self.may_be_replica else PENDING_SECONDS
        self._is_ending = False
        with self.lock:
            self.wait(_read_results(self.pgconn))

    def _give_up(self) -> None:
        """Close the connection, and cancel its statement in the background."""
        if self.outages is not None:
            self.outages.count_deadline()
        with suppress(psycopg.Error):
            cancel = self.pgconn.cancel_conn()  # a copy of the address and the key, which outlives the connection
            threading.Thread(target=_cancel, args=(cancel,), name="store-cancel", daemon=True).start()
        self._closed = True
        self.pgconn.finish()


def _require_success(result: pq.abc.PGresult) -> None:
    if result.status not in _SUCCESS:
        raise error_from_result(result)


def _is_readable(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def _read_results(pgconn: pq.abc.PGconn) -> Generator[Wait, int, None]:
    """Read every result of a message, and raise the error of one."""
    while pgconn.flush():
        yield Wait.RW
        pgconn.consume_input()
    failed = None
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        if result.status == pq.ExecStatus.FATAL_ERROR:
            failed = result.error_message.decode(errors="replace")
    if failed is not None:
        raise psycopg.OperationalError(failed)


def _cancel(cancel: pq.abc.PGcancelConn) -> None:
    with suppress(psycopg.Error, OSError, ValueError):
        cancel.start()
        wait_conn(_follow(cancel), interval=_INTERVAL, timeout=CANCEL_SECONDS)
    cancel.finish()


def _follow(cancel: pq.abc.PGcancelConn) -> Generator[tuple[int, Wait], Any, None]:
    while True:
        status = cancel.poll()
        if status == pq.PollingStatus.READING:
            yield cancel.socket, Wait.R
        elif status == pq.PollingStatus.WRITING:
            yield cancel.socket, Wait.W
        else:
            return
