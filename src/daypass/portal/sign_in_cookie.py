"""The cookie of a sign-in session.

Owns its name and flags. Leaves the session, and the hash of its secret, to sign_in/sessions.py.

* `__Host-`, Secure and HttpOnly: no other host and no script reads or sets it.
* SameSite=Lax: it arrives with links and redirects from a provider, but not with a form or a picture of another site.
"""

from starlette.requests import Request
from starlette.responses import Response

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.operations.request_context import RequestContext
from daypass.sign_in import sessions
from daypass.sign_in.proofs import SignInOverError

COOKIE = "__Host-daypass-sign-in"
_LONGEST = 128


def with_session(response: Response, session: SignInSession, secret: str) -> Response:
    """Set the cookie of a session.

    It ends with the session, whose end the server checks anyway.
    """
    seconds = max(0, int((session.ends - session.proven_at).total_seconds()))
    value = sessions.cookie_of(session, secret)
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
    return response


def session_of(request: Request, ctx: RequestContext) -> SignInSession | None:
    """Return the live session of a browser, or None."""
    value = request.cookies.get(COOKIE, "")[:_LONGEST]
    return sessions.find_by_cookie(value, ctx) if value else None


def require_session(request: Request, ctx: RequestContext) -> SignInSession:
    """Return the live session of a browser. Raises SignInOverError."""
    found = session_of(request, ctx)
    if found is None:
        raise SignInOverError("the browser has no live session")
    return found


def without_session(response: Response) -> Response:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
