"""The writers of a SQLite database, on the driver itself.

Owns the transaction with its last statements, and the connection between two of them: it comes from SQLAlchemy's pool,
and nothing else of SQLAlchemy works for a write. One write in 64 trims the log: a deletion by each write would take up
to a tenth of its processor time.
BEGIN IMMEDIATE excludes the other writers, also those of other processes.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection

from daypass.ports import Clock
from daypass.storage.refusals import StoreReplacedError
from daypass.storage.sql import sql_writer
from daypass.storage.sql.driver_connection import on_driver
from daypass.storage.sql.sql_writer import NONCE_BYTES, TableChanges
from daypass.storage.sql.sqlite_files import SqliteFiles
from daypass.storage.sql.sqlite_reader import SqliteReader
from daypass.storage.sql.transactions import take_connection, translated

TRIM_EVERY = 64  # writes: the log may be that much longer
_NUMBER = "SELECT number FROM revision"
_SET_NUMBER = "UPDATE revision SET number = ?"
_LOG = "INSERT INTO changes (revision, touched, nonce) VALUES (?, ?, ?)"
_TRIM = "DELETE FROM changes WHERE revision <= ?"
_ADD_TO_COUNT = (
    "INSERT INTO counts (kind, account, number) VALUES (?, ?, ?) "
    "ON CONFLICT (kind, account) DO UPDATE SET number = number + excluded.number"
)


class SqliteWriter(TableChanges, SqliteReader):
    """A writer of a SQLite database."""

    def __init__(
        self, driver: sqlite3.Connection, connection: Connection, *, clock: Clock, revision: int, account: str | None
    ) -> None:
        SqliteReader.__init__(self, driver)
        TableChanges.__init__(self, connection, clock=clock, revision=revision, account=account)

    def count(self, kind: str, account: str) -> int:
        return super().count(kind, account) + self._counted[kind, account]

    def finish(self) -> tuple[int, bytes | None]:
        """Record the new revision and its changes, and trim the log."""
        number, entry = self._before + 1, self._log_entry()
        self._query(_SET_NUMBER, (number,))
        self._query(_LOG, (number, entry, os.urandom(NONCE_BYTES)))
        if number % TRIM_EVERY == 0:
            self._query(_TRIM, (number - sql_writer.LOG_LENGTH,))
        for (kind, account), difference in self._counted.items():
            if difference:
                self._query(_ADD_TO_COUNT, (kind, account, difference))
        return number, entry


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
                (number,) = driver.execute(_NUMBER).fetchone()
                connection = on_driver(self._engine.dialect, driver)
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
