"""The spool of one process: events that wait for the sinks, on disk.

Owns a directory: segments of lines that only grow, a cursor for each sink (cursor.py), and a lock for as long as the
process lives. Leaves the search for directories of dead processes to spools.py.

- An event is accepted once `write(2)` has returned for its whole line. The end of the process does not lose it.
- A part of a line, such as a process leaves that was killed during a write, is never read.
- A segment is deleted once every sink is past it.
- A sink that is more than its limit behind loses its oldest segment. The events are counted, and reported to it.
- There is no fsync, as for the audit log: a loss of power can lose the last seconds.
"""

import fcntl
import os
import threading
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daypass.audit.delivery.cursor import (
    SUFFIX,
    MissedEvents,
    SinkCursor,
    cursor_path,
    load_cursor,
    save_cursor,
)

SEGMENT_BYTES = 4 * 1024 * 1024
LOCK = "lock"
_SUFFIX = ".jsonl"
_LONGEST_LINE = 1_048_576  # far more than a line of the audit log has
_TIME = b'"eventTime":"'
_LONGEST_TIME = 40


@dataclass(slots=True)
class SpoolSegment:
    """One file: the bytes, events and times of its whole lines."""

    size: int = 0
    events: int = 0
    first: str = ""
    last: str = ""

    def add(self, data: bytes, events: int) -> None:
        """Count more lines."""
        self.size += len(data)
        self.events += events
        first, last = times_of(data)
        self.first = self.first or first
        self.last = last or self.last


@dataclass(frozen=True, slots=True)
class SpoolBatch:
    """Lines for one sink, and the dropped events that the batch reports."""

    segment: int
    start: int
    end: int
    lines: tuple[bytes, ...]
    reported: MissedEvents


class Spool:
    """A locked directory.

    One thread appends, and one thread for each sink reads.
    """

    def __init__(
        self, directory: Path, lock_file: int, cursors: dict[str, SinkCursor], *, is_own: bool = False
    ) -> None:
        self.directory = directory
        self._is_own = is_own
        self._lock_file = lock_file
        self._cursors = cursors
        self._segments: dict[int, SpoolSegment] = {}
        self._dropped = dict.fromkeys(cursors, 0)
        self._file = -1
        self._number = 0  # of the segment that is written
        self._lock = threading.Lock()  # protects the positions; held only for short steps

    @property
    def sinks(self) -> frozenset[str]:
        """The sinks that have a position here."""
        return frozenset(self._cursors)

    def load(self) -> None:
        """Count the events that another process has left. Raises OSError."""
        for path in sorted(self.directory.glob(f"*{_SUFFIX}")):
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            segment = self._segments[int(path.stem)] = SpoolSegment()
            segment.add(whole, whole.count(b"\n"))
        for cursor in self._cursors.values():
            # A crash can come between the deletion of a segment and the storing of a position.
            later = [number for number in self._segments if number >= cursor.segment]
            if min(later, default=0) != cursor.segment:
                cursor.skip_to(min(later, default=cursor.segment), cursor.events, "", "")
            elif max(cursor.offset, cursor.end) > self._segments[cursor.segment].size:
                # A loss of power has cut the file.
                segment = self._segments[cursor.segment]
                cursor.offset, cursor.end = min(cursor.offset, segment.size), 0
                cursor.events = min(cursor.events, segment.events)
            self._leave_finished_segment(cursor)

    def append(self, lines: Sequence[bytes]) -> None:
        """Accept lines, each with its end.

        Raises OSError, and does not accept any of them then.
        """
        data = b"".join(lines)
        segment = self._segment_to_write()
        try:
            _write_all(self._file, data)
        except OSError:
            self._take_back(segment.size)
            raise
        with self._lock:
            segment.add(data, len(lines))
        if segment.size >= SEGMENT_BYTES:
            self._close_file()

    def keep_within(self, sink: str, most_bytes: int) -> int:
        """Drop the oldest segments for a sink that has more to read.

        Return the bytes that are left. The segment that is being written is not dropped.
        """
        with self._lock:
            cursor, before = self._cursors[sink], self._cursors[sink].segment
            newest = max(self._segments, default=0)
            end = newest if self._is_own else newest + 1
            while self._lag(cursor)[1] > most_bytes and cursor.segment < end:
                dropped = self._segments[cursor.segment]
                self._dropped[sink] += max(dropped.events - cursor.events, 0)
                following = min((number for number in self._segments if number > cursor.segment), default=end)
                cursor.skip_to(following, dropped.events, dropped.first, dropped.last)
            left = self._lag(cursor)[1]
            if cursor.segment != before:
                self._save(sink)
                self._delete_finished()
        return left

    def miss(self, count: int, first: str, last: str) -> None:
        """Count events that could not be written here as dropped."""
        with self._lock:
            for name, cursor in self._cursors.items():
                cursor.missed.add(count, first, last)
                self._dropped[name] += count

    def lag(self, sink: str) -> tuple[int, int]:
        """Return the number and the bytes of the events that wait for a sink."""
        with self._lock:
            cursor = self._cursors.get(sink)
            return (0, 0) if cursor is None else self._lag(cursor)

    def dropped(self, sink: str) -> int:
        """Return the number of events that this process dropped for a sink."""
        return self._dropped.get(sink, 0)

    def is_behind(self, sink: str) -> bool:
        """Return whether a sink is in a segment that does not grow any more."""
        with self._lock:
            cursor = self._cursors.get(sink)
            return cursor is not None and cursor.segment < max(self._segments, default=0)

    def next_batch(self, sink: str, *, most_events: int, most_bytes: int) -> SpoolBatch | None:
        """Return the next lines for a sink, or None.

        They stay here until `accept`. A batch that was begun is returned again with the same lines, also after a crash.
        Raises OSError.
        """
        with self._lock:
            cursor = self._cursors[sink]
            segment = self._segments.get(cursor.segment)
            if segment is None or segment.size <= cursor.offset:
                return None
            number, start, is_begun = cursor.segment, cursor.offset, bool(cursor.end)
            end = cursor.end or min(segment.size, start + max(most_bytes, _LONGEST_LINE))
        lines = self._read(number, start, end)
        if lines is None:
            return None
        if not is_begun:
            lines = lines[:most_events]
            end = start + sum(map(len, lines))
        with self._lock:
            if (cursor.segment, cursor.offset) != (number, start):  # dropped meanwhile
                return None
            if not is_begun:
                self._begin(sink, cursor, end)
            return SpoolBatch(number, start, end, tuple(lines), cursor.reported)

    def accept(self, sink: str, batch: SpoolBatch) -> None:
        """Move the position of a sink behind a batch, which the sink has accepted."""
        with self._lock:
            cursor = self._cursors[sink]
            if batch.reported.id and cursor.reported.id == batch.reported.id:
                cursor.reported = MissedEvents()
            if (cursor.segment, cursor.offset) == (batch.segment, batch.start):
                cursor.offset, cursor.end = batch.end, 0
                cursor.events += len(batch.lines)
                self._leave_finished_segment(cursor)
            elif cursor.missed.count >= len(batch.lines):  # counted as dropped while it was being sent
                cursor.missed.count -= len(batch.lines)
                self._dropped[sink] -= len(batch.lines)
            self._save(sink)
            self._delete_finished()

    def note_problem(self, sink: str, problem: str) -> None:
        """Store why a sink does not accept events, or "" once it does."""
        with self._lock:
            if sink in self._cursors:
                self._cursors[sink].problem = problem
                self._save(sink)

    def problem(self, sink: str) -> str:
        """Return why a sink does not accept events, or ""."""
        return self._cursors[sink].problem

    def restart_batch(self, sink: str) -> None:
        """Let the next batch of a sink have other limits than the present one."""
        with self._lock:
            self._cursors[sink].end = 0

    def is_empty(self) -> bool:
        """Return whether every sink has accepted all events."""
        with self._lock:
            return all(self._lag(cursor) == (0, 0) and not cursor.missed.count for cursor in self._cursors.values())

    def forget(self, sink: str) -> None:
        """Drop the position of a sink that is not in the settings any more."""
        with self._lock:
            del self._cursors[sink]
            with suppress(OSError):
                cursor_path(self.directory, sink).unlink()

    def close(self) -> None:
        """Leave the directory to another process, or remove it if it is empty."""
        self._close_file()
        try:
            for name in self.sinks:
                self._save(name)
            if self.is_empty():
                self._remove()
        finally:
            os.close(self._lock_file)

    def _remove(self) -> None:
        # The lock goes last: until then, another process sees a locked directory.
        with suppress(OSError):
            for path in self.directory.iterdir():
                if path.name != LOCK:
                    path.unlink()
            (self.directory / LOCK).unlink()
            self.directory.rmdir()

    def _segment_to_write(self) -> SpoolSegment:
        if self._file < 0:
            number = max(self._segments, default=0) + 1
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.open(self._path(number), flags, 0o600)
            self._number = number
            with self._lock:
                self._segments[number] = SpoolSegment()
                for cursor in self._cursors.values():
                    self._leave_finished_segment(cursor)
        return self._segments[self._number]

    def _take_back(self, size: int) -> None:
        """Remove a part of a line, which a full disk leaves. The next lines go into a new file if that fails."""
        try:
            os.ftruncate(self._file, size)
        except OSError:
            self._close_file()

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _begin(self, sink: str, cursor: SinkCursor, end: int) -> None:
        cursor.end = end
        if cursor.missed.count and not cursor.reported.count:
            cursor.reported, cursor.missed = cursor.missed, MissedEvents()
            cursor.reported.id = str(uuid.uuid4())
        self._save(sink)

    def _leave_finished_segment(self, cursor: SinkCursor) -> None:
        later = [number for number in self._segments if number > cursor.segment]
        segment = self._segments.get(cursor.segment)
        if later and (segment is None or cursor.offset >= segment.size):
            cursor.segment, cursor.offset, cursor.events, cursor.end = min(later), 0, 0, 0

    def _delete_finished(self) -> None:
        first = min((cursor.segment for cursor in self._cursors.values()), default=0)
        for number in [number for number in self._segments if number < first]:
            del self._segments[number]
            with suppress(OSError):
                self._path(number).unlink()

    def _lag(self, cursor: SinkCursor) -> tuple[int, int]:
        left = [segment for number, segment in self._segments.items() if number >= cursor.segment]
        done = cursor.segment in self._segments
        events = sum(segment.events for segment in left) - (cursor.events if done else 0)
        size = sum(segment.size for segment in left) - (cursor.offset if done else 0)
        return events, size

    def _save(self, sink: str) -> None:
        # A full disk must not stop the delivery, which frees space. An older position repeats events after a crash.
        with suppress(OSError):
            save_cursor(self._cursors[sink], cursor_path(self.directory, sink))

    def _read(self, number: int, start: int, end: int) -> list[bytes] | None:
        try:
            with self._path(number).open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), end - start, start)
        except FileNotFoundError:
            with self._lock:
                if number in self._segments:  # another program has deleted it
                    raise
            return None  # dropped meanwhile
        return [line + b"\n" for line in data.split(b"\n")[:-1]]

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:08d}{_SUFFIX}"


def create_spool(root: Path, sinks: Iterable[str]) -> Spool:
    """Create the spool of this process below `root`. Raises OSError.

    It gets its final name once it is locked, so that no other process can take it first.
    """
    name = f"{os.getpid()}-{os.urandom(4).hex()}"
    partial = root / f".{name}"
    partial.mkdir(mode=0o700)
    lock_file = os.open(partial / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    cursors = {sink: SinkCursor() for sink in sinks}
    for sink, cursor in cursors.items():
        save_cursor(cursor, cursor_path(partial, sink))
    _give_to_owner(root, partial)
    return Spool(partial.rename(root / name), lock_file, cursors, is_own=True)


def adopt_spool(directory: Path) -> Spool | None:
    """Return the spool of a dead process, or None if a process holds its lock.

    Raises OSError.
    """
    lock_file = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (directory / LOCK).stat()  # the last process may just have removed it
        cursors = {path.stem: load_cursor(path) for path in directory.glob(f"*{SUFFIX}")}
        spool = Spool(directory, lock_file, cursors)
        spool.load()
    except OSError as error:
        os.close(lock_file)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            return None
        raise
    return spool


def read_spool(directory: Path) -> Spool:
    """Return a spool of another process, to count its events. Raises OSError."""
    cursors = {path.stem: load_cursor(path) for path in directory.glob(f"*{SUFFIX}")}
    spool = Spool(directory, -1, cursors)
    spool.load()
    return spool


def create_root(root: Path) -> None:
    """Create the directory of the spools if it is missing. Raises OSError."""
    if not root.is_dir():
        root.mkdir(mode=0o700, parents=True)
        _give_to_owner(root.parent, root)


def _give_to_owner(parent: Path, directory: Path) -> None:
    """Let the server read the spool of a command that root runs."""
    owner = parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (directory, *directory.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)


def _write_all(descriptor: int, data: bytes) -> None:
    view, sent = memoryview(data), 0
    while sent < len(data):
        sent += os.write(descriptor, view[sent:])


def times_of(data: bytes) -> tuple[str, str]:
    """Return the eventTime of the first and of the last line, or ""."""
    return _time_at(data, data.find(_TIME)), _time_at(data, data.rfind(_TIME))


def _time_at(data: bytes, place: int) -> str:
    if place < 0:
        return ""
    start = place + len(_TIME)
    return data[start : start + _LONGEST_TIME].partition(b'"')[0].decode("ascii", "replace")
