"""The writers of a SQLite database, on the driver itself.

Owns the transaction, and the connection between two of them: it comes from SQLAlchemy's pool, and nothing else of
SQLAlchemy works for a write.
BEGIN IMMEDIATE excludes the other writers, also those of other processes.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection, select

from daypass.ports import Clock
from daypass.storage.refusals import StoreReplacedError
from daypass.storage.sql import tables
from daypass.storage.sql.driver_connection import fixed, on_driver
from daypass.storage.sql.sql_writer import TableChanges
from daypass.storage.sql.sqlite_files import SqliteFiles
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


class SqliteWriters:
    """Opens the writers of one process, one after the other.

    The connection stays out of the pool between two writers, and is checked before each as the pool checks it: to take
    one from the pool costs more than a statement. The caller lets one writer at a time in.
    """

    def __init__(self, engine: Engine, files: SqliteFiles, clock: Clock) -> None:
        self._engine = engine
        self._files = files
        self._clock = clock
        self._generation = 0
        self._kept: tuple[int, PoolProxiedConnection] | None = None

    @contextmanager
    def open(self, account: str | None) -> Iterator[SqliteWriter]:
        """Open the only writer.

        Its transaction is committed unless there was an exception.
        """
        with translated():
            generation = self._generation
            pooled = self._take(generation)
            driver = cast("sqlite3.Connection", pooled.driver_connection)
            try:
                driver.execute("BEGIN IMMEDIATE")
                connection = on_driver(self._engine.dialect, driver)
                number = int(connection.execute(_NUMBER).scalar_one())
                yield SqliteWriter(driver, connection, clock=self._clock, revision=number, account=account)
                driver.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # closing the connection rolls back too
                    driver.rollback()
                pooled.close()
                raise
            self._keep(generation, pooled)

    def forget(self) -> None:
        """Return the connection to the pool.

        The writer that uses it now does so at its end.
        """
        self._generation += 1
        kept, self._kept = self._kept, None
        if kept is not None:
            kept[1].close()

    def _take(self, generation: int) -> PoolProxiedConnection:
        kept, self._kept = self._kept, None
        if kept is None:
            return take_connection(self._engine)
        kept_in, pooled = kept
        try:
            if kept_in == generation and self._files.is_current(pooled.info):
                return pooled
        except StoreReplacedError:
            pooled.close()
            raise
        pooled.invalidate()
        pooled.close()
        return take_connection(self._engine)

    def _keep(self, generation: int, pooled: PoolProxiedConnection) -> None:
        if generation == self._generation:
            self._kept = generation, pooled
        else:
            pooled.close()
