"""The servers under measurement: started on the server's core, asked what they cost, and stopped.

Owns processes and what the kernel says of them. What is sent to them belongs to subjects.py. Linux only.
"""

import http.client
import os
import signal
import socket
import ssl
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
        return cpu_seconds_of(self.process.pid)

    def resident_mib(self) -> float:
        """Return the resident memory of it and its child processes."""
        return resident_mib_of(self.process.pid)


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


def idle_share() -> float:
    """Return the share of the last second in which the cores of the machine were idle."""
    before = _cpu_times()
    time.sleep(1)
    spent = [after - earlier for after, earlier in zip(_cpu_times(), before, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent[:8]))  # idle and iowait, proc(5)


def _cpu_times() -> list[int]:
    return [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Keep this process, and whatever it starts meanwhile, on `cores`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
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


@dataclass(frozen=True, slots=True)
class Readiness:
    """GET of `path` on `port` answers with `status` as soon as a server is ready."""

    port: int
    path: str
    status: int = 200
    tls: bool = False


@contextmanager
def started(
    name: str, command: Sequence[str], *, port: int, core: int, ready: str, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Start `command` on `core`, wait until GET `ready` answers 200 on `port`, and stop it at the end."""
    with started_on((core,), name, command, Readiness(port, ready), environment) as server:
        yield server


@contextmanager
def started_on(
    cores: Sequence[int], name: str, command: Sequence[str], ready: Readiness, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Start `command` on several cores, wait until it is ready, and stop it at the end."""
    log = Path("build") / f"bench-{name}.log"
    log.parent.mkdir(exist_ok=True)
    began = time.perf_counter()
    with pinned(*cores), log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, ready, log)
        yield Server(name, process, ready.port, (time.perf_counter() - began) * 1000)
    finally:
        _stop(process)


def clean_environment() -> dict[str, str]:
    """Return our environment without what changes how Python runs (bytecode, buffering, hash seed).

    Servers stop without a drain, which would take seconds.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"DAYPASS_DRAIN_SECONDS": "0"}


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
    with started_daypass_at(core, f"sqlite:///{store}", environment) as server:
        yield server


@contextmanager
def started_daypass_at(core: int, url: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start `daypass serve` with one worker on the store of a URL."""
    command = _serve(port := free_port(), url)
    with started_on((core,), "daypass", command, Readiness(port, "/readyz"), environment) as server:
        yield server


@contextmanager
def started_daypass_workers(cores: Sequence[int], store: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start `daypass serve` with two workers, on several cores."""
    command = [*_serve(port := free_port(), f"sqlite:///{store}"), "--workers", "2"]
    with started_on(cores, "daypass-workers", command, Readiness(port, "/readyz"), environment) as server:
        yield server


@contextmanager
def started_daypass_tls(core: int, store: Path, environment: Mapping[str, str], certificate: Path) -> Iterator[Server]:
    """Start `daypass serve` with one worker and TLS. `certificate` is a PEM file with its key."""
    options = ["--tls-cert", str(certificate), "--tls-key", str(certificate)]
    command = [*_serve(port := free_port(), f"sqlite:///{store}"), *options]
    ready = Readiness(port, "/readyz", tls=True)
    with started_on((core,), "daypass-tls", command, ready, environment) as server:
        yield server


def daypass_program() -> str:
    """Return the path of `daypass`."""
    return str(Path(sys.executable).with_name("daypass"))


def _serve(port: int, url: str) -> list[str]:
    return [daypass_program(), "serve", "--port", str(port), "--store", url]


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Readiness, log: Path) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
        if _answers(ready):
            return
        time.sleep(0.005)
    raise BenchError(f"{process.args!r} was not ready within {_PATIENCE_SECONDS} s:\n{_tail(log)}")


def _answers(ready: Readiness) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", ready.port, timeout=2)
    if ready.tls:
        connection = http.client.HTTPSConnection("127.0.0.1", ready.port, timeout=2, context=trusting_context())
    try:
        connection.request("GET", ready.path)
        return connection.getresponse().status == ready.status
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


def trusting_context() -> ssl.SSLContext:
    """Return a TLS context that accepts the certificate of a server under measurement."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it was made for this run
    return context


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def family(pid: int) -> list[int]:
    """Return `pid` and the processes below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            with suppress(FileNotFoundError):  # the thread ended between the listing and the reading
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU time of `pid` and the processes below it so far."""
    return sum(_cpu_nanoseconds(each) for each in family(pid)) / 1e9


def resident_mib_of(pid: int) -> float:
    """Return the resident memory of `pid` and the processes below it."""
    return sum(_resident_kib(each) for each in family(pid)) / 1024


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
