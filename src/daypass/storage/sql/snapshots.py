"""What a store reads from: snapshots of its database, each for one thread.

Owns the interface, and its implementation with SQLAlchemy for PostgreSQL. That of SQLite is in sqlite_reader.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from sqlalchemy import Engine

from daypass.directory.store import Reader
from daypass.storage.sql.sql_reader import SqlReader
from daypass.storage.sql.transactions import transaction


class SnapshotReader(Reader, Protocol):
    """A reader of one snapshot, and of its log of changes."""

    def logged_since(self, revision: int) -> Sequence[bytes | None]:
        """Return the entries of the log of changes after a revision."""
        ...


class Snapshots(Protocol):
    """Opens snapshots."""

    def open(self) -> AbstractContextManager[SnapshotReader]:
        """Open a snapshot. Raises StoreUnavailableError, also while it is used."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class SqlSnapshots:
    """Snapshots through SQLAlchemy, whose engine closes the connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def open(self) -> Iterator[SqlReader]:
        """Open a snapshot. Raises StoreUnavailableError, also while it is used."""
        with transaction(self._engine) as connection:
            yield SqlReader(connection)

    def close(self) -> None:
        """Return: the engine belongs to the store."""
