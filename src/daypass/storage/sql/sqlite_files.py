"""The files of a SQLite database, and whether they were replaced.

Owns what the file system shows. A connection reads and writes the files that it opened, also after another file took
their name: without a check, a server would go on with the old database after a backup was put in its place, and all its
writes would be lost. Leaves what happens then to sqlite_snapshots.py and engines.py.

- Another file with the name of the database, or of its write-ahead log: every connection is opened again.
- The same file with another content (a backup was copied over it): a connection may keep old pages in memory. A
  checkpoint changes the file too, so after each change connections for reading are opened again.
- The same database without its write-ahead log, or with another one: what SQLite would read is a mixture of two
  databases. It is refused until the server is restarted.
- The write-ahead log of a database that was replaced by name belongs to the old file. SQLite would apply it to the new
  one. It is renamed before the new file is opened.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from daypass.storage.refusals import StoreReplacedError

_MISSING = (0, 0)
_FILES = "daypass_files"  # in the pool's record of a connection: the files that it opened


class FilesOfDatabase(NamedTuple):
    """The identities of the files, as one look found them.

    `database` and `log` are device and inode, or zeros for a missing file.
    """

    database: tuple[int, int]
    log: tuple[int, int]
    changed_at: int
    size: int

    @property
    def is_missing(self) -> bool:
        """Return whether the database has no file."""
        return self.database == _MISSING

    @property
    def has_log(self) -> bool:
        """Return whether there is a write-ahead log."""
        return self.log != _MISSING


class SqliteFiles:
    """Looks at the files of one database."""

    def __init__(self, path: Path) -> None:
        self.is_refused = False
        self._database = path.absolute()
        self._log, self._index = (path.absolute().with_name(path.name + suffix) for suffix in ("-wal", "-shm"))

    def look(self) -> FilesOfDatabase:
        """Return the files that have the names now."""
        try:
            found = self._database.stat()
        except OSError:
            return FilesOfDatabase(_MISSING, _identity(self._log), 0, 0)
        return FilesOfDatabase((found.st_dev, found.st_ino), _identity(self._log), found.st_mtime_ns, found.st_size)

    def require_usable(self) -> None:
        """Raise StoreReplacedError if the files were refused."""
        if self.is_refused:
            raise StoreReplacedError(
                "the database file was overwritten under running servers; "
                "stop all of them, put the backup in its place again, and start them"
            )

    def is_current(self, info: dict[Any, Any]) -> bool:
        """Return whether a connection still has the database's own files open.

        `info` is the pool's record of the connection, which remembers them. The log of a database that was replaced by
        name is set aside. Raises StoreReplacedError if the files were refused.
        """
        self.require_usable()
        now = self.look()
        known: FilesOfDatabase = info.setdefault(_FILES, now)
        if known.database != now.database:
            self.set_log_aside(known)
            return False
        if known.log != now.log:
            if known.has_log:
                return False
            info[_FILES] = now  # the first transaction has made the log
        return True

    def require_same_log(self, old: FilesOfDatabase, now: FilesOfDatabase) -> None:
        """Refuse the files if the database lost the log of its connections."""
        self.is_refused = self.is_refused or (now.database == old.database and old.has_log and now.log != old.log)
        self.require_usable()

    def note_opened(self, info: dict[Any, Any]) -> None:
        """Let a new connection have the files that its first check finds."""
        info.pop(_FILES, None)

    def set_log_aside(self, old: FilesOfDatabase) -> None:
        """Rename the write-ahead log of a database that was replaced by name.

        The old database, if it still has another name, is complete only with it.
        """
        now = self.look()
        if now.database in {_MISSING, old.database} or now.log != old.log or old.log == _MISSING:
            return
        with suppress(FileNotFoundError):
            self._index.unlink()
        with suppress(FileNotFoundError):
            self._log.replace(self._log.with_name(f"{self._log.name}.replaced"))


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return _MISSING
    return found.st_dev, found.st_ino
