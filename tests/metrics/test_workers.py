"""The readings of several workers are summed, and no counter goes backwards."""

import os
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.metrics.histogram import BOUNDS, Histogram
from daypass.metrics.shared_memory import HALF_BYTES, WorkerMemory
from daypass.metrics.snapshot import Snapshot, merge, to_snapshot

_NAMES = {
    "daypass_throttled_total": (),
    "daypass_answers_total": ("GetCallerIdentity", ""),
    "daypass_connections": (),
    "daypass_ready": (),
    "daypass_store_poll_seconds": (),
}
_snapshots = st.fixed_dictionaries({name: st.integers(0, 1_000) for name in _NAMES}).map(
    lambda values: to_snapshot((name, _NAMES[name], value) for name, value in values.items())
)


def _snapshot(**values: float) -> Snapshot:
    return to_snapshot((f"daypass_{name}", (), value) for name, value in values.items())


def _sum(*snapshots: Snapshot) -> Snapshot:
    total: Snapshot = {}
    for each in snapshots:
        merge(total, each)
    return total


@settings(deadline=None)
@given(_snapshots, _snapshots, _snapshots)
def test_the_order_of_workers_does_not_matter(one: Snapshot, two: Snapshot, three: Snapshot) -> None:
    """Every merge is a sum, a greatest or a least value."""
    assert _sum(one, two, three) == _sum(three, _sum(two, one))


def test_counters_and_gauges_are_merged_by_the_table() -> None:
    """Connections are added; one worker that is not ready makes the node not ready; the slowest poll counts."""
    one = _snapshot(throttled_total=2, connections=3, ready=1, store_poll_seconds=0.1)
    two = _snapshot(throttled_total=5, connections=4, ready=0, store_poll_seconds=0.3)
    assert _sum(one, two) == _snapshot(throttled_total=7, connections=7, ready=0, store_poll_seconds=0.3)


def test_each_worker_shows_the_sum_of_all() -> None:
    """A scrape reaches any worker."""
    shared = WorkerMemory(2)
    slots = [shared.open(number) for number in range(2)]
    slots[0].publish(_snapshot(throttled_total=2))
    assert slots[1].publish(_snapshot(throttled_total=5)) == _snapshot(throttled_total=7)
    assert slots[0].publish(_snapshot(throttled_total=3)) == _snapshot(throttled_total=8)


def test_a_worker_that_is_started_again_goes_on_from_its_predecessor() -> None:
    """Its counters include those of every process before it in its place. Gauges begin anew."""
    shared = WorkerMemory(2)
    shared.open(0).publish(_snapshot(throttled_total=2, connections=9))
    shared.open(0).publish(_snapshot(throttled_total=1, connections=1))
    third = shared.open(0)
    assert third.publish(_snapshot(throttled_total=4, connections=2)) == _snapshot(throttled_total=7, connections=2)


def test_the_counters_of_a_dead_worker_stay_and_its_gauges_go() -> None:
    """Until it is started again, its connections are not open any more, but its calls were answered."""
    shared = WorkerMemory(2)
    child = os.fork()
    if not child:
        try:
            shared.open(1).publish(_snapshot(throttled_total=5, connections=4, ready=0))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    node = shared.open(0).publish(_snapshot(throttled_total=1, connections=1, ready=1))
    assert node == _snapshot(throttled_total=6, connections=1, ready=1)


def test_readings_that_do_not_fit_leave_the_earlier_ones() -> None:
    """The memory of a worker is bounded."""
    shared = WorkerMemory(1)
    assert shared.write(0, _snapshot(throttled_total=1))
    many: Mapping[tuple[str, ...], float] = {(str(number), "x" * 100): 1.0 for number in range(HALF_BYTES // 100)}
    assert not shared.write(0, {"daypass_answers_total": dict(many)})
    assert shared.read(0) == _snapshot(throttled_total=1)


def test_a_worker_that_dies_while_it_writes_leaves_the_earlier_readings() -> None:
    """The half that counts changes last."""
    shared = WorkerMemory(1)
    shared.write(0, _snapshot(throttled_total=1))
    shared.write(0, _snapshot(throttled_total=2))
    shared.write(0, _snapshot(throttled_total=3))
    assert shared.read(0) == _snapshot(throttled_total=3)


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), max_size=30))
def test_each_duration_is_in_the_first_bucket_that_holds_it(durations: list[float]) -> None:
    """A bound belongs to its bucket, as `le` says."""
    histogram = Histogram()
    for each in durations:
        histogram.observe(each)
    *counts, total = histogram.cell
    assert sum(counts) == len(durations)
    assert abs(total - sum(durations)) < 1e-6
    for place, bound in enumerate(BOUNDS):
        assert sum(counts[: place + 1]) == sum(each <= bound for each in durations)
