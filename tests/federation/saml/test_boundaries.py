"""Every time of an assertion, at its limit, just before and just after.

SAML core 2.5.1.2: NotBefore is inclusive, NotOnOrAfter exclusive. A start may be up to five minutes in the future,
because clocks differ. Expiry is exact.
"""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from tests.federation.saml.attack import SAML, assertion_of, child
from tests.federation.saml.conftest import NOW, World

from daypass.errors import Fault, InvalidInput
from daypass.federation.saml.identity import SamlIdentity, session_seconds
from daypass.federation.saml.metadata import parse_metadata

CONDITIONS = f"{SAML}Conditions"
CONFIRMATION = f"{SAML}Subject/{SAML}SubjectConfirmation/{SAML}SubjectConfirmationData"
AUTHN = f"{SAML}AuthnStatement"
TAKEN, EXPIRED, MALFORMED = "", "ExpiredTokenException", "InvalidIdentityToken"
MOMENT = 0.000_001

# The element and attribute, the seconds after now, and the outcome.
NOT_BEFORE = [
    (-1, TAKEN),
    (0, TAKEN),
    (1, TAKEN),
    (299, TAKEN),
    (300, TAKEN),
    (300 + MOMENT, MALFORMED),
    (301, MALFORMED),
]
NOT_ON_OR_AFTER = [(1, TAKEN), (MOMENT, TAKEN), (0, EXPIRED), (-MOMENT, EXPIRED), (-1, EXPIRED), (-60, EXPIRED)]
ISSUED = [
    (301, MALFORMED),
    (300 + MOMENT, MALFORMED),
    (300, TAKEN),
    (299, TAKEN),
    (0, TAKEN),
    (-299, TAKEN),
    (-300, TAKEN),
    (-300 - MOMENT, EXPIRED),
    (-301, EXPIRED),
]
INSTANTS = [
    *[(CONDITIONS, "NotBefore", *case) for case in NOT_BEFORE],
    *[(CONFIRMATION, "NotBefore", *case) for case in NOT_BEFORE],
    *[(CONDITIONS, "NotOnOrAfter", *case) for case in NOT_ON_OR_AFTER],
    *[(CONFIRMATION, "NotOnOrAfter", *case) for case in NOT_ON_OR_AFTER],
    *[(AUTHN, "SessionNotOnOrAfter", *case) for case in NOT_ON_OR_AFTER],
    *[("", "IssueInstant", *case) for case in ISSUED],
    *[("..", "IssueInstant", *case) for case in ISSUED if case[0] >= 0],
    *[(AUTHN, "AuthnInstant", *case) for case in NOT_BEFORE],
    # The provider decides how old a sign-in may be.
    (AUTHN, "AuthnInstant", -86_400, TAKEN),
]


def written(after: float) -> str:
    """Return the instant so many seconds after now, in SAML's format."""
    return f"{(NOW + timedelta(seconds=after)).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


@pytest.mark.parametrize(("path", "name", "after", "code"), INSTANTS)
def test_an_instant_at_its_limit(world: World, path: str, name: str, after: float, code: str) -> None:
    """Each instant has one outcome, with a fixed clock."""
    root = world.unsigned()
    element = root if path == ".." else child(assertion_of(root), path) if path else assertion_of(root)
    element.set(name, written(after))
    response = world.sealed(root)
    if code == TAKEN:
        assert world.judge(response).subject == "alice@example.org"
        return
    with pytest.raises(Fault) as refused:
        world.judge(response)
    assert refused.value.code == code


@pytest.mark.parametrize(("after", "taken"), [(1, True), (MOMENT, True), (0, False), (-1, False)])
def test_metadata_ends_on_the_instant(world: World, after: float, *, taken: bool) -> None:
    """ValidUntil is exclusive, at registration and for each assertion."""
    ends = NOW + timedelta(seconds=after)
    metadata = replace(world.trust.metadata, valid_until=ends)
    text = world.idp.metadata_xml().replace("entityID=", f'validUntil="{written(after)}" entityID=', 1)
    if taken:
        assert world.judge(world.response(), metadata=metadata).subject
        assert parse_metadata(text, now=NOW).valid_until == ends
        return
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(world.response(), metadata=metadata)
    with pytest.raises(InvalidInput, match="was valid until"):
        parse_metadata(text, now=NOW)


@pytest.mark.parametrize(
    ("begins", "ends", "taken"),
    [
        (-1, 1, True),
        (-1, 0, True),
        (-1, -1, False),
        (0, 1, True),
        (299, 900, True),
        (300, 900, True),
        (301, 900, False),
    ],
)
def test_a_certificate_at_the_limits_of_its_dates(world: World, begins: int, ends: int, *, taken: bool) -> None:
    """Both dates are inclusive (RFC 5280 4.1.2.5).

    A certificate that becomes valid within five minutes is accepted.
    """
    keys = tuple(
        replace(key, not_before=NOW + timedelta(seconds=begins), not_after=NOW + timedelta(seconds=ends))
        for key in world.trust.metadata.signing_keys
    )
    metadata = replace(world.trust.metadata, signing_keys=keys)
    if taken:
        assert world.judge(world.response(), metadata=metadata).subject
        return
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(world.response(), metadata=metadata)


@pytest.mark.parametrize(
    ("given", "ends_in", "asked", "seconds"),
    [
        (None, None, None, 3_600),
        (None, None, 900, 900),
        (None, None, 43_200, 43_200),
        (1_800, None, None, 1_800),
        (1_800, None, 1_799, 1_799),
        (1_800, None, 1_801, 1_800),
        (None, 1_800, 1_801, 1_800),
        (None, 1_800, 1_799, 1_799),
        (900, 600, 3_600, 600),
        (None, 1, None, 1),
    ],
)
def test_a_session_is_as_long_as_the_provider_allows(
    world: World, given: int | None, ends_in: int | None, asked: int | None, seconds: int
) -> None:
    """The duration is a minimum of three values.

    They are DurationSeconds, SessionDuration, and the rest of the session at the provider.
    """
    assert session_seconds(_identity(world, given, ends_in), requested=asked, now=NOW) == seconds


@pytest.mark.parametrize("ends_in", [0, -1])
def test_no_session_outlives_the_one_at_the_provider(world: World, ends_in: int) -> None:
    """A session that would have expired already is refused."""
    with pytest.raises(Fault) as refused:
        session_seconds(_identity(world, None, ends_in), requested=900, now=NOW)
    assert refused.value.code == EXPIRED


def _identity(world: World, given: int | None, ends_in: int | None) -> SamlIdentity:
    ends = None if ends_in is None else NOW + timedelta(seconds=ends_in)
    return msgspec.structs.replace(world.judge(world.response()), session_duration=given, session_ends=ends)


def test_an_assertion_is_remembered_for_as_long_as_it_can_be_redeemed(world: World) -> None:
    """Otherwise a one-use assertion could be redeemed again after it was forgotten."""
    root = world.unsigned()
    for path in (CONDITIONS, CONFIRMATION):
        child(assertion_of(root), path).set("NotOnOrAfter", written(86_400))
    response = world.sealed(root)
    last = NOW + timedelta(minutes=5)
    assert world.judge(response, now=last).redeemable_until == last + timedelta(seconds=1)
    with pytest.raises(Fault, match="within 5 minutes"):
        world.judge(response, now=last + timedelta(seconds=MOMENT))
