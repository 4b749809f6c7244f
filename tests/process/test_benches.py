"""The benchmarks run to their end. Figures of a machine that runs tests mean nothing, so they are not compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.load import allow_connections
from tests.project import public_names

_ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _figures(folder: Path, module: str, *words: str) -> set[str]:
    """Run a benchmark, and return the names of its figures."""
    file = folder / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", module, "--rounds", "1", "--seconds", "0.4", "--result", str(file), *words],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {figure["name"] for figure in json.loads(file.read_text())["figures"]}


def test_the_benchmark_has_every_figure(tmp_path: Path) -> None:
    """`make bench` measures each subject with its own requests, which the servers accept.

    The subjects with many connections need the open files.
    """
    names = _figures(tmp_path, "bench.bench", "--roles", "1000")
    many = {name for name in public_names.BENCH_FIGURES if name.endswith("_connections")}
    wanted = set(public_names.BENCH_FIGURES) - (set() if allow_connections(1_000) else many)
    assert wanted - names == set()


@pytest.mark.component("seaweedfs")
def test_the_benchmark_beside_seaweedfs_compares_both_calls(tmp_path: Path) -> None:
    """SeaweedFS really answers both calls with the signature of the load generator."""
    names = _figures(tmp_path, "bench.peers", "--peers", "seaweedfs")
    assert {"get_caller_identity_to_seaweedfs", "assume_role_to_seaweedfs"} <= names


def test_the_soak_finds_no_fault_in_a_few_seconds(tmp_path: Path) -> None:
    """`make soak` makes each kind of call to two workers, and every answer and audit event is right.

    Growth is not judged in so short a run.
    """
    file = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--seconds", "5", "--stores", "sqlite", "--result", str(file)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(file.read_text())
    assert result["faults"] == []
    assert {"identity", "assume", "narrow", "session"} <= set(result["calls"]["sqlite"])
    assert len({sample["pid"] for sample in result["samples"]["sqlite"]}) == 3
