"""Token families: the tokens that grew from one authorization.

A program gets an access token for an hour, and a refresh token until the sign-in ends. Rules:

* A token is `dp1.<family id>.<secret>`. The store holds its SHA-256 hash. A family is dead when its sign-in is.
* Every refresh replaces both tokens in one transaction. The previous access token stays valid to its own end.
* The previous refresh token gets the same answer for 30 seconds: processes refresh at once.
* After that, reuse of an old refresh token revokes the family (RFC 9700 section 4.14.2), and not the sign-in. An old
  token is recognized by a MAC in its secret, so that a stranger who knows a family's id cannot revoke it.
* A refresh token is bound to its client, and to the key of a DPoP proof if the authorization was.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from daypass.base64url import parse_base64url, to_base64url
from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignInSession, TokenFamily
from daypass.directory.loader_marks import measured_by
from daypass.directory.store import Reader, RecordMissingError, Writer
from daypass.operations.request_context import RequestContext
from daypass.sign_in.proofs import SignInOverError
from daypass.sign_in.sessions import find_session, load_session

ACCESS = timedelta(hours=1)
GRACE = timedelta(seconds=30)
MOST_OF_SIGN_IN = 100
"""The largest number of families of one sign-in. Another one replaces the oldest."""

_TOKEN = re.compile(r"dp1\.(tf-[0-9a-f]{32})\.([A-Za-z0-9_-]{43})")
_ID_BYTES, _KEY_BYTES, _RANDOM_BYTES, _MAC_BYTES = 16, 32, 16, 16
_FAMILY_BYTES = 1_536

Refusal = Literal["unknown", "expired", "reused", "client", "key"]


class RefreshRefusedError(Exception):
    """A refresh token was refused.

    `reason` is "unknown", "expired" (the family or its sign-in has ended), "reused" (and the family was revoked),
    "client" or "key" (of the DPoP proof).
    """

    def __init__(self, reason: Refusal, family: TokenFamily | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.family = family


class Tokens(msgspec.Struct, frozen=True):
    """The tokens of an answer. `expires_in` is the access token's, in seconds."""

    access: str
    refresh: str
    expires_in: int

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def family(self) -> str:
        """The id of their family."""
        return self.access.split(".")[1]


class _Answer(msgspec.Struct, frozen=True):
    access: str
    refresh: str


def begin_family(  # noqa: PLR0913 - the properties of a family
    ctx: RequestContext,
    *,
    sign_in: str,
    kind: Literal["sso", "login", "cli"],
    client_id: str,
    scopes: Sequence[str],
    role_arn: str = "",
    provider_arn: str = "",
    dpop_thumbprint: str = "",
) -> Tokens:
    """Store a new family of a sign-in, and return its first tokens.

    Raises SignInOverError if the sign-in is not live.
    """
    if find_session(sign_in, ctx) is None:
        raise SignInOverError(f"{sign_in[:64]!r} is not a live sign-in")
    with ctx.new_transaction() as writer:
        session = _find_live(writer, sign_in, ctx.now)
        if session is None:
            raise SignInOverError(f"{sign_in} has ended")
        _make_room(writer, sign_in)
        identifier = f"tf-{ctx.entropy(_ID_BYTES).hex()}"
        key = ctx.entropy(_KEY_BYTES)
        answer = _new_answer(identifier, key, ctx)
        family = TokenFamily(
            id=identifier,
            account=session.account,
            sign_in=sign_in,
            kind=kind,
            client_id=client_id,
            scopes=tuple(scopes),
            role_arn=role_arn,
            provider_arn=provider_arn,
            dpop_thumbprint=dpop_thumbprint,
            begun=ctx.now,
            access_hash=_hash(answer.access),
            access_ends=min(ctx.now + ACCESS, session.ends),
            refresh_hash=_hash(answer.refresh),
            sealed_key=b"",
            ends=session.ends,
        )
        sealed = ctx.vault.encrypt(key, bound_to=family.key_name)
        records.insert(writer, msgspec.structs.replace(family, sealed_key=sealed))
    return _tokens(answer, family.access_ends, ctx.now)


def find_by_access(token: str, ctx: RequestContext) -> tuple[TokenFamily, SignInSession] | None:
    """Return the family and the live sign-in of a valid access token, or None.

    Raises WouldBlockError if they are not in the cache and waiting is not allowed.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    digest = _hash(token)
    try:
        family: TokenFamily | None = ctx.views.get(load_known_family, match[1])
    except RecordMissingError:
        return None
    if family is None or not is_access(family, digest, ctx.now):
        # Another node may have issued the token within the cache's last second.
        with ctx.snapshot() as reader:
            family = load_family(reader, match[1])
        if family is None or not is_access(family, digest, ctx.now):
            return None
    session = find_session(family.sign_in, ctx)
    return None if session is None else (family, session)


def refresh(token: str, client_id: str, ctx: RequestContext, *, dpop_thumbprint: str = "") -> Tokens:
    """Return new tokens for a refresh token, or those of the last 30 seconds.

    Raises RefreshRefusedError. If the token was used before that, the family is revoked.
    """
    return refresh_family(token, client_id, ctx, dpop_thumbprint=dpop_thumbprint)[0]


def refresh_family(
    token: str, client_id: str, ctx: RequestContext, *, dpop_thumbprint: str = ""
) -> tuple[Tokens, TokenFamily]:
    """Return new tokens as `refresh` does, and their family."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise RefreshRefusedError("unknown")
    with ctx.snapshot() as reader:
        family = load_family(reader, match[1])
    if family is not None and find_session(family.sign_in, ctx) is None:
        raise RefreshRefusedError("expired", family)
    with ctx.new_transaction() as writer:
        family = load_family(writer, match[1])
        if family is None:
            raise RefreshRefusedError("unknown")
        session = _find_live(writer, family.sign_in, ctx.now)
        if session is None:
            raise RefreshRefusedError("expired", family)
        answered = _refreshed(writer, family, match, (client_id, dpop_thumbprint), session, ctx)
    if answered is None:  # After the transaction, which has revoked the family.
        raise RefreshRefusedError("reused", family)
    return answered, family


def has_family(token: str, ctx: RequestContext) -> bool:
    """Return whether a token has the form and the family of one of ours.

    Nothing is written, so that a guess costs little.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        return False
    with ctx.snapshot() as reader:
        return load_family(reader, match[1]) is not None


def find_by_refresh(
    token: str, client_id: str, ctx: RequestContext, *, dpop_thumbprint: str = ""
) -> TokenFamily | None:
    """Return the family that `refresh` would refresh now, or None.

    It changes nothing: a caller checks first whether the rest of its answer is possible. Only `refresh` decides.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    with ctx.snapshot() as reader:
        family = load_family(reader, match[1])
    if family is None or find_session(family.sign_in, ctx) is None:
        return None
    digest = _hash(token)
    is_former = hmac.compare_digest(digest, family.former_hash) and _is_in_grace(family, ctx.now)
    if not is_former and not hmac.compare_digest(digest, family.refresh_hash):
        return None
    try:
        _require_holder(family, (client_id, dpop_thumbprint))
    except RefreshRefusedError:
        return None
    return family


def end_family(writer: Writer, family_id: str) -> None:
    """Revoke a family, if it exists. Its tokens are void at once."""
    records.delete_if_present(writer, TokenFamily, "", family_id)


def load_family(reader: Reader, family_id: str) -> TokenFamily | None:
    """Return a family, or None."""
    return records.find(reader, TokenFamily, "", family_id)


@measured_by(lambda _: _FAMILY_BYTES)
def load_known_family(reader: Reader, family_id: str) -> TokenFamily:
    """Return a family, for the cache.

    Raises RecordMissingError, which is not cached: invented ids take no room.
    """
    found = load_family(reader, family_id)
    if found is None:
        raise RecordMissingError
    return found


def _refreshed(
    writer: Writer,
    family: TokenFamily,
    token: re.Match[str],
    holder: tuple[str, str],
    session: SignInSession,
    ctx: RequestContext,
) -> Tokens | None:
    """Return the tokens for a refresh token, or None after the family was revoked.

    Raises RefreshRefusedError for a token that this server did not issue, or issued to another client.
    """
    digest = _hash(token[0])
    is_present = hmac.compare_digest(digest, family.refresh_hash)
    is_former = hmac.compare_digest(digest, family.former_hash)
    if not is_present and not is_former and not _is_ours(family, token[2], ctx):
        raise RefreshRefusedError("unknown")
    _require_holder(family, holder)
    if is_present:
        return _rotate(writer, family, session, ctx)
    if is_former and _is_in_grace(family, ctx.now):
        opened = _decode(ctx.vault.decrypt(family.sealed_answer, bound_to=family.answer_name))
        return _tokens(opened, family.access_ends, ctx.now)
    end_family(writer, family.id)
    return None


def _is_in_grace(family: TokenFamily, now: datetime) -> bool:
    return family.former_until is not None and now < family.former_until


def _require_holder(family: TokenFamily, holder: tuple[str, str]) -> None:
    client_id, thumbprint = holder
    if not hmac.compare_digest(client_id.encode("utf-8", "surrogatepass"), family.client_id.encode()):
        raise RefreshRefusedError("client", family)
    if not hmac.compare_digest(thumbprint.encode("utf-8", "surrogatepass"), family.dpop_thumbprint.encode()):
        raise RefreshRefusedError("key", family)


def _rotate(writer: Writer, family: TokenFamily, session: SignInSession, ctx: RequestContext) -> Tokens:
    key = ctx.vault.decrypt(family.sealed_key, bound_to=family.key_name)
    answer = _new_answer(family.id, key, ctx)
    rotated = msgspec.structs.replace(
        family,
        access_hash=_hash(answer.access),
        access_ends=min(ctx.now + ACCESS, session.ends),
        refresh_hash=_hash(answer.refresh),
        former_hash=family.refresh_hash,
        former_until=ctx.now + GRACE,
        former_access_hash=family.access_hash,
        former_access_ends=family.access_ends,
        sealed_answer=ctx.vault.encrypt(_encode(answer), bound_to=family.answer_name),
    )
    records.replace(writer, rotated)
    return _tokens(answer, rotated.access_ends, ctx.now)


def _make_room(writer: Writer, sign_in: str) -> None:
    families = records.page(writer, TokenFamily, "", prefix=f"{sign_in}/", limit=MOST_OF_SIGN_IN + 1)
    if len(families) >= MOST_OF_SIGN_IN:
        records.delete(writer, min(families, key=lambda family: (family.begun, family.id)))


def _find_live(writer: Writer, sign_in: str, now: datetime) -> SignInSession | None:
    session = load_session(writer, sign_in)
    return session if session is not None and session.ends > now else None


def is_access(family: TokenFamily, digest: bytes, now: datetime) -> bool:
    """Return whether a family has a valid access token with this hash."""
    if hmac.compare_digest(digest, family.access_hash):
        return now < family.access_ends
    is_former = hmac.compare_digest(digest, family.former_access_hash)
    return is_former and family.former_access_ends is not None and now < family.former_access_ends


def _new_answer(family_id: str, key: bytes, ctx: RequestContext) -> _Answer:
    access = to_base64url(ctx.entropy(_RANDOM_BYTES + _MAC_BYTES))
    drawn = ctx.entropy(_RANDOM_BYTES)
    return _Answer(f"dp1.{family_id}.{access}", f"dp1.{family_id}.{to_base64url(drawn + _mac(key, drawn))}")


def _is_ours(family: TokenFamily, secret: str, ctx: RequestContext) -> bool:
    """Return whether this server issued a secret for a refresh token of the family."""
    try:
        given = parse_base64url(secret)
    except ValueError:
        return False
    key = ctx.vault.decrypt(family.sealed_key, bound_to=family.key_name)
    return hmac.compare_digest(_mac(key, given[:_RANDOM_BYTES]), given[_RANDOM_BYTES:])


def _mac(key: bytes, drawn: bytes) -> bytes:
    return hmac.digest(key, drawn, "sha256")[:_MAC_BYTES]


def _tokens(answer: _Answer, access_ends: datetime, now: datetime) -> Tokens:
    return Tokens(answer.access, answer.refresh, max(0, int((access_ends - now).total_seconds())))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode
