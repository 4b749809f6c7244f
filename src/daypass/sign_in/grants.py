"""Authorization codes: approvals, which programs exchange for tokens.

Owns their rules (RFC 6749 section 4.1):

* A code is valid once, for 60 seconds, for one client, redirect URI and PKCE challenge (RFC 7636, S256 only).
* Every attempt uses it up, also with a wrong verifier: a stolen code gives one guess.
* A second attempt revokes the tokens that grew from the first (RFC 6749 section 4.1.2).
* The store holds the hash of a code; its grant is sealed.

Leaves tokens to token_families.py, and the names of errors to the protocols.
"""

import hashlib
import hmac
import re
from datetime import timedelta
from typing import Literal

import msgspec

from daypass.base64url import to_base64url
from daypass.operations.request_context import RequestContext
from daypass.sign_in import pending_records
from daypass.sign_in.token_families import end_family

SECONDS = 60
# Reuse is noticed for longer than a code is valid.
_REMEMBERED = timedelta(minutes=10)
_CODE_BYTES = 32
_NAME = "code:"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

Reason = Literal["unknown", "expired", "reused", "client", "redirect", "verifier"]


class GrantRefusedError(Exception):
    """A code was refused, and is used up."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class CodeGrant(msgspec.Struct, frozen=True, omit_defaults=True):
    """An approval: a sign-in for one client.

    `challenge` is the PKCE challenge of the program that will redeem it. `role_arn` and `provider_arn` are set if the
    person approved a single role.
    """

    sign_in: str
    client_id: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...] = ()
    role_arn: str = ""
    provider_arn: str = ""


class StoredGrant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A grant with its end, the number of its attempts, and its tokens."""

    grant: CodeGrant
    ends: float
    attempts: int = 0
    family: str = ""


_decode = msgspec.json.Decoder(StoredGrant).decode
_encode = msgspec.json.Encoder().encode


def is_challenge(text: str) -> bool:
    """Tell whether a string is an S256 challenge of PKCE."""
    return _CHALLENGE.fullmatch(text) is not None


def issue_code(grant: CodeGrant, ctx: RequestContext, *, approval: str = "") -> str:
    """Store a grant, and return its code.

    `approval` is the id of the form that the person sent. Each gives one code: raises GrantRefusedError for a second.
    """
    if not is_challenge(grant.challenge):
        raise ValueError("a grant without a PKCE challenge")
    code = to_base64url(ctx.entropy(_CODE_BYTES))
    stored = StoredGrant(grant, ctx.now.timestamp() + SECONDS)
    with ctx.new_transaction() as writer:
        if approval and not writer.claim(f"approval:{approval}", until=ctx.now + _REMEMBERED):
            raise GrantRefusedError("reused")
        pending_records.put(writer, _name(code), _encode(stored), ends=ctx.now + _REMEMBERED, ctx=ctx)
    return code


def has_code(code: str, ctx: RequestContext) -> bool:
    """Return whether a code was issued within the last ten minutes.

    It may be used up. Nothing is written, so that a guess costs little.
    """
    with ctx.snapshot() as reader:
        return pending_records.find(reader, _name(code), ctx=ctx) is not None


def redeem_code(code: str, *, client_id: str, redirect_uri: str, verifier: str, ctx: RequestContext) -> CodeGrant:
    """Return the grant of a code, and use it up.

    Raises GrantRefusedError. The caller names the tokens with `bind_family`.
    """
    if not has_code(code, ctx):  # Refuse a guess without waiting for the writer.
        raise GrantRefusedError("unknown")
    with ctx.new_transaction() as writer:
        found = pending_records.find(writer, _name(code), ctx=ctx)
        if found is None:
            raise GrantRefusedError("unknown")
        stored = _decode(found)
        used = msgspec.structs.replace(stored, attempts=stored.attempts + 1)
        pending_records.change(writer, _name(code), _encode(used), ctx=ctx)
        if stored.attempts and stored.family:
            end_family(writer, stored.family)
    # After the transaction, which has used up the code.
    reason = _refusal(stored, (client_id, redirect_uri), verifier, ctx)
    if reason is not None:
        raise GrantRefusedError(reason)
    return stored.grant


def bind_family(code: str, family_id: str, ctx: RequestContext) -> None:
    """Remember the tokens of a code: a second attempt revokes them.

    Raises GrantRefusedError, and revokes the tokens, if there was a second attempt already.
    """
    with ctx.new_transaction() as writer:
        found = pending_records.find(writer, _name(code), ctx=ctx)
        stored = None if found is None else _decode(found)
        is_reused = stored is None or stored.attempts > 1
        if stored is None or is_reused:
            end_family(writer, family_id)
        else:
            bound = msgspec.structs.replace(stored, family=family_id)
            pending_records.change(writer, _name(code), _encode(bound), ctx=ctx)
    if is_reused:
        raise GrantRefusedError("reused")


def _refusal(stored: StoredGrant, given: tuple[str, str], verifier: str, ctx: RequestContext) -> Reason | None:
    client_id, redirect_uri = given
    if stored.attempts:
        return "reused"
    if ctx.now.timestamp() >= stored.ends:
        return "expired"
    if not _is_same(client_id, stored.grant.client_id):
        return "client"
    if not _is_same(redirect_uri, stored.grant.redirect_uri):
        return "redirect"
    return None if _is_verified(verifier, stored.grant.challenge) else "verifier"


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _is_verified(verifier: str, challenge: str) -> bool:
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(to_base64url(digest).encode(), challenge.encode())


def _name(code: str) -> str:
    return _NAME + hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
