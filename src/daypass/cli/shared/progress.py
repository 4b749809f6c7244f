"""The progress of a long command, on standard error.

A terminal gets a bar, which disappears at the end. Otherwise a line is printed now and then, for the log of a script. A
command that is done within a moment shows neither, and does not import the library.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

Advance = Callable[[int, int], None]
"""Called with the completed and the total number."""

_MOMENT_SECONDS = 1.0
_LINE_SECONDS = 10.0


@contextmanager
def shown_progress(label: str, noun: str) -> Iterator[Advance]:
    """Yield the function to call after each step.

    `noun` is the plural of the counted things.
    """
    with ExitStack() as stack:
        yield (_bar if sys.stderr.isatty() else _lines)(label, noun, stack)


def _lines(label: str, noun: str, _stack: ExitStack) -> Advance:
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_SECONDS:
            last = now
            click.echo(f"daypass: {label}: {done:,} of {total:,} {noun}", err=True)

    return advance


def _bar(label: str, noun: str, stack: ExitStack) -> Advance:
    started = time.monotonic()
    bar: Any = None
    task: Any = None

    def advance(done: int, total: int) -> None:
        nonlocal bar, task
        if bar is None:
            if time.monotonic() - started < _MOMENT_SECONDS:
                return
            bar = stack.enter_context(_new_bar(noun))
            task = bar.add_task(label)
        bar.update(task, completed=done, total=total)

    return advance


def _new_bar(noun: str) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(noun),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
