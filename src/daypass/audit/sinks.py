"""Where audit events go: a file, standard output, or nowhere.

Owns the writing, off the request's path: events are queued and a thread of its own writes them in batches, one JSON
document a line. The queue is bounded: whoever fills it writes it out, so that no event is lost unseen.
"""

import os
import sys
import threading
from collections import deque
from typing import BinaryIO, Protocol

import msgspec

from daypass.audit.event import Happening, to_event

_MOST_QUEUED = 10_000
_EVERY = 0.05  # seconds
_encode = msgspec.json.Encoder().encode


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
    """Writes each event as a line of JSON."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._queued: deque[Happening] = deque()
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="audit", daemon=True)
        self._thread.start()

    def __call__(self, happening: Happening, /) -> None:
        """Queue one event. A full queue is written here and now."""
        self._queued.append(happening)
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
            lines = [_encode(to_event(self._queued.popleft())) for _ in range(len(self._queued))]
            if lines:
                self._stream.write(b"\n".join(lines) + b"\n")
                self._stream.flush()


def open_sink(target: str) -> Sink:
    """Return the sink for a file's path, `-` for standard output, or `none`. A new file is its owner's alone."""
    if target == "none":
        return NoSink()
    if target == "-":
        return LineSink(sys.stdout.buffer)
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return LineSink(os.fdopen(descriptor, "ab"))
