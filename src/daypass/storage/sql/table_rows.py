"""The rows of the tables that are the content of a store, for backups.

Owns the list of these tables, and the statements that copy them out of one database and into another.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection, Select, Table, insert, select, text, tuple_

from daypass.storage.sql import tables

_ROWS_AT_ONCE = 200  # of a query: a record may have megabytes

# The tables in a backup. All others are made again.
CONTENT: Mapping[str, Table] = {
    "records": tables.records,
    "links": tables.links,
    "claims": tables.claims,
    "last_uses": tables.last_uses,
}
MADE_AGAIN: Mapping[str, str] = {
    "counts": "they are counted when the records are restored",
    "revision": "the head of a backup has the number",
    "changes": "a restored store begins a new history",
}

TableRow = Sequence[Any]


class TableReader(Protocol):
    """Reads whole tables in one snapshot."""

    def table_page(self, table: str, after: TableRow, limit: int) -> list[TableRow]:
        """Return the next rows after a primary key, in its order.

        `after` is empty for the first page.
        """
        ...

    def table_size(self, table: str) -> int:
        """Return the number of rows of a table."""
        ...


def each_row(reader: TableReader, name: str) -> Iterator[TableRow]:
    """Yield the rows of a table. Memory does not grow with their number."""
    keys = _key_positions(name)
    after: TableRow = ()
    while True:
        page = reader.table_page(name, after, _ROWS_AT_ONCE)
        yield from page
        if len(page) < _ROWS_AT_ONCE:
            return
        after = [page[-1][position] for position in keys]


@cache
def _key_positions(name: str) -> tuple[int, ...]:
    columns = list(CONTENT[name].columns)
    return tuple(columns.index(column) for column in CONTENT[name].primary_key)


def page_of_table(name: str, after: TableRow, limit: int) -> Select[Any]:
    """Return the query for a page, for PostgreSQL."""
    table = CONTENT[name]
    keys = list(table.primary_key)
    wanted = select(*table.columns).order_by(*keys).limit(limit)
    return wanted.where(tuple_(*keys) > tuple_(*after)) if after else wanted


@cache
def text_of_page(name: str, *, has_after: bool) -> str:
    """Return the query for a page as text, for SQLite's driver."""
    table = CONTENT[name]
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    places = ", ".join("?" for _ in table.primary_key)
    condition = f" WHERE ({keys}) > ({places})" if has_after else ""
    return f"SELECT {columns} FROM {name}{condition} ORDER BY {keys} LIMIT ?"  # noqa: S608 - names of our tables


def text_of_size(name: str) -> str:
    """Return the query for the number of rows of a table."""
    return f"SELECT count(*) FROM {CONTENT[name].name}"  # noqa: S608 - a name of our tables


def insert_rows(connection: Connection, name: str, rows: Sequence[TableRow]) -> None:
    """Insert rows of a table. Raises IntegrityError."""
    names = [column.name for column in CONTENT[name].columns]
    connection.execute(insert(CONTENT[name]), [dict(zip(names, row, strict=True)) for row in rows])


def begin_history(connection: Connection, *, number: int, nonce: bytes) -> None:
    """Complete a restored store: counts, and the first write of a new history.

    Nodes that know another write of this number see from the nonce that this history is another one.
    """
    connection.execute(
        text("INSERT INTO counts (kind, account, number) SELECT kind, account, count(*) FROM records GROUP BY 1, 2")
    )
    connection.execute(tables.revision.update().values(number=number))
    connection.execute(insert(tables.changes), {"revision": number, "touched": None, "nonce": nonce})
