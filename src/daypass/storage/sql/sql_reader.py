"""Queries of the tables, on one connection inside one transaction.

Leaves the transaction and driver errors to transactions.py.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select, text, tuple_

from daypass.directory.changes import Position
from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import Link, Record
from daypass.storage.history import LoggedWrite, to_position
from daypass.storage.schema import VERSION_TABLE
from daypass.storage.sql import tables
from daypass.storage.sql.driver_connection import fixed
from daypass.storage.sql.table_rows import TableRow, page_of_table, text_of_size
from daypass.storage.storable_text import end_of_prefix, is_storable

_RECORD = (
    tables.records.c.kind,
    tables.records.c.account,
    tables.records.c.key,
    tables.records.c.sort,
    tables.records.c.unique_id,
    tables.records.c.body,
)
_LINK = (tables.links.c.kind, tables.links.c.source, tables.links.c.target, tables.links.c.body)

_POSITION = fixed(
    select(tables.changes.c.revision, tables.changes.c.nonce)
    .order_by(tables.changes.c.revision.desc())
    .limit(literal_column("1"))
)
POSITION_TEXT = "SELECT revision, nonce FROM changes ORDER BY revision DESC LIMIT 1"  # the same as text
LOGGED = fixed(
    select(tables.changes.c.revision, tables.changes.c.nonce, tables.changes.c.touched)
    .where(tables.changes.c.revision >= bindparam("number"))
    .order_by(tables.changes.c.revision)
)
_SCHEMA_VERSION = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
_BY_KEY = fixed(select(*_RECORD).where(tables.named(tables.records, "kind", "account", "key")))
_BY_ID = fixed(select(*_RECORD).where(tables.named(tables.records, "unique_id")))
_COUNT = fixed(select(tables.counts.c.number).where(tables.named(tables.counts, "kind", "account")))
_LINK_BY_ENDS = fixed(select(*_LINK).where(tables.named(tables.links, "kind", "source", "target")))
_LINKS_OF = {end: select(*_LINK).where(tables.named(tables.links, "kind", end)) for end in ("source", "target")}
_LINKS_OF_MANY = (
    select(*_LINK)
    .where(tables.links.c.kind == bindparam("kind"), tables.links.c.source.in_(bindparam("sources", expanding=True)))
    .order_by(tables.links.c.source, tables.links.c.target)
)
_COUNT_SOURCES = fixed(
    select(func.count()).select_from(tables.links).where(tables.named(tables.links, "kind", "target"))
)
_USE = fixed(
    select(
        tables.last_uses.c.unique_id,
        tables.last_uses.c.account,
        tables.last_uses.c.at,
        tables.last_uses.c.region,
        tables.last_uses.c.service,
    ).where(tables.named(tables.last_uses, "unique_id"))
)


class SqlReader:
    """A reader of one transaction."""

    def __init__(self, connection: Connection, position: Position | None = None) -> None:
        self._connection = connection
        self._position = position

    def revision(self) -> int:
        return self.position().number

    def position(self) -> Position:
        if self._position is None:
            self._position = to_position(self._connection.execute(_POSITION).first())
        return self._position

    def find(self, kind: str, account: str, key: str) -> Record | None:
        if not is_storable(kind, account, key):
            return None
        return self._find(_BY_KEY, {"kind": kind, "account": account, "key": key})

    def find_by_id(self, unique_id: str) -> Record | None:
        if not is_storable(unique_id):
            return None
        return self._find(_BY_ID, {"unique_id": unique_id})

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        if not is_storable(kind, account, after, prefix):
            return []
        wanted = _page_of(account, after, prefix).where(tables.records.c.kind == kind).limit(limit)
        return [_record(row) for row in self._connection.execute(wanted)]

    def count(self, kind: str, account: str) -> int:
        if not is_storable(kind, account):
            return 0
        number = self._connection.execute(_COUNT, {"kind": kind, "account": account}).scalar()
        return int(number or 0)

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        if not is_storable(kind, source, target):
            return None
        ends = {"kind": kind, "source": source, "target": target}
        row = self._connection.execute(_LINK_BY_ENDS, ends).first()
        return None if row is None else _link(row)

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._links(kind, "source", source, "target", after, limit)

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._links(kind, "target", target, "source", after, limit)

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        if not is_storable(kind):
            return []
        storable = [source for source in sources if is_storable(source)]
        return [_link(row) for row in self._connection.execute(_LINKS_OF_MANY, {"kind": kind, "sources": storable})]

    def count_sources(self, kind: str, target: str) -> int:
        if not is_storable(kind, target):
            return 0
        return int(self._connection.execute(_COUNT_SOURCES, {"kind": kind, "target": target}).scalar_one())

    def find_use(self, unique_id: str) -> RecordedUse | None:
        if not is_storable(unique_id):
            return None
        row = self._connection.execute(_USE, {"unique_id": unique_id}).first()
        return None if row is None else RecordedUse(*row)

    def logged_from(self, number: int) -> Sequence[LoggedWrite]:
        """Return the log of changes from the write of a number on."""
        return list(self._connection.execute(LOGGED, {"number": number}))

    def table_page(self, table: str, after: TableRow, limit: int) -> list[TableRow]:
        """Return the next rows of a table, for a backup."""
        return [tuple(row) for row in self._connection.execute(page_of_table(table, after, limit))]

    def table_size(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(self._connection.execute(text(text_of_size(table))).scalar_one())

    def integrity_problems(self) -> Sequence[str]:
        """Return an empty list: PostgreSQL has programs of its own (amcheck)."""
        return []

    def schema_version(self) -> str:
        """Return the version of the tables."""
        return str(self._connection.execute(_SCHEMA_VERSION).scalar_one())

    def _find(self, wanted: Select[Any], names: dict[str, str]) -> Record | None:
        row = self._connection.execute(wanted, names).first()
        return None if row is None else _record(row)

    def _links(self, kind: str, near: str, end: str, far: str, after: str, limit: int | None) -> list[Link]:
        """Return the links whose column `near` is `end`, in the order of the column `far`."""
        if not is_storable(kind, end, after):
            return []
        wanted = _LINKS_OF[near].order_by(tables.links.c[far]).limit(limit)
        if after:
            wanted = wanted.where(tables.links.c[far] > after)
        return [_link(row) for row in self._connection.execute(wanted, {"kind": kind, near: end})]


def _page_of(account: str | None, after: str, prefix: str) -> Select[Any]:
    columns = tables.records.c
    wanted = select(*_RECORD)
    if account is not None:
        wanted = wanted.where(columns.account == account).order_by(columns.sort)
    else:
        wanted = wanted.order_by(columns.account, columns.sort)
    if after and account is not None:
        wanted = wanted.where(columns.sort > after)
    elif after:
        last_account, _, last_sort = after.partition("/")
        wanted = wanted.where(tuple_(columns.account, columns.sort) > tuple_(last_account, last_sort))
    if prefix:
        wanted = wanted.where(columns.sort >= prefix)
        end = end_of_prefix(prefix)
        wanted = wanted if end is None else wanted.where(columns.sort < end)
    return wanted


def _record(row: Sequence[Any]) -> Record:
    kind, account, key, sort, unique_id, body = row
    return Record(kind=kind, account=account, key=key, sort=sort, unique_id=unique_id, body=bytes(body))


def _link(row: Sequence[Any]) -> Link:
    kind, source, target, body = row
    return Link(kind, source, target, bytes(body))
