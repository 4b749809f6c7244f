"""The driver's end of the load generator, and rounds of several subjects in turn.

Owns how a round's cost is read and how many requests are signed for it. bench/load.py sends them.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.figures import Round
from bench.load import READY, Job, as_line
from bench.machine import Watch
from bench.servers import BenchError
from bench.subjects import Subject

_MARGIN = 1.3  # requests that are signed for a round, as a multiple of those that the last round took
_FIRST = 2_000


@dataclass
class Load:
    """The load generator's end of the driver: one job in, one answer out."""

    process: "subprocess.Popen[str]"
    connections: int
    rates: dict[str, float] = field(default_factory=dict)

    def run(self, subject: Subject, seconds: float) -> Round:
        """Run one round against a subject, and read what it cost the server meanwhile."""
        self._write(as_line(self.job_of(subject, seconds)))
        ready = self._read()
        if ready == READY:
            before = subject.server.cpu_seconds()
            self._write("go")
            ready = self._read()
        cost = subject.server.cpu_seconds()
        answer: dict[str, float] = json.loads(ready)
        if "error" in answer:
            raise BenchError(f"{subject.name}: {answer['error']}")
        self.rates[subject.name] = answer["requests"] / answer["seconds"]
        return Round(
            requests=int(answer["requests"]),
            seconds=answer["seconds"],
            server_cpu_seconds=cost - before,
            p50_ms=answer["p50_ms"],
            p99_ms=answer["p99_ms"],
            client_cpu_seconds=answer["client_cpu_seconds"],
        )

    def job_of(self, subject: Subject, seconds: float) -> Job:
        """Return the next round against a subject, with as many new requests as it may need."""
        connections = subject.connections or self.connections
        requests, once = subject.requests, subject.fresh is not None
        if subject.fresh is not None:
            wanted = int(self.rates.get(subject.name, _FIRST) * seconds * _MARGIN) + connections + 1
            requests = tuple(subject.fresh(min(wanted, subject.most)))
        return Job(
            subject.server.port,
            requests,
            subject.marker,
            connections,
            seconds,
            status=subject.status,
            once=once,
            tls=subject.tls,
        )

    def _write(self, line: str) -> None:
        if self.process.stdin is None:
            raise BenchError("the load generator was started without pipes")
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _read(self) -> str:
        line = "" if self.process.stdout is None else self.process.stdout.readline()
        if not line:
            raise BenchError("the load generator ended")
        return line.rstrip("\n")


@contextmanager
def load_on(core: int, *, connections: int = 16) -> Iterator[Load]:
    """Start the load generator on `core`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load", str(core)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Load(process, connections)
    finally:
        process.terminate()
        process.communicate()


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rounds there are, and how long a round of a subject with the share 1 is.

    No further round begins after `until`, a time of the monotonic clock.
    """

    rounds: int
    seconds: float
    until: float = math.inf


def interleave(load: Load, subjects: Sequence[Subject], plan: Plan, watch: Watch) -> dict[str, list[Round]]:
    """Warm every subject up, then measure them in turn, round after round, and calibrate in between."""
    for subject in subjects:
        load.run(subject, plan.seconds * subject.share / 2)
    rounds: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    for number in range(plan.rounds):
        if number and time.monotonic() > plan.until:
            print(f"only {number} rounds: the time is up", file=sys.stderr)
            break
        print(f"round {number + 1} of {plan.rounds}", file=sys.stderr)
        watch.calibrate()
        for subject in subjects:
            rounds[subject.name].append(load.run(subject, plan.seconds * subject.share))
    return rounds
