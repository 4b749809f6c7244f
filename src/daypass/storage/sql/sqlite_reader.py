"""Snapshots of a SQLite database, read by the driver itself.

Owns the connections for reading and their statements, which are those of sql_reader.py: the work of SQLAlchemy around
a query costs several times the query. Writers use SQLAlchemy. Leaves what each method promises to directory/store.py.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daypass.directory.store import Link, Record, StoreUnavailableError
from daypass.storage.sql.engines import LOCK_WAIT_SECONDS
from daypass.storage.sql.transactions import unavailable
from daypass.storage.storable_text import end_of_prefix, is_storable

MOST_CONNECTIONS = 16  # snapshots at the same time; another one waits
_RECORD = "SELECT kind, account, key, sort, unique_id, body FROM records WHERE "
_LINK = "SELECT kind, source, target, body FROM links WHERE kind = ? AND "
_BY_KEY, _BY_ID = f"{_RECORD}kind = ? AND account = ? AND key = ?", f"{_RECORD}unique_id = ?"
_BY_ENDS = f"{_LINK}source = ? AND target = ?"
_REVISION = "SELECT number FROM revision"
_LOGGED = "SELECT touched FROM changes WHERE revision > ?"
_COUNT = "SELECT number FROM counts WHERE kind = ? AND account = ?"
_COUNT_SOURCES = "SELECT count(*) FROM links WHERE kind = ? AND target = ?"


class SqliteReader:
    """A reader of one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._query = connection.execute

    def revision(self) -> int:
        return int(self._query(_REVISION).fetchone()[0])

    def find(self, kind: str, account: str, key: str) -> Record | None:
        if not is_storable(kind, account, key):
            return None
        row = self._query(_BY_KEY, (kind, account, key)).fetchone()
        return None if row is None else _record(row)

    def find_by_id(self, unique_id: str) -> Record | None:
        if not is_storable(unique_id):
            return None
        row = self._query(_BY_ID, (unique_id,)).fetchone()
        return None if row is None else _record(row)

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        if not is_storable(kind, account, after, prefix):
            return []
        conditions, values, order = ["kind = ?"], [kind], "account, sort"
        if account is not None:
            conditions, values, order = [*conditions, "account = ?"], [*values, account], "sort"
        if after and account is not None:
            conditions, values = [*conditions, "sort > ?"], [*values, after]
        elif after:
            last_account, _, last_sort = after.partition("/")
            conditions, values = [*conditions, "(account, sort) > (?, ?)"], [*values, last_account, last_sort]
        end = end_of_prefix(prefix) if prefix else None
        if prefix:
            conditions, values = [*conditions, "sort >= ?"], [*values, prefix]
        if end is not None:
            conditions, values = [*conditions, "sort < ?"], [*values, end]
        wanted = f"{_RECORD}{' AND '.join(conditions)} ORDER BY {order} LIMIT ?"
        return [_record(row) for row in self._query(wanted, (*values, limit))]

    def count(self, kind: str, account: str) -> int:
        if not is_storable(kind, account):
            return 0
        row = self._query(_COUNT, (kind, account)).fetchone()
        return 0 if row is None else int(row[0])

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        if not is_storable(kind, source, target):
            return None
        row = self._query(_BY_ENDS, (kind, source, target)).fetchone()
        return None if row is None else Link(*row)

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._links(kind, "source", source, "target", after, limit)

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._links(kind, "target", target, "source", after, limit)

    def count_sources(self, kind: str, target: str) -> int:
        if not is_storable(kind, target):
            return 0
        return int(self._query(_COUNT_SOURCES, (kind, target)).fetchone()[0])

    def logged_since(self, revision: int) -> list[bytes | None]:
        """Return the entries of the log of changes after a revision."""
        return [row[0] for row in self._query(_LOGGED, (revision,))]

    def _links(self, kind: str, near: str, end: str, far: str, after: str, limit: int | None) -> list[Link]:
        """Return the links whose column `near` is `end`, in the order of the column `far`."""
        if not is_storable(kind, end, after):
            return []
        wanted = f"{_LINK}{near} = ? AND {far} {'>' if after else '>='} ? ORDER BY {far} LIMIT ?"
        # No name is less than the empty one, and a negative limit means no limit.
        rows = self._query(wanted, (kind, end, after, -1 if limit is None else limit))
        return [Link(*row) for row in rows]


def _record(row: Sequence[Any]) -> Record:
    kind, account, key, sort, unique_id, body = row
    return Record(kind=kind, account=account, key=key, sort=sort, unique_id=unique_id, body=body)


class SqliteSnapshots:
    """The connections for reading.

    Threads share them; each snapshot has one for itself.
    """

    def __init__(self, path: Path) -> None:
        # A missing file is an error: the store's own start creates it.
        self._address = f"{path.absolute().as_uri()}?mode=rw"
        self._free: deque[sqlite3.Connection] = deque()
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._is_closed = False

    @contextmanager
    def open(self) -> Iterator[SqliteReader]:
        """Open a snapshot. Raises StoreUnavailableError, also while it is used."""
        if not self._places.acquire(timeout=LOCK_WAIT_SECONDS):
            raise StoreUnavailableError("every connection to the database is in use")
        try:
            with self._borrowed() as connection:
                yield SqliteReader(connection)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            self._places.release()

    def close(self) -> None:
        """Close every connection. One in use is closed when its snapshot ends."""
        self._is_closed = True
        while self._free:
            self._free.pop().close()

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            raise
        except BaseException:
            self._give_back(connection)
            raise
        self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._is_closed:
            connection.close()
        else:
            self._free.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            timeout=LOCK_WAIT_SECONDS,
            isolation_level=None,  # the driver does not begin transactions
            check_same_thread=False,
            uri=True,
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection
