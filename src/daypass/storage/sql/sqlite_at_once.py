"""Snapshots of a SQLite database for the event loop, which must not wait.

Owns the connection for them, and the limits of their work:

- The connection waits for no lock: SQLite's "database is locked" becomes WouldBlockError at once.
- Every other error of the driver becomes WouldBlockError too. The worker thread that repeats the work meets the error
  itself, and translates it.
- The event loop neither opens nor closes the connection, because both can read and write the file. Worker threads do,
  when they open a snapshot of their own.
- Rows are counted while SQLite finds them, so that work beyond the limits ends early.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from daypass.directory.store import ReadLimits, Record, WouldBlockError
from daypass.storage.sql.sqlite_reader import SqliteReader
from daypass.storage.storable_text import is_storable

_COUNT_SOME_SOURCES = "SELECT count(*) FROM (SELECT 1 FROM links WHERE kind = ? AND target = ? LIMIT ?)"


class LimitedSqliteReader(SqliteReader):
    """A reader of one snapshot with limits.

    It raises WouldBlockError beyond them, and instead of waiting. A record that was found is not read again.
    """

    def __init__(self, connection: sqlite3.Connection, cursor: sqlite3.Cursor, limits: ReadLimits) -> None:
        super().__init__(connection)
        self._query_one = cursor.execute  # a new cursor for each query takes longer
        self._queries = limits.queries
        self._row_count = limits.rows
        self._body_bytes = limits.body_bytes
        self._found: dict[tuple[str, str, str], Record | None] = {}
        self.has_failed = False

    def find(self, kind: str, account: str, key: str) -> Record | None:
        place = (kind, account, key)
        if place in self._found:
            return self._found[place]
        found = self._found[place] = super().find(kind, account, key)
        return found

    def count_sources(self, kind: str, target: str) -> int:
        if not is_storable(kind, target):
            return 0
        number = self._number(_COUNT_SOME_SOURCES, (kind, target, self._row_count + 1))
        self._charge(number, 0)
        return number

    def _row(self, statement: str, values: Sequence[Any]) -> Sequence[Any] | None:
        self._count_query()
        try:
            row: Sequence[Any] | None = self._query_one(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._fail() from error
        if row is not None:
            self._charge(1, len(row[-1]))
        return row

    def _rows(self, statement: str, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        self._count_query()
        try:
            with closing(self._query(statement, values)) as cursor:  # an open one keeps the snapshot after its end
                for row in cursor:
                    self._charge(1, len(row[-1]))
                    yield row
        except sqlite3.Error as error:
            raise self._fail() from error

    def _only(self, statement: str, values: Sequence[Any] = ()) -> Sequence[Any] | None:
        self._count_query()
        try:
            row: Sequence[Any] | None = self._query_one(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._fail() from error
        return row

    def _count_query(self) -> None:
        self._queries -= 1
        if self._queries < 0:
            raise WouldBlockError

    def _charge(self, rows: int, body_bytes: int) -> None:
        self._row_count -= rows
        self._body_bytes -= body_bytes
        if self._row_count < 0 or self._body_bytes < 0:
            raise WouldBlockError

    def _fail(self) -> WouldBlockError:
        self.has_failed = True
        return WouldBlockError()


class ConnectionAtOnce:
    """The event loop's connection.

    One snapshot at a time uses it. `connect` opens one that does not wait for locks.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._failed: sqlite3.Connection | None = None
        self._is_wanted = False
        self._is_outdated = False
        self._is_closed = False
        self._turn = threading.Lock()  # tried, never waited for

    def take(self) -> sqlite3.Connection:
        """Return the connection for one snapshot, or raise WouldBlockError."""
        if not self._turn.acquire(blocking=False):
            raise WouldBlockError
        connection = self._connection
        if connection is None:
            self._is_wanted = True
            self._turn.release()
            raise WouldBlockError
        return connection

    def give_back(self, *, has_failed: bool) -> None:
        """End the use of the connection. A failed one is not used again."""
        if has_failed or self._is_outdated:
            self._is_outdated = False
            self._failed, self._connection, self._is_wanted = self._connection, None, True
        if self._is_closed:
            self._close_all()
        self._turn.release()

    def prepare(self) -> None:
        """Open a connection if the event loop waits for one.

        Only a thread that may wait calls it. Its own work can succeed after a failure here, which is tried again later.
        """
        if not self._is_wanted or not self._turn.acquire(blocking=False):
            return
        try:
            self._close_all()
            if not self._is_closed:
                self._connection, self._is_wanted = begun(self._connect), False
        except sqlite3.Error:
            return
        finally:
            self._turn.release()

    def renew(self) -> None:
        """Open the connection again, or let it end with its snapshot.

        Only a thread that may wait calls it.
        """
        self._is_outdated = True
        if not self._turn.acquire(blocking=False):
            return
        self._is_outdated = False
        has_one = self._connection is not None
        self._close_all()
        self._is_wanted = self._is_wanted or has_one
        self._turn.release()
        self.prepare()

    def close(self) -> None:
        """Close the connection, or let its snapshot close it.

        Later snapshots raise WouldBlockError.
        """
        self._is_closed = True
        if self._turn.acquire(blocking=False):
            self._close_all()
            self._turn.release()

    def _close_all(self) -> None:
        for connection in (self._connection, self._failed):
            if connection is not None:
                connection.close()
        self._connection = self._failed = None


def begun(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """Return a connection that has read the schema.

    It has recovered the log if necessary.
    """
    connection = connect()
    try:
        connection.execute("SELECT revision FROM changes LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class SnapshotAtOnce:
    """A context with one snapshot on the event loop's connection."""

    __slots__ = ("_connection", "_cursor", "_limits", "_reader")

    def __init__(self, connection: ConnectionAtOnce, limits: ReadLimits) -> None:
        self._connection = connection
        self._limits = limits

    def __enter__(self) -> LimitedSqliteReader:
        """Begin the snapshot, or raise WouldBlockError."""
        driver = self._connection.take()
        try:
            self._cursor = driver.cursor()
            self._cursor.execute("BEGIN")
        except sqlite3.Error as error:
            self._connection.give_back(has_failed=True)
            raise WouldBlockError from error
        self._reader = LimitedSqliteReader(driver, self._cursor, self._limits)
        return self._reader

    def __exit__(self, *_: object) -> None:
        """End the snapshot. An error of the driver here does not alter what was read."""
        has_failed = self._reader.has_failed
        try:
            self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            has_failed = True
        self._connection.give_back(has_failed=has_failed)
