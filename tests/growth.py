"""Measure the processor time of work, on a machine that is busy with other work too.

Noise only ever adds time: the other processes share the caches and the cores. So each measurement is the minimum of
several runs without the garbage collector, and one that does not hold is repeated up to five times. Work that really
grows faster than its input does not hold in any of them.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time

FACTOR = 8
"""The factor between the two sizes that `growth` compares."""

LINEAR = FACTOR**1.5
"""The limit of the growth of linear work: linear work gives about 8, n log n about 10, and quadratic work 64."""

_RUNS = 5  # per size
_ATTEMPTS = 5


def growth(work: Callable[[int], object], size: int) -> float:
    """Return the factor by which the processor time grows for a size that is FACTOR times as large.

    The test asserts that it is less than LINEAR.
    """

    def ratio() -> float:
        return _shortest(lambda: work(FACTOR * size)) / _shortest(lambda: work(size))

    return _first_below(LINEAR, ratio)


def least_seconds(work: Callable[[], object], limit: float) -> float:
    """Return the processor time of work, in seconds: the first measurement below the limit, or the smallest."""

    def seconds() -> float:
        with _no_garbage_collection():
            return _seconds(work)

    return _first_below(limit, seconds)


def _first_below(limit: float, measure: Callable[[], float]) -> float:
    smallest = float("inf")
    for _ in range(_ATTEMPTS):
        smallest = min(smallest, measure())
        if smallest < limit:
            break
    return smallest


def _shortest(work: Callable[[], object]) -> float:
    with _no_garbage_collection():
        return min(_seconds(work) for _ in range(_RUNS))


def _seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
