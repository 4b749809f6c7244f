"""The change counter: eight shared bytes that announce a write.

Owns the file and its mapping, which the processes of one machine share. Every writer stores a new random number there
after its commit and before it returns; a reader that finds another number reads the changes from the database. The
number is random so that two writers never store the same one, in any order and without a lock. The file contains no
secret and can be deleted; writing to it can only make caches query more often. Leaves the changes themselves to
change_ring.py, whose file is beside this one.
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

from daypass.storage.change_ring import ChangeRing, RingEntry
from daypass.storage.refusals import StoreOpenError

_SIZE = 8
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class ChangeCounter:
    """A mapped file with the change counter.

    `light[0]` is the number, as cheap as an element of a list.
    """

    def __init__(self, path: Path, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
        self._path = path
        owners = frozenset({os.geteuid()} if owner is None else {os.geteuid(), owner[0]})
        self._ring = ChangeRing(path.with_name(f"{path.name}-ring"), mode=mode, owners=owners)
        descriptor = _open(path, mode)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.ftruncate(descriptor, _SIZE)
            self._mapping = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        # A view of one native integer is read and written with one move of eight bytes, never half.
        self.value = memoryview(self._mapping).cast("Q")
        self._ring.create(owner)

    def bump(self) -> None:
        """Store another number."""
        self.value[0] = _new_number()

    def announce(self, number: int, changes: bytes | None) -> None:
        """Store another number, and tell the other processes what was written.

        `changes` is the log entry of the write with this number in the history, or None if it has too many.
        """
        if changes is None:
            self.bump()
        else:
            self._ring.announce(self.value, RingEntry(number, changes), _new_number)

    def announced(self, before: int, after: int) -> list[RingEntry] | None:
        """Return the writes that changed the number from `before` to `after`.

        Returns None if they are not all known. It never waits.
        """
        return self._ring.entries_between(before, after)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process is in this context.

        It protects the preparation of a database.
        """
        descriptor = _open(self._path, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def counter_beside(database: Path) -> ChangeCounter:
    """Return the change counter of a SQLite database.

    It has the permissions of the database.
    """
    kept = database.stat()
    change_counter = ChangeCounter(
        database.with_name(f"{database.name}-beacon"),
        mode=stat.S_IMODE(kept.st_mode),
        owner=(kept.st_uid, kept.st_gid),
    )
    if os.geteuid() == 0:  # a command of root must not lock out the server's own user
        os.chown(database.with_name(f"{database.name}-beacon"), kept.st_uid, kept.st_gid)
    return change_counter


def counter_of_server(name: str) -> ChangeCounter:
    """Return the change counter of a database on a server.

    The processes of this user share it.
    """
    folder = Path(tempfile.gettempdir()) / f"daypass-{os.geteuid()}"
    _require_private(folder)
    return ChangeCounter(folder / f"{sha256(name.encode()).hexdigest()[:32]}.beacon")


def _new_number() -> int:
    return int.from_bytes(os.urandom(_SIZE))


def _open(path: Path, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        raise StoreOpenError(f"cannot open {path}: {error.strerror}") from error


def _require_private(folder: Path) -> None:
    """Create the directory, or verify that it belongs to this user.

    In a shared temporary directory any user could create it.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StoreOpenError(f"cannot use {folder}: {error.strerror}") from error
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS
    if not is_ours:
        raise StoreOpenError(f"{folder} is open to other users; remove it, or set TMPDIR")
