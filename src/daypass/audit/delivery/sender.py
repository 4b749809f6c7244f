"""The thread of one sink: it repeats each batch until the sink accepts it.

Owns the moment of a batch, the pauses after failures, and the numbers for metrics. Batches come from the spools of dead
processes first, because their events are older.

- A batch is sent once it has `batch_events` events, or its first event has waited for `interval_seconds`.
- After a failure, the pause grows from 1 second to 5 minutes. The server's log has one line for each outage.
- A refused batch is never skipped. A receiver that refuses it for ever loses the oldest events once the spool is full.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import structlog

from daypass.audit.delivery.cursor import MissedEvents
from daypass.audit.delivery.destination import DeliveryError, Destination
from daypass.audit.delivery.sink_settings import S3, AuditSinkSetting
from daypass.audit.delivery.spool import SEGMENT_BYTES, Spool, SpoolBatch, times_of
from daypass.audit.lines import encode_event
from daypass.audit.losses import Losses
from daypass.background import Background

_EVERY = 0.1  # seconds between two looks at the spool
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_MOST_BYTES = 1024 * 1024
_LAST = 5.0  # seconds for the last batches at the shutdown


@dataclass(frozen=True, slots=True)
class SinkState:
    """The numbers of one sink since the start of this process.

    `problem` is empty while the sink accepts events.
    """

    name: str
    type: str
    delivered: int
    failed_attempts: int
    dropped: int
    queued_events: int
    queued_bytes: int
    oldest_seconds: float
    problem: str


def sink_readings(states: Sequence[SinkState]) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield the metrics of sinks: name, labels and value.

    The label is the name of the sink in the settings.
    """
    for state in states:
        label = (state.name,)
        yield "daypass_audit_sink_delivered_total", label, state.delivered
        yield "daypass_audit_sink_failed_attempts_total", label, state.failed_attempts
        yield "daypass_audit_sink_dropped_total", label, state.dropped
        yield "daypass_audit_sink_queued_events", label, state.queued_events
        yield "daypass_audit_sink_queued_bytes", label, state.queued_bytes
        yield "daypass_audit_sink_oldest_seconds", label, state.oldest_seconds
        yield "daypass_audit_sink_failing", label, float(bool(state.problem))


class SinkSender(Background):
    """Delivers the events of all spools to one sink.

    `spools` returns the spools of dead processes, then that of this process. `destination` is created in the thread.
    """

    def __init__(self, sink: AuditSinkSetting, destination: Destination, spools: Callable[[], Sequence[Spool]]) -> None:
        super().__init__(f"audit-sink-{sink.name}", self._work)
        self.sink = sink
        self._destination = destination
        self._spools = spools
        self._most_events = sink.batch_events
        self._most_bytes = SEGMENT_BYTES if sink.type == S3 else _MOST_BYTES
        self._waiting_since = 0.0
        self._failures = 0  # in a row
        self._problem = ""
        self._delivered = self._failed = 0
        self._oldest = ""
        self._is_last = False

    def state(self, dropped: int) -> SinkState:
        """Return the numbers of this sink."""
        lags = [spool.lag(self.sink.name) for spool in self._spools()]
        return SinkState(
            self.sink.name,
            self.sink.type,
            self._delivered,
            self._failed,
            dropped,
            sum(events for events, _ in lags),
            sum(size for _, size in lags),
            _age(self._oldest) if any(events for events, _ in lags) else 0.0,
            self._problem,
        )

    def _work(self) -> None:
        pause = 0.0
        while not self.stopping.wait(pause):
            pause = self._step()
        self._is_last = True
        ends = time.monotonic() + _LAST
        # The receiver is not tried again during a shutdown if it has just refused a batch.
        while not self._failures and time.monotonic() < ends and self._step() < _EVERY:
            pass
        self._destination.close()

    def _step(self) -> float:
        """Send at most one batch. Return the seconds until the next step."""
        try:
            batch = self._next_batch()
            return _EVERY if batch is None else self._send(*batch)
        except Exception as bug:  # noqa: BLE001 - a bug must not stop the delivery; the batch is retried
            return self._note_failure(DeliveryError(f"{type(bug).__name__}: {bug}"))

    def _next_batch(self) -> tuple[Spool, SpoolBatch] | None:
        *orphans, own = self._spools()
        name = self.sink.name
        spool = next((each for each in orphans if each.lag(name)[0]), own)
        if spool is own and not self._is_ripe(own):
            return None
        batch = spool.next_batch(name, most_events=self._most_events, most_bytes=self._most_bytes)
        if batch is None:
            return None
        self._oldest = times_of(batch.lines[0])[0] if batch.lines else ""
        return spool, batch

    def _is_ripe(self, own: Spool) -> bool:
        events, size = own.lag(self.sink.name)
        if not events:
            self._waiting_since = 0.0
            return False
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        is_large = events >= self._most_events or size >= self._most_bytes or own.is_behind(self.sink.name)
        has_waited = now - self._waiting_since >= self.sink.interval_seconds
        return is_large or has_waited or self._is_last or bool(self._failures)

    def _send(self, spool: Spool, batch: SpoolBatch) -> float:
        missed = [_missed_line(batch.reported)] if batch.reported.count else []
        lines = [line.removesuffix(b"\n") for line in (*missed, *batch.lines)]
        try:
            self._destination.send(lines)
        except DeliveryError as problem:
            if problem.is_too_large and len(batch.lines) > 1:
                self._most_events = max(len(batch.lines) // 2, 1)
                spool.restart_batch(self.sink.name)
                self._failed += 1
                return 0.0
            return self._note_failure(problem)
        spool.accept(self.sink.name, batch)
        self._note_success(len(batch.lines))
        return 0.0

    def _note_failure(self, problem: DeliveryError) -> float:
        self._failed += 1
        self._failures += 1
        longest = min(_FIRST_PAUSE * (1 << min(self._failures - 1, 16)), _LONGEST_PAUSE)
        pause = max(longest * random.uniform(0.5, 1), problem.retry_after)  # noqa: S311 - spreads the nodes' attempts
        if not self._problem:
            for spool in self._spools():
                spool.note_problem(self.sink.name, str(problem))
            structlog.get_logger().error(
                "audit_sink_failing", sink=self.sink.name, reason=str(problem), again_in=round(pause, 1)
            )
        self._problem = str(problem)
        return pause

    def _note_success(self, count: int) -> None:
        self._delivered += count
        self._waiting_since = 0.0
        # Slowly, because a receiver that has refused a large batch will refuse the next one.
        self._most_events = min(self._most_events + max(self.sink.batch_events // 100, 1), self.sink.batch_events)
        if self._problem:
            for spool in self._spools():
                spool.note_problem(self.sink.name, "")
            structlog.get_logger().info("audit_sink_delivers_again", sink=self.sink.name, attempts=self._failures)
        self._failures, self._problem = 0, ""


def _missed_line(missed: MissedEvents) -> bytes:
    """Return the event that replaces dropped ones. Attempts to send it again have the same eventID."""
    first, last = _moment(missed.first), _moment(missed.last)
    return encode_event(Losses(missed.count, missed.count, first, last).to_event(missed.id, last or datetime.now(UTC)))


def _moment(text: str) -> datetime | None:
    try:
        return msgspec.convert(text, datetime, strict=False)
    except msgspec.ValidationError:
        return None


def _age(text: str) -> float:
    moment = _moment(text)
    return 0.0 if moment is None else max((datetime.now(UTC) - moment).total_seconds(), 0.0)
