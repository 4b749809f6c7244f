"""Open a store by its URL.

Owns the steps: prepare the file or the database, migrate its tables, return the store. Every problem is a
StoreOpenError with a message for the operator; later, a database that goes down raises StoreUnavailableError.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InvalidRequestError, OperationalError

from daypass.directory.store import Store
from daypass.ports import Clock
from daypass.storage import schema
from daypass.storage.address import Address, MemoryAddress, SqliteAddress, parse_address
from daypass.storage.change_counter import counter_beside, counter_of_server
from daypass.storage.memory import MemoryStore
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.refusals import StoreOpenError, StoreUnreachableError
from daypass.storage.sql.engines import (
    CONNECTIONS,
    LOCK_WAIT_SECONDS,
    postgresql_engines,
    replica_engine,
    sqlite_engines,
)
from daypass.storage.sql.snapshots import SqlSnapshots
from daypass.storage.sql.sql_store import SqlStore
from daypass.storage.sql.sqlite_files import SqliteFiles
from daypass.storage.sql.sqlite_snapshots import SqliteSnapshots


def open_store(url: str, *, clock: Clock) -> Store:
    """Return the store at `url`, ready to use.

    Tables are created or migrated if necessary.
    """
    return open_address(parse_address(url), clock=clock)


def open_address(
    address: Address, *, clock: Clock, connections: int = CONNECTIONS, replica: PostgresqlAddress | None = None
) -> Store:
    """Return the store at a parsed address.

    `connections` is the most that one process opens to PostgreSQL, and as many to its `replica`.
    """
    if replica is not None and not isinstance(address, PostgresqlAddress):
        raise StoreOpenError("read_store is for a store on PostgreSQL: remove it, or change the store")
    if isinstance(address, MemoryAddress):
        return MemoryStore(clock)
    if isinstance(address, SqliteAddress):
        return _open_sqlite(address.path, clock)
    engines = postgresql_engines(address, connections=connections)
    change_counter = counter_of_server(address.identity)
    bring_up_to_date(engines.writing, name="the PostgreSQL database")
    reading = None if replica is None else replica_engine(replica, connections=connections)
    return SqlStore(engines, SqlSnapshots(engines), change_counter, clock, reading)


def _open_sqlite(path: Path, clock: Clock) -> Store:
    _make_file(path)
    change_counter = counter_beside(path)
    files = SqliteFiles(path)
    engines = sqlite_engines(path.absolute(), files)
    with change_counter.alone():  # two servers may start on an empty store at once
        _use_write_ahead_log(path)
        bring_up_to_date(engines.writing, name=str(path))
    return SqlStore(engines, SqliteSnapshots(path, files), change_counter, clock)


def _make_file(path: Path) -> None:
    """Create an empty database that only its owner can read.

    An existing one keeps its owner and mode.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreOpenError(f"cannot open the store {path}: {error.strerror}") from error


def _use_write_ahead_log(path: Path) -> None:
    """Enable readers and one writer at the same time.

    The file stores this mode, but a restored copy may lack it.
    """
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_WAIT_SECONDS)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.DatabaseError as error:
        raise StoreOpenError(f"cannot open the store {path}: {error}") from error
    if mode != "wal":
        raise StoreOpenError(f"cannot open the store {path}: its file system has no shared memory for SQLite's WAL")


def bring_up_to_date(engine: Engine, *, name: str) -> None:
    """Create or migrate the tables. Raises StoreOpenError."""
    try:
        if not schema.is_current(engine):
            schema.migrate(engine)
    except OperationalError as error:
        raise StoreUnreachableError(f"cannot open {name}: {_first_line(error)}") from error
    except InvalidRequestError as error:  # of the pool, see transactions.py
        raise StoreUnreachableError(f"cannot open {name}: it ends new connections") from error
    except DBAPIError as error:
        raise StoreOpenError(f"cannot create the tables in {name}: {_first_line(error)}") from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]
