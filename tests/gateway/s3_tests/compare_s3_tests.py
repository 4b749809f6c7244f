"""Compare two runs of ceph/s3-tests: at the store, and through the gateway in front of it.

`python -m tests.gateway.s3_tests.compare_s3_tests DIRECT.xml GATEWAY.xml` reads the JUnit results that pytest writes
with --junitxml, and s3_tests_losses.toml. Every test that passes at the store must pass through the gateway, unless
that file names it with a reason. The suite is not part of this repository. Run it with four users that have s3:*, and
the tests of suspended versioning last: they leave buckets that cannot be emptied.
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

LOSSES = Path(__file__).with_name("s3_tests_losses.toml")
_OUTCOMES = ("failure", "error", "skipped")


def read_results(path: Path) -> dict[str, str]:
    """Return the outcome of each test: passed, failure, error or skipped."""
    found: dict[str, str] = {}
    for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314 - a file of our own run
        outcome = next((name for name in _OUTCOMES if case.find(name) is not None), "passed")
        name = case.attrib["name"]
        # A test with a failed teardown has two entries. The worse one counts.
        found[name] = outcome if found.get(name, "passed") == "passed" else found[name]
    return found


def read_losses(path: Path = LOSSES) -> dict[str, str]:
    """Return the allowed losses: the reason of each test."""
    groups = tomllib.loads(path.read_text(encoding="utf-8"))["loss"]
    losses = {name: group["reason"] for group in groups for name in group["tests"]}
    if len(losses) != sum(len(group["tests"]) for group in groups) or not all(losses.values()):
        raise ValueError(f"{path.name} names a test twice, or without a reason")
    return losses


def find_losses(direct: Mapping[str, str], gateway: Mapping[str, str]) -> list[str]:
    """Return the tests that passed at the store, and did not pass through the gateway."""
    passed = [name for name, outcome in direct.items() if outcome == "passed"]
    return sorted(name for name in passed if gateway.get(name) != "passed")


def report(direct: Mapping[str, str], gateway: Mapping[str, str], allowed: Mapping[str, str]) -> tuple[list[str], bool]:
    """Return the lines of the report, and whether every loss is allowed."""
    both = direct.keys() & gateway.keys()
    lines = [f"{len(both)} tests in both runs"]
    for name, results in (("direct", direct), ("gateway", gateway)):
        counts = Counter(results.values())
        lines.append(f"{name}: " + ", ".join(f"{counts[one]} {one}" for one in ("passed", *_OUTCOMES)))
    lost = find_losses(direct, gateway)
    lines += [f"allowed: {name}: {allowed[name]}" for name in lost if name in allowed]
    lines += [f"no longer lost: {name}" for name in sorted(allowed) if gateway.get(name) == "passed"]
    unexpected = [name for name in lost if name not in allowed]
    lines += [f"LOST: {name}: {gateway.get(name, 'not run')}" for name in unexpected]
    lines.append(f"{len(lost)} lost, {len(unexpected)} of them not allowed")
    return lines, not unexpected


def main(arguments: Sequence[str]) -> int:
    """Compare two files."""
    direct, gateway = (read_results(Path(name)) for name in arguments)
    lines, is_right = report(direct, gateway, read_losses())
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
