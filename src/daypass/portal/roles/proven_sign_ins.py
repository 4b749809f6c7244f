"""Sign-ins between their two steps: proof, handle and cookie.

The store has the proof, the browser a handle and a cookie:

* The handle is sealed and bound to the secret of the cookie: one is useless without the other.
* Both are valid once, for five minutes.
* The proof is encrypted in the store, so that any node can take the second step. It is never sent to the browser.
* Each sign-in has its own cookie, so that two tabs do not interfere. A browser has a limited number of them.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.base64url import to_base64url
from daypass.errors import ExpiredTokenException, Throttling
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext
from daypass.sign_in import pending_records

COOKIE = "__Host-daypass-choice-"
LIST = "__Host-daypass-choices"
MOST = 8
"""The largest number of pending choices in one browser. Another one replaces the oldest."""

MINUTES = timedelta(minutes=5)
_OVER = "This sign-in has expired, or a role was already chosen. Sign in again at your identity provider."
_NAME = "proof:"
_ID_BYTES, _SECRET_BYTES = 16, 32
_LONGEST_COOKIE = 64
_MOST_OF_ACCOUNT = 5_000
_LISTED = re.compile(r"[0-9a-f]{12}(?:\.[0-9a-f]{12}){0,15}")


class ProvenSignIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A SAML response or an ID token.

    `handover` is the CLI sign-in that it is for, or empty. `sign_in` and `subject` are for the
    audit log: the id of the sign-in, and the name of the person at the provider.
    """

    kind: Literal["saml", "oidc"]
    text: str
    session_name: str = ""
    handover: str = ""
    sign_in: str = ""
    subject: str = ""

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class Ticket:
    """The two values in the browser: the handle of the page, and the cookie."""

    handle: str
    secret: str

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def name(self) -> str:
        """The suffix of the cookie name. It does not disclose handle or secret."""
        return _name(self.handle)


_decode = msgspec.json.Decoder(ProvenSignIn).decode


def keep(proof: ProvenSignIn, ctx: RequestContext, *, account: str = "") -> Ticket:
    """Store a proof, and return the ticket that fetches it once.

    `account` owns the identity provider, or is empty if the operator configured it. Raises Throttling if the account
    has too many pending proofs: its users must not fill the store for others.
    """
    secret = to_base64url(ctx.entropy(_SECRET_BYTES))
    name = f"{_NAME}{ctx.entropy(_ID_BYTES).hex()}"
    ends, places = ctx.now + MINUTES, f"proofs:{account}"
    with ctx.new_transaction() as writer:
        if account and not pending_records.has_room(writer, places, most=_MOST_OF_ACCOUNT, ends=ends, ctx=ctx):
            raise Throttling("Rate exceeded", detail=f"too many sign-ins of account {account} are pending")
        pending_records.put(writer, name, msgspec.json.encode(proof), ends=ends, ctx=ctx)
    handle = seal(
        Purpose.PORTAL,
        name.encode(),
        bound_to=secret,
        sealing_ring=ctx.sealing_ring,
        now=int(ctx.now.timestamp()),
        entropy=ctx.entropy,
    )
    return Ticket(handle, secret)


def take(ticket: Ticket, ctx: RequestContext) -> ProvenSignIn:
    """Return and delete a stored proof. Raises a Fault if it does not exist."""
    name = _opened(ticket, ctx)
    with ctx.new_transaction() as writer:
        return _read(pending_records.take(writer, name, ctx=ctx))


def look(ticket: Ticket, ctx: RequestContext) -> ProvenSignIn:
    """Return a stored proof and keep it. Raises a Fault if it does not exist."""
    name = _opened(ticket, ctx)
    with ctx.snapshot() as reader:
        return _read(pending_records.find(reader, name, ctx=ctx))


def _opened(ticket: Ticket, ctx: RequestContext) -> str:
    try:
        name = unseal(Purpose.PORTAL, ticket.handle, bound_to=ticket.secret, sealing_ring=ctx.sealing_ring).decode()
    except (SealBrokenError, UnicodeDecodeError) as error:
        raise ExpiredTokenException(_OVER, detail="the handle does not belong to the cookie") from error
    # The browser chooses the cookie, thus it may be the text to which another kind of handle is bound.
    if not name.startswith(_NAME):
        raise ExpiredTokenException(_OVER, detail="the handle is of another kind")
    return name


def _read(found: bytes | None) -> ProvenSignIn:
    if found is None:
        raise ExpiredTokenException(_OVER, detail="no sign-in is pending under this handle")
    return _decode(found)


def ticket_of(request: Request, handle: str) -> Ticket:
    """Return the ticket in a request: the handle and the cookie."""
    return Ticket(handle, request.cookies.get(COOKIE + _name(handle), "")[:_LONGEST_COOKIE])


def with_cookie(response: Response, ticket: Ticket, request: Request) -> Response:
    """Set the cookie of a ticket. Browsers send it only from our own pages."""
    opened = [*_listed(request), ticket.name]
    for name in opened[:-MOST]:
        _delete(response, name)
    _list(response, opened[-MOST:])
    response.set_cookie(
        COOKIE + ticket.name,
        ticket.secret,
        max_age=int(MINUTES.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return response


def without_cookie(response: Response, handle: str, request: Request) -> Response:
    """Delete the cookie of a ticket."""
    taken = _name(handle)
    _delete(response, taken)
    _list(response, [name for name in _listed(request) if name != taken])
    return response


def _name(handle: str) -> str:
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _listed(request: Request) -> list[str]:
    """Return the cookie names that a browser lists, oldest first.

    Browsers do not send SameSite=Strict cookies with a provider's form, so another cookie, which they send, lists the
    names.
    """
    listed = request.cookies.get(LIST, "")
    return listed.split(".") if _LISTED.fullmatch(listed) else []


def _list(response: Response, names: Sequence[str]) -> None:
    if not names:
        response.delete_cookie(LIST, path="/", secure=True, httponly=True, samesite="none")
        return
    seconds = int(MINUTES.total_seconds())
    listed = ".".join(names)
    response.set_cookie(LIST, listed, max_age=seconds, path="/", secure=True, httponly=True, samesite="none")


def _delete(response: Response, name: str) -> None:
    response.delete_cookie(COOKIE + name, path="/", secure=True, httponly=True, samesite="strict")
