"""The readings of a server's parts for its metrics.

Owns the translation of a part's state to the names of metrics/table.py. The parts own the state itself. Each function
here is called for a scrape only, must not wait, and reads the files of /proc and the TLS certificate at most.
"""

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography import x509

from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.http.app import App
from daypass.metrics.snapshot import Reading

_STAT_STARTED = 19  # the place of the start time behind the command's name in /proc/PID/stat


def app_readings(app: App) -> Iterator[Reading]:
    """Yield the state of the application and its queues."""
    state = app.state()
    yield "daypass_ready", (), float(state in {"ready", "degraded"})
    yield "daypass_degraded", (), float(state == "degraded")
    yield "daypass_connections", (), app.connections.open
    yield "daypass_requests_waiting", (), app.waiting
    yield "daypass_uploads_waiting", (), app.waiting_uploads


def issuer_readings(keys: IssuerKeys, now: Callable[[], datetime]) -> Iterator[Reading]:
    """Yield the fetches of issuers' keys, and the state of the issuers."""
    for outcome, durations in keys.fetches.items():
        yield "daypass_issuer_fetches_total", (outcome,), sum(durations.cell[:-1])
        yield "daypass_issuer_fetch_duration_seconds", (outcome,), list(durations.cell)
    good, failing, oldest = keys.health(now())
    yield "daypass_issuers", ("good",), good
    yield "daypass_issuers", ("failing",), failing
    yield "daypass_issuer_keys_age_seconds", (), oldest


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
