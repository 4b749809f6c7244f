"""The benchmark: `make bench`. Measures, prints a table and writes build/bench.json, within five minutes.

Owns the order of things. Each server has been started before the first round, all servers share one core,
the load generator has another, and the rounds of all subjects are interleaved, so that whatever disturbs the
machine disturbs them alike. Subjects whose bar is a ratio have long rounds, all others have short ones.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.commands import command_figures
from bench.disk import disk_figures, measure_flushes
from bench.driver import Plan, interleave, load_on
from bench.figures import Budget, Figure, Round, as_document, as_table, figures_of
from bench.growth import Growth, roles_once
from bench.iam_subjects import create_user, iam_reads
from bench.load import allow_connections
from bench.machine import Watch, head_lines
from bench.postgresql import create_user_postgresql
from bench.role_credentials import NAME as GET_ROLE_CREDENTIALS
from bench.role_credentials import role_credentials_subject, to_assume_role
from bench.saml_cases import assume_role_with_saml, saml_figures
from bench.servers import (
    BenchError,
    Cores,
    Server,
    choose_cores,
    pinned,
    started_bare,
    started_daypass,
    started_daypass_tls,
    started_daypass_workers,
    started_moto,
)
from bench.subjects import (
    ROOT,
    ROOT_ENVIRONMENT,
    SIDE,
    Keys,
    Stage,
    Subject,
    assume_role,
    assume_role_denied,
    assume_role_repeated,
    assume_role_tagged,
    empty,
    get_caller_identity,
    get_caller_identity_session,
    get_scoped_credentials,
    set_stage,
)
from bench.web_identity import ALGORITHMS, parts_of, signature_checks, web_identity_subjects
from botocore.exceptions import BotoCoreError, ClientError

from daypass.testing.certificates import Authority

_MANY_CONNECTIONS = 1_000
_FORMER_NAME = "assume_role_new_names"
_STARTS = 5
_LAST_ROUND_SECONDS = 225.0  # since the start, so that a busy machine ends in time as well
_COMMANDS = 9
_FLUSH_SECONDS = 0.5
_POLICY_SECONDS = 2.0  # for each case
RESULT = Path("build/bench.json")

BUDGETS = (
    Budget("get_caller_identity", 0.65, on_ratio=True),
    Budget("assume_role", 0.33, on_ratio=True),
    *(Budget(f"{name}_to_parts", 1.25, at_most=True) for name in ALGORITHMS.values()),
    Budget("assume_role_with_saml", 600, at_most=True),
    Budget(f"{GET_ROLE_CREDENTIALS}_to_assume_role", 1.5, at_most=True),
    Budget("assume_role_50_tags", 150, at_most=True),
    Budget("assume_role_cold", 300, at_most=True),
    *(Budget(name, 150, at_most=True) for name in ("get_role", "get_user", "list_users")),
    Budget("create_user", 500, at_most=True),
    Budget("create_user_to_bar", 1.0),
    Budget("create_user_postgresql", 500, at_most=True),
    Budget("create_user_postgresql_rps", 1_000),
    Budget("growth_latency", 1.1, at_most=True),
    Budget("policy_t1", 150_000),
    Budget("policy_t2", 150_000),
    Budget("policy_r", 200_000),
    Budget("rss_mib", 100, at_most=True),
    Budget("kib_per_cached_role", 5.5, at_most=True),
    Budget("start_ms", 600, at_most=True),
    Budget("help_cpu_ms", 50, at_most=True),
    Budget("credential_process_cpu_ms", 50, at_most=True),
)


def measure_http(cores: Cores, scratch: Path, plan: Plan, growth: Growth, watch: Watch) -> list[Figure]:
    """Measure the operations beside the bare server and moto, the commands, and the memory."""
    with ExitStack() as running:
        daypass = running.enter_context(started_daypass(cores.server, scratch / "load.db", ROOT_ENVIRONMENT))
        memory = [Figure("rss_mib", daypass.resident_mib(), "MiB")]
        stage = set_stage(daypass, ROOT)
        commands = command_figures(cores, stage, scratch / "home", runs=min(_COMMANDS, plan.rounds + 2))
        bare = running.enter_context(started_bare(cores.server))
        load = running.enter_context(load_on(cores.client))
        grown = list(growth.subjects(running, cores, scratch, ROOT))
        once = roles_once(running, cores, scratch, ROOT)
        subjects = [
            *subjects_on(stage, bare),
            *web_identity_subjects(daypass, scratch / "load.db", ROOT),
            role_credentials_subject(daypass, ROOT),
            assume_role_with_saml(daypass, ROOT),
            *iam_reads(stage),
            once.cold,
            *other_servers(running, cores, scratch),
            *grown,
        ]
        flushes = [measure_flushes(scratch, seconds=_FLUSH_SECONDS)]
        rounds = interleave(load, subjects, plan, watch)
        flushes.append(measure_flushes(scratch, seconds=_FLUSH_SECONDS))
        memory += growth.figures(rounds, {subject.name: subject.server for subject in grown})
        memory.append(Figure("rss_after_load_mib", daypass.resident_mib(), "MiB"))
        memory += once.memory(load)
    figures = [figure for name, own in rounds.items() for figure in figures_of(name, own, rounds["bare"])]
    figures += [*signature_checks(cores), *disk_figures(flushes, rounds["create_user"])]
    return [*figures, *parts_of(figures), to_assume_role(rounds), two_workers(rounds), *memory, *commands]


def subjects_on(stage: Stage, bare: Server) -> list[Subject]:
    """Return the calls to STS of the server with one worker. The bare server gets the commonest call's bytes."""
    who = get_caller_identity("get_caller_identity", stage)
    subjects = [
        empty(bare, like=who),
        who,
        assume_role("assume_role", stage),
        assume_role_repeated("assume_role_repeated", stage, share=SIDE),
        get_caller_identity_session("get_caller_identity_session", stage, share=SIDE),
        assume_role_denied("assume_role_denied", stage, share=SIDE),
        assume_role_tagged("assume_role_50_tags", stage, share=SIDE),
        get_scoped_credentials("get_scoped_credentials", stage, share=SIDE),
    ]
    if allow_connections(_MANY_CONNECTIONS):
        many: dict[str, Any] = {"share": SIDE, "connections": _MANY_CONNECTIONS}
        subjects.append(get_caller_identity("get_caller_identity_1000_connections", stage, **many))
        subjects.append(assume_role("assume_role_1000_connections", stage, **many))
    return subjects


def other_servers(running: ExitStack, cores: Cores, scratch: Path) -> Iterator[Subject]:
    """Start the other servers, and yield their subjects: with TLS, with two workers, for writes, and moto."""
    authority, ca = Authority.create(), scratch / "ca.pem"
    ca.write_bytes(authority.pem)
    certificate = authority.write_server_identity(scratch / "tls.pem", ["localhost", "127.0.0.1"])
    certificate.chmod(0o600)
    secure = started_daypass_tls(cores.server, scratch / "tls.db", ROOT_ENVIRONMENT, certificate)
    stage = set_stage(running.enter_context(secure), ROOT, ca=str(ca))
    yield get_caller_identity("get_caller_identity_tls", stage, share=SIDE)
    yield assume_role("assume_role_tls", stage, share=SIDE)
    # With two cores, the second worker shares one with the load generator, so the rates show less than the gain.
    both = started_daypass_workers((cores.server, cores.client), scratch / "workers.db", ROOT_ENVIRONMENT)
    stage = set_stage(running.enter_context(both), ROOT)
    yield get_caller_identity("get_caller_identity_2_workers", stage, share=SIDE)
    yield assume_role("assume_role_2_workers", stage, share=SIDE)
    writes = started_daypass(cores.server, scratch / "writes.db", ROOT_ENVIRONMENT)
    yield create_user(set_stage(running.enter_context(writes), ROOT))
    yield from create_user_postgresql(running, cores)
    moto = running.enter_context(started_moto(cores.server))
    stage = set_stage(moto, Keys("AKIAIOSFODNN7EXAMPLE", "moto-asks-for-no-secret"))
    yield get_caller_identity("moto_get_caller_identity", stage, share=SIDE)
    yield assume_role("moto_assume_role", stage, share=SIDE)


def two_workers(rounds: Mapping[str, Sequence[Round]]) -> Figure:
    """Return the rate of two workers as a multiple of that of one. Rounds are compared pairwise."""
    pairs = zip(rounds["assume_role_2_workers"], rounds["assume_role"], strict=True)
    return Figure("workers_2_to_1", median(two.per_second / one.per_second for two, one in pairs), "x")


def measure_start(cores: Cores, scratch: Path, starts: int) -> list[Figure]:
    """Measure how long an existing store takes from nothing to ready."""
    store = scratch / "start.db"
    with started_daypass(cores.server, store, ROOT_ENVIRONMENT):
        pass  # the first start makes the store, which is not what is measured
    times = []
    for _ in range(starts):
        with started_daypass(cores.server, store, {}) as server:
            times.append(server.start_ms)
    return [Figure("start_ms", median(times), "ms")]


def measure_policy(cores: Cores, seconds: float) -> list[Figure]:
    """Measure policy decisions in this process: ours and, beside them, another engine's."""
    if importlib.util.find_spec("cedarpy") is None:
        print("policy decisions: cedarpy is not installed, left out", file=sys.stderr)
        return []
    cases = importlib.import_module("bench.policy_cases")
    with pinned(cores.server):
        speeds: Mapping[str, float] = cases.run(seconds)
    return [Figure(name, speed, "decisions/s") for name, speed in speeds.items()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.bench", description="Measure Daypass.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.8, help="length of a full round")
    parser.add_argument("--roles", type=int, default=100_000, help="roles, and users, of the large store")
    parser.add_argument("--result", type=Path, default=RESULT, help="the file for the figures")
    return parser.parse_args()


def main() -> int:
    """Measure everything and say what came out."""
    began, options = time.monotonic(), _arguments()
    if not allow_connections(_MANY_CONNECTIONS):
        print(f"the limit of open files is too low, {_MANY_CONNECTIONS} connections are left out", file=sys.stderr)
    cores, plan = choose_cores(), Plan(options.rounds, options.seconds, began + _LAST_ROUND_SECONDS)
    if cores.server == cores.client:
        print("only one core: client and server disturb each other, ratios stay meaningful", file=sys.stderr)
    watch = Watch(cores.server)
    try:
        with tempfile.TemporaryDirectory(prefix="daypass-bench-") as name:
            scratch = Path(name)
            figures = [
                *measure_http(cores, scratch, plan, Growth(options.roles), watch),
                *measure_start(cores, scratch, min(_STARTS, plan.rounds)),
                *measure_policy(cores, min(_POLICY_SECONDS, plan.seconds)),
                *saml_figures(cores),
            ]
    except (BenchError, ClientError, BotoCoreError) as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    # The name of an earlier version, whose `assume_role` repeated its requests.
    figures += [replace(figure, name=_FORMER_NAME) for figure in figures if figure.name == "assume_role"]
    conditions = watch.conditions()
    figures.append(Figure("calibration_ms", median(conditions.loop_ms), "ms"))
    options.result.parent.mkdir(exist_ok=True)
    document = as_document(figures, idle=conditions.is_idle, machine=conditions.as_document())
    options.result.write_text(json.dumps(document, indent=2) + "\n")
    print("\n".join(head_lines(conditions)) + "\n")
    print(as_table(figures, BUDGETS, judged=conditions.is_idle))
    print(f"\n{time.monotonic() - began:.0f} s; figures are medians of {plan.rounds} rounds, in {options.result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
