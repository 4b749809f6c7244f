"""The benchmark beside other servers: `make bench-peers`. Prints a table and writes build/bench-peers.json.

Owns the order of things, as bench.py does: every server runs on the same core, and their rounds alternate, so that each
has the core for itself in its turn. The load generator has another core and 32 connections. The result is the ratio of
the rates in neighbouring rounds, and the table names the checks that each server makes. A server that is not installed
is left out, with the reason.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.driver import Plan, interleave, load_on
from bench.figures import Budget, Figure, Round, as_document, as_table
from bench.machine import Watch, head_lines
from bench.peer_servers import CHECKS, missing_reason, started_ceph, started_seaweedfs
from bench.servers import BenchError, Cores, choose_cores, started_daypass
from bench.subjects import ROOT, ROOT_ENVIRONMENT, Stage, Subject, assume_role, get_caller_identity, set_stage, trust_of
from botocore.exceptions import BotoCoreError, ClientError

RESULT = Path("build/bench-peers.json")
_CONNECTIONS = 32
_OURS = "daypass"
_CALLS = ("get_caller_identity", "assume_role")
_CONDITIONS = f"assume_role_conditions_{_OURS}"
_LIMIT = 0.95
_LAST_ROUND_SECONDS = 270.0  # since the start
_STARTS = {"seaweedfs": ("seaweedfs", started_seaweedfs), "ceph": ("radosgw", started_ceph)}

BUDGETS = (
    Budget("get_caller_identity_to_seaweedfs", 2.0),
    Budget("assume_role_to_seaweedfs", 1.5),
)


def measure(
    cores: Cores, scratch: Path, plan: Plan, watch: Watch, peers: Sequence[str]
) -> tuple[list[Figure], list[str]]:
    """Measure each of the peers that is installed. Return the figures, and notes about those that are left out."""
    notes = []
    with ExitStack() as running:
        daypass = running.enter_context(started_daypass(cores.server, scratch / "load.db", ROOT_ENVIRONMENT))
        stage = set_stage(daypass, ROOT, has_conditions=False)
        subjects = [*subjects_of(_OURS, stage), assume_role(_CONDITIONS, _with_conditions(stage))]
        for name in peers:
            component, start = _STARTS[name]
            reason = missing_reason(component)
            if reason:
                notes.append(f"left out: {name}: {reason}")
                continue
            try:
                subjects += subjects_of(name, running.enter_context(start(cores.server, scratch / name)))
            except subprocess.TimeoutExpired as late:
                notes.append(f"left out: {name}: it did not start: {late}"[:200])
        load = running.enter_context(load_on(cores.client, connections=_CONNECTIONS))
        for subject in tuple(subjects):
            try:
                load.run(subject, min(0.2, plan.seconds))
            except BenchError as refusal:
                if subject.name.endswith(f"_{_OURS}"):
                    raise
                subjects.remove(subject)
                notes.append(f"left out: {str(refusal)[:100]}")
        rounds = interleave(load, subjects, plan, watch)
    return figures_of_peers(rounds), [*notes, *limited_by_client(rounds)]


def subjects_of(name: str, stage: Stage) -> list[Subject]:
    """Return the two calls to a server. Each AssumeRole has a new session name."""
    return [
        get_caller_identity(f"get_caller_identity_{name}", stage),
        assume_role(f"assume_role_{name}", stage, marker=b"<AccessKeyId>"),
    ]


def _with_conditions(stage: Stage) -> Stage:
    """Return the stage with another role, whose trust policy has the two conditions that SeaweedFS refuses."""
    wanted = {"RoleName": "bench-conditions", "AssumeRolePolicyDocument": trust_of(stage.caller_arn)}
    return replace(stage, role_arn=stage.client("iam", stage.admin).create_role(**wanted)["Role"]["Arn"])


def figures_of_peers(rounds: Mapping[str, Sequence[Round]]) -> list[Figure]:
    """Turn the rounds into rates and costs, and into the ratio of our rate to that of each peer."""
    figures = []
    for name, own in rounds.items():
        figures.append(Figure(f"{name}_per_second", median(each.per_second for each in own), "requests/s"))
        figures.append(Figure(f"{name}_cpu_us", median(each.cpu_us for each in own), "us CPU/request"))
        figures.append(Figure(f"{name}_p99_ms", median(each.p99_ms for each in own), "ms"))
    for call in _CALLS:
        ours = rounds[f"{call}_{_OURS}"]
        for peer in _STARTS:
            theirs = rounds.get(f"{call}_{peer}")
            if theirs:
                ratio = median(one.per_second / other.per_second for one, other in zip(ours, theirs, strict=True))
                figures.append(Figure(f"{call}_to_{peer}", ratio, "x its rate"))
    return figures


def limited_by_client(rounds: Mapping[str, Sequence[Round]]) -> list[str]:
    """Return a note about each subject whose rate was limited by the core of the load generator."""
    limited = [name for name, own in rounds.items() if median(each.client_share for each in own) > _LIMIT]
    return [f"the load generator could not send more: {name}" for name in limited]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Measure Daypass beside its peers.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round")
    parser.add_argument("--result", type=Path, default=RESULT, help="the file for the figures")
    parser.add_argument("--peers", nargs="+", choices=sorted(_STARTS), default=list(_STARTS))
    return parser.parse_args()


def main() -> int:
    """Measure everything, and print and write the figures."""
    began, options = time.monotonic(), _arguments()
    cores = choose_cores()
    plan = Plan(options.rounds, options.seconds, began + _LAST_ROUND_SECONDS)
    watch = Watch(cores.server)
    try:
        with tempfile.TemporaryDirectory(prefix="daypass-bench-") as name:
            figures, notes = measure(cores, Path(name), plan, watch, options.peers)
    except (BenchError, ClientError, BotoCoreError) as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    conditions = watch.conditions()
    options.result.parent.mkdir(exist_ok=True)
    document = as_document(
        figures, idle=conditions.is_idle, machine=conditions.as_document(), checks=CHECKS, notes=notes
    )
    options.result.write_text(json.dumps(document, indent=2) + "\n")
    print("\n".join(head_lines(conditions)) + "\n")
    print(as_table(figures, BUDGETS, judged=conditions.is_idle))
    print("\nchecks of each request:")
    print("\n".join(f"  {name}: {checks}" for name, checks in CHECKS.items()))
    print("\n".join(notes))
    print(f"\n{time.monotonic() - began:.0f} s; figures are medians of {options.rounds} rounds, in {options.result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
