"""Reads of a SQLite database by the driver itself.

Owns the statements, which are those of sql_reader.py: the work of SQLAlchemy around a query costs several times the
query. The writer reads with them too (sqlite_writer.py). Leaves what each method promises to directory/store.py, and
the connections to sqlite_snapshots.py.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from daypass.directory.changes import Position
from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import Link, Record
from daypass.storage.history import LoggedWrite, to_position
from daypass.storage.schema import VERSION_TABLE
from daypass.storage.sql.table_rows import TableRow, text_of_page, text_of_size
from daypass.storage.storable_text import end_of_prefix, is_storable

_RECORD = "SELECT kind, account, key, sort, unique_id, body FROM records WHERE "
_LINK = "SELECT kind, source, target, body FROM links WHERE kind = ? AND "
_BY_KEY, _BY_ID = f"{_RECORD}kind = ? AND account = ? AND key = ?", f"{_RECORD}unique_id = ?"
_BY_ENDS = f"{_LINK}source = ? AND target = ?"
_POSITION = "SELECT revision, nonce FROM changes ORDER BY revision DESC LIMIT 1"
_LOGGED = "SELECT revision, nonce, touched FROM changes WHERE revision >= ? ORDER BY revision"
_USE = "SELECT unique_id, account, at, region, service FROM last_uses WHERE unique_id = ?"
_SCHEMA_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant
_COUNT = "SELECT number FROM counts WHERE kind = ? AND account = ?"
_COUNT_SOURCES = "SELECT count(*) FROM links WHERE kind = ? AND target = ?"


class SqliteReader:
    """A reader of one snapshot.

    A subclass may limit `_row`, `_rows` and `_only`, with which every method reads.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._query = connection.execute
        self._position: Position | None = None

    def revision(self) -> int:
        return self.position().number

    def position(self) -> Position:
        if self._position is None:
            self._position = to_position(self._only(_POSITION))
        return self._position

    def find(self, kind: str, account: str, key: str) -> Record | None:
        if not is_storable(kind, account, key):
            return None
        row = self._row(_BY_KEY, (kind, account, key))
        return None if row is None else _record(row)

    def find_by_id(self, unique_id: str) -> Record | None:
        if not is_storable(unique_id):
            return None
        row = self._row(_BY_ID, (unique_id,))
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
        return [_record(row) for row in self._rows(wanted, (*values, limit))]

    def count(self, kind: str, account: str) -> int:
        if not is_storable(kind, account):
            return 0
        return self._number(_COUNT, (kind, account))

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        if not is_storable(kind, source, target):
            return None
        row = self._row(_BY_ENDS, (kind, source, target))
        return None if row is None else Link(*row)

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._links(kind, "source", source, "target", after, limit)

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._links(kind, "target", target, "source", after, limit)

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        if not is_storable(kind):
            return []
        storable = [source for source in sources if is_storable(source)]
        wanted = f"{_LINK}source IN ({', '.join('?' * len(storable))}) ORDER BY source, target"
        return [Link(*row) for row in self._rows(wanted, (kind, *storable))]

    def count_sources(self, kind: str, target: str) -> int:
        if not is_storable(kind, target):
            return 0
        return self._number(_COUNT_SOURCES, (kind, target))

    def find_use(self, unique_id: str) -> RecordedUse | None:
        if not is_storable(unique_id):
            return None
        row = self._only(_USE, (unique_id,))
        return None if row is None else RecordedUse(*row)

    def logged_from(self, number: int) -> list[LoggedWrite]:
        """Return the log of changes from the write of a number on."""
        return self._query(_LOGGED, (number,)).fetchall()

    def table_page(self, table: str, after: TableRow, limit: int) -> list[TableRow]:
        """Return the next rows of a table, for a backup."""
        return self._query(text_of_page(table, has_after=bool(after)), (*after, limit)).fetchall()

    def table_size(self, table: str) -> int:
        """Return the number of rows of a table."""
        return self._number(text_of_size(table))

    def integrity_problems(self) -> Sequence[str]:
        """Return what SQLite finds wrong in the file."""
        found = [str(row[0]) for row in self._query("PRAGMA integrity_check(100)", ())]
        return [] if found == ["ok"] else found

    def schema_version(self) -> str:
        """Return the version of the tables."""
        return str(self._query(_SCHEMA_VERSION, ()).fetchone()[0])

    def _links(self, kind: str, near: str, end: str, far: str, after: str, limit: int | None) -> list[Link]:
        """Return the links whose column `near` is `end`, in the order of the column `far`."""
        if not is_storable(kind, end, after):
            return []
        wanted = f"{_LINK}{near} = ? AND {far} {'>' if after else '>='} ? ORDER BY {far} LIMIT ?"
        # No name is less than the empty one, and a negative limit means no limit.
        rows = self._rows(wanted, (kind, end, after, -1 if limit is None else limit))
        return [Link(*row) for row in rows]

    def _row(self, statement: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Return the only row, or None. Its last column is a body."""
        row: Sequence[Any] | None = self._query(statement, values).fetchone()
        return row

    def _rows(self, statement: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Return the rows. The last column of each is a body."""
        return self._query(statement, values)

    def _number(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Return the number in the only row, or 0 if there is no row."""
        row = self._only(statement, values)
        return 0 if row is None else int(row[0])

    def _only(self, statement: str, values: Sequence[Any] = ()) -> Sequence[Any] | None:
        """Return the only row, which has no body, or None."""
        row: Sequence[Any] | None = self._query(statement, values).fetchone()
        return row


def _record(row: Sequence[Any]) -> Record:
    kind, account, key, sort, unique_id, body = row
    return Record(kind=kind, account=account, key=key, sort=sort, unique_id=unique_id, body=body)
