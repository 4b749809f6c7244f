"""Keep a sign-in between its two steps: what was proved stays here, the browser gets a handle and a cookie.

Owns the promise that neither is worth anything without the other, that both are good once and for a few minutes, and
that the proof itself never goes back to the browser. The handle is sealed and bound to the cookie's secret; the proof
lies encrypted in the store, so that any node can take the second step. Each sign-in has a cookie of its own, so that
two tabs do not disturb each other, and a browser has a few of them at most.
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
from daypass.operations.world import World
from daypass.portal import waiting

COOKIE = "__Host-daypass-choice-"
LIST = "__Host-daypass-choices"
MOST = 8
"""How many choices may be open in one browser. Whoever opens one more loses the oldest."""

MINUTES = timedelta(minutes=5)
_OVER = "This sign-in has ended, or a role was chosen already. Sign in again at your identity provider."
_ID_BYTES, _SECRET_BYTES = 16, 32
_LONGEST_COOKIE = 64
_MOST_OF_ACCOUNT = 5_000
_LISTED = re.compile(r"[0-9a-f]{12}(?:\.[0-9a-f]{12}){0,15}")


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

    @property
    def name(self) -> str:
        """What tells its cookie from those of other tabs. It says nothing of the handle, nor of the secret."""
        return _name(self.handle)


_decode = msgspec.json.Decoder(Proof).decode


def keep(proof: Proof, world: World, *, account: str = "") -> Ticket:
    """Put a proof aside, and return what fetches it once.

    `account` is the one whose identity provider vouches for it, so that its people cannot fill the store for others.
    Without an account the operator set up the provider. Raises Throttling where too many of an account's proofs wait.
    """
    secret = to_base64url(world.entropy(_SECRET_BYTES))
    name = f"proof:{world.entropy(_ID_BYTES).hex()}"
    ends, places = world.now + MINUTES, f"proofs:{account}"
    with world.apart() as writer:
        if account and not waiting.has_room(writer, places, most=_MOST_OF_ACCOUNT, ends=ends, world=world):
            raise Throttling("Rate exceeded", detail=f"too many sign-ins of account {account} wait")
        waiting.put(writer, name, msgspec.json.encode(proof), ends=ends, world=world)
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
    with world.snapshot() as reader:
        return _read(waiting.find(reader, name, world=world))


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
    return Ticket(handle, request.cookies.get(COOKIE + _name(handle), "")[:_LONGEST_COOKIE])


def with_cookie(response: Response, ticket: Ticket, request: Request) -> Response:
    """Give the browser its secret half. It comes back from pages of ours alone."""
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
    """Take the secret half from the browser."""
    taken = _name(handle)
    _delete(response, taken)
    _list(response, [name for name in _listed(request) if name != taken])
    return response


def _name(handle: str) -> str:
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _listed(request: Request) -> list[str]:
    """Return the names of the cookies that a browser has, oldest first, as it tells.

    A provider's form brings no strict cookie along, and so they are listed, by name alone, in one that it does bring.
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
