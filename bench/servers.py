"""The servers under measurement: started on the server's core, asked what they cost, and stopped.

Owns processes and what the kernel says of them. What is sent to them belongs to subjects.py. Linux only.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_PATIENCE_SECONDS = 30
_GRACE_SECONDS = 10
_CPUCLOCK_SCHED = 2
_IDLE_SHARE = 0.95


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core that servers share, and the one that the load generator has to itself."""

    server: int
    client: int


@dataclass(frozen=True, slots=True)
class Server:
    """A started server, reachable on loopback."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    start_ms: float

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads and child processes so far."""
        return sum(_cpu_nanoseconds(pid) for pid in _family(self.process.pid)) / 1e9

    def resident_mib(self) -> float:
        """Return the resident memory of it and its child processes."""
        return sum(_resident_kib(pid) for pid in _family(self.process.pid)) / 1024


class Measured(Protocol):
    """A server under measurement, as the load generator sees it."""

    @property
    def port(self) -> int:
        """The port on loopback."""
        ...

    def cpu_seconds(self) -> float:
        """Return the CPU time of its processes so far."""
        ...

    def resident_mib(self) -> float:
        """Return the resident memory of its processes."""
        ...


def choose_cores() -> Cores:
    """Return two cores this process may use, or the same one twice where it has only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], client=allowed[-1])


def is_idle() -> bool:
    """Return whether other programs leave the machine alone, as seen for a second."""
    return idle_share() >= _IDLE_SHARE


def idle_share() -> float:
    """Return the share of the last second in which the cores of the machine were idle."""
    before = _cpu_times()
    time.sleep(1)
    spent = [after - earlier for after, earlier in zip(_cpu_times(), before, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent[:8]))  # idle and iowait, proc(5)


def _cpu_times() -> list[int]:
    return [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this process, and whatever it starts meanwhile, on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(
    name: str, command: Sequence[str], *, port: int, core: int, ready: str, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Start `command` on `core`, wait until GET `ready` answers 200 on `port`, and stop it at the end."""
    log = Path("build") / f"bench-{name}.log"
    log.parent.mkdir(exist_ok=True)
    began = time.perf_counter()
    with pinned(core), log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            env={**_clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, port, ready, log)
        yield Server(name, process, port, (time.perf_counter() - began) * 1000)
    finally:
        _stop(process)


def _clean_environment() -> dict[str, str]:
    """Return our environment without what changes how Python runs (bytecode, buffering, hash seed)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@contextmanager
def started_bare(core: int) -> Iterator[Server]:
    """Start the empty handler."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(port)]
    with started("bare", command, port=port, core=core, ready="/", environment={}) as server:
        yield server


@contextmanager
def started_moto(core: int) -> Iterator[Server]:
    """Start moto's server, the emulator most people test with."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with started("moto", command, port=port, core=core, ready="/moto-api/", environment={}) as server:
        yield server


@contextmanager
def started_daypass(core: int, store: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start `daypass serve` with one worker on an SQLite store."""
    port = free_port()
    daypass = str(Path(sys.executable).with_name("daypass"))
    command = [daypass, "serve", "--port", str(port), "--store", f"sqlite:///{store}"]
    with started("daypass", command, port=port, core=core, ready="/readyz", environment=environment) as server:
        yield server


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
        if _answers(port, path):
            return
        time.sleep(0.005)
    raise BenchError(f"{process.args!r} was not ready within {_PATIENCE_SECONDS} s:\n{_tail(log)}")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _family(pid: int) -> list[int]:
    """Return `pid` and the processes below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            with suppress(FileNotFoundError):  # the thread ended between the listing and the reading
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _cpu_nanoseconds(pid: int) -> int:
    """Return the time on a core of all threads that `pid` has or ever had."""
    # clock_getcpuclockid(3) spelled out, since Python offers it for threads alone. /proc/PID/schedstat
    # forgets threads that ended, and /proc/PID/stat counts in hundredths of a second.
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
