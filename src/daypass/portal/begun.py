"""Sign-ins that this server began: what the browser carries until the identity provider's answer comes back.

Owns the cookie: sealed, readable by nobody but us, one for each sign-in so that two tabs do not disturb each other,
a few in one browser at most, good once and for ten minutes. An answer without its cookie is an answer to somebody
else's question.
"""

from datetime import timedelta
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.world import World

_MINUTES = timedelta(minutes=10)
_BOUND = "sign-in begun"
PREFIX = "__Host-daypass-begun-"
MOST = 8
"""How many sign-ins of one browser may wait for their answers. Whoever begins one more loses the oldest."""

_NAMED = 12  # characters of the identifier in the cookie's name


class Begun(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A sign-in that waits for its answer: at which provider, for which hand-over, and OpenID Connect's secrets."""

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
_decode = msgspec.msgpack.Decoder(Begun).decode


def new_id(world: World) -> str:
    """Return an identifier that is good for SAML and for OpenID Connect: an XML name, unpredictable."""
    return f"_{world.entropy(20).hex()}"


def last_second(world: World) -> int:
    """Return when a sign-in that begins now is over."""
    return int((world.now + _MINUTES).timestamp())


def remember(response: Response, begun: Begun, request: Request, world: World) -> Response:
    """Let the browser carry a sign-in that has begun."""
    _make_room(response, request, world)
    now = int(world.now.timestamp())
    sealed = seal(Purpose.PORTAL, _encode(begun), bound_to=_BOUND, ring=world.ring, now=now, entropy=world.entropy)
    response.set_cookie(
        _cookie(begun.id),
        sealed,
        max_age=int(_MINUTES.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        # A SAML answer is a form that another site sends, and brings along no stricter cookie than this one.
        samesite="none" if begun.kind == "saml" else "lax",
    )
    return response


def _make_room(response: Response, request: Request, world: World) -> None:
    """Take from the browser what is over and, where it carries too many, what is oldest.

    Whoever may open pages in it could otherwise fill it until its requests are too large to be read.
    """
    waiting: list[tuple[int, str]] = []
    for name, sealed in request.cookies.items():
        if name.startswith(PREFIX):
            begun = _opened(sealed, world)
            waiting.append((0 if begun is None else begun.ends, name))
    now = int(world.now.timestamp())
    kept = [name for ends, name in sorted(waiting) if ends > now][1 - MOST :]
    for _, name in waiting:
        if name not in kept:
            _delete(response, name)


def find(request: Request, kind: Literal["saml", "oidc"], identifier: str, world: World) -> Begun | None:
    """Return the sign-in of this identifier if this browser began it, or None."""
    begun = _opened(request.cookies.get(_cookie(identifier), ""), world)
    if begun is None or (begun.kind, begun.id) != (kind, identifier):
        return None
    return begun if int(world.now.timestamp()) < begun.ends else None


def use_up(begun: Begun, world: World) -> bool:
    """Take a sign-in's one answer. Tells whether nobody has before."""
    with world.apart() as writer:
        return writer.claim(f"sign-in:{begun.id}", until=world.now + _MINUTES)


def forget(response: Response, begun: Begun) -> Response:
    """Take the cookie from the browser."""
    _delete(response, _cookie(begun.id))
    return response


def _opened(sealed: str, world: World) -> Begun | None:
    try:
        return _decode(unseal(Purpose.PORTAL, sealed, bound_to=_BOUND, ring=world.ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _cookie(identifier: str) -> str:
    return PREFIX + identifier[1 : 1 + _NAMED]


def _delete(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="none")
