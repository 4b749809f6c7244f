"""The worker processes of a server or a gateway.

Owns their start, the signals that are passed on to them, and their restart. It does not import a server: a gateway,
which has its own, uses it too.

- A worker that dies is restarted: at once if it has served for a while, else after a delay that doubles each time. The
  others serve meanwhile.
- If every worker fails before one of them has served, the configuration is wrong, and the supervisor ends.
- A reload ends when each worker has read its files again, and only then the service manager hears so.
- Workers obey the supervisor's own signals alone. A terminal or a service manager may send SIGINT or SIGTERM to each
  process of a group, and a worker must not count one order twice.
"""

import ctypes
import gc
import os
import random
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from daypass.http.service_manager import ServiceManager

_PR_SET_PDEATHSIG = 1
# Net allocations before the collector checks young objects for cycles. The objects of a request and of the audit log's
# queue stay below this number, so the collector does not follow values that are about to be freed.
_YOUNG_OBJECTS = 20_000
_REPORT = struct.Struct("=i")  # the process id of a worker that serves
_SETTLED = 10.0  # seconds that a worker has to serve until its next death is not a part of a series
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 10.0  # seconds before a worker is restarted


class ListenError(Exception):
    """The address is in use, or the certificate cannot be loaded.

    The message says which.
    """


class WorkerStartError(Exception):
    """A worker cannot start, and not because of a bug.

    For example, the store cannot be reached. The message is the reason. The process exits with `code`.
    """

    code = 6


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The signals that stop a worker, and its way to report.

    It calls `report_ready` once it serves, and after each reload. After `drain`, it serves for a while and says that it
    is about to stop. After `stop`, it stops. `slot` is its number among the workers: the next process in its place has
    the same one.
    """

    drain: signal.Signals
    stop: signal.Signals
    report_ready: Callable[[], None]
    manager: ServiceManager
    slot: int = 0


class Hangup:
    """Records a SIGHUP that arrives before the server handles it.

    By default it would end the process.
    """

    def __init__(self) -> None:
        self.came = False
        signal.signal(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: object) -> None:
        self.came = True


def spare_long_lived_objects() -> None:
    """Exclude long-lived objects from garbage collection.

    They are service models, modules and tables.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def run_alone(run: Callable[[WorkerContext], int]) -> int:
    """Run the only worker in this process. Return the exit code."""
    manager = ServiceManager.from_environment()
    return run(WorkerContext(signal.SIGTERM, signal.SIGINT, manager.ready, manager))


def supervise(
    workers: int,
    run: Callable[[WorkerContext], int],
    listeners: Sequence[socket.socket] = (),
    *,
    drain_seconds: int = 0,
) -> int:
    """Keep `workers` children alive that call `run`.

    Pass signals on to them. The `listeners` are the children's: they are closed here at the signal to stop, so that
    the last child closes them. `drain_seconds` is how long the children serve after SIGTERM. Return the exit code.
    """
    return _Supervisor(workers, run, listeners, drain_seconds).run()


@dataclass(slots=True)
class _WorkerSlot:
    """One worker, or the time at which it is started again."""

    pid: int = 0
    due: float = 0.0
    ready_since: float | None = None
    is_reloading: bool = False
    failures: int = 0  # in a row


class _Supervisor:
    def __init__(
        self,
        workers: int,
        run: Callable[[WorkerContext], int],
        listeners: Sequence[socket.socket],
        drain_seconds: int,
    ) -> None:
        self._slots = [_WorkerSlot() for _ in range(workers)]
        self._run = run
        self._listeners = listeners
        self._drain_seconds = drain_seconds
        self._manager = ServiceManager.from_environment()
        self._signals: list[int] = []
        self._is_stopping = self._has_served = False
        self._code = 0
        self._woken, self._wake = socket.socketpair()
        self._reports, self._report = os.pipe()

    def run(self) -> int:
        self._wake.settimeout(0)  # as set_wakeup_fd requires
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, _frame: self._signals.append(number))
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while not self._is_over():
            self._start_due()
            self._wait()
            self._obey()
            self._reap()
        return self._code

    def _is_over(self) -> bool:
        alive = any(slot.pid for slot in self._slots)
        if self._is_stopping:
            return not alive
        return not self._has_served and not alive and all(slot.failures for slot in self._slots)

    def _start_due(self) -> None:
        now = time.monotonic()
        for number, slot in enumerate(self._slots):
            if not slot.pid and slot.due <= now and not self._is_stopping:
                slot.pid, slot.ready_since = self._start_child(number), None

    def _wait(self) -> None:
        due = [slot.due for slot in self._slots if not slot.pid]
        patience = None if self._is_stopping or not due else max(0.0, min(due) - time.monotonic())
        woken = self._woken.fileno()
        readable, _, _ = select.select([woken, self._reports], [], [], patience)
        if woken in readable:
            self._woken.recv(4096)
        if self._reports in readable:
            self._take_reports(os.read(self._reports, 4096))

    def _take_reports(self, reports: bytes) -> None:
        pids = {pid for (pid,) in _REPORT.iter_unpack(reports)}
        for slot in self._slots:
            if slot.pid not in pids:
                continue
            if slot.ready_since is None:
                slot.ready_since = time.monotonic()
            if not self._has_served:
                self._has_served, self._code = True, 0
                self._manager.ready()
            self._end_reload(slot)

    def _obey(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                self._reload()
            elif number == signal.SIGTERM:
                self._stop(signal.SIGUSR1, self._drain_seconds)
            elif number == signal.SIGINT:
                self._stop(signal.SIGUSR2, 0)

    def _reload(self) -> None:
        self._manager.reloading()
        for slot in self._slots:
            # A worker that does not serve yet opens its files later, and reports then.
            slot.is_reloading = bool(slot.pid) and slot.ready_since is not None
        if not any(slot.is_reloading for slot in self._slots) and self._has_served:
            self._manager.ready()
        self._tell(signal.SIGHUP)

    def _end_reload(self, slot: _WorkerSlot) -> None:
        was_reloading, slot.is_reloading = slot.is_reloading, False
        if was_reloading and not self._is_stopping and not any(each.is_reloading for each in self._slots):
            self._manager.ready()

    def _stop(self, order: signal.Signals, drain_seconds: int) -> None:
        self._is_stopping = True
        self._manager.stopping(drain_seconds)
        for listener in self._listeners:
            listener.close()
        self._tell(order)

    def _tell(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid:
                with suppress(ProcessLookupError):  # it has just died
                    os.kill(slot.pid, number)

    def _reap(self) -> None:
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not child:
                return
            for slot in self._slots:
                if slot.pid == child:
                    self._died(slot, status)

    def _died(self, slot: _WorkerSlot, status: int) -> None:
        code, now = os.waitstatus_to_exitcode(status), time.monotonic()
        pid, slot.pid = slot.pid, 0
        self._end_reload(slot)
        if self._is_stopping:
            self._code = max(self._code, code)
            return
        is_settled = slot.ready_since is not None and now - slot.ready_since >= _SETTLED
        slot.failures = 0 if is_settled else slot.failures + 1
        delay = 0.0
        if slot.failures:
            longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(slot.failures - 1, 16))
            delay = longest * random.uniform(0.5, 1)  # noqa: S311 - so that nodes do not return at the same time
        slot.due = now + delay
        if not self._has_served:
            self._code = max(self._code, code, 1)
        structlog.get_logger().error("worker_died", pid=pid, status=status, restart_seconds=round(delay, 2))

    def _start_child(self, slot: int) -> int:
        parent = os.getpid()
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            self._become_worker(parent)
            code = self._run(
                WorkerContext(signal.SIGUSR1, signal.SIGUSR2, self._report_ready, ServiceManager(""), slot)
            )
        except WorkerStartError as error:
            code = error.code
            structlog.get_logger().error("worker_cannot_start", reason=str(error))
        except Exception:  # noqa: BLE001 - the child must never run on in the parent's code
            structlog.get_logger().exception("worker_failed")
        finally:
            os._exit(code)

    def _become_worker(self, parent: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # No file to reopen until the application is built.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._woken.close()
        self._wake.close()
        os.close(self._reports)
        _die_with(parent)

    def _report_ready(self) -> None:
        with suppress(OSError):  # the supervisor has died, and this process is about to
            os.write(self._report, _REPORT.pack(os.getpid()))


def _die_with(parent: int) -> None:
    """Let the kernel stop this process when its parent dies for any reason.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2)
    if os.getppid() != parent:  # the parent has died already
        os._exit(1)
