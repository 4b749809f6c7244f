"""The beacon: eight shared bytes that tell the processes of one machine that something was written.

Owns the file and its mapping. Every writer puts a fresh random number there after its commit and before it
answers; a reader that finds another number than last time asks the database what changed. Random, because
then no two writers can write the same number, in whatever order they come, and none needs a lock.
The file holds no secret and may be deleted; whoever writes to it can only make caches ask more often.
"""

import fcntl
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from daypass.storage.refusals import StoreRefused

_SIZE = 8
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Beacon:
    """A mapped beacon file. `light[0]` is the number; reading it costs about as much as a list's element."""

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self._path = path
        descriptor = _open(path, mode)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.ftruncate(descriptor, _SIZE)
            self._mapping = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        # A view of one native integer is read and written by one move of eight bytes, never half.
        self.light = memoryview(self._mapping).cast("Q")

    def ring(self) -> None:
        """Put up another number."""
        self.light[0] = int.from_bytes(os.urandom(_SIZE))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process is in here: for preparing a database that two servers start on."""
        descriptor = _open(self._path, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def beacon_beside(database: Path) -> Beacon:
    """Return the beacon of a SQLite database, as accessible as the database itself."""
    kept = database.stat()
    beacon = Beacon(database.with_name(f"{database.name}-beacon"), mode=stat.S_IMODE(kept.st_mode))
    if os.geteuid() == 0:  # a command run by root must not lock the server's own user out
        os.chown(database.with_name(f"{database.name}-beacon"), kept.st_uid, kept.st_gid)
    return beacon


def beacon_of_server(name: str) -> Beacon:
    """Return the beacon that this user's processes share for a database server's database."""
    folder = Path(tempfile.gettempdir()) / f"daypass-{os.geteuid()}"
    _require_private(folder)
    return Beacon(folder / f"{sha256(name.encode()).hexdigest()[:32]}.beacon")


def _open(path: Path, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        raise StoreRefused(f"cannot open {path}: {error.strerror}") from error


def _require_private(folder: Path) -> None:
    """Make the folder, or see that it is ours: anybody could have made it in a shared temporary directory."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StoreRefused(f"cannot use {folder}: {error.strerror}") from error
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS
    if not is_ours:
        raise StoreRefused(f"{folder} is not this user's alone; remove it, or set TMPDIR")
