"""Virtual time and threads: one real thread, in which tasks take turns in an order that a seed repeats.

Owns the clock, the tasks (greenlets), and the stand-ins for `threading` and `asyncio` with which the real code waits. A
task runs until it waits; nothing else interrupts it.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from math import inf
from types import SimpleNamespace
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet


class Process:
    """A group of tasks that can be paused or killed together."""

    def __init__(self) -> None:
        self.is_paused = self.is_dead = False
        self.held: list[tuple[Task, int]] = []


class Task:
    """One task. `ticket` counts how often it was woken, so that an old alarm does not wake it again."""

    __slots__ = ("body", "is_done", "process", "ticket")

    def __init__(self, work: Callable[[], object], process: Process, hub: greenlet) -> None:
        def body() -> None:
            work()
            self.is_done = True

        self.body = greenlet(body, hub)
        self.process = process
        self.ticket = 0
        self.is_done = False


class Tasks:
    """The clock and all tasks. `run` is called by the test, everything else by a task."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._alarms: list[tuple[float, int, Task, int]] = []
        self._count = 0
        self._hub = getcurrent()
        self._current: Task | None = None
        self._all: set[Task] = set()
        self._is_over = False

    def monotonic(self) -> float:
        """Return the virtual time."""
        return self.now

    @property
    def current(self) -> Task:
        """Return the task that runs."""
        assert self._current is not None
        return self._current

    def start(self, work: Callable[[], object], process: Process, *, after: float = 0.0) -> Task:
        """Start a task."""
        task = Task(work, process, self._hub)
        self._all.add(task)
        self.wake(task, task.ticket, after)
        return task

    def wake(self, task: Task, ticket: int, after: float = 0.0) -> None:
        """Let a task continue later, unless it was woken before."""
        self._count += 1
        heappush(self._alarms, (self.now + after, self._count, task, ticket))

    def park(self, timeout: float | None = None) -> None:
        """Let others run until this task is woken, or until the timeout."""
        if self._is_over:
            raise GreenletExit
        if timeout is not None:
            self.wake(self.current, self.current.ticket, timeout)
        self._hub.switch()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.park(seconds)

    def run(self, until: float) -> None:
        """Run every task until this time."""
        while self._alarms and self._alarms[0][0] <= until:
            at, _, task, ticket = heappop(self._alarms)
            if ticket != task.ticket or task.process.is_dead:
                continue
            self.now = max(self.now, at)
            if task.process.is_paused:
                task.process.held.append((task, ticket))
                continue
            task.ticket += 1
            self._current = task
            task.body.switch()
            self._current = None
            if task.is_done:
                self._all.discard(task)
        self.now = max(self.now, until)

    def resume(self, process: Process) -> None:
        """Let the tasks of a paused process continue."""
        process.is_paused = False
        held, process.held = process.held, []
        for task, ticket in held:
            self.wake(task, ticket)

    def close(self) -> None:
        """End the tasks that are left."""
        self._is_over = True
        for task in list(self._all):
            if task.body:  # started, and not at its end
                self._current = task
                task.body.throw()
        self._all.clear()
        self._alarms.clear()

    def threading(self, process: Process) -> SimpleNamespace:
        """Return the stand-in for the module `threading` in one process."""

        def thread(target: Callable[[], None], **_: object) -> VirtualThread:
            return VirtualThread(self, target, process)

        return SimpleNamespace(
            Thread=thread, Lock=lambda: VirtualLock(self), Condition=lambda lock: VirtualCondition(self, lock)
        )

    def asyncio(self) -> SimpleNamespace:
        """Return the stand-in for the module `asyncio`."""
        loop = SimpleNamespace(call_soon_threadsafe=lambda call: call())
        return SimpleNamespace(get_running_loop=lambda: loop, Event=lambda: VirtualEvent(self))


class VirtualLock:
    """A lock between tasks, first come, first served."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._is_held = False
        self._waiting: deque[tuple[Task, int]] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as in threading
        """Take the lock, as threading.Lock does."""
        until = inf if timeout < 0 else self._tasks.now + timeout
        while self._is_held:
            if not blocking or self._tasks.now >= until:
                return False
            self._waiting.append((self._tasks.current, self._tasks.current.ticket))
            self._tasks.park(None if until == inf else until - self._tasks.now)
        self._is_held = True
        return True

    def release(self) -> None:
        """Give the lock back, and wake those that wait."""
        self._is_held = False
        while self._waiting:
            self._tasks.wake(*self._waiting.popleft())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class VirtualCondition:
    """A condition between tasks."""

    def __init__(self, tasks: Tasks, lock: VirtualLock) -> None:
        self._tasks = tasks
        self._lock = lock
        self._waiting: list[tuple[Task, int]] = []

    def wait(self, timeout: float | None = None) -> None:
        """Wait until another task notifies, or until the timeout."""
        self._waiting.append((self._tasks.current, self._tasks.current.ticket))
        self._lock.release()
        self._tasks.park(timeout)
        self._lock.acquire()

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Wait until something is true."""
        while not is_true():
            self.wait()

    def notify_all(self) -> None:
        """Wake every task that waits."""
        waiting, self._waiting = self._waiting, []
        for task, ticket in waiting:
            self._tasks.wake(task, ticket)

    notify = notify_all


class VirtualEvent:
    """An event on a virtual event loop."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._is_set = False
        self._waiting: list[tuple[Task, int]] = []

    def set(self) -> None:
        """Wake the task that waits."""
        self._is_set = True
        for task, ticket in self._waiting:
            self._tasks.wake(task, ticket)

    async def wait(self) -> None:
        """Wait until it is set."""
        while not self._is_set:
            self._waiting.append((self._tasks.current, self._tasks.current.ticket))
            self._tasks.park()


class VirtualThread:
    """A thread of one process."""

    def __init__(self, tasks: Tasks, target: Callable[[], None], process: Process) -> None:
        self._tasks = tasks
        self._target = target
        self._process = process
        self._task: Task | None = None

    def start(self) -> None:
        """Start the task."""
        self._task = self._tasks.start(self._target, self._process)

    def is_alive(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._task is not None and not self._task.is_done


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for virtual events alone."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("the coroutine waits for something that is not virtual")
