"""What lines of the audit log are written to: a file, or a stream such as standard output.

Owns that whole lines are written, and that a line which was cut off never damages the one after it:

- A file may be shared by several processes. Each writes under a lock (flock) and at the file's end (O_APPEND).
- A line that the disk had no room for is taken back from a file, if nothing was added behind it.
- A write begins with a line end where the file's last line has none: left by a process that died, or by another disk
  error.
- A stream is written in pieces that a pipe takes whole, and only while it takes them: a reader that stalls never blocks
  the writer for long.
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
_STALLED_AFTER = 0.5  # seconds without room in a pipe


class Written(NamedTuple):
    """How many lines, from the first one on, were written whole, and what kept the next one from it."""

    lines: int
    problem: OSError | None = None


@runtime_checkable
class Target(Protocol):
    """Takes lines. One thread at a time uses it."""

    def write(self, lines: Sequence[bytes]) -> Written:
        """Write lines, each with its end, in their order, up to the first that cannot be written."""
        ...

    def reopen(self) -> None:
        """Go on in the file that has the log's name now. Raises OSError, and then the old file is kept."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class LogFile:
    """A file at a path, made where there is none, and its owner's alone."""

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
        """Open the path anew."""
        before, self._descriptor = self._descriptor, _open_file(self._path)
        self._is_cut = False
        os.close(before)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _ends_whole(self) -> bool:
        size = os.fstat(self._descriptor).st_size
        try:
            # Nothing is read where the file was emptied meanwhile.
            return not size or os.pread(self._descriptor, 1, size - 1) in {b"\n", b""}
        except OSError:  # a file that may be written and not read
            return not self._is_cut

    def _take_back(self, count: int) -> bool:
        """Remove the last `count` bytes, and tell whether that was done. They must be the ones that were written."""
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size != end:
            return False
        try:
            os.ftruncate(self._descriptor, end - count)
        except OSError:
            return False
        return True


class Stream:
    """A stream that stays what it is: standard output, a device, a named pipe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.flush()
        self._poll = _poll_of(stream)
        self._is_stalled = False
        self._is_cut = False

    def write(self, lines: Sequence[bytes]) -> Written:
        """Write lines in pieces that a pipe takes whole."""
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
        """Go on: nobody moves a stream away."""

    def close(self) -> None:
        """Leave the stream open for whoever else writes to it."""

    def _send_some(self, data: memoryview) -> int:
        if self._poll is None:
            sent = self._stream.write(data) or 0
            self._stream.flush()
            return sent
        # Who has waited once in vain does not wait again: others want to know at once that nothing can be written.
        patience = 0 if self._is_stalled else int(_STALLED_AFTER * 1000)
        self._is_stalled = not self._poll.poll(patience)
        if self._is_stalled:
            raise BlockingIOError(errno.EAGAIN, "whoever reads it does not read on")
        return os.write(self._stream.fileno(), data[: select.PIPE_BUF])


def open_target(path: str) -> Target:
    """Return the target at a path. Raises OSError where it cannot be written."""
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
    """Write until all is written or nothing more can be, and return the number of bytes and the problem, if any."""
    sent, view = 0, memoryview(data)
    try:
        while sent < len(data):
            sent += write_some(view[sent:])
    except OSError as problem:
        return sent, problem
    return sent, None


def _result(lines: Sequence[bytes], whole: int, left: int, problem: OSError | None) -> Written:
    # Where all of a line but its end is there, it counts: the next write begins with that end.
    return Written(whole + (left > 0 and left == len(lines[whole]) - 1), problem)


@contextmanager
def _locked(descriptor: int) -> Iterator[bool]:
    """Hold the lock of a file, and tell whether that is so: some file systems have none."""
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
    """Return how many lines fit into the first `count` bytes, and how many bytes are left over."""
    for number, line in enumerate(lines):
        if count < len(line):
            return number, max(count, 0)
        count -= len(line)
    return len(lines), 0


def _pieces(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in groups that a pipe takes whole, with one byte to spare. A longer line stands alone."""
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
    except OSError:  # io.UnsupportedOperation is one
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll
