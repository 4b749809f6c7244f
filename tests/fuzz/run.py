"""Fuzz one target with atheris: `python -m tests.fuzz.run TARGET --seconds N [--seed S] [--runs N]`.

Owns the corpus and the directory of crashes: build/fuzz/TARGET. A crash is written there and printed, with an exit code
other than 0. `make fuzz` runs every target; under pytest, test_seeds.py runs each on its seeds without atheris.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_LARGEST_INPUT = 4096
_SLOWEST = 10  # seconds for one input, on a slow machine
_MEMORY = 2048  # MiB


def target_names() -> list[str]:
    """Return the names of all targets."""
    return sorted(path.stem for path in (_HERE / "targets").glob("*.py"))


def load_target(name: str) -> Any:
    """Return the function that takes one input."""
    return importlib.import_module(f"tests.fuzz.targets.{name}").fuzz_one


def seed_folder(name: str) -> Path:
    """Return the folder with a target's seeds."""
    return _HERE / "seeds" / name


def main() -> None:
    """Fuzz until the time is over, the inputs are tried, or an input fails."""
    parser = argparse.ArgumentParser(description="Fuzz one target.")
    parser.add_argument("target", choices=target_names())
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="begin with the same inputs each time; 0 draws others")
    parser.add_argument("--runs", type=int, default=-1, help="try at most this number of inputs; -1 for no bound")
    given = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz: atheris is not installed; `make fuzz` installs it")
    folder = Path("build/fuzz") / given.target
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["daypass", "tests.fuzz", "uvicorn.protocols"]):
        fuzz_one = load_target(given.target)
    words = [
        f"-max_total_time={given.seconds}",
        f"-seed={given.seed}",
        f"-runs={given.runs}",
        f"-max_len={_LARGEST_INPUT}",
        f"-timeout={_SLOWEST}",
        f"-rss_limit_mb={_MEMORY}",
        f"-artifact_prefix={folder}/",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    dictionary = _HERE / "dictionaries" / f"{given.target}.txt"
    if dictionary.exists():
        words.append(f"-dict={dictionary}")
    atheris.Setup([sys.argv[0], *words, str(corpus), str(seed_folder(given.target))], fuzz_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
