"""The connections to each database: pools, timeouts and durability.

Owns every difference between SQLite and PostgreSQL at run time. Every wait is bounded.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

LOCK_WAIT_SECONDS = 10  # for another writer to finish
STATEMENT_SECONDS = 15
CONNECT_SECONDS = 3
_POOL: dict[str, Any] = {
    "poolclass": QueuePool,
    "pool_size": 4,
    "max_overflow": 12,
    "pool_timeout": LOCK_WAIT_SECONDS,
    "hide_parameters": True,  # bodies must not reach a log through an exception
}


@dataclass(frozen=True, slots=True)
class Engines:
    """One pool of connections with two types of transactions.

    SQLite has one type: its snapshots have connections of their own.
    """

    reading: Engine
    writing: Engine
    has_one_writer: bool  # SQLite locks the whole database for every write; PostgreSQL locks rows

    def dispose(self) -> None:
        """Close every connection."""
        self.reading.dispose()


def sqlite_engines(path: Path) -> Engines:
    """Return the engines of a SQLite database.

    Threads and processes may share it.
    """
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": LOCK_WAIT_SECONDS}, **_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Engines(reading=engine, writing=engine, has_one_writer=True)


def postgresql_engines(url: URL) -> Engines:
    """Return the engines of a PostgreSQL database.

    The query part of the URL overrides our timeouts.
    """
    settings = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
        "idle_in_transaction_session_timeout": "60s",
    }
    connect_args = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": STATEMENT_SECONDS * 1000,  # for a network that drops packets
        "keepalives_idle": STATEMENT_SECONDS,
        "application_name": "daypass",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    unsaid = {name: value for name, value in connect_args.items() if name not in url.query}
    # Test a connection before use: the database may have been down.
    engine = create_engine(url, connect_args=unsaid, pool_pre_ping=True, **_POOL)
    return Engines(
        reading=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        writing=engine.execution_options(isolation_level="READ COMMITTED"),
        has_one_writer=False,
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Set the options of a SQLite connection.

    WAL, a property of the file, is set when the store is opened.
    """
    connection.isolation_level = None  # the driver does not begin transactions: _begin_sqlite does
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on disk before it returns
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _begin_sqlite(connection: Connection) -> None:
    # A writer waits for its turn at the start; one that reads first would fail at its first write.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
