"""The targets of the audit log's lines: a file, or a stream.

Whole lines are written, and a truncated one never damages the next:

- Several processes may share a file. Each writes with a lock (flock) and at the end of the file (O_APPEND).
- A line that did not fit on the disk is removed from the file, if no other data follows it.
- A write begins with a line end if the file's last line lacks one: a process died, or another disk error occurred.
- A stream, such as standard output, is written in pieces that a pipe accepts whole, and only while it accepts them: a
  stalled reader never blocks the writer for long.
"""

import errno
import fcntl
import os
import select
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

_MODE = 0o600
_LONGEST_LINE = 262_144  # bytes that are read for the last line
_STALLED_AFTER = 0.5  # seconds without space in a pipe


class Written(NamedTuple):
    """The number of lines that were written whole, and the first error."""

    lines: int
    problem: OSError | None = None


@runtime_checkable
class Target(Protocol):
    """Writes lines. Only one thread uses it at a time."""

    def write(self, lines: Sequence[bytes]) -> Written:
        """Write lines, each with its end, until the first that fails."""
        ...

    def reopen(self) -> None:
        """Continue in the file that now has the log's name.

        Raises OSError; the old file then remains in use.
        """
        ...

    def last_line(self) -> bytes:
        """Return the last line without its end, or b"" if it is not known."""
        ...

    def close(self) -> None:
        """Close the target."""
        ...


class LogFile:
    """A file at a path.

    It is created if missing, and only its owner can read it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = _open_file(path)
        self._is_cut = False

    def write(self, lines: Sequence[bytes]) -> Written:
        """Write lines at the end of the file."""
        with _locked(self._descriptor) as is_alone:
            start = b"" if self._ends_whole() else b"\n"
            sent, problem = _send(partial(os.write, self._descriptor), start + b"".join(lines))
            whole, left = _whole_lines(lines, sent - len(start))
            self._is_cut = bool(left) and not (is_alone and self._take_back(left))
            return _result(lines, whole, left if self._is_cut else 0, problem)

    def reopen(self) -> None:
        """Open the path again."""
        before, self._descriptor = self._descriptor, _open_file(self._path)
        self._is_cut = False
        os.close(before)

    def last_line(self) -> bytes:
        """Return the last whole line of the file.

        Another process may have written it.
        """
        with _locked(self._descriptor):
            size = os.fstat(self._descriptor).st_size
            start = max(0, size - _LONGEST_LINE)
            try:
                end = os.pread(self._descriptor, _LONGEST_LINE, start)
            except OSError:  # a file that is writable but not readable
                return b""
        lines = end.split(b"\n")
        # What follows the last line end is a line of a process that died.
        return lines[-2] if len(lines) > (2 if start else 1) else b""

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _ends_whole(self) -> bool:
        size = os.fstat(self._descriptor).st_size
        try:
            # The read returns no data if the file was truncated meanwhile.
            return not size or os.pread(self._descriptor, 1, size - 1) in {b"\n", b""}
        except OSError:  # a file that is writable but not readable
            return not self._is_cut

    def _take_back(self, count: int) -> bool:
        """Remove the last `count` bytes. Return whether that succeeded.

        Another process must not have added data behind them.
        """
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size != end:
            return False
        try:
            os.ftruncate(self._descriptor, end - count)
        except OSError:
            return False
        return True


class Stream:
    """A stream that is never replaced: standard output, a device, a pipe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.flush()
        self._poll = _poll_of(stream)
        self._is_stalled = False
        self._is_cut = False

    def write(self, lines: Sequence[bytes]) -> Written:
        """Write lines in pieces that a pipe accepts whole."""
        done = 0
        for piece in _pieces(lines):
            start = b"\n" if self._is_cut else b""
            sent, problem = _send(self._send_some, start + b"".join(piece))
            whole, left = _whole_lines(piece, sent - len(start))
            self._is_cut = bool(left) or (self._is_cut and not sent)
            result = _result(piece, whole, left, problem)
            done += result.lines
            if problem is not None:
                return Written(done, problem)
        return Written(done)

    def reopen(self) -> None:
        """Do not reopen: log rotation does not move a stream."""

    def last_line(self) -> bytes:
        """Return b"": a stream cannot be read."""
        return b""

    def close(self) -> None:
        """Leave the stream open: other code may write to it."""

    def _send_some(self, data: memoryview) -> int:
        if self._poll is None:
            sent = self._stream.write(data) or 0
            self._stream.flush()
            return sent
        # After a timeout do not wait again: callers need to know at once.
        patience = 0 if self._is_stalled else int(_STALLED_AFTER * 1000)
        self._is_stalled = not self._poll.poll(patience)
        if self._is_stalled:
            raise BlockingIOError(errno.EAGAIN, "the reader has stopped reading")
        return os.write(self._stream.fileno(), data[: select.PIPE_BUF])


def open_target(path: str) -> Target:
    """Return the target at a path. Raises OSError if it is not writable."""
    if _is_stream(path):
        return Stream(os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "ab", buffering=0))
    return LogFile(path)


def _is_stream(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - the path may be a device
    except FileNotFoundError:
        return False


def _open_file(path: str) -> int:
    flags = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | flags, _MODE)
    except PermissionError:
        return os.open(path, os.O_WRONLY | flags, _MODE)


def _send(write_some: Callable[[memoryview], int], data: bytes) -> tuple[int, OSError | None]:
    """Write all data. Return the number of bytes written, and the error."""
    sent, view = 0, memoryview(data)
    try:
        while sent < len(data):
            sent += write_some(view[sent:])
    except OSError as problem:
        return sent, problem
    return sent, None


def _result(lines: Sequence[bytes], whole: int, left: int, problem: OSError | None) -> Written:
    # A line without its end counts: the next write begins with a line end.
    return Written(whole + (left > 0 and left == len(lines[whole]) - 1), problem)


@contextmanager
def _locked(descriptor: int) -> Iterator[bool]:
    """Lock a file. Yield whether that succeeded: some file systems lack locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _whole_lines(lines: Sequence[bytes], count: int) -> tuple[int, int]:
    """Return the number of lines in `count` bytes, and of bytes left over."""
    for number, line in enumerate(lines):
        if count < len(line):
            return number, max(count, 0)
        count -= len(line)
    return len(lines), 0


def _pieces(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in groups that a pipe accepts whole, with a byte to spare.

    A longer line is a group by itself.
    """
    piece, size = list[bytes](), 1
    for line in lines:
        if piece and size + len(line) > select.PIPE_BUF:
            yield piece
            piece, size = [], 1
        piece.append(line)
        size += len(line)
    if piece:
        yield piece


def _poll_of(stream: BinaryIO) -> "select.poll | None":
    try:
        descriptor = stream.fileno()
    except OSError:  # such as io.UnsupportedOperation
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll
