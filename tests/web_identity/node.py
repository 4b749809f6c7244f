"""Scripts that run in Node with the packages of package.json.

Tests that use it carry `pytest.mark.component("node")`, which finds both or skips (tests/components.py).
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def environment_of(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without any setting of this machine's user."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "NODE_NO_WARNINGS": "1", **more}


class Talking:
    """A running script that answers each line of input with a line of output."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, line: str) -> str:
        """Send a line and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> str:
        """Return the next line of the script, after `> `.

        Packages write to the output too.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("> "):
                return line.removeprefix("> ").strip()
        raise AssertionError("the script ended")


def run_script(script: Path, packages: Path, home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end, with its packages."""
    return subprocess.run(
        _command(script),
        cwd=packages,
        env=environment_of(home, more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def talking(script: Path, packages: Path, home: Path, **more: str) -> Iterator[Talking]:
    """Run a script that reads its standard input, with its packages, and end it with the block."""
    process = subprocess.Popen(
        _command(script),
        cwd=packages,
        env=environment_of(home, more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Talking(process)
    finally:
        process.kill()
        process.communicate()


def _command(script: Path) -> list[str]:
    # Passed as a string: Node searches packages from a script's folder, and for a script without one from here.
    return ["node", "--input-type=module", "--eval", script.read_text(encoding="utf-8")]
