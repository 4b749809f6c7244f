"""Session tokens: seal and open a Session.

Owns the layouts of its fields. Leaves expiry to authenticate/, because AWS checks it after the token itself.

- The layout of 0.1.0 ends with `delegation`, and servers of that release refuse a token with more fields.
- This release writes that layout and puts the key chain in front of the padding in `filler`, which those servers do not
  read. It reads tokens with the chain there, and tokens with the fields that follow `delegation`.
- A token of 0.1.0 names one or two of its keys, and its chain counts as incomplete.
- A session with scope-down policies is written up to `scoped_policies`. Servers that do not know this field refuse the
  token, because they would ignore the restriction. Its key chain is in `filler` too; the fields between are empty.

Decisions: docs/decisions/0014-chains-of-issuing-keys.md, docs/decisions/0024-scoped-credentials.md.
"""

import msgspec
from msgspec.structs import astuple, replace

from daypass.errors import InvalidClientTokenId, PackedPolicyTooLarge
from daypass.mint.key_chain import ChainBrokenError, KeyChain, decode_chain, encode_chain
from daypass.mint.purpose import Purpose
from daypass.mint.seal import PayloadTooLargeError, SealBrokenError, seal, sealed_length, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.mint.session import Session
from daypass.ports import Entropy

_INVALID = "The security token included in the request is invalid."
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode
_FILLER = Session.__struct_fields__.index("filler")
_WRITTEN = Session.__struct_fields__.index("delegation") + 1
_NO_CHAIN: tuple[tuple[str, ...], tuple[int, ...], bool] = ((), (), False)


def seal_session(session: Session, *, sealing_ring: SealingRing, now: int, entropy: Entropy, at_least: int = 0) -> str:
    """Return the session token, at least `at_least` characters long."""
    chain = encode_chain(KeyChain(session.issuing_keys, session.issuing_times, session.has_all_keys))
    payload = _lay_out(session, chain + session.filler)
    short = at_least - sealed_length(len(payload))
    if short > 0:
        # Four characters encode three bytes, so a token grows by four.
        payload = _lay_out(session, chain + bytes(-(-short // 4) * 3))
    try:
        return seal(
            Purpose.SESSION,
            payload,
            bound_to=session.access_key_id,
            sealing_ring=sealing_ring,
            now=now,
            entropy=entropy,
        )
    except PayloadTooLargeError as error:
        raise PackedPolicyTooLarge(_too_long(session, len(payload))) from error


def open_session(token: str, *, access_key_id: str, sealing_ring: SealingRing) -> Session:
    """Return the session of a token, or raise InvalidClientTokenId.

    It must have been sealed for this access key ID.
    """
    try:
        session = _decode(unseal(Purpose.SESSION, token, bound_to=access_key_id, sealing_ring=sealing_ring))
        return _with_chain(session)
    except (SealBrokenError, ChainBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidClientTokenId(_INVALID, detail="the session token does not open") from error


def _too_long(session: Session, payload_length: int) -> str:
    """Return AWS's message for a token that is too long.

    That of GetScopedCredentials has both sizes.
    """
    if not session.scoped_policies:
        return "Serialized token too large for session"
    return (
        f"The session token size of {sealed_length(payload_length)} bytes exceeds the maximum allowed size of "
        f"{Purpose.SESSION.value.longest} bytes."
    )


def _lay_out(session: Session, filler: bytes) -> bytes:
    fields = astuple(session)
    written = (*fields[:_FILLER], filler, *fields[_FILLER + 1 : _WRITTEN])
    return _encode((*written, *_NO_CHAIN, session.scoped_policies) if session.scoped_policies else written)


def _with_chain(session: Session) -> Session:
    """Return the session with the key chain of its token.

    The chain is in the fields or in `filler`. Raises ChainBrokenError if it is invalid.
    """
    chain, padding = _read_filler(session.filler)
    if chain is None:
        chain = _named_chain(session)
    elif session.issuing_keys and (session.issuing_keys, session.issuing_times) != (chain.keys, chain.times):
        raise ChainBrokenError
    if len(chain.times) not in {0, len(chain.keys)} or chain.is_too_long:
        raise ChainBrokenError
    return replace(
        session,
        filler=padding,
        issuing_keys=chain.keys,
        issuing_times=chain.times,
        has_all_keys=chain.is_complete,
    )


def _read_filler(filler: bytes) -> tuple[KeyChain | None, bytes]:
    chain, padding = (None, filler) if filler[:1] in {b"", b"\0"} else decode_chain(filler)
    if padding.strip(b"\0"):
        raise ChainBrokenError
    return chain, padding


def _named_chain(session: Session) -> KeyChain:
    """Return the key chain from the fields of a token."""
    if session.issuing_keys:
        return KeyChain(session.issuing_keys, session.issuing_times, session.has_all_keys)
    named = tuple(key for key in (session.first_key, session.issuing_key) if key)
    return KeyChain(named, (), session.has_all_keys and not named)
