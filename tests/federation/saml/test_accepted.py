"""Responses that must be accepted: the controls for all refusals."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.federation.saml.conftest import GOOD, NOW, OUR_URL, PROVIDER, ROLE, World

from daypass.federation.saml.verify import find_unverified_issuers
from daypass.testing.saml import encode


@pytest.mark.parametrize("signed", ["assertion", "both"])
def test_a_genuine_response_is_taken(world: World, signed: str) -> None:
    """The assertion must be signed; the response may be signed too."""
    identity = world.judge(world.response(signed=signed))
    assert (identity.subject, identity.session_name) == ("alice@example.org", "alice")
    assert identity.issuer == world.idp.entity_id


def test_the_base64_may_be_wrapped_in_lines(world: World) -> None:
    """Lines of 76 characters, and a final newline, do not matter."""
    text = world.response()
    wrapped = "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76)) + "\n"
    assert world.judge(wrapped) == world.judge(text)


def test_everything_an_identity_holds(world: World) -> None:
    """One assertion has the values of the answer, policies and session."""
    assertion = replace(
        GOOD,
        tags={"Team": "blue"},
        transitive_keys=("Team",),
        source_identity="alice",
        session_duration="7200",
        session_lifetime=timedelta(hours=8),
        in_response_to="_request",
        recipient=OUR_URL,
    )
    identity = world.judge(world.response(assertion, encryption=world.encryption))
    assert identity.provider == PROVIDER
    assert identity.subject_type == "persistent"
    assert identity.audience == identity.conditions["saml:aud"] == OUR_URL
    assert (identity.session_duration, identity.session_ends) == (7_200, NOW + timedelta(hours=8))
    assert (identity.tags, identity.transitive_keys) == ((("Team", "blue"),), ("Team",))
    assert identity.source_identity == "alice"
    assert [(pair.role, pair.provider) for pair in identity.roles] == [(ROLE, PROVIDER)]
    assert identity.in_response_to == "_request"
    assert identity.redeemable_until == NOW + timedelta(minutes=5)


def test_the_issuer_can_be_looked_up_before_anything_is_verified(world: World) -> None:
    """The unverified issuer is only used to find the provider.

    No input raises an exception.
    """
    assert find_unverified_issuers(world.response()) == (world.idp.entity_id,)
    assert find_unverified_issuers(world.response(encryption=world.encryption)) == (world.idp.entity_id,)
    for text in ("", "AAAA", "PGEvPg=="):
        assert find_unverified_issuers(text) == ()


def test_the_assertion_s_issuer_comes_before_the_response_s(world: World) -> None:
    """A provider may omit the issuer of the response, or write another name there."""
    root = world.unsigned(replace(GOOD, issuer="https://inner.example"))
    assert find_unverified_issuers(encode(root)) == ("https://inner.example", world.idp.entity_id)
    issuer = root[0]
    root.remove(issuer)
    assert find_unverified_issuers(encode(root)) == ("https://inner.example",)
