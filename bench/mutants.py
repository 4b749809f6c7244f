"""Mutation testing: change one operator, number or raise in the packages that decide, and run their tests.

A mutant that no test notices shows a rule without a test. Cosmic Ray makes the mutants; this module draws a seeded
sample and runs each mutant in a fork of this process, with the tests of its package that execute the changed statement.
It is not part of the gate: CONTRIBUTING.md says how to run it and gives the last result.
"""

import argparse
import ast
import contextlib
import importlib.machinery
import itertools
import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names
from parso.python.tree import Keyword

PACKAGES = ("authenticate", "policy", "mint", "federation")
# The differential tests of policies repeat the other tests, a thousand times slower.
LEFT_OUT = "tests/policy/oracle"
RAISE = "daypass/RemoveRaise"
# Arithmetic is changed in one way each, and an identity is only negated. A `|` is mostly a type annotation.
ARITHMETIC = (
    "Add_Sub", "Sub_Add", "Mul_Add", "FloorDiv_Mul", "Mod_FloorDiv", "LShift_RShift", "RShift_LShift", "BitAnd_BitOr",
)  # fmt: skip
IDENTITY = ("_Is", "_IsNot")
CPU_SECONDS, WALL_SECONDS = 20, 300
SLOW = 1.0  # seconds; a slower test runs only where no other test executes the statement
PLUGIN = "daypass.testing.plugin"
HEAVY = ("botocore.auth", "hypothesis", "lxml.etree", "msgspec", "signxml")


class RemoveRaise(Operator):  # type: ignore[misc] # Cosmic Ray has no types
    """Replaces a raise statement by `pass`. Cosmic Ray has no such operator."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place of a raise statement."""
        if node.type == "raise_stmt":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - the interface
        """Return the replacement."""
        return Keyword("pass", node.start_pos, prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[()]:
        """Return no examples, which are for Cosmic Ray's own tests."""
        return ()


@dataclass(frozen=True)
class Mutant:
    """One change: which occurrence of which operator in which file, and the line that it is on."""

    path: str
    operator: str
    occurrence: int
    line: int

    @property
    def package(self) -> str:
        """The package of `daypass` that the file is in."""
        return Path(self.path).parts[2]

    @property
    def name(self) -> str:
        """The name in the results."""
        return f"{self.path}:{self.line}:{self.operator.rpartition('/')[2]}:{self.occurrence}"

    def source(self) -> str:
        """Return the changed source. Raises AttributeError where Cosmic Ray cannot make the change."""
        changed: str = mutate_code(Path(self.path).read_text(), _operator(self.operator), self.occurrence)
        return changed


def _operator(name: str) -> Any:
    return RemoveRaise() if name == RAISE else get_operator(name)()


def _is_meaningful(name: str) -> bool:
    if name != RAISE and (name == "core/NoOp" or get_operator(name).arguments()):
        return False
    _, _, change = name.partition("ReplaceBinaryOperator_")
    if change:
        return change in ARITHMETIC
    _, _, change = name.partition("ReplaceComparisonOperator_")
    return change.startswith("Is") == change.endswith(IDENTITY)


def all_mutants(package: str) -> Iterator[Mutant]:
    """Yield every mutant of a package, in a fixed order."""
    names = [name for name in sorted([*operator_names(), RAISE]) if _is_meaningful(name)]
    for path in sorted(Path("src/daypass", package).rglob("*.py")):
        nodes = list(ast_nodes(get_ast(path.read_text())))
        for name in names:
            kind = _operator(name)
            places = (place for node in nodes for place in kind.mutation_positions(node))
            for occurrence, (start, _) in enumerate(places):
                yield Mutant(str(path), name, occurrence, start[0])


def _compiles(mutant: Mutant) -> bool:
    try:
        compile(mutant.source(), mutant.path, "exec")
    except (SyntaxError, AttributeError):
        return False
    return True


def sample(seed: int, size: int) -> Iterator[Mutant]:
    """Yield a sample that is spread over the packages in proportion to their mutants."""
    found = {package: list(all_mutants(package)) for package in PACKAGES}
    total = sum(map(len, found.values()))
    for package, mutants in found.items():
        random.Random(f"{seed} {package}").shuffle(mutants)  # noqa: S311 - a sample that can be drawn again
        yield from itertools.islice(filter(_compiles, mutants), round(size * len(mutants) / total))


class _Selected:
    """A pytest plugin that runs the chosen tests alone, in the given order."""

    def __init__(self, chosen: list[str]) -> None:
        self._order = {name: number for number, name in enumerate(chosen)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort."""
        items[:] = sorted((i for i in items if i.nodeid in self._order), key=lambda i: self._order[i.nodeid])


class _Measured:
    """A pytest plugin that records which test executes which line, and the seconds of each test."""

    def __init__(self, cover: coverage.Coverage) -> None:
        self._cover = cover
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails without a change, as one that bounds time may do while lines are traced."""
        if report.failed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Name the test that runs now."""
        self._cover.switch_context(item.nodeid)
        start = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - start
        self._cover.switch_context("")


def _run_pytest(*arguments: str, plugin: object) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", f"--ignore={LEFT_OUT}"]
    return int(pytest.main([*options, *arguments], [plugin]))


def _measure(package: str, out: Path) -> int:
    cover = coverage.Coverage(source=[f"src/daypass/{package}"], data_file=None)
    cover.start()
    plugin = _Measured(cover)
    _run_pytest(f"tests/{package}", plugin=plugin)
    cover.stop()
    data, lines = cover.get_data(), {}
    for file in data.measured_files():
        executed = data.contexts_by_lineno(file).items()
        lines[os.path.relpath(file)] = {line: sorted(set(names) - plugin.failed) for line, names in executed}
    seconds = {name: cost for name, cost in plugin.seconds.items() if name not in plugin.failed}
    out.write_text(json.dumps({"lines": lines, "seconds": seconds}))
    return not seconds


@cache
def _measured(package: str, folder: Path) -> dict[str, Any]:
    out = folder / f"mutants-{package}.json"
    if _fork(lambda: _measure(package, out)):
        raise SystemExit(f"The tests of {package} do not run.")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def _statement(path: str, line: int) -> range:
    """Return the lines of the innermost statement on a line; of a compound statement its head."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.stmt):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            body = getattr(node, "body", None)
            last = max(first, body[0].lineno - 1 if body else node.end_lineno or first)
            if first <= line <= last:
                found = range(first, last + 1)
    return found


def _tests_for(mutant: Mutant, measured: dict[str, Any], budget: float) -> list[str]:
    """Return the tests that execute the changed statement: one case of each test first, within the budget."""
    lines, seconds = measured["lines"].get(mutant.path, {}), measured["seconds"]
    names = {name for number in _statement(mutant.path, mutant.line) for name in lines.get(str(number), ())}
    if "" in names:  # The statement runs when the module is imported, so any test may see its result.
        names = set(seconds)
    chosen = sorted([name for name in names if seconds[name] < SLOW] or names, key=lambda name: seconds[name])
    cases: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
    rank = {name: next(cases[name.partition("[")[0]]) for name in chosen}
    chosen.sort(key=lambda name: rank[name])
    spent = itertools.accumulate(seconds[name] for name in chosen)
    return [name for name, total in zip(chosen, spent, strict=True) if total < budget] or chosen[:1]


def _try(mutant: Mutant, chosen: list[str]) -> int:
    """Run the chosen tests with the changed module in the place of its file."""
    target, code = os.path.realpath(mutant.path), compile(mutant.source(), mutant.path, "exec")
    usual = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> Any:
        return code if os.path.realpath(self.path) == target else usual(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign] # in a fork
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    files = dict.fromkeys(name.partition("::")[0] for name in chosen)
    return _run_pytest("-x", "--hypothesis-seed=0", *files, plugin=_Selected(chosen))


def _fork(work: Callable[[], int]) -> int:
    """Run `work` in a fork and return its exit code, or -1 if it took too long."""
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        code = 1
        with contextlib.suppress(BaseException):
            code = work()
        os._exit(code)
    deadline, status = time.monotonic() + WALL_SECONDS, None
    while status is None and time.monotonic() < deadline:
        done, found = os.waitpid(pid, os.WNOHANG)
        status = found if done else None
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    return -1 if code in {-signal.SIGXCPU, -signal.SIGKILL} else code


def outcome(mutant: Mutant, folder: Path, budget: float) -> str:
    """Return the outcome of a mutant: killed, survived, timed out or not covered."""
    chosen = _tests_for(mutant, _measured(mutant.package, folder), budget)
    if not chosen:
        return "not covered"
    return {0: "survived", -1: "timed out"}.get(_fork(lambda: _try(mutant, chosen)), "killed")


def main() -> None:
    """Draw the sample, try each mutant and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261129)
    parser.add_argument("--size", type=int, default=1_000)
    parser.add_argument("--budget", type=float, default=25.0, help="seconds of tests for one mutant")
    parser.add_argument("--out", type=Path, default=Path("build/mutants.jsonl"))
    parser.add_argument("--again", type=Path, help="results of an earlier run: try what was not killed there")
    options = parser.parse_args()
    sys.path[:0] = [str(Path.cwd()), str(Path("src").resolve())]
    for name in HEAVY:
        __import__(name)
    # No test of these packages uses the server of the plugin, whose import takes longest.
    sys.modules[PLUGIN] = ModuleType(PLUGIN)
    rows = [] if options.again is None else [json.loads(line) for line in options.again.read_text().splitlines()]
    killed = {row["name"] for row in rows if row["outcome"] == "killed"}
    counts: Counter[tuple[str, str]] = Counter()
    options.out.parent.mkdir(exist_ok=True)
    with options.out.open("w") as out:
        for mutant in sample(options.seed, options.size):
            result = "killed" if mutant.name in killed else outcome(mutant, options.out.parent, options.budget)
            counts[mutant.package, result] += 1
            out.write(json.dumps({"name": mutant.name, "outcome": result}) + "\n")
            out.flush()
    for (package, result), count in sorted(counts.items()):
        print(f"{package:14}{result:14}{count:5}")


if __name__ == "__main__":
    main()
