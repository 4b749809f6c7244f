"""CLI sign-ins: sign-ins that a command waits for (compare RFC 8628).

Owns their states and transitions (protocol: docs/handover.md):

* A person who signed in through the page of this CLI sign-in approves or declines it, once.
* A command with the code verifier redeems it, once.
* Five wrong code verifiers end it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import msgspec

from daypass.base64url import to_base64url
from daypass.directory.store import Reader, RecordExistsError, Writer
from daypass.errors import ExpiredTokenException, Throttling
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext
from daypass.sign_in import pending_records, short_codes
from daypass.wire.peer_network import peer_network

MINUTES = timedelta(minutes=5)
INTERVAL = 2
MOST_WRONG = 5
_MOST_WAITING_A_PEER = 200
_NAME = "handover:"
_LONGEST_HANDLE = 512
_OVER = "This sign-in has expired or is already complete. Run the command in your terminal again."

Mode = Literal["loopback", "device"]
Delivery = Literal["credentials", "assertion"]


class SignInApprover(msgspec.Struct, frozen=True):
    """The person who approved a CLI sign-in, for its audit event."""

    sign_in: str
    kind: str
    subject: str
    provider: str
    account: str = ""


class CliSignIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of a command, and its outcome."""

    mode: Mode
    challenge: str
    user_code: str
    peer: str
    redirect_uri: str = ""
    state: str = ""
    machine: str = ""
    role: str = ""
    duration: str = ""
    deliver: Delivery = "credentials"
    public_key: str = ""
    outcome: Literal["", "approved", "declined"] = ""
    code: str = ""
    result: str = ""
    wrong: int = 0
    approver: SignInApprover | None = None

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def name(self) -> str:
        """The name of its record in the store."""
        return _NAME + self.user_code


class NotRedeemedError(Exception):
    """The error of the protocol if a CLI sign-in cannot be redeemed now."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


_decode = msgspec.json.Decoder(CliSignIn).decode
_encode = msgspec.json.Encoder().encode


def is_name(text: str) -> bool:
    """Tell whether a name of a record is that of a CLI sign-in."""
    return text.startswith(_NAME)


def begin(new: CliSignIn, ctx: RequestContext) -> CliSignIn:
    """Store a pending CLI sign-in under a new short code."""
    with ctx.new_transaction() as writer:
        until = ctx.now + MINUTES
        network = f"handover:{peer_network(new.peer)}"
        if not pending_records.has_room(writer, network, most=_MOST_WAITING_A_PEER, ends=until, ctx=ctx):
            raise Throttling("Rate exceeded", detail="too many CLI sign-ins are pending for this address")
        while True:
            pending = msgspec.structs.replace(new, user_code=short_codes.new_code(ctx))
            try:
                pending_records.put(writer, pending.name, _encode(pending), ends=until, ctx=ctx)
            except RecordExistsError:
                continue
            return pending


def handle_of(cli_sign_in: CliSignIn, ctx: RequestContext, *, bound_to: str = "") -> str:
    """Return a handle of a CLI sign-in.

    It is the command's or, with `bound_to`, one that is valid only in one browser.
    """
    now = int(ctx.now.timestamp())
    return seal(
        Purpose.PORTAL,
        cli_sign_in.name.encode(),
        bound_to=f"handover:{bound_to}",
        sealing_ring=ctx.sealing_ring,
        now=now,
        entropy=ctx.entropy,
    )


def find(handle: str, ctx: RequestContext, *, bound_to: str = "") -> CliSignIn:
    """Return the pending CLI sign-in of a handle.

    Raises ExpiredTokenException if it is not pending.
    """
    return get_waiting(_opened(handle, ctx, bound_to), ctx)


def find_by_code(reader: Reader, code: str, ctx: RequestContext) -> CliSignIn | None:
    """Return the pending CLI sign-in of a short code, or None."""
    found = pending_records.find(reader, _NAME + code, ctx=ctx)
    cli_sign_in = None if found is None else _decode(found)
    return cli_sign_in if cli_sign_in is not None and cli_sign_in.mode == "device" and not cli_sign_in.outcome else None


def get_waiting(name: str, ctx: RequestContext) -> CliSignIn:
    """Return a pending CLI sign-in.

    Raises ExpiredTokenException if it is not pending.
    """
    with ctx.snapshot() as reader:
        return _get_waiting(reader, name, ctx)


def _get_waiting(reader: Reader, name: str, ctx: RequestContext) -> CliSignIn:
    found = pending_records.find(reader, name, ctx=ctx)
    cli_sign_in = None if found is None else _decode(found)
    if cli_sign_in is None or cli_sign_in.outcome:
        raise ExpiredTokenException(_OVER, detail="no CLI sign-in is pending under this name")
    return cli_sign_in


def settle(
    name: str,
    outcome: Literal["approved", "declined"],
    result: Mapping[str, Any] | None,
    ctx: RequestContext,
    approver: SignInApprover | None = None,
) -> CliSignIn:
    """Approve or decline a CLI sign-in, once.

    Raises ExpiredTokenException if it was already settled or has expired.
    """
    code = to_base64url(ctx.entropy(24))
    with ctx.new_transaction() as writer:
        cli_sign_in = _get_waiting(writer, name, ctx)
        settled = msgspec.structs.replace(
            cli_sign_in, outcome=outcome, code=code, result=_encode(result or {}).decode(), approver=approver
        )
        pending_records.change(writer, name, _encode(settled), ctx=ctx)
    return settled


def redeem(handle: str, verifier: str, code: str, ctx: RequestContext) -> tuple[dict[str, Any], CliSignIn]:
    """Return the approved result with its sign-in, once.

    The caller needs the code verifier and, with loopback, the code. Raises NotRedeemedError otherwise.
    """
    try:
        name = _opened(handle, ctx, "")
    except ExpiredTokenException as error:
        raise NotRedeemedError("expired_token", _OVER) from error
    seen = pending_records.look(name, ctx=ctx)
    if seen is not None:
        cli_sign_in = _decode(seen)
        if _is_verified(cli_sign_in, verifier) and not cli_sign_in.outcome:
            raise NotRedeemedError("authorization_pending", "The sign-in is not approved yet.")
    return _redeem_now(name, verifier, code, ctx)


def _redeem_now(name: str, verifier: str, code: str, ctx: RequestContext) -> tuple[dict[str, Any], CliSignIn]:
    refusal: NotRedeemedError | None = None
    with ctx.new_transaction() as writer:
        found = pending_records.find(writer, name, ctx=ctx)
        if found is None:
            raise NotRedeemedError("expired_token", _OVER)
        cli_sign_in = _decode(found)
        refusal = _refusal(cli_sign_in, verifier, code)
        if refusal is None or refusal.error == "access_denied":
            pending_records.take(writer, name, ctx=ctx)
        elif refusal.error == "invalid_grant":
            _count(cli_sign_in, writer, ctx)
    if refusal is not None:
        raise refusal
    result: dict[str, Any] = msgspec.json.decode(cli_sign_in.result)
    return result, cli_sign_in


def _refusal(cli_sign_in: CliSignIn, verifier: str, code: str) -> NotRedeemedError | None:
    if not _is_verified(cli_sign_in, verifier):
        return NotRedeemedError("invalid_grant", "The code verifier does not match this sign-in.")
    if not cli_sign_in.outcome:
        return NotRedeemedError("authorization_pending", "The sign-in is not approved yet.")
    if cli_sign_in.outcome == "declined":
        return NotRedeemedError("access_denied", "The sign-in was declined in the browser.")
    if cli_sign_in.mode == "loopback" and not hmac.compare_digest(code.encode(), cli_sign_in.code.encode()):
        return NotRedeemedError("invalid_grant", "The code does not match this sign-in.")
    return None


def _count(cli_sign_in: CliSignIn, writer: Writer, ctx: RequestContext) -> None:
    wrong = cli_sign_in.wrong + 1
    if wrong >= MOST_WRONG:
        pending_records.take(writer, cli_sign_in.name, ctx=ctx)
        return
    pending_records.change(
        writer, cli_sign_in.name, _encode(msgspec.structs.replace(cli_sign_in, wrong=wrong)), ctx=ctx
    )


def _is_verified(cli_sign_in: CliSignIn, verifier: str) -> bool:
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return hmac.compare_digest(to_base64url(digest).encode(), cli_sign_in.challenge.encode())


def _opened(handle: str, ctx: RequestContext, bound_to: str) -> str:
    try:
        opened = unseal(
            Purpose.PORTAL, handle[:_LONGEST_HANDLE], bound_to=f"handover:{bound_to}", sealing_ring=ctx.sealing_ring
        )
        return opened.decode()
    except (SealBrokenError, UnicodeDecodeError) as error:
        raise ExpiredTokenException(_OVER, detail="the handle is not valid for a CLI sign-in") from error


def shown_code(cli_sign_in: CliSignIn) -> str:
    """Return the short code in its displayed form, BCDF-GHJK."""
    return short_codes.shown_code(cli_sign_in.user_code)
