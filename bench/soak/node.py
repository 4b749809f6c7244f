"""One server under a soak: its processes, its clients, and their figures for each minute.

Owns the start of the server with two workers, the samples of its processes from /proc, and its judgement at the end.
"""

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import percentile
from bench.servers import Readiness, Server, daypass_program, family, free_port, started_on
from bench.soak.audit import judge_audit
from bench.soak.calls import Mix, SoakStage, prepare
from bench.soak.clients import Client, Tally
from bench.soak.verdict import Limits, Sample, judge_processes
from bench.subjects import ROOT_ENVIRONMENT

_WORKERS = 2
_ENVIRONMENT = {
    **ROOT_ENVIRONMENT,
    "DAYPASS_MASTER_KEY": base64.b64encode(bytes(32)).decode(),  # for this run alone
    "DAYPASS_CACHE_ENTRIES": "2000",  # full before the end of the warm-up
}


@dataclass
class Node:
    """A server, its tally and its samples."""

    name: str
    server: Server
    prepared: SoakStage
    log: Path
    tally: Tally = field(default_factory=Tally)
    samples: list[Sample] = field(default_factory=list)

    def clients(self, number: int, rate: float, stop: threading.Event) -> Iterator[Client]:
        """Yield clients that make `rate` calls a second together."""
        for each in range(number):
            mix = Mix(self.prepared, each)
            yield Client(self.server.port, mix, self.tally, interval=number / rate, stop=stop)

    def sample(self, seconds: float) -> None:
        """Add a sample of each process."""
        # The judgement finds a process that ended meanwhile, because it is missing.
        with suppress(FileNotFoundError, ProcessLookupError):
            for pid in family(self.server.process.pid):
                self.samples.append(sample_of(pid, seconds))

    def line(self, seconds: float) -> str:
        """Return the figures since the last line, for people."""
        latencies, now = self.tally.take_latencies(), [each for each in self.samples if each.seconds == seconds]
        p50, p99 = (percentile(latencies, share) / 1e6 if latencies else 0.0 for share in (0.5, 0.99))
        processes = " ".join(f"{each.resident_mib:.1f}/{each.threads}/{each.descriptors}" for each in now)
        return (
            f"{seconds:6.0f} s {self.name:<10} {len(latencies):>8,} calls  p50 {p50:.2f} ms  p99 {p99:.2f} ms  "
            f"{self.tally.wrong} unexpected  MiB/threads/descriptors {processes}"
        )

    def faults(self, limits: Limits) -> list[str]:
        """Return the faults of a run, after the end of the server."""
        found = list(self.tally.faults)
        if self.tally.wrong:
            found.append(f"{self.tally.wrong} answers were unexpected")
        if not self.tally.authenticated:
            found.append("no authenticated call was answered")
        if self.server.process.returncode != 0:
            found.append(f"the server ended with {self.server.process.returncode}")
        found += judge_processes(self.samples, limits)
        with self.log.open("rb") as lines:
            found += judge_audit(lines, self.tally)
        return found


@contextmanager
def started_node(name: str, store: str, folder: Path) -> Iterator[Node]:
    """Start `daypass serve` with two workers on the store of a URL, and create the users of the experiment."""
    port, log = free_port(), folder / f"{name}-audit.jsonl"
    command = [daypass_program(), "serve", "--port", str(port), "--store", store, "--workers", str(_WORKERS)]
    command += ["--audit-log", str(log)]
    cores, ready = sorted(os.sched_getaffinity(0)), Readiness(port, "/readyz")
    with started_on(cores, f"soak-{name}", command, ready, _ENVIRONMENT) as server:
        yield Node(name, server, prepare(server), log)


def sample_of(pid: int, seconds: float) -> Sample:
    """Return the use of resources by a process.

    Raises FileNotFoundError or ProcessLookupError if the process ended.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = {name: value for name, _, value in (line.partition(":") for line in lines)}
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    # A process that ended and was not awaited yet has no VmRSS.
    resident = int(status.get("VmRSS", "0 kB").split()[0]) / 1024
    return Sample(seconds, pid, resident, int(status["Threads"]), descriptors)
