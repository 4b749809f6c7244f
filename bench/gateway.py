"""The benchmark of the gateway: `make bench-gateway`. Prints a table and writes build/bench-gateway.json.

Owns the order of things, as bench.py does. All processes of the gateway and nginx share one core; the clients and the
stand-in for the store have another. CPU times are those of all processes of the server under measurement. The bare
server of the ratios is nginx as a proxy that decides nothing. Without nginx, its figures are left out.
"""

import argparse
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.driver import Load, load_on
from bench.figures import Budget, Figure, Round, as_document, as_table, ratio_to_bare
from bench.gateway_decisions import decision_figure
from bench.gateway_servers import Fronts, find_nginx, started_fronts
from bench.machine import Watch, head_lines
from bench.s3_requests import get_object, new_session, put_object
from bench.servers import (
    BenchError,
    Cores,
    Measured,
    Server,
    choose_cores,
    pinned,
    started_daypass,
    trusting_context,
)
from bench.subjects import ROOT, ROOT_ENVIRONMENT, Subject
from bench.transfers import download, slow_downloads, slow_uploads, upload
from bench.upload_bodies import SIGNED_CHUNKS_BAR, signed_chunk_figures
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

RESULT = Path("build/bench-gateway.json")
_SMALL = 4096
_GIB = 1 << 30
_SMALL_ROUNDS = 7
_SMALL_SECONDS = 2.0
_LARGE_ROUNDS = 5
_LARGE_DEADLINE_SECONDS = 110.0  # no further round after it, so that a busy machine ends in time as well
_REQUESTS = 256
_TRANSFERS = 100
_TRANSFER_SECONDS = 10.0  # of downloads, and as long of uploads

BUDGETS = (
    Budget("get_4k_cpu_us", 120, at_most=True),
    Budget("get_4k_to_nginx", 0.8, at_most=True),
    Budget("decision_warm_us", 35, at_most=True),
    Budget("put_1g_to_nginx", 1.0, at_most=True),
    Budget("get_1g_to_nginx", 1.0, at_most=True),
    Budget("put_1g_tls_to_nginx", 1.25, at_most=True),
    Budget("get_1g_tls_to_nginx", 1.0, at_most=True),
    Budget("signed_chunks_64k_mb_s", SIGNED_CHUNKS_BAR),
    Budget("signed_chunks_1m_mb_s", SIGNED_CHUNKS_BAR),
    Budget("rss_100_transfers_mib", 80, at_most=True),
)
Transfer = Callable[[], float]
"""One transfer of a GiB. It returns the CPU seconds of the server."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Rounds with a calibration before each."""

    rounds: int
    watch: Watch

    def __iter__(self) -> Iterator[int]:
        for number in range(self.rounds):
            self.watch.calibrate()
            yield number


def measure(cores: Cores, scratch: Path, rounds: int, watch: Watch) -> list[Figure]:
    """Measure everything."""
    store = scratch / "gateway.db"
    with started_daypass(cores.server, store, ROOT_ENVIRONMENT) as daypass:
        session = new_session(daypass, ROOT)
        with started_fronts(cores, scratch, store) as fronts, load_on(cores.client) as load:
            figures = small_figures(load, fronts, session, Watched(rounds, watch))
            figures += large_figures(cores, fronts, session, Watched(min(rounds, _LARGE_ROUNDS), watch))
            figures.append(memory_figure(cores, fronts.plain, session))
        with pinned(cores.server):
            figures.append(decision_figure(store, scratch, session))
            figures += signed_chunk_figures()
    return figures


# Small objects ----------------------------------------------------------------------------------------------


def small_figures(load: Load, fronts: Fronts, session: Credentials, rounds_of: Watched) -> list[Figure]:
    """Measure GET of 4 KiB through each front."""
    subjects = [_small("get_4k", fronts.plain, session)]
    if fronts.nginx is not None:
        subjects.append(_small("nginx_get_4k", fronts.nginx.judged, session))
        subjects.append(_small("nginx_plain_get_4k", fronts.nginx.plain, session))
    for subject in subjects:
        load.run(subject, 1.0)
    rounds: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    for _ in rounds_of:
        for subject in subjects:
            rounds[subject.name].append(load.run(subject, _SMALL_SECONDS))
    return small_figures_of(rounds)


def _small(name: str, server: Measured, session: Credentials) -> Subject:
    # The keys differ, so that no front is praised for its last answer. The stand-in reads the number at the end.
    requests = tuple(get_object(session, server.port, f"{number}/{_SMALL}") for number in range(_REQUESTS))
    return Subject(name, server, requests, bytes(_SMALL))


def small_figures_of(rounds: Mapping[str, Sequence[Round]]) -> list[Figure]:
    """Turn the rounds of small objects into figures."""
    bare, judged = rounds.get("nginx_plain_get_4k"), rounds.get("nginx_get_4k")
    figures = []
    for name, own in rounds.items():
        ratio = None if bare is None else ratio_to_bare(bare, own)
        figures.append(Figure(f"{name}_cpu_us", median(each.cpu_us for each in own), "us CPU/request", ratio))
        figures.append(Figure(f"{name}_p50", median(each.p50_ms for each in own), "ms"))
    if judged is not None:
        figures.append(Figure("get_4k_to_nginx", ratio_to_bare(rounds["get_4k"], judged), "x nginx"))
    return figures


# Large objects ----------------------------------------------------------------------------------------------


def large_figures(cores: Cores, fronts: Fronts, session: Credentials, rounds_of: Watched) -> list[Figure]:
    """Measure a GiB in each direction, plain and with TLS, through each front."""
    transfers = dict(_transfers("", fronts.plain, fronts.tls, session))
    if fronts.nginx is not None:
        transfers.update(_transfers("nginx_", fronts.nginx.plain, fronts.nginx.tls, session))
    costs: dict[str, list[float]] = {name: [] for name in transfers}
    end = time.monotonic() + _LARGE_DEADLINE_SECONDS
    with pinned(cores.client):
        for number in rounds_of:
            if number and time.monotonic() > end:
                print(f"only {number} rounds of large objects: the time is up", file=sys.stderr)
                break
            for name, transfer in transfers.items():
                costs[name].append(transfer())
    return large_figures_of(costs)


def _transfers(prefix: str, plain: Measured, secure: Measured, session: Credentials) -> Sequence[tuple[str, Transfer]]:
    context = trusting_context()
    found: list[tuple[str, Transfer]] = []
    for suffix, server, tls in (("", plain, None), ("_tls", secure, context)):
        put = put_object(session, server.port, "large", _GIB)
        get = get_object(session, server.port, str(_GIB))
        found.append((f"{prefix}put_1g{suffix}", partial(_cost, server, upload, put, tls)))
        found.append((f"{prefix}get_1g{suffix}", partial(_cost, server, download, get, tls)))
    return found


def _cost(
    server: Measured,
    transfer: Callable[[int, bytes, int, ssl.SSLContext | None], None],
    request: bytes,
    tls: ssl.SSLContext | None,
) -> float:
    before = server.cpu_seconds()
    transfer(server.port, request, _GIB, tls)
    return server.cpu_seconds() - before


def large_figures_of(costs: Mapping[str, Sequence[float]]) -> list[Figure]:
    """Turn the CPU seconds of large objects into figures."""
    figures = []
    for name, own in costs.items():
        bare = costs.get(f"nginx_{name.removeprefix('nginx_')}")
        pairs = None if bare is None else list(zip(own, bare, strict=True))
        ratio = None if pairs is None else median(theirs / ours for ours, theirs in pairs)
        figures.append(Figure(f"{name}_cpu_s", median(own), "s CPU/GiB", ratio))
        if pairs is not None and not name.startswith("nginx_"):
            figures.append(Figure(f"{name}_to_nginx", median(ours / theirs for ours, theirs in pairs), "x nginx"))
    return figures


# Memory -----------------------------------------------------------------------------------------------------


def memory_figure(cores: Cores, server: Server, session: Credentials) -> Figure:
    """Measure the memory of the gateway with many slow transfers of a GiB, first downloads and then uploads."""
    seen = [server.resident_mib()]

    def sample() -> None:
        seen.append(server.resident_mib())

    downloads = [get_object(session, server.port, f"{number}/{_GIB}") for number in range(_TRANSFERS)]
    uploads = [put_object(session, server.port, f"slow{number}", _GIB) for number in range(_TRANSFERS)]
    with pinned(cores.client):
        slow_downloads(server.port, downloads, _TRANSFER_SECONDS, sample)
        slow_uploads(server.port, uploads, _TRANSFER_SECONDS, sample)
    return Figure("rss_100_transfers_mib", max(seen), "MiB")


def main() -> int:
    """Measure everything, and print and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description="Measure the gateway.")
    parser.add_argument("--rounds", type=int, default=_SMALL_ROUNDS)
    began, options = time.monotonic(), parser.parse_args()
    cores = choose_cores()
    watch = Watch(cores.server)
    if find_nginx() is None:
        print("nginx is not installed (Debian package nginx): its figures are left out", file=sys.stderr)
    try:
        with tempfile.TemporaryDirectory(prefix="daypass-bench-") as name:
            figures = measure(cores, Path(name), options.rounds, watch)
    except (BenchError, ClientError) as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    conditions = watch.conditions()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(as_document(figures, idle=conditions.is_idle, machine=conditions.as_document()), indent=2) + "\n"
    )
    print("\n".join(head_lines(conditions)) + "\n")
    print(as_table(figures, BUDGETS, judged=conditions.is_idle))
    print(f"\n{time.monotonic() - began:.0f} s; the figures are medians, in {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
