"""The yardstick of durable writes: how often a second the disk of the stores can flush a page.

Owns the bar of `create_user`: a quarter of these flushes, and never more than 500 users a second.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.figures import Figure, Round

_PAGE = os.urandom(4096)
_PAGES = 256
_SHARE, _ENOUGH = 0.25, 500.0


def measure_flushes(folder: Path, *, seconds: float) -> float:
    """Return how many pages a second can be written and flushed, one after the other."""
    file = os.open(folder / "flushes", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        number, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            os.pwrite(file, _PAGE, number % _PAGES * len(_PAGE))
            os.fsync(file)
            number += 1
    finally:
        os.close(file)
    return number / passed


def disk_figures(flushes: Sequence[float], writes: Sequence[Round]) -> list[Figure]:
    """Return the flushes a second, and the rate of the writes as a multiple of their bar."""
    each = median(flushes)
    rate = median(one.per_second for one in writes)
    bar = min(_ENOUGH, _SHARE * each)
    return [Figure("flushes", each, "flushes/s"), Figure("create_user_to_bar", rate / bar, "x")]
