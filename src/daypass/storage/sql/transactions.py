"""Transactions through SQLAlchemy, and the translation of driver errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daypass.directory.store import StoreUnavailableError

_DETAIL_LENGTH = 200


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction, and commit it unless there was an exception.

    Translates exceptions of the driver, except a violated constraint or an unreadable value, which is our bug.
    """
    try:
        with _begun(engine) as connection:
            yield connection
    except (IntegrityError, DataError, sqlite3.IntegrityError, sqlite3.DataError):
        raise
    except sqlite3.Error as error:  # of a statement that SQLite's driver itself executed
        raise unavailable(error) from error
    except DBAPIError as error:
        raise unavailable(error.orig) from error
    except PoolTimeout as error:
        raise StoreUnavailableError("every connection to the database is in use") from error


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction, on a second connection if the server had ended the first.

    Only the start is repeated: it has no effect.
    """
    connection = _find_begun(engine) or _begin(engine)
    with connection, cast("AbstractContextManager[object]", connection.get_transaction()):
        yield connection


def _find_begun(engine: Engine) -> Connection | None:
    """Begin a transaction, or return None if the server had ended the connection."""
    try:
        return _begin(engine)
    except DBAPIError as error:
        if error.connection_invalidated:
            return None
        raise


def _begin(engine: Engine) -> Connection:
    connection = engine.connect()
    try:
        connection.begin()
    except BaseException:
        connection.close()
        raise
    return connection


def unavailable(error: BaseException | None) -> StoreUnavailableError:
    """Return the fault for an error of a driver.

    It contains neither the statement nor its parameters, whose values must not be logged.
    """
    first_line, *_ = str(error).splitlines() or [""]
    return StoreUnavailableError(f"{type(error).__name__}: {first_line}"[:_DETAIL_LENGTH])
