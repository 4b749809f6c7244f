"""The copies of the audit log: one spool, and one sender for each sink.

Owns the directory of spools, the search for those of dead processes, the start and the end. The thread of the audit log
calls `copy` with the final lines that it has written; every other thread here only reads them.

- The events of `daypass apply` and of a killed process wait in a spool that no process holds. A server takes it over.
- With `audit_log = "none"`, the spool is the only record here: it refuses events when it is full, and drops none.
"""

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from daypass.audit.delivery.destination import Destination
from daypass.audit.delivery.formats import format_of
from daypass.audit.delivery.sender import SinkSender, SinkState, sink_readings
from daypass.audit.delivery.sink_settings import S3, SMALLEST_SPOOL, STDOUT, SYSLOG, WEBHOOK, AuditSinkSetting
from daypass.audit.delivery.spool import LOCK, Spool, adopt_spool, create_root, create_spool, read_spool, times_of
from daypass.audit.targets import Written
from daypass.background import Background

_MEGABYTE = 1024 * 1024
_LOOK_EVERY = 5.0  # seconds between two looks for spools of dead processes
_LAST = 8.0  # seconds that the shutdown waits for the senders together


class SpoolFullError(OSError):
    """The spool is the only record, and is full."""


def open_destination(sink: AuditSinkSetting) -> Destination:
    """Return the destination of a sink.

    Raises ValueError if its files cannot be used.
    """
    # Each type is imported only if it is used.
    change = format_of(sink.format)
    try:
        return _OPENERS[sink.type](sink, change)
    except ValueError as error:
        raise ValueError(f"the audit sink {sink.name}: {error}") from error


def _open_syslog(sink: AuditSinkSetting, change: Callable[[bytes], bytes]) -> Destination:
    from daypass.audit.delivery.syslog import SyslogSink

    return SyslogSink(sink, change)


def _open_webhook(sink: AuditSinkSetting, change: Callable[[bytes], bytes]) -> Destination:
    from daypass.audit.delivery.webhook import WebhookSink

    return WebhookSink(sink, change)


def _open_s3(sink: AuditSinkSetting, change: Callable[[bytes], bytes]) -> Destination:
    from daypass.audit.delivery.s3_objects import S3ObjectSink

    return S3ObjectSink(sink, change)


def _open_standard_output(_: AuditSinkSetting, change: Callable[[bytes], bytes]) -> Destination:
    from daypass.audit.delivery.standard_output import StandardOutputSink

    return StandardOutputSink(change)


_OPENERS = {SYSLOG: _open_syslog, WEBHOOK: _open_webhook, S3: _open_s3, STDOUT: _open_standard_output}


def shares_of(sinks: Sequence[AuditSinkSetting], workers: int) -> list[AuditSinkSetting]:
    """Return the settings of one worker: the workers share `spool_megabytes`."""
    return [replace(sink, spool_megabytes=max(sink.spool_megabytes // workers, SMALLEST_SPOOL)) for sink in sinks]


class SpooledCopies:
    """Writes lines to a spool of this process.

    Another thread or process sends them.
    """

    def __init__(self, sinks: Sequence[AuditSinkSetting], root: Path, *, is_only_record: bool = False) -> None:
        create_root(root)
        self.spool = create_spool(root, [sink.name for sink in sinks])
        self._limits = {sink.name: sink.spool_megabytes * _MEGABYTE for sink in sinks}
        self._is_only_record = is_only_record
        self._is_failing = False

    def copy(self, lines: Sequence[bytes]) -> None:
        """Accept lines that the audit log has.

        Lines that cannot be written are counted as dropped.
        """
        try:
            self.spool.append(lines)
        except OSError as problem:
            data = b"".join(lines)
            self.spool.miss(len(lines), *times_of(data))
            if not self._is_failing:
                _log_problem("audit_spool_not_written", reason=problem.strerror or str(problem))
            self._is_failing = True
            return
        self._is_failing = False
        for name, limit in self._limits.items():
            self.spool.keep_within(name, limit)

    def last_line(self) -> bytes:
        """Return b"": a sink cannot be read."""
        return b""

    def write(self, lines: Sequence[bytes]) -> Written:
        """Accept lines, as the audit log itself."""
        try:
            full = [name for name, limit in self._limits.items() if self.spool.lag(name)[1] >= limit]
            if full:
                raise SpoolFullError(errno.ENOSPC, f"the audit spool is full, because the sink {full[0]} is behind")
            self.spool.append(lines)
        except OSError as problem:
            return Written(0, problem)
        return Written(len(lines))

    def reopen(self) -> None:
        """Do not reopen: log rotation does not move a spool."""

    def close(self) -> None:
        """Leave the events to a server."""
        self.spool.close()


class AuditDelivery(SpooledCopies):
    """The copies of one server process, which sends them itself."""

    def __init__(self, sinks: Sequence[AuditSinkSetting], root: Path, *, is_only_record: bool = False) -> None:
        # The files of the sinks are read before the spool exists.
        destinations = [open_destination(sink) for sink in sinks]
        super().__init__(sinks, root, is_only_record=is_only_record)
        self._root = root
        self._orphans: list[Spool] = []
        self._unreadable: set[str] = set()
        self._dropped_before = dict.fromkeys(self._limits, 0)  # for spools that are finished
        self._reported = dict.fromkeys(self._limits, 0)
        self._changing = threading.Lock()
        self._senders = [
            SinkSender(sink, destination, self._spools) for sink, destination in zip(sinks, destinations, strict=True)
        ]
        self._care = Background("audit-spool", self._care_for_spools)
        for sink in sinks:
            structlog.get_logger().info("audit_sink_started", sink=sink.name, type=sink.type, url=sink.url)
        for thread in (*self._senders, self._care):
            thread.start()

    def readings(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Yield the metrics of the sinks: name, labels and value."""
        return sink_readings(self.states())

    def states(self) -> Sequence[SinkState]:
        """Return the numbers of each sink."""
        return [sender.state(self._dropped(sender.sink.name)) for sender in self._senders]

    def close(self) -> None:
        """Send the events that the sinks accept within some seconds.

        The others stay for the next start.
        """
        threads = (*self._senders, self._care)
        for thread in threads:
            thread.stopping.set()
        for thread in threads:
            thread.stop(_LAST)
        if any(thread.is_running for thread in threads):
            return  # The end of the process unlocks the spools; until then a sender may use them.
        for spool in self._spools():
            spool.close()

    def _spools(self) -> Sequence[Spool]:
        return [*self._orphans, self.spool]

    def _dropped(self, sink: str) -> int:
        return self._dropped_before[sink] + sum(spool.dropped(sink) for spool in self._spools())

    def _care_for_spools(self) -> None:
        pause = 0.0
        while not self._care.stopping.wait(pause):
            pause = _LOOK_EVERY
            try:
                self._finish_orphans()
                self._adopt_orphans()
                self._keep_within_limits()
                self._report_dropped()
            except Exception as bug:  # noqa: BLE001 - a bug must not stop the care for spools
                _log_problem("audit_spool_failing", reason=f"{type(bug).__name__}: {bug}")

    def _adopt_orphans(self) -> None:
        known = {spool.directory for spool in self._spools()}
        for directory in _spools_by_age(self._root):
            if directory in known:
                continue
            try:
                spool = adopt_spool(directory)
            except FileNotFoundError:
                continue  # Its process has just removed it.
            except OSError as problem:
                if directory.name not in self._unreadable:
                    self._unreadable.add(directory.name)
                    _log_problem("audit_spool_unreadable", spool=directory.name, reason=problem.strerror or "")
                continue
            if spool is not None:
                self._take_over(spool)

    def _take_over(self, spool: Spool) -> None:
        for name in spool.sinks - self._limits.keys():
            events = spool.lag(name)[0]
            if events:
                _log_problem("audit_sink_removed", sink=name, events_dropped=events)
            spool.forget(name)
        waiting = max((spool.lag(name)[0] for name in spool.sinks), default=0)
        structlog.get_logger().info("audit_spool_taken_over", spool=spool.directory.name, events=waiting)
        self._orphans = [*self._orphans, spool]

    def _finish_orphans(self) -> None:
        for spool in self._orphans:
            if spool.is_empty():
                self._orphans = [each for each in self._orphans if each is not spool]
                for name in self._limits:
                    self._dropped_before[name] += spool.dropped(name)
                spool.close()

    def _keep_within_limits(self) -> None:
        """Limit the events of all spools together, the oldest first."""
        if self._is_only_record:
            return
        for name, limit in self._limits.items():
            left = limit - self.spool.lag(name)[1]
            for spool in reversed(self._orphans):
                if name in spool.sinks:
                    left -= spool.keep_within(name, max(left, 0))

    def _report_dropped(self) -> None:
        for name in self._limits:
            dropped = self._dropped(name)
            if dropped > self._reported[name]:
                _log_problem("audit_sink_events_dropped", sink=name, events_dropped=dropped - self._reported[name])
            self._reported[name] = max(dropped, self._reported[name])


def _spools_by_age(root: Path) -> list[Path]:
    """Return the directories of spools, the oldest first."""
    found = []
    for directory in root.iterdir():
        with suppress(OSError):  # not a spool, or its process has just removed it
            found.append(((directory / LOCK).stat().st_mtime_ns, directory))
    return [directory for _, directory in sorted(found) if not directory.name.startswith(".")]


@dataclass(slots=True)
class WaitingEvents:
    """The events that wait for one sink, and the reason of its outage."""

    events: int = 0
    size: int = 0
    problem: str = ""


def waiting_events(root: Path) -> dict[str, WaitingEvents]:
    """Return the events that wait for each sink below `root`.

    Changes nothing. Raises OSError if the directory cannot be read.
    """
    found: dict[str, WaitingEvents] = {}
    for directory in _spools_by_age(root) if root.is_dir() else ():
        with suppress(FileNotFoundError):  # its process has just removed it
            spool = read_spool(directory)
            for name in spool.sinks:
                waiting = found.setdefault(name, WaitingEvents())
                events, size = spool.lag(name)
                waiting.events += events
                waiting.size += size
                waiting.problem = spool.problem(name) or waiting.problem
    return found


def _log_problem(event: str, **more: object) -> None:
    # Standard error may be a file on the same full disk.
    with suppress(OSError):
        structlog.get_logger().error(event, **more)
