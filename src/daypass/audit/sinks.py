"""Where audit events go: a file, standard output, or nowhere.

Owns the writing, off the request's path: events are queued and a thread of its own writes them in batches, one JSON
document a line. The queue is bounded; a sink that cannot keep up makes requests wait, so no event is lost unseen.
"""

import queue
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from daypass.audit.event import Happening, to_event

_QUEUED = 10_000
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
        self._queue: queue.Queue[Happening | None] = queue.Queue(_QUEUED)
        self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
        self._thread.start()

    def __call__(self, happening: Happening, /) -> None:
        """Queue one event."""
        self._queue.put(happening)

    def close(self) -> None:
        """Write what is queued, then stop."""
        self._queue.put(None)
        self._thread.join()
        self._stream.flush()

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            lines = [first]
            while True:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._write_lines(lines)
                    return
                lines.append(following)
            self._write_lines(lines)

    def _write_lines(self, happenings: list[Happening]) -> None:
        self._stream.write(b"".join(_encode(to_event(one)) + b"\n" for one in happenings))
        self._stream.flush()


def open_sink(target: str) -> Sink:
    """Return the sink for a file's path, `-` for standard output, or an empty text for none."""
    if not target:
        return NoSink()
    if target == "-":
        return LineSink(sys.stdout.buffer)
    return LineSink(Path(target).open("ab"))
