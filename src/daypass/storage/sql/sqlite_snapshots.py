"""Snapshots of a SQLite database, each on a connection of the driver.

Owns the connections for reading. The statements are in sqlite_reader.py, the event loop's snapshots in
sqlite_at_once.py.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from daypass.directory.store import ReadLimits, StoreUnavailableError
from daypass.storage.refusals import StoreReplacedError
from daypass.storage.sql.engines import LOCK_WAIT_SECONDS
from daypass.storage.sql.sqlite_at_once import ConnectionAtOnce, SnapshotAtOnce, begun
from daypass.storage.sql.sqlite_files import FilesOfDatabase, SqliteFiles
from daypass.storage.sql.sqlite_reader import SqliteReader
from daypass.storage.sql.transactions import unavailable

MOST_CONNECTIONS = 16  # snapshots at the same time; another one waits


class SqliteSnapshots:
    """The connections for reading.

    Threads share them; each snapshot has one for itself.
    """

    def __init__(self, path: Path, files: SqliteFiles | None = None) -> None:
        # A missing file is an error: the store's own start creates it.
        self._files = files or SqliteFiles(path)
        self._seen: FilesOfDatabase | None = None  # the files of the connections
        self._renewing = threading.Lock()
        self._anchor: sqlite3.Connection | None = None  # keeps the log of the database in its place; never used
        self._generation = 0  # grows when the connections are opened again
        self._address = f"{path.absolute().as_uri()}?mode=rw"
        self._free: deque[sqlite3.Connection] = deque()
        self._at_once = ConnectionAtOnce(lambda: self._connect(lock_wait=0))
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._is_closed = False

    @contextmanager
    def open(self) -> Iterator[SqliteReader]:
        """Open a snapshot. Raises StoreUnavailableError, also while it is used."""
        if not self._places.acquire(timeout=LOCK_WAIT_SECONDS):
            raise StoreUnavailableError("every connection to the database is in use")
        try:
            self._files.require_usable()
            if self._seen is None:
                self._renew()
            with self._borrowed() as connection:
                self._at_once.prepare()
                yield SqliteReader(connection)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            self._places.release()

    def poll(self) -> AbstractContextManager[SqliteReader]:
        """Open a snapshot of the file that has the name now."""
        if self._files.look() != self._seen:
            self._renew()
        return self.open()

    def open_at_once(self, limits: ReadLimits) -> SnapshotAtOnce:
        """Open a snapshot for a thread that must not wait."""
        return SnapshotAtOnce(self._at_once, limits)

    def close(self) -> None:
        """Close every connection. One in use is closed when its snapshot ends."""
        self._is_closed = True
        self._at_once.close()
        while self._free:
            self._free.pop().close()
        if self._anchor is not None:
            self._anchor.close()

    def _renew(self) -> None:
        """Open the connections again: the file was replaced or changed."""
        with self._renewing:
            seen, now = self._seen, self._files.look()
            if now == seen:
                return
            if seen is not None:
                self._require_followable(seen, now)
                self._files.set_log_aside(seen)
            try:
                # First a new one: SQLite writes the log into the file when the last connection closes.
                anchor = begun(self._connect)
            except sqlite3.Error as error:
                raise unavailable(error) from error
            self._generation += 1
            old, self._free = self._free, deque()
            if self._anchor is not None:
                old.append(self._anchor)
            self._anchor = anchor
            while old:
                old.pop().close()
            self._at_once.renew()
            self._seen = self._files.look()

    def _require_followable(self, seen: FilesOfDatabase, now: FilesOfDatabase) -> None:
        try:
            self._files.require_same_log(seen, now)
        except StoreReplacedError:
            self._at_once.close()
            raise

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        generation, free = self._generation, self._free
        try:
            connection = free.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            raise
        except BaseException:
            self._give_back(connection, generation)
            raise
        self._give_back(connection, generation)

    def _give_back(self, connection: sqlite3.Connection, generation: int) -> None:
        if self._is_closed or generation != self._generation:
            connection.close()
        else:
            self._free.append(connection)

    def _connect(self, lock_wait: float = LOCK_WAIT_SECONDS) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            timeout=lock_wait,
            isolation_level=None,  # the driver does not begin transactions
            check_same_thread=False,
            uri=True,
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection
