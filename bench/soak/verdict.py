"""The judgement of a soak: samples of processes in, faults in words out.

Owns the limits. Growth is the difference between the medians of the first and the last third of the samples after the
warm-up, because a collection of garbage or a burst of calls moves single samples. Pure: no clock, no process, no file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """The use of resources by one process, so many seconds after the start of the load."""

    seconds: float
    pid: int
    resident_mib: float
    threads: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of growth, for each process.

    `warm_up` is the share of the run in which caches fill. Growth is judged if at least `least_seconds` follow.
    """

    mib_per_hour: float = 16
    noise_mib: float = 4
    threads: int = 2
    descriptors: int = 8
    warm_up: float = 0.25
    least_seconds: float = 600


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of one process within `seconds`, after the warm-up."""

    pid: int
    seconds: float
    resident_mib: float
    threads: float
    descriptors: float

    @property
    def mib_per_hour(self) -> float:
        """Return the growth of the resident memory in an hour."""
        return self.resident_mib / self.seconds * _SECONDS

    def __str__(self) -> str:
        """Return a line for people."""
        return (
            f"process {self.pid}: RSS {self.resident_mib:+.2f} MiB ({self.mib_per_hour:+.1f} an hour), "
            f"threads {self.threads:+g}, descriptors {self.descriptors:+g} in {self.seconds:.0f} s"
        )


def growths_of(samples: Sequence[Sample], limits: Limits) -> list[Growth]:
    """Return the growth of each process that has three samples after the warm-up."""
    begin = limits.warm_up * max((sample.seconds for sample in samples), default=0)
    by_process: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.seconds >= begin:
            by_process.setdefault(sample.pid, []).append(sample)
    return [_growth(pid, kept) for pid, kept in by_process.items() if len(kept) >= 3]


def _growth(pid: int, samples: Sequence[Sample]) -> Growth:
    third = len(samples) // 3
    first, last = samples[:third], samples[-third:]
    return Growth(
        pid,
        median(each.seconds for each in last) - median(each.seconds for each in first),
        median(each.resident_mib for each in last) - median(each.resident_mib for each in first),
        median(each.threads for each in last) - median(each.threads for each in first),
        median(each.descriptors for each in last) - median(each.descriptors for each in first),
    )


def is_long_enough(samples: Sequence[Sample], limits: Limits) -> bool:
    """Tell whether the samples after the warm-up span enough time to judge growth."""
    last = max((sample.seconds for sample in samples), default=0)
    return (1 - limits.warm_up) * last >= limits.least_seconds


def judge_processes(samples: Sequence[Sample], limits: Limits) -> list[str]:
    """Return the faults of the processes of one server: those that ended, and growth beyond the limits."""
    faults = list(_changes(samples))
    if is_long_enough(samples, limits):
        for growth in growths_of(samples, limits):
            faults += _excesses(growth, limits)
    return faults


def _changes(samples: Sequence[Sample]) -> Iterator[str]:
    if not samples:
        yield "no process was sampled"
        return
    times = [sample.seconds for sample in samples]
    first = {sample.pid for sample in samples if sample.seconds == min(times)}
    last = {sample.pid for sample in samples if sample.seconds == max(times)}
    yield from (f"process {pid} ended during the run" for pid in sorted(first - last))
    yield from (f"process {pid} was started during the run" for pid in sorted(last - first))


def _excesses(growth: Growth, limits: Limits) -> Iterator[str]:
    if growth.resident_mib > limits.noise_mib + limits.mib_per_hour * growth.seconds / _SECONDS:
        allowed = f"{limits.mib_per_hour:g} MiB an hour and {limits.noise_mib:g} MiB of noise are allowed"
        yield f"memory grows: {growth}; {allowed}"
    if growth.threads > limits.threads:
        yield f"threads grow: {growth}; {limits.threads} more are allowed"
    if growth.descriptors > limits.descriptors:
        yield f"descriptors grow: {growth}; {limits.descriptors} more are allowed"
