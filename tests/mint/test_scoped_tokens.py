"""Session tokens with scope-down policies: servers that do not know them refuse the token."""

import msgspec
import pytest
from msgspec.structs import replace
from tests.mint.material import ACCESS_KEY_ID, NOW, Counted, role_session
from tests.mint.old_tokens import FIELDS, SEALED_BY_0_1_0, OldSession, open_old, seal_old

from daypass.errors import PackedPolicyTooLarge
from daypass.mint.purpose import Purpose
from daypass.mint.seal import unseal
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.mint.session import Session
from daypass.mint.tokens import open_session, seal_session

RING = first_sealing_ring(now=NOW, entropy=Counted())
POLICY = '{"Version":"2012-10-17","Statement":[]}'
CHAIN = {"issuing_keys": ("AKIAQNZGKIQY56JQ7WML",), "issuing_times": (NOW,), "has_all_keys": True}
PLAIN = replace(role_session(), **CHAIN)
SCOPED = replace(PLAIN, scoped_policies=(POLICY, "é" * 100))


def sealed(session: Session, at_least: int = 0) -> str:
    """Return the token of a session."""
    return seal_session(session, sealing_ring=RING, now=NOW, entropy=Counted(), at_least=at_least)


def opened(token: str) -> Session:
    """Open a token."""
    return open_session(token, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)


def payload_of(token: str) -> bytes:
    """Return the fields of a token, as they were sealed."""
    return unseal(Purpose.SESSION, token, bound_to=ACCESS_KEY_ID, sealing_ring=RING)


@pytest.mark.parametrize("at_least", [0, 4096])
def test_the_layers_come_out_as_they_went_in(at_least: int) -> None:
    """They are sealed beside the key chain and the padding."""
    found = opened(sealed(SCOPED, at_least))
    assert replace(found, filler=b"") == SCOPED
    assert len(sealed(SCOPED, at_least)) >= at_least


def test_a_server_of_0_1_0_refuses_the_token() -> None:
    """It would ignore the restriction."""
    with pytest.raises(msgspec.ValidationError):
        open_old(sealed(SCOPED), access_key_id=ACCESS_KEY_ID, sealing_ring=RING)


def test_a_release_without_the_field_refuses_the_token() -> None:
    """A decoder with all fields in front of it refuses one more."""
    fields = [(name, object) for name in Session.__struct_fields__ if name != "scoped_policies"]
    before = msgspec.defstruct("Before", fields, array_like=True, forbid_unknown_fields=True)
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(payload_of(sealed(SCOPED)), type=before)


def test_a_session_without_layers_has_the_layout_of_0_1_0() -> None:
    """Byte for byte, apart from the chain in `filler`, and servers of 0.1.0 open it."""
    token = sealed(PLAIN)
    old = open_old(token, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)
    assert all(getattr(old, name) == getattr(PLAIN, name) for name in FIELDS if name != "filler")
    assert payload_of(token).startswith(msgspec.msgpack.encode(OldSession(**msgspec.structs.asdict(old))))


def test_a_token_of_0_1_0_has_no_layers() -> None:
    """It opens as before."""
    assert opened(SEALED_BY_0_1_0).scoped_policies == ()
    assert opened(seal_old(PLAIN, sealing_ring=RING, now=NOW, entropy=Counted())).scoped_policies == ()


def test_layers_that_do_not_fit_are_refused() -> None:
    """The message has both sizes, as that of GetScopedCredentials on AWS."""
    with pytest.raises(PackedPolicyTooLarge, match=r"size of \d+ bytes exceeds the maximum allowed size of 8000 bytes"):
        sealed(replace(PLAIN, scoped_policies=("é" * 2048,) * 3))
