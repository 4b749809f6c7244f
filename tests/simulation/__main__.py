"""Run seeds alone: `python -m tests.simulation SEED...` prints the events of each."""

import sys

from tests.simulation.regions import play

for seed in map(int, sys.argv[1:]):
    print("\n".join(play(seed).log))  # noqa: T201
