"""Start worker.py in separate processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_WORKER = Path(__file__).with_name("worker.py")


@contextmanager
def worker(url: str, task: str, times: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Start one worker, which waits for `go`. It ends with the context."""
    process = subprocess.Popen(
        [sys.executable, str(_WORKER), url, task, str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert read(process) == "ready"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    """Start the work of a worker."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def read(process: subprocess.Popen[str]) -> str:
    """Return the worker's next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def race(url: str, task: str, *, processes: int, times: int) -> list[str]:
    """Start several workers at the same moment, and return the result of each."""
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(url, task, times)) for _ in range(processes)]
        for process in workers:
            go(process)
        return [read(process) for process in workers]
