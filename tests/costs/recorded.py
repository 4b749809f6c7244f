"""The recorded counts, by Python version and operation."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.costs.count import Counts

_FILE = Path(__file__).with_name("recorded.json")
_VERSION = "{}.{}".format(*sys.version_info)

AT_ONCE = "at_once"  # 1 if the event loop answers, 0 if a worker thread does

Figures = Mapping[str, int]


def read_recorded() -> Mapping[str, Figures] | None:
    """Return the figures of each operation for this version of Python, or None if there are none."""
    recorded: Mapping[str, Mapping[str, Figures]] = json.loads(_FILE.read_text())
    return recorded.get(_VERSION)


def record(counts: Mapping[str, Counts]) -> None:
    """Write the figures of this version of Python, and keep those of the others."""
    recorded = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    recorded[_VERSION] = {name: figures_of(each) for name, each in sorted(counts.items())}
    _FILE.write_text(json.dumps(dict(sorted(recorded.items())), indent=2) + "\n")


def figures_of(counts: Counts) -> Figures:
    """Return the figures that are recorded."""
    return {
        "bytecodes": counts.bytecodes,
        "calls": counts.calls,
        "c_calls": counts.c_calls,
        "at_once": counts.is_at_once,
    }
