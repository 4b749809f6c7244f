"""Session tokens: only our own sealed tokens open, and every session returns unchanged."""

from typing import Any

import msgspec
from tests.fuzz.choices import Choices, mutated
from tests.mint.material import ACCESS_KEY_ID, NOW, Counted, role_session

from daypass.errors import InvalidClientTokenId, PackedPolicyTooLarge
from daypass.mint.purpose import Purpose
from daypass.mint.seal import PayloadTooLargeError, seal
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.mint.session import Session, SessionKind
from daypass.mint.tokens import open_session, seal_session

_RING = first_sealing_ring(now=NOW, entropy=Counted())
_LAST = Session.__struct_fields__.index("delegation")
# The fields of every token. Later fields may be in another place, and padding has no meaning.
_SAID = tuple(name for name in Session.__struct_fields__[: _LAST + 1] if name != "filler")
_GENUINE = seal_session(role_session(), sealing_ring=_RING, now=NOW, entropy=Counted())


def fuzz_one(data: bytes) -> None:
    """Open a string, a damaged token, a sealed payload of arbitrary bytes, or a session of any fields."""
    choices = Choices(data)
    choices.pick((_raw, _bent, _payload, _round_trip))(choices)


def _opened(token: str, key_id: str = ACCESS_KEY_ID) -> Session | None:
    try:
        return open_session(token, access_key_id=key_id, sealing_ring=_RING)
    except InvalidClientTokenId:
        return None


def _raw(choices: Choices) -> None:
    assert _opened(choices.rest().decode("latin-1")) is None
    assert _opened(_GENUINE, choices.text() + "x") is None


def _bent(choices: Choices) -> None:
    token = mutated(_GENUINE.encode(), choices).decode("latin-1")
    assert token == _GENUINE or _opened(token) is None


def _payload(choices: Choices) -> None:
    # Only our nodes can seal; but an older or newer node may have sealed a token that this version does not know.
    try:
        token = seal(
            Purpose.SESSION, choices.rest(), bound_to=ACCESS_KEY_ID, sealing_ring=_RING, now=NOW, entropy=Counted()
        )
    except PayloadTooLargeError:
        return
    _opened(token)


def _round_trip(choices: Choices) -> None:
    texts: dict[str, Any] = {
        name: choices.take(choices.below(32)).decode("utf-8", "replace")
        for name in ("account", "principal_name", "session_name", "policy", "source_identity", "provider", "delegation")
    }
    session = msgspec.structs.replace(
        role_session(),
        kind=choices.pick(tuple(SessionKind)),
        tags={f"k{number}": choices.take(8).decode("utf-8", "replace") for number in range(choices.below(8))},
        expires=NOW + choices.below(65_536),
        chained=choices.flag(),
        **texts,
    )
    at_least = choices.below(9_000)
    try:
        token = seal_session(session, sealing_ring=_RING, now=NOW, entropy=Counted(), at_least=at_least)
    except PackedPolicyTooLarge:
        return
    assert len(token) >= at_least
    assert _opened(token, choices.text() + "x") is None, "a token opens beside another key"
    opened = _opened(token)
    assert opened is not None
    assert {name: getattr(opened, name) for name in _SAID} == {name: getattr(session, name) for name in _SAID}
