"""The connections to each database: pools, timeouts and durability.

Owns every difference between SQLite and PostgreSQL at run time. Every wait is bounded; on PostgreSQL by the client too
(bounded_connection.py). There each transaction begins with one message, which also sets the limits that the server
itself must watch: they hold for the transaction alone, so that a pooler may give its connection to others afterwards.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool

from daypass.storage.outages import Outages
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.sql.sqlite_files import SqliteFiles

if TYPE_CHECKING:
    from daypass.storage.sql.bounded_connection import BoundedConnection

LOCK_WAIT_SECONDS = 10  # for another writer to finish
STATEMENT_SECONDS = 15
READ_SECONDS = 5.0  # for the answer to a statement that reads, and for a free connection
WRITE_SECONDS = LOCK_WAIT_SECONDS + 2.0  # for the answer to a statement that may wait for a lock
POLL_SECONDS = 2.5  # for the answer to a query for changes: more than a round trip to another continent
REPLICA_SECONDS = 1.0  # for the start of a snapshot of a replica: the primary answers otherwise
REPLICA_CONNECT_SECONDS = "2"
MIGRATION_SECONDS = 300.0
IDLE_WRITER_SECONDS = 30  # after which the server ends a transaction whose node has stopped
CONNECTIONS = 10  # of a process, with that of the queries for changes
_SQLITE_POOL: dict[str, Any] = {
    "poolclass": QueuePool,
    "pool_size": 4,
    "max_overflow": 12,
    "pool_timeout": LOCK_WAIT_SECONDS,
    "hide_parameters": True,  # bodies must not reach a log through an exception
}
FIRST_STATEMENTS = "daypass_first_statements"  # the option of a connection with statements for the message of BEGIN
_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Not READ WRITE: that would overrule the server's default_transaction_read_only.
_BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
_LIMITS_OF_WRITE = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_WRITER_SECONDS}s",
}


@dataclass(frozen=True, slots=True)
class Engines:
    """One pool of connections with two types of transactions.

    SQLite has one type: its snapshots have connections of their own. `polling` has one more connection, for the
    queries for changes, each of which is its own transaction.
    """

    reading: Engine
    writing: Engine
    polling: Engine
    plain: (
        Engine  # begins no transactions: a writer does it on the driver's connection, on PostgreSQL with `begin_write`
    )
    outages: Outages
    has_one_writer: bool  # SQLite locks the whole database for every write; PostgreSQL locks rows
    begin_write: str = ""
    files: SqliteFiles | None = None  # of SQLite

    def dispose(self) -> None:
        """Close every connection."""
        self.reading.dispose()
        self.polling.dispose()


def sqlite_engines(path: Path, files: SqliteFiles | None = None) -> Engines:
    """Return the engines of a SQLite database.

    Threads and processes may share it.
    """
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": LOCK_WAIT_SECONDS}, **_SQLITE_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    files = files or SqliteFiles(path)
    _follow_replaced_files(engine, files)
    return Engines(engine, engine, engine, plain=engine, outages=Outages(), has_one_writer=True, files=files)


def postgresql_engines(address: PostgresqlAddress, *, connections: int = CONNECTIONS) -> Engines:
    """Return the engines of a PostgreSQL database.

    `connections` is the most that they open together.
    """
    from daypass.storage.sql.postgresql_connect import Connector  # a node with SQLite does not load the driver

    outages = Outages()
    connect: Any = Connector(address.parameters, outages).connect
    shared = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=connections - 1,
        max_overflow=0,
        pool_timeout=READ_SECONDS,
        use_native_hstore=False,  # else each process asks for its type first
        hide_parameters=True,  # bodies must not reach a log through an exception
    )
    event.listen(shared, "checkout", _check_connection)
    # Its attempts to connect do not take turns with those of requests.
    connect = Connector(address.parameters, outages).connect
    pool = QueuePool(connect, pool_size=1, max_overflow=0, timeout=POLL_SECONDS)
    polling = Engine(pool, shared.dialect, shared.url, hide_parameters=True)
    event.listen(polling, "checkout", _check_connection)
    reading, writing = shared.execution_options(), shared.execution_options()
    event.listen(polling, "begin", _begin_poll)
    event.listen(reading, "begin", _begin_snapshot)
    begin_write = _statements_of_write(address.parameters.get("options", ""))
    event.listen(writing, "begin", _begin_write(begin_write))
    return Engines(reading, writing, polling, shared, outages, has_one_writer=False, begin_write=begin_write)


def replica_engine(address: PostgresqlAddress, *, connections: int = CONNECTIONS) -> Engine:
    """Return the engine of a replica, which begins snapshots only."""
    from daypass.storage.sql.postgresql_connect import Connector

    parameters = {"connect_timeout": REPLICA_CONNECT_SECONDS} | address.parameters
    connect: Any = Connector(parameters, Outages(), is_replica=True).connect
    engine = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=connections - 1,
        max_overflow=0,
        pool_timeout=READ_SECONDS,
        use_native_hstore=False,
        hide_parameters=True,
    )
    event.listen(engine, "checkout", _check_connection)
    event.listen(engine, "begin", _begin_replica)
    return engine


def allow_seconds(connection: Connection, seconds: float) -> None:
    """Allow the statements of a transaction on PostgreSQL this time each."""
    if connection.dialect.name == "postgresql":
        _driver_of(connection).bound = seconds


def _driver_of(connection: Connection) -> "BoundedConnection":
    return cast("BoundedConnection", connection.connection.driver_connection)


def _check_connection(connection: "BoundedConnection", _record: object, _proxy: object) -> None:
    """Discard an idle connection that its server has ended."""
    if not connection.is_alive() or connection.is_demoted:
        raise DisconnectionError


def _begin_poll(connection: Connection) -> None:
    _driver_of(connection).bound = POLL_SECONDS


def _begin_snapshot(connection: Connection) -> None:
    first = connection.get_execution_options().get(FIRST_STATEMENTS, "")
    _begin(connection, f"{_BEGIN_SNAPSHOT}; {first}", READ_SECONDS, is_snapshot=True)


def _begin_replica(connection: Connection) -> None:
    first = connection.get_execution_options().get(FIRST_STATEMENTS, "")
    _begin(connection, f"{_BEGIN_SNAPSHOT}; {first}", REPLICA_SECONDS, is_snapshot=True)


def _statements_of_write(options: str) -> str:
    """Return the start of a transaction that writes, with the limits that the URL does not set itself."""
    limits = [f"SET LOCAL {name} = '{value}'" for name, value in _LIMITS_OF_WRITE.items() if name not in options]
    return "; ".join([_BEGIN_WRITE, *limits])


def _begin_write(statements: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        first = connection.get_execution_options().get(FIRST_STATEMENTS, "")
        _begin(connection, f"{statements}; {first}", WRITE_SECONDS)

    return begin


def _begin(connection: Connection, statements: str, seconds: float, *, is_snapshot: bool = False) -> None:
    import psycopg

    from daypass.storage.sql.bounded_connection import DeadlineError

    driver = _driver_of(connection)
    try:
        driver.begin(statements, bound=seconds, is_snapshot=is_snapshot)
    except psycopg.Error as error:
        # The caller repeats the start if the server had ended the connection, but not if the server is silent, or if
        # another writer holds a lock.
        is_ended = driver.closed and not isinstance(error, DeadlineError)
        connection.invalidate(error)
        raise OperationalError("BEGIN", None, error, hide_parameters=True, connection_invalidated=is_ended) from error


def _follow_replaced_files(engine: Engine, files: SqliteFiles) -> None:
    """Let a writer never begin on a database that was replaced."""
    has_connected = False

    def require(*_: object) -> None:
        nonlocal has_connected
        if has_connected and files.look().is_missing:  # SQLite would create an empty one
            raise sqlite3.OperationalError("the database file is missing")
        has_connected = True

    def note(_connection: sqlite3.Connection, record: Any) -> None:
        files.note_opened(record.info)

    def verify(_connection: sqlite3.Connection, record: Any, _pooled: object) -> None:
        if not files.is_current(record.info):
            raise DisconnectionError  # the pool opens another connection

    event.listen(engine, "do_connect", require)
    event.listen(engine, "connect", note)
    event.listen(engine, "checkout", verify)


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
