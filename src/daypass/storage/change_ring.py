"""The ring: the last writes of one machine, in a shared file.

Owns the file, beside the change counter. A process that finds another counter learns from the ring what was written,
without the database: at once, and also while the database is away. Its rules:

- Each entry has the change counter before and after its write. A reader follows these numbers from the one that it
  knows to the present one. If one entry is missing, unreadable or of an unknown content, it learns nothing, and asks
  the database.
- A write whose commit may have failed, or with too many changes, has no entry. So readers ask the database.
- A writer holds the file's lock from reading the change counter to setting it. If another number appears meanwhile (of
  version 0.1.0, which has no ring), or the writer was interrupted, it sets a number without an entry.
- A digest detects an entry that was read while it was written, or whose writer was killed.
- The ring never replaces a query of the database: it contains no write of another machine.
- A process remembers its own last entries, and reads the file for those of others alone.

The file has the permissions of the change counter, which protect both. It contains names of records and no secret, and
can be deleted: then processes ask the database.
"""

import fcntl
import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

SLOTS = 64
SLOT_BYTES = 2048
_MAGIC = b"dayring1"
_HEAD = struct.Struct("<8sQ")  # the sequence number of the newest entry
_HEAD_BYTES = 64
_ENTRY = struct.Struct("<QQQQH")  # sequence number, change counter before and after, number of the write, length
_DIGEST_BYTES = 16
MOST_BYTES = SLOT_BYTES - _DIGEST_BYTES - _ENTRY.size
_LAST_SEQUENCE = 2**63
_LOCK_TRIES = 20
_LOCK_PAUSE = 0.001  # seconds
_INTERRUPTED_SECONDS = 0.05


class RingEntry(NamedTuple):
    """One announced write: its number in the history, and its log entry."""

    number: int
    changes: bytes


class ChangeRing:
    """The ring in a file, which need not exist.

    `owners` are the users whose file is trusted, and `mode` its widest permissions.
    """

    def __init__(self, path: Path, *, mode: int, owners: frozenset[int]) -> None:
        self._path = path
        self._mode = mode
        self._owners = owners
        self._alone = threading.Lock()
        self._own: dict[int, tuple[int, RingEntry]] = {}  # by the counter after it: the counter before, and the entry

    def create(self, owner: tuple[int, int] | None) -> None:
        """Create the file if possible. Without it, processes ask the database."""
        access = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):
            descriptor = os.open(self._path, access, self._mode)
            try:
                if owner is not None and os.geteuid() == 0:  # a command of root must not lock out the server's own user
                    os.fchown(descriptor, *owner)
            finally:
                os.close(descriptor)

    def announce(self, counter: memoryview, entry: RingEntry, new_number: Callable[[], int]) -> None:
        """Write an entry, and set the change counter.

        Sets the counter without an entry if that is not possible.
        """
        is_announced = False
        try:
            if len(entry.changes) <= MOST_BYTES:
                with self._locked() as descriptor:
                    is_announced = self._announce(descriptor, counter, entry, new_number())
        except OSError:
            pass
        finally:
            if not is_announced:
                counter[0] = new_number()

    def entries_between(self, before: int, after: int) -> list[RingEntry] | None:
        """Return the writes that set the change counter from `before` to `after`.

        Returns None if the ring does not have all of them. It never waits.
        """
        own = self._own_between(before, after)
        if own is not None:
            return own
        try:
            descriptor = self._open(os.O_RDONLY)
        except OSError:
            return None
        try:
            return _entries_between(descriptor, before, after)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _announce(self, descriptor: int, counter: memoryview, entry: RingEntry, after: int) -> bool:
        """Write an entry and set the counter. Return whether readers can rely on both."""
        began = time.monotonic()
        before = counter[0]
        sequence = (_newest(descriptor) or 0) % _LAST_SEQUENCE + 1
        block = _ENTRY.pack(sequence, before, after, entry.number, len(entry.changes)) + entry.changes
        os.pwrite(descriptor, blake2b(block, digest_size=_DIGEST_BYTES).digest() + block, _place(sequence))
        os.pwrite(descriptor, _HEAD.pack(_MAGIC, sequence), 0)
        if counter[0] != before:
            return False
        self._remember(before, after, entry)
        counter[0] = after
        # A writer without the ring may have set the counter in between. It has not if this took no time.
        return time.monotonic() - began < _INTERRUPTED_SECONDS

    def _remember(self, before: int, after: int, entry: RingEntry) -> None:
        """Keep an entry of this process, so that its own cache need not read the file. Only the writer calls it."""
        if len(self._own) >= SLOTS:
            del self._own[next(iter(self._own))]
        self._own[after] = before, entry

    def _own_between(self, before: int, after: int) -> list[RingEntry] | None:
        """Return the writes between two counters if this process made all of them, or None."""
        found: list[RingEntry] = []
        wanted = after
        while wanted != before:
            known = self._own.get(wanted)
            if known is None or len(found) > SLOTS:
                return None
            wanted, entry = known
            found.append(entry)
        return found or None

    def _open(self, access: int) -> int:
        descriptor = os.open(self._path, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid in self._owners
        if not is_ours or stat.S_IMODE(found.st_mode) & ~self._mode:
            os.close(descriptor)
            raise PermissionError(f"{self._path} is not ours")
        return descriptor

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file alone, or raise OSError if others hold it for too long."""
        if not self._alone.acquire(timeout=_LOCK_TRIES * _LOCK_PAUSE):
            raise BlockingIOError
        try:
            descriptor = self._open(os.O_RDWR)
            try:
                _lock(descriptor)
                yield descriptor
            finally:
                os.close(descriptor)
        finally:
            self._alone.release()


def _lock(descriptor: int) -> None:
    for _ in range(_LOCK_TRIES - 1):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_LOCK_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _entries_between(descriptor: int, before: int, after: int) -> list[RingEntry] | None:
    newest = _newest(descriptor)
    if newest is None:
        return None
    found: list[RingEntry] = []
    wanted = after
    # Backwards: the entry of a writer that was killed before it set the counter is on no way.
    for sequence in range(newest, max(0, newest - SLOTS), -1):
        fields = _read(descriptor, sequence)
        if fields is None:
            return None
        entry_before, entry_after, entry = fields
        if entry_after == wanted:
            found.append(entry)
            wanted = entry_before
            if wanted == before:
                return found
    return None


def _newest(descriptor: int) -> int | None:
    head = os.pread(descriptor, _HEAD.size, 0)
    if len(head) != _HEAD.size:
        return None
    magic, newest = _HEAD.unpack(head)
    return int(newest) if magic == _MAGIC else None


def _read(descriptor: int, sequence: int) -> tuple[int, int, RingEntry] | None:
    """Return an entry with the counters before and after it, or None if it is not whole."""
    slot = os.pread(descriptor, SLOT_BYTES, _place(sequence))
    if len(slot) < _DIGEST_BYTES + _ENTRY.size:
        return None
    found, before, after, number, length = _ENTRY.unpack_from(slot, _DIGEST_BYTES)
    block = slot[_DIGEST_BYTES : _DIGEST_BYTES + _ENTRY.size + length]
    if found != sequence or slot[:_DIGEST_BYTES] != blake2b(block, digest_size=_DIGEST_BYTES).digest():
        return None
    return before, after, RingEntry(number, block[_ENTRY.size :])


def _place(sequence: int) -> int:
    return _HEAD_BYTES + sequence % SLOTS * SLOT_BYTES
