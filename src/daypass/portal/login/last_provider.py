"""The identity provider that a browser used last.

Owns the cookie with its key. The sign-in page lists this provider first; it decides nothing else.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "__Host-daypass-provider"
_YEAR = 365 * 86_400
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


def with_provider(response: Response, key: str) -> Response:
    """Remember the provider to which a browser goes."""
    response.set_cookie(COOKIE, key, max_age=_YEAR, path="/", secure=True, httponly=True, samesite="lax")
    return response


def last_provider(request: Request) -> str:
    """Return the key of the provider, or ""."""
    key = request.cookies.get(COOKIE, "")
    return key if _KEY.fullmatch(key) else ""
