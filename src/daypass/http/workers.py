"""The worker processes of a server or a gateway.

Owns their start, the signals that are passed on to them, and their restart. It does not import a server: a gateway,
which has its own, uses it too.
"""

import ctypes
import gc
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

_PR_SET_PDEATHSIG = 1
# Net allocations before the collector checks young objects for cycles. The objects of a request and of the audit log's
# queue stay below this number, so the collector does not follow values that are about to be freed.
_YOUNG_OBJECTS = 20_000
_QUICK_DEATH = 1.0  # seconds; a worker that lives no longer than this is not restarted


class ListenError(Exception):
    """The address is in use, or the certificate cannot be loaded.

    The message says which.
    """


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


def supervise(workers: int, run: Callable[[], int]) -> int:
    """Keep `workers` children alive that call `run`.

    Pass signals on to them. Return the exit code.
    """
    children: dict[int, float] = {}
    stopping = False

    def pass_on(number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = stopping or number != signal.SIGHUP
        for child in children:
            with suppress(ProcessLookupError):  # it has just died
                os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    for _ in range(workers):
        children[_start_child(run)] = time.monotonic()
    code = 0
    while children:
        try:
            child, status = os.wait()
        except ChildProcessError:
            break
        born = children.pop(child, 0.0)
        if stopping:
            code = max(code, os.waitstatus_to_exitcode(status))
            continue
        structlog.get_logger().error("worker_died", pid=child, status=status)
        if time.monotonic() - born < _QUICK_DEATH:
            # The worker cannot start: endless restarts would hide the reason in its log.
            pass_on(signal.SIGTERM, None)
            code = 1
            continue
        children[_start_child(run)] = time.monotonic()
    return abs(code)


def _start_child(run: Callable[[], int]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # No file to reopen until the application is built.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _die_with(parent)
    code = 1
    try:
        code = run()
    except Exception:  # noqa: BLE001 - the child must never run on in the parent's code
        structlog.get_logger().exception("worker_failed")
    finally:
        os._exit(code)


def _die_with(parent: int) -> None:
    """Let the kernel end this process when its parent dies for any reason.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # the parent has died already
        os._exit(1)
