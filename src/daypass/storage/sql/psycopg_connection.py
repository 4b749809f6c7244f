"""A writer's connection to PostgreSQL, faster for fixed statements.

The same as driver_connection.py for SQLite: statements are compiled once, and psycopg executes them. Its errors become
StoreUnavailableError, except a violated constraint or an unreadable value, which is our bug.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from sqlalchemy import Connection
from sqlalchemy.sql.expression import Executable

from daypass.directory.store import StoreUnavailableError
from daypass.storage.sql.bounded_connection import BoundedConnection
from daypass.storage.sql.driver_connection import Parameters, Rows, is_fixed
from daypass.storage.sql.transactions import unavailable

_compiled: dict[Executable, str] = {}  # fixed statements are constants of their modules


class PsycopgConnection:
    """The methods of a connection that readers and writers use.

    It also sends messages of several statements.
    """

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect
        self._connection = connection
        self._driver = cast("BoundedConnection", connection.connection.driver_connection)

    def as_sqlalchemy(self) -> Connection:
        """Return this connection under the type that readers and writers expect."""
        return cast("Connection", self)

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Execute a statement, once for each mapping of parameters."""
        if not is_fixed(statement):
            return self._connection.execute(statement, parameters)
        if parameters is None or isinstance(parameters, Mapping):
            return self._run(statement, parameters or {})
        results = [self._run(statement, each) for each in parameters]
        return results[-1]

    def last_begun(self) -> Sequence[Any]:
        """Return the row of the last statement in the message of BEGIN."""
        cursor = self._driver.begun
        if cursor is None:
            raise ValueError("the transaction did not begin with a message")
        while cursor.nextset():
            pass
        return cursor.fetchone() or ()

    def commit_with(self, text: str, values: Sequence[Any]) -> Sequence[Any]:
        """Execute statements and COMMIT in one message, and return the only row.

        psycopg quotes the values.
        """
        row: Sequence[Any] = ()
        with _translated():
            cursor = psycopg.ClientCursor(self._driver)
            cursor.execute(text.encode() + b"COMMIT", values)
            while True:
                if cursor.description is not None:
                    row = cursor.fetchone() or ()
                if not cursor.nextset():
                    break
        if cursor.statusmessage != "COMMIT":
            raise StoreUnavailableError(f"the database answered {cursor.statusmessage} to COMMIT")
        return row

    def _run(self, statement: Executable, parameters: Mapping[str, Any]) -> Rows:
        text = _compiled.get(statement)
        if text is None:
            text = _compiled[statement] = self._compile(statement, list(parameters))
        with _translated():
            return Rows(self._driver.execute(text.encode(), parameters or None))

    def _compile(self, statement: Any, names: list[str]) -> str:
        return str(statement.compile(dialect=self.dialect, column_keys=names or None))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.IntegrityError, psycopg.DataError):
        raise
    except psycopg.Error as error:
        raise unavailable(error) from error
