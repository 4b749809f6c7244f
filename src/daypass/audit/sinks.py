"""The targets of audit events: a file, standard output, or no log.

Owns the thread that writes the queue (line_queue.py). A line is created immediately, so that requests are not kept in
memory for their records.

- One thread writes. Other threads do not wait for a disk or for the reader of a pipe.
- The queue is limited in bytes. A record with the number of further events replaces them as soon as it can be written.
- Data from a caller, or a full disk, never stops the thread.
"""

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import structlog

from daypass.audit.chain import Chain
from daypass.audit.event import AuditRecord
from daypass.audit.line_queue import AwaitedLine, LineQueue
from daypass.audit.lines import encode_event, new_event_ids, to_line
from daypass.audit.refusal_groups import RefusalGroups
from daypass.audit.targets import Stream, Target, open_target
from daypass.background import Background

_EVERY = 0.05  # seconds
_AGAIN = 0.25  # seconds until a failed write is retried
_PATIENCE = 5.0  # seconds that a caller waits for its line
_STUCK_AFTER = 2.0  # seconds; a write to a healthy disk is faster
_LAST_STALL = 1.0  # seconds that the shutdown waits for a stalled reader
_LAST = 10.0  # seconds that the shutdown waits for the writer


class Sink(Protocol):
    """Records requests."""

    def __call__(self, record: AuditRecord, /) -> None:
        """Record one request. Never waits."""
        ...

    def close(self) -> None:
        """Write the queued events and close the file."""
        ...


class ServerSink(Sink, Protocol):
    """A Sink that a server uses for as long as it runs."""

    def reopen(self) -> None:
        """Continue in the file that now has the log's name. Never waits."""
        ...

    def trouble(self) -> str:
        """Return why the log cannot be written, if that is known, or "".

        Never waits.
        """
        ...

    def record_now(self, record: AuditRecord, /) -> None:
        """Write an event before returning. Waits at most some seconds.

        Raises NotRecordedError if the system does not accept the line in time; it may still be written, before the
        refusal.
        """
        ...


class Copies(Protocol):
    """Receives the lines that the log has, for other systems."""

    def copy(self, lines: Sequence[bytes], /) -> None:
        """Take final lines, in order.

        The thread that writes the log calls it. It never raises OSError.
        """
        ...

    def close(self) -> None:
        """End after the last line."""
        ...


class LogAndCopies(Copies, Target, Protocol):
    """Copies that can be the log itself."""


class NotRecordedError(Exception):
    """An event could not be written in time. The message says why."""


class Health(Protocol):
    """Receives the state of the audit log."""

    def audit_lost(self, count: int) -> None:
        """Count events that will not be recorded."""
        ...

    def audit_failing(self, *, is_failing: bool) -> None:
        """Set whether the last write failed."""
        ...


class Unwatched:
    """A Health that ignores everything."""

    def audit_lost(self, count: int) -> None:
        """Ignore it."""

    def audit_failing(self, *, is_failing: bool) -> None:
        """Ignore it."""


class NoSink:
    """A sink that discards every event."""

    def __call__(self, record: AuditRecord, /) -> None:
        """Discard the event."""

    def reopen(self) -> None:
        """Do not reopen: there is no file."""

    def trouble(self) -> str:
        """Return "": a discarded event cannot fail."""
        return ""

    def record_now(self, record: AuditRecord, /) -> None:
        """Discard the event."""

    def close(self) -> None:
        """Do not close: there is no file."""


class LineSink:
    """Writes each event as a line of JSON."""

    def __init__(
        self,
        target: Target | BinaryIO,
        health: Health | None = None,
        peer_of: Callable[[str], str] = str,
        copies: Copies | None = None,
    ) -> None:
        self._target: Target = target if isinstance(target, Target) else Stream(target)
        self._copies = copies
        self._health = health or Unwatched()
        self._new_id = new_event_ids()
        self._groups = RefusalGroups(peer_of, self._new_id)
        self._gathering = threading.Lock()
        self._queue = LineQueue(self._new_id, self._count_lost)
        self._lost = self._reported = 0  # events, and the number of them that the server's log has reported
        self._problem = ""
        self._writing_since = 0.0
        self._is_failing = False
        self._is_loss_reported = False
        self._chain = Chain(os.urandom(8))
        self._wake = threading.Event()
        self._is_reopening = False
        self._writer = Background("audit", self._run)
        self._writer.start()

    def __call__(self, record: AuditRecord, /) -> None:
        """Queue one event.

        It is only counted if the queue is full, or in a group of similar refusals.
        """
        if record.fault is not None and record.is_unproven_refusal and not self._is_first(record):
            return
        if self._queue.put(to_line(record, self._new_id())):
            self._wake.set()

    @property
    def bytes_queued(self) -> int:
        """The number of bytes of events that are not written yet."""
        return self._queue.bytes_queued

    def trouble(self) -> str:
        """Return why the log cannot be written, if that is known, or ""."""
        if self._writing_since and time.monotonic() - self._writing_since > _STUCK_AFTER:
            return "the last write has not returned"
        # With an empty queue, only the next event would show that writing works again.
        return self._problem if self._queue else ""

    def record_now(self, record: AuditRecord, /) -> None:
        """Write an event, behind all queued lines, before returning."""
        trouble = self.trouble()
        if trouble:
            raise NotRecordedError(trouble)
        awaited = AwaitedLine(to_line(record, self._new_id()))
        self._queue.put_awaited(awaited)
        self._wake.set()
        if not awaited.done.wait(_PATIENCE):
            self._queue.give_up(awaited)
        if awaited.problem:
            raise NotRecordedError(awaited.problem)

    def reopen(self) -> None:
        """Let the writer continue in the file that now has the log's name.

        It begins with the first unwritten line.
        """
        self._is_reopening = True
        self._wake.set()

    def close(self) -> None:
        """Write the queued events, then stop.

        The server's log counts events that cannot be written within some seconds.
        """
        self._writer.stopping.set()
        self._wake.set()
        self._writer.stop(_LAST)
        left = self._queue.left()
        if left.count:
            self._health.audit_lost(left.count - left.counted)
            _log("audit_events_lost", events_lost=left.count, reason="not written before the shutdown")
        if not self._writer.is_running:
            self._target.close()
            if self._copies is not None:
                self._copies.close()

    def _is_first(self, refusal: AuditRecord) -> bool:
        with self._gathering:
            return self._groups.take(refusal, time.monotonic())

    def _gather(self, now: float) -> None:
        """Queue the events of the groups whose window has ended."""
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
        # A slow reader may continue; a full disk stays full.
        ends = time.monotonic() + _LAST_STALL
        while isinstance(self._write_queue(math.inf), BlockingIOError) and time.monotonic() < ends:
            self._wake.wait(_EVERY)
            self._wake.clear()

    def _write_queue(self, now: float) -> OSError | None:
        """Write the queued lines until an error. Return the error, or None."""
        problem = None
        try:
            self._gather(now)
            self._reopen_if_requested()
            while problem is None and (lines := self._queue.next_lines()):
                self._writing_since = time.monotonic()
                final = self._link(lines)
                written, problem = self._target.write(final)
                if self._copies is not None and written:
                    self._copies.copy(final[:written])
                self._writing_since = 0.0
                self._chain.advance(written)
                self._queue.take_out(written)
                self._reopen_if_requested()
        except Exception as bug:  # noqa: BLE001 - a bug must not stop the recording; the write is retried
            problem, self._writing_since = OSError(0, f"{type(bug).__name__}: {bug}"), 0.0
        if problem is None:
            self._note_success()
        else:
            self._note_failure(problem)
        return problem

    def _link(self, lines: list[bytes]) -> list[bytes]:
        """Return the final lines, each with the digest of the one before it."""
        if not self._chain.has_begun:
            self._chain.begin_after(self._target.last_line())
        return self._chain.link(lines)

    def _reopen_if_requested(self) -> None:
        if not self._is_reopening:
            return
        self._is_reopening = False
        try:
            self._target.reopen()
        except OSError as problem:
            _log("audit_log_not_reopened", reason=problem.strerror or str(problem))
        else:
            _log("audit_log_reopened", level="info")

    def _note_failure(self, problem: OSError) -> None:
        self._problem = problem.strerror or str(problem)
        self._queue.refuse_awaited(self._problem)
        if not self._is_failing:
            _log("audit_not_written", reason=self._problem)
            self._health.audit_failing(is_failing=True)
        self._is_failing = True
        if self._lost > self._reported and not self._is_loss_reported:
            _log("audit_events_lost", reason="the queue is full")
            self._is_loss_reported = True

    def _note_success(self) -> None:
        if not self._is_failing and self._lost == self._reported:
            return
        self._problem = ""
        lost, self._reported = self._lost - self._reported, self._lost
        _log("audit_written_again", events_lost=lost)
        self._health.audit_failing(is_failing=False)
        self._is_failing = self._is_loss_reported = False


def _log(event: str, *, level: str = "error", **more: Any) -> None:
    # Standard error may be a file on the same full disk.
    with suppress(OSError):
        getattr(structlog.get_logger(), level)(event, **more)


def open_sink(
    target: str,
    health: Health | None = None,
    peer_of: Callable[[str], str] = str,
    copies: LogAndCopies | None = None,
) -> ServerSink:
    """Return the sink for a file's path, `-` (standard output) or `none`.

    Only the owner can read a new file. `peer_of` returns an address's peer, whose similar refusals are grouped.
    `copies` get each line after the log, or in its place for `none`.
    """
    if target == "none":
        return NoSink() if copies is None else LineSink(copies, health, peer_of)
    return LineSink(sys.stdout.buffer if target == "-" else open_target(target), health, peer_of, copies)
