"""The writer of a SQLite database, on the driver itself.

Owns the transaction: the connection comes from SQLAlchemy's pool, and nothing else of SQLAlchemy works for a write.
BEGIN IMMEDIATE excludes the other writers, also those of other processes.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from sqlalchemy import Connection, Engine, select

from daypass.ports import Clock
from daypass.storage.sql import tables
from daypass.storage.sql.driver_connection import fixed, on_driver
from daypass.storage.sql.sql_writer import TableChanges
from daypass.storage.sql.sqlite_reader import SqliteReader
from daypass.storage.sql.transactions import take_connection, translated

_NUMBER = fixed(select(tables.revision.c.number))


class SqliteWriter(TableChanges, SqliteReader):
    """A writer of a SQLite database."""

    def __init__(
        self, driver: sqlite3.Connection, connection: Connection, *, clock: Clock, revision: int, account: str | None
    ) -> None:
        SqliteReader.__init__(self, driver)
        TableChanges.__init__(self, connection, clock=clock, revision=revision, account=account)

    def count(self, kind: str, account: str) -> int:
        return super().count(kind, account) + self._counted[kind, account]


@contextmanager
def sqlite_writer(engine: Engine, clock: Clock, account: str | None) -> Iterator[SqliteWriter]:
    """Open the only writer.

    Its transaction is committed unless there was an exception.
    """
    with translated():
        pooled = take_connection(engine)
        try:
            driver = cast("sqlite3.Connection", pooled.driver_connection)
            driver.execute("BEGIN IMMEDIATE")
            try:
                connection = on_driver(engine.dialect, driver)
                number = int(connection.execute(_NUMBER).scalar_one())
                yield SqliteWriter(driver, connection, clock=clock, revision=number, account=account)
                driver.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # closing the connection rolls back too
                    driver.rollback()
                raise
        finally:
            pooled.close()
