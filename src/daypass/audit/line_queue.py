"""The queue of audit log lines that are not written yet.

Owns their order and limits, and the count of lines that did not fit. A line stays here until the system has written it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from daypass.audit.lines import encode_event
from daypass.audit.losses import Losses

_MOST_QUEUED = 16 * 2**20  # bytes; the limit for lines that wait, for example while the disk is full
_MOST_INCOMING = 1_000  # lines that are not in the queue yet
_LONG_LINE = 4_096  # bytes; a longer line goes into the queue at once
_MOST_AT_ONCE = 256 * 1024  # bytes


class AwaitedLine:
    """A line whose caller waits until it is written or has failed."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.is_being_written = False
        self.problem = ""
        self.done = threading.Event()


class LineQueue:
    """Takes lines from many threads, and passes them to one.

    `lose` is called with the number of events that did not fit.
    """

    def __init__(self, new_id: Callable[[], str], lose: Callable[[int], None]) -> None:
        self._new_id = new_id
        self._lose_count = lose
        self._incoming: deque[bytes] = deque()
        self._queue: deque[bytes | Losses | AwaitedLine] = deque()
        self._bytes = 0
        self._lock = threading.Lock()  # protects the queue; held only for short steps

    def __bool__(self) -> bool:
        return bool(self._queue or self._incoming)

    @property
    def bytes_queued(self) -> int:
        """The number of bytes of the lines in the queue."""
        return self._bytes

    def put(self, line: bytes) -> bool:
        """Add a line. Return whether many lines wait."""
        # No lock on the hot path: a deque accepts lines from several threads.
        self._incoming.append(line)
        if len(self._incoming) <= _MOST_INCOMING and len(line) <= _LONG_LINE:
            return False
        with self._lock:
            self._take_in()
        return True

    def put_awaited(self, awaited: AwaitedLine) -> None:
        """Add a line behind all other lines."""
        with self._lock:
            self._take_in()
            self._queue.append(awaited)
            self._bytes += len(awaited.line)

    def left(self) -> Losses:
        """Return the counts of all lines that remain, for the shutdown."""
        left = Losses()
        with self._lock:
            self._take_in()
            for each in self._queue:
                if isinstance(each, Losses):
                    left.merge(each)
                elif isinstance(each, bytes):
                    left.add(each)
        return left

    def next_lines(self) -> list[bytes]:
        """Return lines from the front of the queue.

        They stay in the queue.
        """
        lines, size = list[bytes](), 0
        with self._lock:
            self._take_in()
            for place, each in enumerate(self._queue):
                if isinstance(each, Losses) and lines:
                    break
                line = each if isinstance(each, bytes) else self._line_of(each, place)
                lines.append(line)
                size += len(line)
                if size >= _MOST_AT_ONCE:
                    break
        return lines

    def take_out(self, count: int) -> None:
        """Remove the first lines, which were written."""
        with self._lock:
            for _ in range(count):
                each = self._queue.popleft()
                if isinstance(each, bytes):
                    self._bytes -= len(each)
                elif isinstance(each, AwaitedLine):
                    self._bytes -= len(each.line)
                    each.done.set()

    def give_up(self, awaited: AwaitedLine) -> None:
        """Refuse a line that took too long.

        It may still be written if that has begun.
        """
        with self._lock:
            if awaited.done.is_set():
                return
            awaited.problem = "it was not written in time"
            if not awaited.is_being_written:
                self._drop([awaited])

    def refuse_awaited(self, reason: str) -> None:
        """Refuse all lines that a caller waits for."""
        with self._lock:
            awaited = [each for each in self._queue if isinstance(each, AwaitedLine)]
            self._drop(awaited)
            for each in awaited:
                each.problem = reason
                each.done.set()

    def _take_in(self) -> None:
        """Move incoming lines to the queue. Lines that do not fit are counted."""
        for _ in range(len(self._incoming)):
            line = self._incoming.popleft()
            if self._bytes + len(line) <= self._most():
                self._queue.append(line)
                self._bytes += len(line)
            else:
                self._lose(line)

    def _most(self) -> int:
        # After a loss, half of the queue must be free first: short lines that just fit would split one gap into many
        # records.
        return _MOST_QUEUED // 2 if self._queue and isinstance(self._queue[-1], Losses) else _MOST_QUEUED

    def _lose(self, line: bytes) -> None:
        losses = self._queue[-1] if self._queue else None
        if not isinstance(losses, Losses):
            losses = Losses()
            self._queue.append(losses)
        self._lose_count(losses.add(line))

    def _line_of(self, each: Losses | AwaitedLine, place: int) -> bytes:
        if isinstance(each, AwaitedLine):
            each.is_being_written = True
            return each.line
        # From now on it is a line, and later losses are counted separately.
        line = encode_event(each.to_event(self._new_id(), datetime.now(UTC)))
        self._queue[place] = line
        self._bytes += len(line)
        return line

    def _drop(self, awaited: Sequence[AwaitedLine]) -> None:
        """Remove lines that must not be written later: their callers were refused."""
        for each in awaited:
            self._queue.remove(each)
            self._bytes -= len(each.line)
