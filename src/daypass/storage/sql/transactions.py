"""Transactions through SQLAlchemy, and the translation of driver errors."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daypass.directory.store import StoreUnavailableError
from daypass.storage.sql.engines import FIRST_STATEMENTS

T = TypeVar("T")
_DETAIL_LENGTH = 200


@contextmanager
def translated() -> Iterator[None]:
    """Translate exceptions of the driver.

    A violated constraint or an unreadable value is our bug, and passed on.
    """
    try:
        yield
    except (IntegrityError, DataError, sqlite3.IntegrityError, sqlite3.DataError):
        raise
    except sqlite3.Error as error:  # of a statement that SQLite's driver itself executed
        raise unavailable(error) from error
    except DBAPIError as error:
        raise unavailable(error.orig) from error
    except PoolTimeout as error:
        raise StoreUnavailableError("every connection to the database is in use") from error


@contextmanager
def _pool_given_up() -> Iterator[None]:
    """Translate the error of a pool whose check found each new connection unusable."""
    try:
        yield
    except InvalidRequestError as error:
        raise StoreUnavailableError("the database ends new connections, or has become a replica") from error


def take_connection(engine: Engine) -> PoolProxiedConnection:
    """Return a connection of the pool, without SQLAlchemy's own around it.

    The caller translates errors of the driver. Raises StoreUnavailableError if the pool has none.
    """
    with _pool_given_up(), translated():
        return engine.raw_connection()


@contextmanager
def transaction(engine: Engine, first: str = "") -> Iterator[Connection]:
    """Begin a transaction, and commit it unless there was an exception.

    PostgreSQL executes the statements `first`, which change nothing, in the message of BEGIN.
    Translates exceptions of the driver, except a violated constraint or an unreadable value, which is our bug.
    """
    with translated(), _begun(engine, first) as connection:
        yield connection


@contextmanager
def _begun(engine: Engine, first: str) -> Iterator[Connection]:
    """Begin a transaction, on a second connection if the server had ended the first.

    Only the start is repeated: it has no effect.
    """
    connection = _find_begun(engine, first) or _begin(engine, first)
    with connection, cast("AbstractContextManager[object]", connection.get_transaction()):
        yield connection


def _find_begun(engine: Engine, first: str) -> Connection | None:
    """Begin a transaction, or return None if the server had ended the connection."""
    try:
        return _begin(engine, first)
    except DBAPIError as error:
        if error.connection_invalidated:
            return None
        raise


def _begin(engine: Engine, first: str) -> Connection:
    with _pool_given_up():
        connection = engine.connect()
    try:
        if first:
            connection.execution_options(**{FIRST_STATEMENTS: first})
        connection.begin()
    except BaseException:
        connection.close()
        raise
    return connection


_CONFLICTS = ("40001", "40P01")  # serialization_failure, deadlock_detected
_CONFLICT_ATTEMPTS = 4
_UNDEFINED_COLUMN = "42703"


class StoreConflictError(StoreUnavailableError):
    """The database undid a transaction because of a concurrent one.

    A repetition may succeed.
    """


def repeat_conflicts(change: Callable[[], T]) -> T:
    """Return the result of a transaction, and repeat it after a conflict.

    The transaction must be all of `change`: the database has undone it.
    """
    for _ in range(_CONFLICT_ATTEMPTS - 1):
        with suppress(StoreConflictError):
            return change()
    return change()


class StoreIncompleteError(StoreUnavailableError):
    """The tables lack a column.

    A backup from before an addition to the tables was restored under this process.
    """


def _fault_of(error: BaseException | None) -> type[StoreUnavailableError]:
    state = getattr(error, "sqlstate", None)
    if state in _CONFLICTS:
        return StoreConflictError
    is_incomplete = state == _UNDEFINED_COLUMN or str(error).startswith("no such column")
    return StoreIncompleteError if is_incomplete else StoreUnavailableError


def unavailable(error: BaseException | None) -> StoreUnavailableError:
    """Return the fault for an error of a driver.

    It contains neither the statement nor its parameters, whose values must not be logged.
    """
    first_line, *_ = str(error).splitlines() or [""]
    return _fault_of(error)(f"{type(error).__name__}: {first_line}"[:_DETAIL_LENGTH])
