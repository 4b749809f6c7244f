"""Only the ring that sealed a session token can open it."""

import string
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mint.material import ACCESS_KEY_ID, NOW, Counted, role_session

from daypass.errors import InvalidClientTokenId, PackedPolicyTooLarge
from daypass.mint.purpose import Purpose
from daypass.mint.seal import seal
from daypass.mint.sealing_keys import SealingMaterial, SealingRing, first_sealing_ring
from daypass.mint.session import Session
from daypass.mint.tokens import open_session, seal_session

ALPHABET = string.ascii_letters + string.digits + "-_"
RING = first_sealing_ring(now=NOW, entropy=Counted())


def sealed(session: Session, at_least: int = 0) -> str:
    """Return the token of a session."""
    return seal_session(session, sealing_ring=RING, now=NOW, entropy=Counted(), at_least=at_least)


def test_a_session_comes_out_as_it_went_in() -> None:
    """The token keeps every field."""
    session = role_session()
    assert open_session(sealed(session), access_key_id=ACCESS_KEY_ID, sealing_ring=RING) == session


def test_a_token_opens_beside_its_own_access_key_id_alone() -> None:
    """Access key ID and token are bound to each other."""
    token = sealed(role_session())
    with pytest.raises(InvalidClientTokenId, match="The security token included in the request is"):
        open_session(token, access_key_id="ASIAQNZGKIQY56JQ7WMM", sealing_ring=RING)


def test_a_token_is_one_header_safe_word() -> None:
    """A token has only letters, digits, minus and underscore.

    It begins with its purpose.
    """
    token = sealed(role_session())
    assert token.startswith("DPs1")
    assert set(token) <= set(ALPHABET)


def test_a_foreign_ring_opens_nothing() -> None:
    """Another installation's ring, even with an equal key ID, fails."""
    foreign = SealingRing((replace(RING.keys[0], material=SealingMaterial(bytes(32))),))
    with pytest.raises(InvalidClientTokenId):
        open_session(sealed(role_session()), access_key_id=ACCESS_KEY_ID, sealing_ring=foreign)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(ALPHABET, max_size=200).map("DPs1".__add__))
def test_whatever_is_no_token_is_refused(text: str) -> None:
    """Any other string is refused with AWS's message.

    No other exception is raised.
    """
    with pytest.raises(InvalidClientTokenId):
        open_session(text, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)


def test_a_field_that_this_version_does_not_know_refuses_the_token() -> None:
    """An unknown field may be a restriction, thus an older server refuses it."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(role_session()))
    payload = msgspec.msgpack.encode([*fields, "only on Tuesdays"])
    token = seal(Purpose.SESSION, payload, bound_to=ACCESS_KEY_ID, sealing_ring=RING, now=NOW, entropy=Counted())
    with pytest.raises(InvalidClientTokenId):
        open_session(token, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)


def test_fields_that_an_older_version_did_not_know_take_their_defaults() -> None:
    """A token sealed before a field existed still opens."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(role_session()))
    payload = msgspec.msgpack.encode(fields[:10])
    token = seal(Purpose.SESSION, payload, bound_to=ACCESS_KEY_ID, sealing_ring=RING, now=NOW, entropy=Counted())
    session = open_session(token, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)
    assert (session.policy, session.tags, session.mfa_time) == ("", {}, None)


@pytest.mark.parametrize("at_least", [0, 1, 700, 1000, 1001, 2047, 4096])
def test_a_token_is_as_long_as_requested(at_least: int) -> None:
    """A caller may request a minimum size, to test its token storage."""
    token = sealed(role_session(), at_least)
    assert at_least <= len(token) <= max(at_least, len(sealed(role_session()))) + 16
    opened = open_session(token, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)
    assert msgspec.structs.replace(opened, filler=b"") == role_session()


@pytest.mark.parametrize("more", range(1, 13))
@pytest.mark.parametrize("name", ["r", "ro", "rol"])
def test_a_token_is_never_a_few_characters_short(name: str, more: int) -> None:
    """A token reaches its minimum size for every length of the session."""
    session = msgspec.structs.replace(role_session(), session_name=name)
    at_least = len(sealed(session)) + more
    assert at_least <= len(sealed(session, at_least)) <= at_least + 16


def test_a_session_that_says_too_much_is_refused() -> None:
    """A token stays below the header limit of proxies."""
    session = msgspec.structs.replace(role_session(), tags={"k": "v" * 8_000})
    with pytest.raises(PackedPolicyTooLarge, match="Serialized token too large for session"):
        sealed(session)


def test_a_session_does_not_print_its_secret() -> None:
    """Neither repr nor str of a session or of its secret shows it."""
    session = role_session()
    assert "ssss" not in repr(session) + str(session) + repr(session.secret) + str(session.secret)
    assert "<secret>" in repr(session)
