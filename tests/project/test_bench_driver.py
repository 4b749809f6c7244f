"""The requests that are signed for a round, and the order of rounds."""

import subprocess
import sys
from collections.abc import Iterable

from bench.driver import Load
from bench.subjects import Subject


class _NoServer:
    """A server that has no work."""

    port = 1

    def cpu_seconds(self) -> float:
        """Return 0."""
        return 0.0

    def resident_mib(self) -> float:
        """Return 0."""
        return 0.0


def _load() -> Load:
    process = subprocess.Popen([sys.executable, "-c", ""], text=True)
    process.wait()
    return Load(process, connections=4, rates={"new": 1_000.0})


def test_a_round_gets_more_new_requests_than_the_last_rate_needs() -> None:
    """The rate of the last round with a margin, and one for each connection that is opened."""
    numbers = iter(range(10_000))

    def fresh(number: int) -> Iterable[bytes]:
        return (b"%d" % next(numbers) for _ in range(number))

    load, subject = _load(), Subject("new", _NoServer(), (), b"ok", fresh=fresh, most=2_000)
    first, second = load.job_of(subject, 0.5), load.job_of(subject, 60.0)
    assert (len(first.requests), first.once) == (655, True)
    assert len(second.requests) == 2_000
    assert set(first.requests).isdisjoint(second.requests)


def test_a_subject_without_new_requests_repeats_its_own() -> None:
    """It also says how many connections it wants, which status, and whether it is TLS."""
    subject = Subject("old", _NoServer(), (b"a", b"b"), b"ok", status=403, connections=1_000, tls=True)
    job = _load().job_of(subject, 0.5)
    assert (job.requests, job.once) == ((b"a", b"b"), False)
    assert (job.status, job.connections, job.tls) == (403, 1_000, True)
