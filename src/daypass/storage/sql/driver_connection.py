"""A writer's connection to SQLite, which executes fixed statements.

Owns their compilation, once; the driver itself executes them. The work of SQLAlchemy around a statement costs several
times the statement. psycopg_connection.py does the same for PostgreSQL.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.expression import Executable

S = TypeVar("S", bound=Executable)
Parameters = Mapping[str, Any] | list[dict[str, Any]]
_Values = Callable[[Mapping[str, Any]], Sequence[Any]]
_FIXED = "daypass_fixed"


def fixed(statement: S) -> S:
    """Mark a statement whose text is the same for each execution.

    All its values are parameters.
    """
    return statement.execution_options(**{_FIXED: True})


def is_fixed(statement: Executable) -> bool:
    """Return whether a statement is marked as fixed."""
    return _FIXED in statement.get_execution_options()


def on_driver(dialect: Dialect, driver: sqlite3.Connection) -> Connection:
    """Return a connection of SQLite for fixed statements alone."""
    return cast("Connection", _DriverConnection(dialect, driver))


class Rows:
    """The result of a statement.

    It has the methods of SQLAlchemy's that the readers and writers use.
    """

    __slots__ = ("_cursor", "rowcount")

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.rowcount = cursor.rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def first(self) -> Any:
        """Return the first row, or None."""
        return self._cursor.fetchone()

    def scalar(self) -> Any:
        """Return the first column of the first row, or None."""
        row = self._cursor.fetchone()
        return None if row is None else row[0]

    def scalar_one(self) -> Any:
        """Return the first column of the only row."""
        (row,) = self._cursor
        return row[0]


_compiled: dict[Executable, tuple[str, _Values]] = {}  # fixed statements are constants of their modules


class _DriverConnection:
    """The methods of a connection that the readers and writers use."""

    def __init__(self, dialect: Dialect, driver: sqlite3.Connection) -> None:
        self.dialect = dialect
        self._execute = driver.execute

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Execute a fixed statement, once for each mapping of parameters."""
        if isinstance(parameters, list):
            results = [self._run(statement, each) for each in parameters]
            return results[-1]
        return self._run(statement, parameters or {})

    def _run(self, statement: Executable, parameters: Mapping[str, Any]) -> Rows:
        known = _compiled.get(statement)
        if known is None:
            if not is_fixed(statement):
                raise ValueError("only fixed statements have a compiled form")
            known = _compiled[statement] = self._compile(statement, list(parameters))
        text, values = known
        return Rows(self._execute(text, values(parameters)))

    def _compile(self, statement: Any, names: list[str]) -> tuple[str, _Values]:
        compiled = statement.compile(dialect=self.dialect, column_keys=names or None)
        return str(compiled), _values_of(compiled.positiontup)


def _values_of(names: Sequence[str]) -> _Values:
    """Return the function that puts the parameters of a statement into their order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: [parameters[name] for name in names]
