"""What a store reads from: snapshots of its database, each for one thread.

Owns the interface, and its implementation with SQLAlchemy for PostgreSQL. That of SQLite is in sqlite_snapshots.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from daypass.directory.store import ReadLimits, Snapshot, WouldBlockError
from daypass.storage.history import LoggedWrite, to_position
from daypass.storage.sql.engines import Engines
from daypass.storage.sql.sql_reader import POSITION_TEXT, SqlReader
from daypass.storage.sql.table_rows import TableReader
from daypass.storage.sql.transactions import transaction


class SnapshotReader(Snapshot, TableReader, Protocol):
    """A reader of one snapshot, and of its log of changes."""

    def logged_from(self, number: int) -> Sequence[LoggedWrite]:
        """Return the log of changes from the write of a number on."""
        ...

    def schema_version(self) -> str:
        """Return the version of the tables."""
        ...

    def integrity_problems(self) -> Sequence[str]:
        """Return what the database itself finds wrong in its file."""
        ...


class Snapshots(Protocol):
    """Opens snapshots."""

    def open(self) -> AbstractContextManager[SnapshotReader]:
        """Open a snapshot. Raises StoreUnavailableError, also while it is used."""
        ...

    def poll(self) -> AbstractContextManager[SnapshotReader]:
        """Open a reader for one query for changes.

        It has a deadline of its own. Two queries may see different snapshots. Raises StoreUnavailableError as `open`
        does.
        """
        ...

    def open_at_once(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        """Open a snapshot for a thread that must not wait.

        Raises WouldBlockError as `Store.read_at_once` does.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class SqlSnapshots:
    """Snapshots through SQLAlchemy, whose engine closes the connections."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    @contextmanager
    def open(self) -> Iterator[SqlReader]:
        """Open a snapshot. Raises StoreUnavailableError, also while it is used."""
        # A snapshot begins with its first query, which is thus in the message of BEGIN.
        from daypass.storage.sql.psycopg_connection import last_begun  # slow to import

        with transaction(self._engines.reading, POSITION_TEXT) as connection:
            yield SqlReader(connection, to_position(last_begun(connection) or None))

    @contextmanager
    def poll(self) -> Iterator[SqlReader]:
        """Open a reader on the connection for polls.

        Each of its queries is one round trip: it has no transaction around it.
        """
        with transaction(self._engines.polling) as connection:
            yield SqlReader(connection)

    def open_at_once(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        """Raise WouldBlockError: every query waits for the network."""
        del limits
        raise WouldBlockError

    def close(self) -> None:
        """Return: the engine belongs to the store."""
