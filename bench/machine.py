"""The machine of a run: whether figures of this run may be judged.

Owns the calibration loop, the share of other programs, and the verdict. A budget counts only on an idle machine. Linux.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.interpreter import interpreter_line
from bench.servers import family, idle_share, pinned

_LOOPS = 7
_STEPS = 1_000_000
_LARGEST_SPREAD = 0.25  # an idle virtual machine of two cores varies by up to a fifth
_LARGEST_SHARE = 0.05
_KERNEL = 2  # the parent of its threads, which also serve our own packets and files


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of the machine during a run.

    `loop_ms` are the times of the calibration loop, `others` is the share of the machine's CPU time that other programs
    used, and `busy_before` the share that was used before the first server started.
    """

    loop_ms: tuple[float, ...]
    others: float
    busy_before: float

    @property
    def spread(self) -> float:
        """Return by how much the slowest loop exceeds the fastest, as a share."""
        return max(self.loop_ms) / min(self.loop_ms) - 1

    @property
    def complaints(self) -> tuple[str, ...]:
        """Return the reasons why figures of this run are not judged."""
        found = []
        if self.busy_before > _LARGEST_SHARE:
            found.append(f"{self.busy_before:.0%} of the CPU time was used before the first server started")
        if self.others > _LARGEST_SHARE:
            found.append(f"other programs used {self.others:.0%} of the CPU time")
        if self.spread > _LARGEST_SPREAD:
            found.append(f"the calibration loop took {min(self.loop_ms):.1f} to {max(self.loop_ms):.1f} ms")
        return tuple(found)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing else kept the machine busy."""
        return not self.complaints

    def as_document(self) -> dict[str, object]:
        """Return the members for the file of results."""
        return {**asdict(self), "spread": self.spread, "complaints": list(self.complaints)}


class Watch:
    """Watches the machine from its creation on. `core` is that of the servers."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._busy_before = 1 - idle_share()
        self._loops: list[float] = []
        self._began, self._others = time.monotonic(), others_seconds()
        self.calibrate()

    def calibrate(self) -> None:
        """Time the calibration loop on the core of the servers, which must have no work meanwhile."""
        with pinned(self._core):
            self._loops.append(median(_loop_ms() for _ in range(_LOOPS)))

    def conditions(self) -> Conditions:
        """Calibrate once more and return the state since the creation."""
        self.calibrate()
        capacity = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        others = (others_seconds() - self._others) / capacity
        return Conditions(tuple(self._loops), others, self._busy_before)


def _loop_ms() -> float:
    """Return the time of a fixed loop in pure Python. It shows a slower core and programs that interrupt it."""
    began = time.perf_counter()
    total = 0
    for number in range(_STEPS):
        total += number & 7
    return (time.perf_counter() - began) * 1000


def others_seconds() -> float:
    """Return the CPU time of all processes so far that this one did not start, and what the hypervisor took.

    A process that ended counts by its parent, which waited for it, so the difference of two values is exact.
    """
    ours = set(family(os.getpid()))
    ticks = int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])  # steal, proc(5)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in ours:
            continue
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended since it was listed
            ticks += ticks_of((folder / "stat").read_text())
    return ticks / os.sysconf("SC_CLK_TCK")


def ticks_of(stat: str) -> int:
    """Return the CPU time of a process and of its children that ended, from /proc/PID/stat. The kernel's count 0."""
    fields = stat.rpartition(")")[2].split()
    if int(fields[1]) == _KERNEL:
        return 0
    return sum(map(int, fields[11:15]))  # utime, stime, cutime and cstime of proc(5)


def machine_line(conditions: Conditions) -> str:
    """Return one line about the machine, for the top of a table."""
    if conditions.is_idle:
        loop = median(conditions.loop_ms)
        return f"machine: idle (calibration loop {loop:.1f} ms, spread {conditions.spread:.0%})"
    return f"THE MACHINE WAS NOT IDLE, so budgets are not judged: {'; '.join(conditions.complaints)}"


def head_lines(conditions: Conditions) -> Sequence[str]:
    """Return the lines above a table of figures."""
    return (interpreter_line(), machine_line(conditions))
