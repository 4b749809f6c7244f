"""The verdict of the benchmarks about the machine, and the parsers that it needs."""

import pytest
from bench.interpreter import missing_optimizations
from bench.machine import Conditions, machine_line, ticks_of


@pytest.mark.parametrize(
    ("conditions", "complaint"),
    [
        (Conditions((20.0, 25.0), others=0.05, busy_before=0.05), None),
        (Conditions((20.0, 25.1), others=0.0, busy_before=0.0), "the calibration loop took 20.0 to 25.1 ms"),
        (Conditions((20.0,), others=0.06, busy_before=0.0), "other programs used 6% of the CPU time"),
        (Conditions((20.0,), others=0.0, busy_before=0.5), "50% of the CPU time was used before the first server"),
    ],
)
def test_a_machine_is_idle_within_its_limits(conditions: Conditions, complaint: str | None) -> None:
    """Each limit is met exactly. One complaint is enough, and the first line of the table names it."""
    assert conditions.is_idle is (complaint is None)
    assert (complaint or "idle (calibration loop 22.5 ms, spread 25%)") in machine_line(conditions)


def test_the_document_explains_the_verdict() -> None:
    """The file of results has the times of the loop and the complaints, for whoever compares two runs."""
    document = Conditions((20.0, 26.0), others=0.0, busy_before=0.0).as_document()
    assert document["loop_ms"] == (20.0, 26.0)
    assert document["complaints"] == ["the calibration loop took 20.0 to 26.0 ms"]


@pytest.mark.parametrize(
    ("stat", "ticks"),
    [
        ("7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 10 20 3 4 20 0 1 0", 37),
        ("9 (kworker/0:1) I 2 0 0 0 -1 0 0 0 0 0 10 20 0 0 20 0 1 0", 0),
    ],
)
def test_the_time_of_a_process_includes_its_ended_children(stat: str, ticks: int) -> None:
    """The name may contain spaces and parentheses (proc(5)). Threads of the kernel also serve our own packets."""
    assert ticks_of(stat) == ticks


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ("'--enable-optimizations' '--with-lto=full' '--enable-shared'", ()),
        ("'--enable-optimizations'", ("--with-lto",)),
        ("'--with-lto'", ("--enable-optimizations",)),
        ("", ("--enable-optimizations", "--with-lto")),
    ],
)
def test_an_interpreter_without_its_optimizations_is_named(arguments: str, missing: tuple[str, ...]) -> None:
    """CONFIG_ARGS of sysconfig tells how Python was built."""
    assert missing_optimizations(arguments) == missing
