"""The benchmark: `make bench`. Measures, prints a table and writes build/bench.json, within five minutes.

Owns the order of things. Each server has been started before the first round, all servers share one core,
the load generator has another, and the rounds of all subjects are interleaved, so that whatever disturbs the
machine disturbs them alike.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench.figures import Budget, Figure, Round, as_document, as_table, figures_of
from bench.growth import growth_figures, growth_subjects
from bench.load import Job, as_line
from bench.role_credentials import NAME as GET_ROLE_CREDENTIALS
from bench.role_credentials import role_credentials_subject, to_assume_role
from bench.saml_cases import saml_figures
from bench.servers import (
    BenchError,
    Cores,
    Server,
    choose_cores,
    is_idle,
    pinned,
    started_bare,
    started_daypass,
    started_moto,
)
from bench.subjects import (
    NEW_NAMES,
    Keys,
    Subject,
    assume_role,
    empty,
    get_caller_identity,
    get_scoped_credentials,
    set_stage,
)
from bench.web_identity import ALGORITHMS, parts_of, signature_checks, web_identity_subjects
from botocore.exceptions import ClientError

ROUNDS = 7
ROUND_SECONDS = 2.2  # twelve subjects have to fit into five minutes
WARM_UP_SECONDS = 1.0
CONNECTIONS = 16
STARTS = 5
POLICY_SECONDS = 5.0  # for each case
RESULT = Path("build/bench.json")

BUDGETS = (
    Budget("get_caller_identity", 0.6, on_ratio=True),
    Budget("assume_role", 0.35, on_ratio=True),
    *(Budget(f"{name}_to_parts", 1.5, at_most=True) for name in ALGORITHMS.values()),
    Budget(f"{GET_ROLE_CREDENTIALS}_to_assume_role", 1.5, at_most=True),
    Budget("growth_latency", 1.1, at_most=True),
    Budget("policy_t1", 40_000),
    Budget("policy_t2", 25_000),
    Budget("policy_r", 25_000),
    Budget("rss_mib", 120, at_most=True),
    Budget("start_ms", 1500, at_most=True),
)

ROOT = Keys("AKIADAYPASSBENCHROOT", "bench/only/secret/of/forty/characters/00")
ROOT_ENVIRONMENT: Mapping[str, str] = {
    "DAYPASS_UNSIGNED_CALLS_PER_MINUTE": "0",  # no limit: the load comes from one peer
    "DAYPASS_ROOT_ACCOUNT_ID": "111122223333",
    "DAYPASS_ROOT_ACCESS_KEY_ID": ROOT.key_id,
    "DAYPASS_ROOT_SECRET_ACCESS_KEY": ROOT.secret,
}


class Load:
    """The load generator's end of the driver: one job in, one answer out."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, subject: Subject, seconds: float) -> Round:
        """Run one round against a subject, and read what it cost the server meanwhile."""
        job = Job(subject.server.port, subject.requests, subject.marker, CONNECTIONS, seconds)
        before = subject.server.cpu_seconds()
        answer = self._ask(job)
        cost = subject.server.cpu_seconds() - before
        if "error" in answer:
            raise BenchError(f"{subject.name}: {answer['error']}")
        return Round(
            requests=int(answer["requests"]),
            seconds=answer["seconds"],
            server_cpu_seconds=cost,
            p50_ms=answer["p50_ms"],
            p99_ms=answer["p99_ms"],
        )

    def _ask(self, job: Job) -> dict[str, float]:
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise BenchError("the load generator was started without pipes")
        to.write(as_line(job) + "\n")
        to.flush()
        line = back.readline()
        if not line:
            raise BenchError("the load generator ended")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextmanager
def load_on(core: int) -> Iterator[Load]:
    """Start the load generator on `core`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load", str(core)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Load(process)
    finally:
        process.terminate()
        process.communicate()


def measure_http(cores: Cores, scratch: Path) -> list[Figure]:
    """Measure the operations beside the bare server and moto, and the memory they take."""
    with ExitStack() as running:
        store = scratch / "load.db"
        daypass = running.enter_context(started_daypass(cores.server, store, ROOT_ENVIRONMENT))
        memory = [Figure("rss_mib", daypass.resident_mib(), "MiB")]
        bare = running.enter_context(started_bare(cores.server))
        moto = running.enter_context(started_moto(cores.server))
        load = running.enter_context(load_on(cores.client))
        growth = list(growth_subjects(running, cores, scratch, ROOT))
        subjects = [
            *subjects_on(daypass, bare, moto),
            *web_identity_subjects(daypass, store, ROOT),
            role_credentials_subject(daypass, ROOT),
            *growth,
        ]
        rounds = interleave(load, subjects)
        memory += growth_figures(rounds, {subject.name: subject.server for subject in growth})
        memory.append(Figure("rss_after_load_mib", daypass.resident_mib(), "MiB"))
    figures = [figure for name, own in rounds.items() for figure in figures_of(name, own, rounds["bare"])]
    figures += signature_checks(cores)
    return [*figures, *parts_of(figures), to_assume_role(rounds), *memory]


def subjects_on(daypass: Server, bare: Server, moto: Server) -> list[Subject]:
    """Return the subjects in the order of their rounds. The bare server gets the commonest call's bytes."""
    ours = set_stage(daypass, ROOT)
    theirs = set_stage(moto, Keys("AKIAIOSFODNN7EXAMPLE", "moto-asks-for-no-secret"))
    who = get_caller_identity("get_caller_identity", ours)
    return [
        empty(bare, like=who),
        who,
        assume_role("assume_role", ours),
        assume_role("assume_role_new_names", ours, variants=NEW_NAMES),
        get_scoped_credentials("get_scoped_credentials", ours, ROOT),
        get_caller_identity("moto_get_caller_identity", theirs),
        assume_role("moto_assume_role", theirs),
    ]


def interleave(load: Load, subjects: Sequence[Subject]) -> dict[str, list[Round]]:
    """Warm every subject up, then measure them in turn, round after round."""
    for subject in subjects:
        load.run(subject, WARM_UP_SECONDS)
    rounds: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
        for subject in subjects:
            rounds[subject.name].append(load.run(subject, ROUND_SECONDS))
    return rounds


def measure_start(cores: Cores, scratch: Path) -> list[Figure]:
    """Measure how long an existing store takes from nothing to ready."""
    store = scratch / "start.db"
    with started_daypass(cores.server, store, ROOT_ENVIRONMENT):
        pass  # the first start makes the store, which is not what is measured
    times = []
    for _ in range(STARTS):
        with started_daypass(cores.server, store, {}) as server:
            times.append(server.start_ms)
    return [Figure("start_ms", median(times), "ms")]


def measure_policy(cores: Cores) -> list[Figure]:
    """Measure policy decisions in this process: ours and, beside them, another engine's."""
    if importlib.util.find_spec("bench.policy_cases") is None:
        print("policy decisions: bench/policy_cases.py is not there, left out", file=sys.stderr)
        return []
    cases = importlib.import_module("bench.policy_cases")
    with pinned(cores.server):
        speeds: Mapping[str, float] = cases.run(POLICY_SECONDS)
    return [Figure(name, speed, "decisions/s") for name, speed in speeds.items()]


def main() -> int:
    """Measure everything and say what came out."""
    began = time.monotonic()
    cores = choose_cores()
    idle = is_idle()
    if cores.server == cores.client:
        print("only one core: client and server disturb each other, ratios stay meaningful", file=sys.stderr)
    try:
        with tempfile.TemporaryDirectory(prefix="daypass-bench-") as name:
            scratch = Path(name)
            figures = [
                *measure_http(cores, scratch),
                *measure_start(cores, scratch),
                *measure_policy(cores),
                *saml_figures(cores),
            ]
    except (BenchError, ClientError) as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(as_document(figures, idle=is_idle() and idle), indent=2) + "\n")
    print(as_table(figures, BUDGETS))
    print(f"\n{time.monotonic() - began:.0f} s; figures are medians of {ROUNDS} rounds, in {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
