"""The measurement of growth tells linear from quadratic work, on a busy machine too."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.growth import LINEAR, growth, least_seconds

SIZE = 100


@pytest.fixture(params=[0, pytest.param(4, marks=pytest.mark.slow)], ids=["idle", "busy"])
def busy_loops(request: pytest.FixtureRequest) -> Iterator[int]:
    """Occupy the cores with endless loops."""
    with ExitStack() as loops:
        for _ in range(request.param):
            loop = loops.enter_context(
                subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], stdout=subprocess.DEVNULL)
            )
            loops.callback(loop.kill)
        yield request.param


def linear(size: int) -> None:
    """Do work in proportion to the size."""
    for _ in range(size):
        sum(range(100))


def quadratic(size: int) -> None:
    """Do work in proportion to the square of the size."""
    for _ in range(size):
        sum(range(size))


def test_linear_work_is_told_from_quadratic_work(busy_loops: int) -> None:
    """Other processes neither fail linear work nor pass quadratic work."""
    assert growth(linear, SIZE) < LINEAR
    assert growth(quadratic, SIZE) > LINEAR


def test_one_slow_measurement_is_repeated() -> None:
    """A single interruption does not count, and work that is always slow fails."""
    sizes = iter([400_000, 1])
    assert least_seconds(lambda: sum(range(next(sizes))), 0.0005) < 0.0005
    assert least_seconds(lambda: sum(range(400_000)), 0.0005) > 0.0005
