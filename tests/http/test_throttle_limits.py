"""The limit of unsigned calls: the last allowed and the first refused."""

import pytest

from daypass.http.throttle import Throttle


class Hand:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        """Return the test's time."""
        return self.seconds


def admitted(throttle: Throttle, calls: int, peer: str = "192.0.2.1") -> int:
    """Return the number of calls that are allowed."""
    return sum(throttle.within_rate_limit(peer) for _ in range(calls))


@pytest.fixture
def clock() -> Hand:
    """Return a stopped clock."""
    return Hand()


@pytest.mark.parametrize(("per_minute", "first"), [(1, 1), (2, 2), (60, 60), (0, 100)])
def test_a_peer_has_its_minute_s_calls_at_once(clock: Hand, per_minute: int, first: int) -> None:
    """A peer may use the calls of one minute at once, but not one more.

    A limit of zero means no limit.
    """
    assert admitted(Throttle(per_minute, clock, on_refusal=lambda: None), 100) == first


@pytest.mark.parametrize(
    ("seconds", "again"), [(0.0, 0), (0.999, 0), (1.0, 1), (1.999, 1), (2.0, 2), (59.0, 59), (60.0, 60), (3_600.0, 60)]
)
def test_calls_come_back_one_by_one(clock: Hand, seconds: float, again: int) -> None:
    """With sixty calls a minute, one call becomes available each second.

    A peer never has more than one minute's calls.
    """
    throttle = Throttle(60, clock, on_refusal=lambda: None)
    admitted(throttle, 60)
    clock.seconds += seconds
    assert admitted(throttle, 100) == again


def test_a_refused_call_costs_nothing(clock: Hand) -> None:
    """Refused calls do not extend the wait. Each refusal is counted."""
    refusals: list[None] = []
    throttle = Throttle(1, clock, on_refusal=lambda: refusals.append(None))
    assert admitted(throttle, 1) == 1
    for _ in range(59):
        clock.seconds += 1
        assert admitted(throttle, 1) == 0
    clock.seconds += 1
    assert admitted(throttle, 1) == 1
    assert len(refusals) == 59


def test_peers_do_not_hold_back_one_another(clock: Hand) -> None:
    """Each peer has its own limit, and a network of IPv6 is one peer."""
    throttle = Throttle(2, clock, on_refusal=lambda: None)
    assert [admitted(throttle, 3, peer) for peer in ("192.0.2.1", "192.0.2.2", "2001:db8::1")] == [2, 2, 2]
    assert [admitted(throttle, 3, peer) for peer in ("2001:db8::2", "2001:db8:0:1::1")] == [0, 2]
