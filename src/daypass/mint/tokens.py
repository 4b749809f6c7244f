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

from collections.abc import Mapping

import msgspec
from msgspec.structs import astuple, replace

from daypass.errors import InvalidClientTokenId, PackedPolicyTooLarge
from daypass.mint.key_chain import ChainBrokenError, KeyChain, decode_chain, encode_chain
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SALT_BYTES, PayloadTooLargeError, SealBrokenError, seal_with_salt, sealed_length, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind
from daypass.ports import Entropy

_INVALID = "The security token included in the request is invalid."
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode
_NO_CHAIN: tuple[tuple[str, ...], tuple[int, ...], bool] = ((), (), False)


class WrittenSession(msgspec.Struct, frozen=True, array_like=True):
    """The fields of a new session, in the order of the layout of 0.1.0.

    They have the names and the order of Session's fields. `filler` begins with the key chain.
    """

    kind: SessionKind
    account: str
    principal_id: str
    principal_name: str
    session_name: str
    access_key_id: str
    secret: Secret
    issued: int
    expires: int
    issuing_key: str
    policy: str
    policy_arns: tuple[str, ...]
    tags: Mapping[str, str]
    transitive_tag_keys: tuple[str, ...]
    source_identity: str
    mfa_time: int | None
    provider: str
    context: Mapping[str, tuple[str, ...]]
    chained: bool
    root_task_policy: str
    filler: bytes
    first_key: str
    delegation: str


class SessionTemplate(msgspec.Struct, frozen=True):
    """The common part of the payloads of similar sessions.

    It lacks name, key ID, secret and times: five fields, one after the other.
    """

    before: bytes
    after: bytes


_WRITTEN = len(WrittenSession.__struct_fields__)
_NAME, _AFTER_TIMES = map(WrittenSession.__struct_fields__.index, ("session_name", "issuing_key"))
_ARRAY_START = 3  # bytes in front of an array of this many fields
_TUPLE_START = 1  # bytes in front of one of five values
_FILLER = WrittenSession.__struct_fields__.index("filler")


def seal_session(session: Session, *, sealing_ring: SealingRing, now: int, entropy: Entropy, at_least: int = 0) -> str:
    """Return the session token, at least `at_least` characters long."""
    chain = encode_chain(KeyChain(session.issuing_keys, session.issuing_times, session.has_all_keys))
    fields = astuple(session)
    written = (*fields[:_FILLER], chain + session.filler, *fields[_FILLER + 1 : _WRITTEN])
    return seal_written(
        WrittenSession(*written),
        session.scoped_policies,
        sealing_ring=sealing_ring,
        now=now,
        salt=entropy(SALT_BYTES),
        at_least=at_least,
    )


def seal_written(
    written: WrittenSession,
    scoped_policies: tuple[str, ...],
    *,
    sealing_ring: SealingRing,
    now: int,
    salt: bytes,
    at_least: int = 0,
) -> str:
    """Return the token of a new session, at least `at_least` characters long.

    `salt` are SALT_BYTES random bytes, which seal_with_salt describes.
    """
    payload = _lay_out(written, scoped_policies) if scoped_policies else _encode(written)
    short = at_least and at_least - sealed_length(len(payload))
    if short > 0:
        # Four characters encode three bytes, so a token grows by four.
        payload = _lay_out(replace(written, filler=written.filler + bytes(-(-short // 4) * 3)), scoped_policies)
    try:
        return seal_with_salt(
            Purpose.SESSION,
            payload,
            bound_to=written.access_key_id,
            sealing_ring=sealing_ring,
            now=now,
            salt=salt,
        )
    except PayloadTooLargeError as error:
        raise PackedPolicyTooLarge(_too_long(scoped_policies, len(payload))) from error


def make_template(written: WrittenSession) -> SessionTemplate:
    """Return the template of sessions like this one.

    Raises ValueError if the encoding is not that of the fields in their order.
    """
    payload, fields = _encode(written), astuple(written)
    before = payload[:_ARRAY_START] + b"".join(map(_encode, fields[:_NAME]))
    differing = _encode(fields[_NAME:_AFTER_TIMES])[_TUPLE_START:]
    after = b"".join(map(_encode, fields[_AFTER_TIMES:]))
    if payload != before + differing + after:
        raise ValueError("the payload of a session is not its fields in their order")
    return SessionTemplate(before, after)


def seal_by_template(  # noqa: PLR0913 - the five fields in their order, and the arguments of seal_written
    template: SessionTemplate,
    session_name: str,
    access_key_id: str,
    secret: Secret,
    issued: int,
    expires: int,
    *,
    sealing_ring: SealingRing,
    now: int,
    salt: bytes,
) -> str:
    """Return the token of a new session of a template.

    It is that of `seal_written` for the same fields. `salt` are SALT_BYTES random bytes, which seal_with_salt
    describes.
    """
    differing = _encode((session_name, access_key_id, secret, issued, expires))
    payload = template.before + differing[_TUPLE_START:] + template.after
    try:
        return seal_with_salt(
            Purpose.SESSION, payload, bound_to=access_key_id, sealing_ring=sealing_ring, now=now, salt=salt
        )
    except PayloadTooLargeError as error:
        raise PackedPolicyTooLarge(_too_long((), len(payload))) from error


def open_session(token: str, *, access_key_id: str, sealing_ring: SealingRing) -> Session:
    """Return the session of a token, or raise InvalidClientTokenId.

    It must have been sealed for this access key ID.
    """
    try:
        session = _decode(unseal(Purpose.SESSION, token, bound_to=access_key_id, sealing_ring=sealing_ring))
        return _with_chain(session)
    except (SealBrokenError, ChainBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidClientTokenId(_INVALID, detail="the session token does not open") from error


def _too_long(scoped_policies: tuple[str, ...], payload_length: int) -> str:
    """Return AWS's message for a token that is too long.

    That of GetScopedCredentials has both sizes.
    """
    if not scoped_policies:
        return "Serialized token too large for session"
    return (
        f"The session token size of {sealed_length(payload_length)} bytes exceeds the maximum allowed size of "
        f"{Purpose.SESSION.value.longest} bytes."
    )


def _lay_out(written: WrittenSession, scoped_policies: tuple[str, ...]) -> bytes:
    return _encode((*astuple(written), *_NO_CHAIN, scoped_policies) if scoped_policies else written)


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
