"""Keep a sign-in between its two steps: what was proved stays here, the browser gets a handle and a cookie.

Owns the promise that neither is worth anything without the other, that both are good once and for a few minutes, and
that the proof itself never goes back to the browser. The handle is sealed and bound to the cookie's secret; the proof
lies encrypted in the store, so that any node can take the second step.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import ExpiredTokenException
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.world import World
from daypass.portal import waiting

COOKIE = "__Host-daypass-saml"
MINUTES = timedelta(minutes=5)
_OVER = "This sign-in has ended, or a role was chosen already. Sign in again at your identity provider."
_ID_BYTES, _SECRET_BYTES = 16, 32
_LONGEST_COOKIE = 64


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody proved: a SAML response or an ID token. `handover` is the hand-over that it was asked for."""

    kind: Literal["saml", "oidc"]
    text: str
    session_name: str = ""
    handover: str = ""

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the browser keeps: the handle in the page, and the secret in a cookie that only we can read."""

    handle: str
    secret: str

    def __repr__(self) -> str:
        return "<secret>"


_decode = msgspec.json.Decoder(Proof).decode


def keep(proof: Proof, world: World) -> Ticket:
    """Put a proof aside, and return what fetches it once."""
    secret = urlsafe_b64encode(world.entropy(_SECRET_BYTES)).rstrip(b"=").decode()
    name = f"proof:{world.entropy(_ID_BYTES).hex()}"
    with world.apart() as writer:
        waiting.put(writer, name, msgspec.json.encode(proof), ends=world.now + MINUTES, world=world)
    handle = seal(
        Purpose.PORTAL,
        name.encode(),
        bound_to=secret,
        ring=world.ring,
        now=int(world.now.timestamp()),
        entropy=world.entropy,
    )
    return Ticket(handle, secret)


def take(ticket: Ticket, world: World) -> Proof:
    """Return the proof that was put aside, and forget it. Raises a Fault where it is gone or never was."""
    name = _opened(ticket, world)
    with world.apart() as writer:
        return _read(waiting.take(writer, name, world=world))


def look(ticket: Ticket, world: World) -> Proof:
    """Return the proof that was put aside, and leave it there. Raises a Fault where it is gone or never was."""
    name = _opened(ticket, world)
    with world.apart() as writer:
        return _read(waiting.find(writer, name, world=world))


def _opened(ticket: Ticket, world: World) -> str:
    try:
        return unseal(Purpose.PORTAL, ticket.handle, bound_to=ticket.secret, ring=world.ring).decode()
    except (SealBrokenError, UnicodeDecodeError) as error:
        raise ExpiredTokenException(_OVER, detail="the handle does not belong to the cookie") from error


def _read(found: bytes | None) -> Proof:
    if found is None:
        raise ExpiredTokenException(_OVER, detail="no sign-in waits under this handle")
    return _decode(found)


def ticket_of(request: Request, handle: str) -> Ticket:
    """Return the two halves as a browser sends them."""
    return Ticket(handle, request.cookies.get(COOKIE, "")[:_LONGEST_COOKIE])


def with_cookie(response: Response, ticket: Ticket) -> Response:
    """Give the browser its secret half. It comes back from pages of ours alone."""
    seconds = int(MINUTES.total_seconds())
    response.set_cookie(COOKIE, ticket.secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
    return response


def without_cookie(response: Response) -> Response:
    """Take the secret half from the browser."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response
