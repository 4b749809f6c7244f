"""A delegation ends on the second: each state of a request, its access, and its exchange token."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.delegation.conftest import Sides
from tests.refusals import refused

from daypass.directory.entities.delegation_entities import LIFETIMES, DelegationRequest, State

SINCE = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = {
    State.UNASSIGNED: 1,
    State.ASSIGNED: 7,
    State.PENDING_APPROVAL: 7,
    State.ACCEPTED: 7,
    State.FINALIZED: 7,
    State.REJECTED: 7,
}


def request(state: State) -> DelegationRequest:
    """Return a request that entered a state at SINCE."""
    return DelegationRequest(
        id="dr-" + "0" * 32,
        requestor="123456789012",
        requestor_name="partner",
        workflow="w",
        description="d",
        template="arn:aws:iam::123456789012:policy/t",
        policy="{}",
        channel="https://partner.example/hook",
        seconds=900,
        stored_state=state.value,
        since=SINCE,
        created=SINCE,
        updated=SINCE,
    )


def test_every_state_has_its_days() -> None:
    """A state without a limit here would last forever, or not at all."""
    assert {state: lifetime // DAY for state, lifetime in LIFETIMES.items()} == DAYS
    assert set(State) - set(DAYS) == {State.EXPIRED}


@pytest.mark.parametrize("state", DAYS)
@pytest.mark.parametrize(
    ("after", "expired"),
    [
        (timedelta(seconds=-1), False),
        (timedelta(microseconds=-1), False),
        (timedelta(), True),
        (timedelta(seconds=1), True),
    ],
)
def test_a_state_ends_on_the_second(state: State, after: timedelta, *, expired: bool) -> None:
    """The end is exclusive."""
    found = request(state)
    assert found.state(found.since + DAYS[state] * DAY + after) is (State.EXPIRED if expired else state)


def frozen(sides: Sides) -> None:
    """Set the server's clock to a whole second."""
    sides.server.clock.freeze(datetime.now(UTC).replace(microsecond=0))


@pytest.mark.parametrize("left", [2, 1])
def test_a_token_is_good_until_the_last_second_of_the_access(sides: Sides, left: int) -> None:
    """The credentials end with the access, to the second."""
    frozen(sides)
    ends = sides.server.clock.now() + timedelta(seconds=300)
    token = sides.finalize(sides.admin(), sides.request(SessionDuration=300))
    sides.server.clock.freeze(ends - timedelta(seconds=left))
    answer = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)
    assert answer["Credentials"]["Expiration"] == ends
    sts = sides.as_caller("sts", answer["Credentials"])
    sides.server.clock.freeze(ends - timedelta(seconds=1))
    assert sts.get_caller_identity()["Account"] == sides.customer.account
    sides.server.clock.freeze(ends)
    assert refused(sts.get_caller_identity)[:2] == ("ExpiredToken", 403)


@pytest.mark.parametrize("over", [0, 1])
def test_a_token_is_of_no_use_from_the_end_of_the_access_on(sides: Sides, over: int) -> None:
    """The end is exclusive."""
    frozen(sides)
    ends = sides.server.clock.now() + timedelta(seconds=300)
    token = sides.finalize(sides.admin(), sides.request(SessionDuration=300))
    sides.server.clock.freeze(ends + timedelta(seconds=over))
    sts = sides.as_caller("sts", sides.partner)
    assert refused(sts.get_delegated_access_token, TradeInToken=token)[:2] == ("ExpiredTradeInTokenException", 400)
