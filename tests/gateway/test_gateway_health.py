"""The health page of a gateway: degraded while it answers from memory, and 503 when it cannot answer."""

import pytest
from tests.resource_server.test_changes import followed

from daypass.errors import ServiceUnavailable
from daypass.gateway.admin import AdminPages
from daypass.metrics.outage_count import OutageCount
from daypass.verify.remote_server.protocol import ChangesAnswer


@pytest.mark.parametrize(
    ("health", "answer"),
    [
        ("ready", (200, b"ready\n")),
        ("degraded", (200, b"degraded\n")),
        ("unable", (503, b"not ready\n")),
        ("draining", (503, b"draining\n")),
    ],
)
def test_a_proxy_keeps_a_gateway_that_can_answer(health: str, answer: tuple[int, bytes]) -> None:
    """Only a gateway that drains or can answer nothing is taken away."""
    status, _, body = AdminPages((), lambda: health).answer("GET", b"/readyz")
    assert (status, body) == answer


def test_a_gateway_is_degraded_from_the_first_failed_question_to_the_bound() -> None:
    """The bound is exact, and the next word of the server ends both."""
    facts, _, clock = followed(stale_seconds=60)
    outages = OutageCount(clock)
    facts.on_trouble, facts.on_word = lambda _: outages.begin(), outages.end
    assert facts.health() == "ready"
    facts._report(ServiceUnavailable("away"))
    facts._report(ServiceUnavailable("still away"))
    assert facts.health() == "degraded"
    clock.now += 59.9
    assert facts.health() == "degraded"
    clock.now += 0.1
    assert facts.health() == "unable"
    facts.take_in(ChangesAnswer(revision=1, waited=0, age=0), asked=clock.now)
    assert facts.health() == "ready"
    assert (outages.is_away, outages.times_away) == (False, 1)
    assert outages.seconds_away == pytest.approx(60)
