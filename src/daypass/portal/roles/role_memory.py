"""The favourite and recent roles of a browser, and its duration.

Owns the cookie. It has short hashes of ARNs, never names, and decides nothing: the page shows a remembered role only if
it is open, and a person chooses it anyway.
"""

import hashlib
import re
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "__Host-daypass-roles"
MOST_FAVOURITES, MOST_RECENT = 24, 4

_YEAR = 365 * 86_400
_KEYS = r"(?:[0-9a-f]{12}(?:\.[0-9a-f]{12}){0,23})?"
_FORM = re.compile(rf"({_KEYS})~({_KEYS})~([0-9]{{0,6}})")


def key_of(role_arn: str) -> str:
    """Return the short name of a role for the cookie and for forms."""
    return hashlib.sha256(role_arn.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class RoleMemory:
    """The keys of roles, the newest first.

    `seconds` is the last duration, or 0.
    """

    favourites: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()
    seconds: int = 0

    def with_favourite(self, key: str, *, is_one: bool) -> "RoleMemory":
        """Add or remove a favourite. The oldest of too many are forgotten."""
        others = tuple(each for each in self.favourites if each != key)
        return replace(self, favourites=((key, *others) if is_one else others)[:MOST_FAVOURITES])

    def with_recent(self, key: str, seconds: int) -> "RoleMemory":
        """Remember the choice of a role."""
        others = tuple(each for each in self.recent if each != key)
        return replace(self, recent=(key, *others)[:MOST_RECENT], seconds=seconds)


def read_memory(request: Request) -> RoleMemory:
    """Return what a browser remembers. A malformed cookie is an empty one."""
    match = _FORM.fullmatch(request.cookies.get(COOKIE, ""))
    if match is None:
        return RoleMemory()
    favourites, recent = (tuple(each.split(".")) if each else () for each in match.groups()[:2])
    return RoleMemory(favourites[:MOST_FAVOURITES], recent[:MOST_RECENT], int(match[3] or 0))


def with_memory(response: Response, memory: RoleMemory) -> Response:
    """Set the cookie."""
    value = f"{'.'.join(memory.favourites)}~{'.'.join(memory.recent)}~{memory.seconds or ''}"
    response.set_cookie(COOKIE, value, max_age=_YEAR, path="/", secure=True, httponly=True, samesite="lax")
    return response
