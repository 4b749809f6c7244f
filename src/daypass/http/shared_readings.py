"""The readings that a server and a gateway have in common.

Owns those of the process, its health, its certificate and its store. Each function here is called for a scrape only,
must not wait, and reads the files of /proc and the TLS certificate at most.
"""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from cryptography import x509

from daypass.metrics.snapshot import Reading

_STAT_STARTED = 19  # the place of the start time behind the command's name in /proc/PID/stat


class StoreState(Protocol):
    """The state of the database, for the metrics."""

    @property
    def is_away(self) -> bool:
        """Return whether the database did not answer the last query."""
        ...

    @property
    def times_away(self) -> int:
        """Return how often the database went away."""
        ...

    @property
    def seconds_away(self) -> float:
        """Return how long the database was away in total."""
        ...

    deadlines: int
    seconds_of_last_answer: float


def store_readings(store: StoreState) -> Iterator[Reading]:
    """Yield whether the database answers."""
    yield "daypass_store_up", (), float(not store.is_away)
    yield "daypass_store_outages_total", (), store.times_away
    yield "daypass_store_away_seconds_total", (), store.seconds_away
    yield "daypass_store_deadlines_total", (), store.deadlines
    yield "daypass_store_poll_seconds", (), store.seconds_of_last_answer


def health_readings(health: str) -> Iterator[Reading]:
    """Yield the health that `/readyz` shows."""
    yield "daypass_ready", (), float(health in {"ready", "degraded"})
    yield "daypass_degraded", (), float(health == "degraded")


def certificate_readings(tls_cert: str) -> Iterator[Reading]:
    """Yield the expiry of the server's own certificate."""
    if not tls_cert:
        return
    with suppress(OSError, ValueError):  # it may be about to be replaced
        changed = Path(tls_cert).stat().st_mtime_ns
        yield "daypass_certificate_expiry_timestamp_seconds", ("tls",), _expiry(tls_cert, changed)


@lru_cache(maxsize=2)
def _expiry(file: str, _changed: int) -> float:
    return x509.load_pem_x509_certificate(Path(file).read_bytes()).not_valid_after_utc.timestamp()


def process_readings() -> Iterator[Reading]:
    """Yield the version, and the resources of this process."""
    yield "daypass_build_info", (own_version(), platform.python_version()), 1.0
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield "process_cpu_seconds_total", (), used.ru_utime + used.ru_stime
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft != resource.RLIM_INFINITY:
        yield "process_max_fds", (), soft
    with suppress(OSError, ValueError, IndexError):  # only Linux has these files
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        yield "process_resident_memory_bytes", (), pages * os.sysconf("SC_PAGE_SIZE")
        yield "process_open_fds", (), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names alone
        yield "process_start_time_seconds", (), _started()


@lru_cache(maxsize=1)
def own_version() -> str:
    """Return the version of this package."""
    try:
        return version("daypass")
    except PackageNotFoundError:  # a tree that is not installed
        return "unknown"


def _started() -> float:
    # After the command's name, which may contain spaces and brackets. Source: proc_pid_stat(5).
    fields = Path("/proc/self/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    since_boot = int(fields[_STAT_STARTED]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot
