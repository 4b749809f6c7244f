"""Where audit events go: a file, standard output, or nowhere.

Owns the writing, off the request's path: lines of JSON are queued, and a thread of its own writes them in batches. A
line is made at once, while all that it tells is at hand, so that no request is kept for its record. The queue is
bounded: whoever fills it writes it out, so that no event is lost unseen. Nothing that a caller sends, and no full disk,
ends the writing.
"""

import os
import sys
import threading
from collections import deque
from typing import BinaryIO, Protocol

import structlog

from daypass.audit.event import Happening
from daypass.audit.lines import EventIds, to_line

_MOST_QUEUED = 10_000
_MOST_UNWRITTEN = 16 * 2**20  # bytes; what a disk that fills up may keep waiting
_EVERY = 0.05  # seconds


class Sink(Protocol):
    """Takes what happened."""

    def __call__(self, happening: Happening, /) -> None:
        """Record one request. Blocks only while the queue is full."""
        ...

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        ...


class NoSink:
    """Records nothing."""

    def __call__(self, happening: Happening, /) -> None:
        """Forget it."""

    def close(self) -> None:
        """Hold nothing."""


class LineSink:
    """Writes each event as a line of JSON to a stream, a file's being unbuffered.

    What cannot be written now, because the disk is full, is tried again; beyond a bound, events are counted instead.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._new_id = EventIds()
        self._queued: deque[bytes] = deque()
        self._unwritten = b""
        self._lost = 0
        self._is_failing = False
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="audit", daemon=True)
        self._thread.start()

    def __call__(self, happening: Happening, /) -> None:
        """Queue one event. A full queue is written here and now."""
        self._queued.append(to_line(happening, self._new_id()))
        if len(self._queued) >= _MOST_QUEUED:
            self._flush()

    def close(self) -> None:
        """Write what is queued, then stop."""
        self._closing.set()
        self._thread.join()
        self._flush()

    def _write_on(self) -> None:
        while not self._closing.wait(_EVERY):
            self._flush()

    def _flush(self) -> None:
        with self._writing:
            self._take_in()
            try:
                while self._unwritten:
                    # A partial write goes on where it ended, so that no line is broken or written twice.
                    self._unwritten = self._unwritten[self._stream.write(self._unwritten) or 0 :]
                self._stream.flush()
            except OSError as problem:
                self._note_failure(problem)
            else:
                self._note_success()

    def _take_in(self) -> None:
        lines = [self._queued.popleft() for _ in range(len(self._queued))]
        if lines and len(self._unwritten) > _MOST_UNWRITTEN:
            self._lost += len(lines)
        elif lines:
            self._unwritten += b"".join(lines)

    def _note_failure(self, problem: OSError) -> None:
        if not self._is_failing:
            structlog.get_logger().error("audit_not_written", reason=problem.strerror or str(problem))
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            structlog.get_logger().error("audit_written_again", events_lost=self._lost)
            self._is_failing, self._lost = False, 0


def open_sink(target: str) -> Sink:
    """Return the sink for a file's path, `-` for standard output, or `none`. A new file is its owner's alone."""
    if target == "none":
        return NoSink()
    if target == "-":
        return LineSink(sys.stdout.buffer)
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return LineSink(os.fdopen(descriptor, "ab", buffering=0))
