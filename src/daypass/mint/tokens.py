"""Session tokens: a Session, sealed and opened.

Owns the token of temporary credentials. Whether the session has expired is the authenticator's question,
which comes after this one in AWS's order.
"""

import msgspec

from daypass.errors import InvalidClientTokenId, PackedPolicyTooLarge
from daypass.mint.keyring import SealingRing
from daypass.mint.purpose import Purpose
from daypass.mint.seal import PayloadTooLargeError, SealBrokenError, seal, sealed_length, unseal
from daypass.mint.session import Session
from daypass.ports import Entropy

_INVALID = "The security token included in the request is invalid."
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


def seal_session(session: Session, *, ring: SealingRing, now: int, entropy: Entropy, at_least: int = 0) -> str:
    """Return the session token, `at_least` so many characters long."""
    payload = _encode(session)
    short = at_least - sealed_length(len(payload))
    if short > 0:
        # Four characters of a token hold three bytes.
        payload = _encode(msgspec.structs.replace(session, filler=bytes(-(-short * 3 // 4))))
    try:
        return seal(Purpose.SESSION, payload, bound_to=session.access_key_id, ring=ring, now=now, entropy=entropy)
    except PayloadTooLargeError as error:
        raise PackedPolicyTooLarge("Serialized token too large for session") from error


def open_session(token: str, *, access_key_id: str, ring: SealingRing) -> Session:
    """Return the session of a token that was sealed for this access key id, or raise InvalidClientTokenId."""
    try:
        session = _decode(unseal(Purpose.SESSION, token, bound_to=access_key_id, ring=ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidClientTokenId(_INVALID, detail="the session token does not open") from error
    return session
