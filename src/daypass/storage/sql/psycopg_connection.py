"""A writer's connection to PostgreSQL, on the driver itself.

Owns the transaction, and the short way of fixed statements, without SQLAlchemy and the cursors of the driver: they are
compiled once, and their parameters and values have the few types of the tables. The pool and all other statements are
SQLAlchemy's. driver_connection.py does the same for SQLite. Errors of the driver become StoreUnavailableError, except a
violated constraint or an unreadable value, which is our bug.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, cast

import psycopg
from psycopg import pq
from sqlalchemy import Connection, Engine, PoolProxiedConnection
from sqlalchemy.sql.expression import Executable

from daypass.directory.store import StoreUnavailableError
from daypass.storage.sql.bounded_connection import BoundedConnection, DeadlineError
from daypass.storage.sql.driver_connection import Parameters, is_fixed
from daypass.storage.sql.engines import WRITE_SECONDS
from daypass.storage.sql.transactions import take_connection, translated, unavailable


def _to_int(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


_BYTEA = 17
# The types of the columns (pg_type.dat), whose values are read in binary form.
_READERS: dict[int, Callable[[bytes], Any]] = {
    _BYTEA: bytes,
    20: _to_int,
    21: _to_int,
    23: _to_int,
    25: bytes.decode,
    1043: bytes.decode,
}
_PARAMETER = re.compile(r"%\((\w+)\)s")


class _Compiled(NamedTuple):
    text: bytes
    names: tuple[str, ...]


_compiled: dict[Executable, _Compiled] = {}  # fixed statements are constants of their modules


class DriverRows:
    """The result of a statement.

    It has the methods of SQLAlchemy's that the readers and writers use.
    """

    __slots__ = ("_rows", "rowcount")

    def __init__(self, result: pq.abc.PGresult) -> None:
        self.rowcount = -1 if result.command_tuples is None else result.command_tuples
        columns = [(column, _READERS[result.ftype(column)]) for column in range(result.nfields)]
        self._rows = [
            tuple([None if (raw := result.get_value(row, column)) is None else read(raw) for column, read in columns])
            for row in range(result.ntuples)
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def first(self) -> Any:
        """Return the first row, or None."""
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        """Return the first column of the first row, or None."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """Return the first column of the only row."""
        (row,) = self._rows
        return row[0]


class PsycopgConnection:
    """The methods of a connection that readers and writers use.

    It also sends messages of several statements.
    """

    def __init__(self, engine: Engine, pooled: PoolProxiedConnection) -> None:
        self.dialect = engine.dialect
        self.driver = cast("BoundedConnection", pooled.driver_connection)
        self._engine = engine
        self._pooled = pooled
        self._through_sqlalchemy: Connection | None = None

    def as_sqlalchemy(self) -> Connection:
        """Return this connection under the type that readers and writers expect."""
        return cast("Connection", self)

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Execute a statement, once for each mapping of parameters."""
        if statement not in _compiled and not is_fixed(statement):
            if self._through_sqlalchemy is None:
                self._through_sqlalchemy = Connection(self._engine, connection=self._pooled)
            return self._through_sqlalchemy.execute(statement, parameters)
        if parameters is None or isinstance(parameters, Mapping):
            return self._run(statement, parameters or {})
        results = [self._run(statement, each) for each in parameters]
        return results[-1]

    def commit_with(self, text: str, values: Sequence[str | int | bytes | None]) -> Sequence[Any]:
        """Execute statements and COMMIT in one message.

        Each %s in the text stands for a value. Returns the only row, whose values are bytes.
        """
        quoted = [self._quote(value) for value in values]
        with _translated():
            results = self.driver.send_message((text % tuple(quoted) + "COMMIT").encode())
        status = results[-1].command_status
        if status != b"COMMIT":
            raise StoreUnavailableError(f"the database answered {status!r} to COMMIT")
        return [result.get_value(0, column) for result in results if result.ntuples for column in range(result.nfields)]

    def _quote(self, value: str | int | bytes | None) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, bytes):
            return f"decode('{value.hex()}', 'hex')"
        return pq.Escaping(self.driver.pgconn).escape_literal(value.encode()).decode()

    def _run(self, statement: Executable, parameters: Mapping[str, Any]) -> DriverRows:
        compiled = _compiled.get(statement)
        if compiled is None:
            compiled = _compiled[statement] = self._compile(statement, list(parameters))
        values: list[bytes | None] = []
        types, formats = [], []
        for name in compiled.names:
            value = parameters[name]
            is_binary = isinstance(value, bytes)
            values.append(value if is_binary or value is None else str(value).encode())
            types.append(_BYTEA if is_binary else 0)
            formats.append(is_binary)
        with _translated():
            return DriverRows(self.driver.query(compiled.text, values, types, formats))

    def _compile(self, statement: Any, names: list[str]) -> _Compiled:
        """Replace the parameters %(name)s by $1, $2 and so on."""
        text = str(statement.compile(dialect=self.dialect, column_keys=names or None))
        ordered = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        numbered = _PARAMETER.sub(lambda found: f"${ordered.index(found[1]) + 1}", text)
        return _Compiled(numbered.replace("%%", "%").encode(), ordered)


def last_begun(connection: Connection) -> Sequence[Any]:
    """Return the last row of the message that began a snapshot."""
    cursor = cast("BoundedConnection", connection.connection.driver_connection).begun
    if cursor is None:
        raise ValueError("the transaction did not begin with a message")
    while cursor.nextset():
        pass
    return cursor.fetchone() or ()


@contextmanager
def write_transaction(engine: Engine, statements: str) -> Iterator[tuple[PsycopgConnection, bytes]]:
    """Begin a transaction with one message, and commit it at the end.

    Yields the first value of its last statement too. An exception rolls it back.
    """
    with translated(), _translated():
        pooled, first = _begin_write(engine, statements.encode())
        connection = PsycopgConnection(engine, pooled)
        try:
            yield connection, first
            connection.driver.commit()
        except BaseException as error:
            if not connection.driver.closed:
                with suppress(psycopg.Error):  # closing the connection rolls back too
                    connection.driver.rollback()
            if connection.driver.closed:
                pooled.invalidate(error)
            raise
        finally:
            pooled.close()


def _begin_write(engine: Engine, statements: bytes) -> tuple[PoolProxiedConnection, bytes]:
    """Begin a transaction, on a second connection if the server had ended the first.

    Only the start is repeated: it has no effect.
    """
    pooled = take_connection(engine)
    try:
        return pooled, _send_begin(pooled, statements)
    except psycopg.Error as error:
        # Not if the server is silent, or if another writer holds a lock.
        is_ended = cast("BoundedConnection", pooled.driver_connection).closed
        _drop(pooled, error)
        if isinstance(error, DeadlineError) or not is_ended:
            raise
    except BaseException as error:
        _drop(pooled, error)
        raise
    pooled = take_connection(engine)
    try:
        return pooled, _send_begin(pooled, statements)
    except BaseException as error:
        _drop(pooled, error)
        raise


def _send_begin(pooled: PoolProxiedConnection, statements: bytes) -> bytes:
    driver = cast("BoundedConnection", pooled.driver_connection)
    return driver.begin_write(statements, bound=WRITE_SECONDS).get_value(0, 0) or b""


def _drop(pooled: PoolProxiedConnection, error: BaseException) -> None:
    pooled.invalidate(error)
    pooled.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.IntegrityError, psycopg.DataError):
        raise
    except psycopg.Error as error:
        raise unavailable(error) from error
