"""Soak real servers: mixed calls for an hour, and every answer, process and audit event is checked.

A server with two workers runs on SQLite, and beside it another one on PostgreSQL if that is installed. Exits with 1 and
says why if an answer was unexpected, a process ended or grew beyond the limits, or an audit event is missing.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.servers import BenchError
from bench.soak.clients import TOO_MANY
from bench.soak.node import Node, started_node
from bench.soak.verdict import Limits, growths_of, is_long_enough
from tests.storage.postgresql import Cluster, start_cluster

_STORES = ("sqlite", "postgresql")
_LINE_SECONDS = 60.0
_SAMPLE_SECONDS = 10.0
_LEAST_SAMPLES = 12


def main() -> int:
    """Run the soak. Return 0 if it has no fault."""
    options = _options()
    limits = Limits(mib_per_hour=options.mib_per_hour)
    with tempfile.TemporaryDirectory(prefix="daypass-soak-") as folder:
        try:
            with _started_nodes(options.stores, Path(folder)) as nodes:
                _run(nodes, options)
        except BenchError as reason:
            print(f"FAILED: {reason}")
            return 1
        faults = [(node, fault) for node in nodes for fault in node.faults(limits)]
        _report(nodes, limits)
    _write(options.result, nodes, [f"{node.name}: {fault}" for node, fault in faults])
    for node, fault in faults:
        print(f"FAILED on {node.name}: {fault}")
    return 1 if faults else 0


@contextmanager
def _started_nodes(stores: Sequence[str], folder: Path) -> Iterator[list[Node]]:
    """Start the servers. They end before the audit logs are read."""
    with ExitStack() as running:
        nodes: list[Node] = []
        if "sqlite" in stores:
            nodes.append(running.enter_context(started_node("sqlite", f"sqlite:///{folder / 'soak.db'}", folder)))
        if "postgresql" in stores:
            cluster = start_cluster(fsync="on")
            if isinstance(cluster, Cluster):
                running.callback(cluster.remove)
                url = cluster.url.render_as_string(hide_password=False)
                nodes.append(running.enter_context(started_node("postgresql", url, folder)))
            else:
                print(f"postgresql: {cluster}, left out", file=sys.stderr)
        if not nodes:
            raise BenchError("no store is left")
        yield nodes


def _run(nodes: Sequence[Node], options: argparse.Namespace) -> None:
    """Make calls for the time of the run, and take samples meanwhile."""
    stop = threading.Event()
    clients = [client for node in nodes for client in node.clients(options.clients, options.rate, stop)]
    for client in clients:
        client.start()
    try:
        _watch(nodes, options.seconds)
    finally:
        stop.set()
        for client in clients:
            client.join()


def _watch(nodes: Sequence[Node], seconds: float) -> None:
    began = time.monotonic()
    pause = min(_SAMPLE_SECONDS, seconds / _LEAST_SAMPLES)
    next_line, passed = min(_LINE_SECONDS, seconds), 0.0
    while passed < seconds:
        time.sleep(min(pause, seconds - passed))
        passed = time.monotonic() - began
        for node in nodes:
            node.sample(passed)
        if passed >= min(next_line, seconds):
            next_line += _LINE_SECONDS
            for node in nodes:
                print(node.line(passed), file=sys.stderr)
        if any(node.tally.wrong >= TOO_MANY for node in nodes):
            print(f"more than {TOO_MANY} unexpected answers: the run ends early", file=sys.stderr)
            return


def _report(nodes: Sequence[Node], limits: Limits) -> None:
    for node in nodes:
        tally = node.tally
        print(f"{node.name}: {tally.calls.total():,} answers, {tally.wrong} unexpected")
        print("  " + ", ".join(f"{name} {number:,}" for name, number in sorted(tally.calls.items())))
        for growth in growths_of(node.samples, limits):
            print(f"  {growth}")
        if not is_long_enough(node.samples, limits):
            print("  growth is not judged: the run is too short")


def _write(file: Path, nodes: Sequence[Node], faults: Sequence[str]) -> None:
    samples = {node.name: [asdict(sample) for sample in node.samples] for node in nodes}
    calls = {node.name: dict(node.tally.calls) for node in nodes}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"faults": list(faults), "calls": calls, "samples": samples}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Soak real servers with mixed calls.")
    parser.add_argument("--seconds", type=float, default=3600, help="the length of the run; default: an hour")
    parser.add_argument("--stores", nargs="+", choices=_STORES, default=_STORES, help="default: both")
    parser.add_argument("--rate", type=float, default=300, help="calls a second to each server")
    parser.add_argument("--clients", type=int, default=4, help="clients of each server")
    parser.add_argument("--mib-per-hour", type=float, default=Limits().mib_per_hour, help="allowed growth of a process")
    parser.add_argument("--result", type=Path, default=Path("build/soak.json"), help="the file for calls and samples")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
