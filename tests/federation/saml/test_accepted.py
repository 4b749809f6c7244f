"""Responses that must be taken: without these, a refusal elsewhere would prove nothing."""

import pytest
from tests.federation.saml.conftest import World


@pytest.mark.parametrize("signed", ["assertion", "both"])
def test_a_genuine_response_is_taken(world: World, signed: str) -> None:
    """The assertion must be signed; the response may be as well."""
    identity = world.judge(world.response(signed=signed))
    assert (identity.subject, identity.session_name) == ("alice@example.org", "alice")
    assert identity.issuer == world.idp.entity_id


def test_the_base64_may_be_wrapped_in_lines(world: World) -> None:
    """A file with lines of 76 characters, and a newline at its end, is the same response."""
    text = world.response()
    wrapped = "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76)) + "\n"
    assert world.judge(wrapped) == world.judge(text)
