"""Pending logins: cookies that bind a sign-in to its browser.

Owns the cookie, which the browser keeps until the identity provider responds. It is sealed, and valid once and for ten
minutes. Each sign-in has its own, so that two tabs do not interfere, up to a limited number. A response without its
cookie belongs to the sign-in of another browser.
"""

from datetime import timedelta
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext

_MINUTES = timedelta(minutes=10)
_BOUND = "sign-in begun"
PREFIX = "__Host-daypass-begun-"
MOST = 8
"""The largest number of pending logins in one browser. Another one replaces the oldest."""

_NAMED = 12  # characters of the identifier in the cookie's name


class PendingLogin(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A pending login.

    It has the provider, the CLI sign-in, and the secrets of OpenID Connect.
    """

    kind: Literal["saml", "oidc"]
    id: str
    ends: int
    provider: str
    handover: str = ""
    verifier: str = ""
    nonce: str = ""

    def __repr__(self) -> str:
        return "<secret>"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PendingLogin).decode


def new_id(ctx: RequestContext) -> str:
    """Return an unpredictable identifier for SAML and OpenID Connect.

    It is a valid XML name.
    """
    return f"_{ctx.entropy(20).hex()}"


def last_second(ctx: RequestContext) -> int:
    """Return the second at which a sign-in that starts now expires."""
    return int((ctx.now + _MINUTES).timestamp())


def remember(
    response: Response, pending: PendingLogin, request: Request, ctx: RequestContext, *, crosses_sites: bool
) -> Response:
    """Set the cookie of a pending login.

    `crosses_sites`: the provider answers with a form, which browsers send as a cross-site request.
    """
    _make_room(response, request, ctx)
    now = int(ctx.now.timestamp())
    sealed = seal(
        Purpose.PORTAL, _encode(pending), bound_to=_BOUND, sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy
    )
    response.set_cookie(
        _cookie(pending.id),
        sealed,
        max_age=int(_MINUTES.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        # With a cross-site form, browsers send only SameSite=None cookies.
        samesite="none" if crosses_sites else "lax",
    )
    return response


def _make_room(response: Response, request: Request, ctx: RequestContext) -> None:
    """Delete expired cookies and, if there are too many, the oldest.

    Otherwise a site that opens pages in the browser could make its requests too large.
    """
    waiting: list[tuple[int, str]] = []
    for name, sealed in request.cookies.items():
        if name.startswith(PREFIX):
            pending = _opened(sealed, ctx)
            waiting.append((0 if pending is None else pending.ends, name))
    now = int(ctx.now.timestamp())
    kept = [name for ends, name in sorted(waiting) if ends > now][1 - MOST :]
    for _, name in waiting:
        if name not in kept:
            _delete(response, name)


def find(request: Request, kind: Literal["saml", "oidc"], identifier: str, ctx: RequestContext) -> PendingLogin | None:
    """Return the pending login if this browser started it, or None."""
    pending = _opened(request.cookies.get(_cookie(identifier), ""), ctx)
    if pending is None or (pending.kind, pending.id) != (kind, identifier):
        return None
    return pending if int(ctx.now.timestamp()) < pending.ends else None


def use_up(pending: PendingLogin, ctx: RequestContext) -> bool:
    """Use up a pending login. Return False if it was already used."""
    with ctx.new_transaction() as writer:
        return writer.claim(f"sign-in:{pending.id}", until=ctx.now + _MINUTES)


def forget(response: Response, pending: PendingLogin) -> Response:
    """Delete the cookie of a pending login."""
    _delete(response, _cookie(pending.id))
    return response


def _opened(sealed: str, ctx: RequestContext) -> PendingLogin | None:
    try:
        return _decode(unseal(Purpose.PORTAL, sealed, bound_to=_BOUND, sealing_ring=ctx.sealing_ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _cookie(identifier: str) -> str:
    return PREFIX + identifier[1 : 1 + _NAMED]


def _delete(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="none")
