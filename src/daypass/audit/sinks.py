"""Where audit events go: a file, standard output, or nowhere.

Owns the thread that writes the queue (line_queue.py), off the request's path. A line is made at once, while all that it
tells is at hand, so that no request is kept for its record.

- One thread writes. Nobody else waits for a disk or for whoever reads a pipe.
- The queue is bounded in bytes. Events beyond the bound are counted, and a record that says how many are missing takes
  their place in the log as soon as it can be written.
- Nothing that a caller sends, and no full disk, ends the writing.
"""

import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import structlog

from daypass.audit.event import Happening
from daypass.audit.line_queue import AwaitedLine, LineQueue
from daypass.audit.lines import encode_event, new_event_ids, to_line
from daypass.audit.refusal_groups import RefusalGroups
from daypass.audit.targets import Stream, Target, open_target
from daypass.background import Background

_EVERY = 0.05  # seconds
_AGAIN = 0.25  # seconds until what could not be written is tried again
_PATIENCE = 5.0  # seconds that a caller waits for its line
_STUCK_AFTER = 2.0  # seconds; no write to a healthy disk takes that long
_LAST_STALL = 1.0  # seconds that the end waits for a reader that stalls
_LAST = 10.0  # seconds that the end waits for the writer


class Sink(Protocol):
    """Takes what happened."""

    def __call__(self, happening: Happening, /) -> None:
        """Record one request. Never waits."""
        ...

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        ...


class ServerSink(Sink, Protocol):
    """A Sink that a server keeps for as long as it runs."""

    def reopen(self) -> None:
        """Go on in the file that has the log's name now. Never waits."""
        ...

    def trouble(self) -> str:
        """Return why nothing can be written now, as far as that is known, or nothing. Never waits."""
        ...

    def record_now(self, happening: Happening, /) -> None:
        """Return once the system has taken the event's line. Raises NotRecordedError. Waits for some seconds at most.

        Where the system did not answer in time, the line may still be written; then it stands before the refusal.
        """
        ...


class NotRecordedError(Exception):
    """An event could not be written in time. The message says why."""


class Health(Protocol):
    """Hears how the recording goes."""

    def audit_lost(self, count: int) -> None:
        """Count events that will not be recorded."""
        ...

    def audit_failing(self, *, is_failing: bool) -> None:
        """Note whether the last attempt to write failed."""
        ...


class Unwatched:
    """A Health that forgets."""

    def audit_lost(self, count: int) -> None:
        """Forget it."""

    def audit_failing(self, *, is_failing: bool) -> None:
        """Forget it."""


class NoSink:
    """Records nothing."""

    def __call__(self, happening: Happening, /) -> None:
        """Forget it."""

    def reopen(self) -> None:
        """Hold nothing."""

    def trouble(self) -> str:
        """Find nothing wrong."""
        return ""

    def record_now(self, happening: Happening, /) -> None:
        """Forget it."""

    def close(self) -> None:
        """Hold nothing."""


class LineSink:
    """Writes each event as a line of JSON."""

    def __init__(
        self, target: Target | BinaryIO, health: Health | None = None, peer_of: Callable[[str], str] = str
    ) -> None:
        self._target: Target = target if isinstance(target, Target) else Stream(target)
        self._health = health or Unwatched()
        self._new_id = new_event_ids()
        self._groups = RefusalGroups(peer_of, self._new_id)
        self._gathering = threading.Lock()
        self._queue = LineQueue(self._new_id, self._count_lost)
        self._lost = self._told = 0  # events, and how many of them the server's log has told of
        self._problem = ""
        self._writing_since = 0.0
        self._is_failing = False
        self._is_loss_told = False
        self._wake = threading.Event()
        self._is_reopening = False
        self._writer = Background("audit", self._run)
        self._writer.start()

    def __call__(self, happening: Happening, /) -> None:
        """Queue one event, or count it where the queue is full or many are alike."""
        if happening.caller is None and happening.fault is not None and not self._is_first(happening):
            return
        if self._queue.put(to_line(happening, self._new_id())):
            self._wake.set()

    def trouble(self) -> str:
        """Return why nothing can be written now, as far as that is known, or nothing."""
        if self._writing_since and time.monotonic() - self._writing_since > _STUCK_AFTER:
            return "the last write has not come back"
        # Where nothing waits, nobody but the next one would find out that it can be written again.
        return self._problem if self._queue else ""

    def record_now(self, happening: Happening, /) -> None:
        """Return once the system has taken the event's line, which comes behind all lines before it."""
        trouble = self.trouble()
        if trouble:
            raise NotRecordedError(trouble)
        awaited = AwaitedLine(to_line(happening, self._new_id()))
        self._queue.put_awaited(awaited)
        self._wake.set()
        if not awaited.done.wait(_PATIENCE):
            self._queue.give_up(awaited)
        if awaited.problem:
            raise NotRecordedError(awaited.problem)

    def reopen(self) -> None:
        """Ask the writer to go on in the file that has the log's name now, with the first line that is unwritten."""
        self._is_reopening = True
        self._wake.set()

    def close(self) -> None:
        """Write what is queued, then stop. What cannot be written within some seconds is counted in the log."""
        self._writer.stopping.set()
        self._wake.set()
        self._writer.stop(_LAST)
        left = self._queue.left()
        if left.count:
            self._health.audit_lost(left.count - left.counted)
            _tell("audit_events_lost", events_lost=left.count, reason="not written at the end")
        if not self._writer.is_running:
            self._target.close()

    def _is_first(self, refusal: Happening) -> bool:
        with self._gathering:
            return self._groups.take(refusal, time.monotonic())

    def _gather(self, now: float) -> None:
        """Queue the events of the refusals that were taken together long enough."""
        with self._gathering:
            for event in self._groups.ended(now):
                self._queue.put(encode_event(event))

    def _count_lost(self, count: int) -> None:
        self._lost += count
        self._health.audit_lost(count)

    def _run(self) -> None:
        while not self._writer.stopping.is_set():
            self._wake.wait(_AGAIN if self._is_failing else _EVERY)
            self._wake.clear()
            self._write_queue(time.monotonic())
        # A reader that was slow may go on; a disk that is full stays so.
        ends = time.monotonic() + _LAST_STALL
        while isinstance(self._write_queue(math.inf), BlockingIOError) and time.monotonic() < ends:
            self._wake.wait(_EVERY)
            self._wake.clear()

    def _write_queue(self, now: float) -> OSError | None:
        """Write what is queued, as far as it can be, and return what was in the way."""
        problem = None
        try:
            self._gather(now)
            self._reopen_if_asked()
            while problem is None and (lines := self._queue.next_lines()):
                self._writing_since = time.monotonic()
                written, problem = self._target.write(lines)
                self._writing_since = 0.0
                self._queue.take_out(written)
                self._reopen_if_asked()
        except Exception as bug:  # noqa: BLE001 - a bug of ours must not end the recording, and is tried again
            problem, self._writing_since = OSError(0, f"{type(bug).__name__}: {bug}"), 0.0
        if problem is None:
            self._note_success()
        else:
            self._note_failure(problem)
        return problem

    def _reopen_if_asked(self) -> None:
        if not self._is_reopening:
            return
        self._is_reopening = False
        try:
            self._target.reopen()
        except OSError as problem:
            _tell("audit_log_not_reopened", reason=problem.strerror or str(problem))
        else:
            _tell("audit_log_reopened", level="info")

    def _note_failure(self, problem: OSError) -> None:
        self._problem = problem.strerror or str(problem)
        self._queue.refuse_awaited(self._problem)
        if not self._is_failing:
            _tell("audit_not_written", reason=self._problem)
            self._health.audit_failing(is_failing=True)
        self._is_failing = True
        if self._lost > self._told and not self._is_loss_told:
            _tell("audit_events_lost", reason="more wait than the queue holds")
            self._is_loss_told = True

    def _note_success(self) -> None:
        if not self._is_failing and self._lost == self._told:
            return
        self._problem = ""
        lost, self._told = self._lost - self._told, self._lost
        _tell("audit_written_again", events_lost=lost)
        self._health.audit_failing(is_failing=False)
        self._is_failing = self._is_loss_told = False


def _tell(event: str, *, level: str = "error", **more: Any) -> None:
    # Standard error may be a file on the same full disk.
    with suppress(OSError):
        getattr(structlog.get_logger(), level)(event, **more)


def open_sink(target: str, health: Health | None = None, peer_of: Callable[[str], str] = str) -> ServerSink:
    """Return the sink for a file's path, `-` for standard output, or `none`. A new file is its owner's alone.

    `peer_of` names the peer that an address belongs to: refusals of one peer are taken together.
    """
    if target == "none":
        return NoSink()
    return LineSink(sys.stdout.buffer if target == "-" else open_target(target), health, peer_of)
