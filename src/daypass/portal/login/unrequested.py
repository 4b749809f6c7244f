"""Sign-ins that a browser did not request.

They come from the dashboard of an identity provider. Owns the step between such a response and its session. A page of
an attacker can send its visitors' browsers a response about the attacker (login CSRF): what they do then, such as
approving a command, they do as the attacker. Therefore:

* The session waits under a token for a few minutes, for one browser.
* The person sees whose sign-in it is and continues with a click. The same person needs no click.
* A browser in which another person is signed in refuses it. The cookie of that session does not come with the form of
  another site, so this step is a GET of our own.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from daypass.base64url import to_base64url
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import AccessDenied, ExpiredTokenException
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.sign_in_cookie import session_of, with_session
from daypass.portal.site import Site
from daypass.sign_in import pending_records, sessions

ADDRESS = "/login/continue"

_MINUTES = timedelta(minutes=5)
_SECRET_BYTES, _LONGEST_TOKEN = 32, 64
_ANOTHER = "You are signed in as {}. Sign out first, then start again at your identity provider."
_OVER = "This sign-in was already used or has expired. Start again at your identity provider."


def wait_for_person(session: SignInSession, secret: str, ctx: RequestContext) -> Response:
    """Redirect to the page on which the person continues."""
    token = to_base64url(ctx.entropy(_SECRET_BYTES))
    value = sessions.cookie_of(session, secret).encode()
    with ctx.new_transaction() as writer:
        pending_records.put(writer, _name_of(token), value, ends=ctx.now + _MINUTES, ctx=ctx)
    return pages.redirect(f"{ADDRESS}/{token}")


@dataclass(frozen=True, slots=True)
class UnrequestedSignIn:
    """The step of the person."""

    site: Site

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /login/continue/TOKEN: ask the person, or continue."""
        token = request.path_params["token"]
        with self.site.ctx() as ctx:
            new, present = _find(token, ctx), session_of(request, ctx)
            if present is not None and not sessions.is_same_person(present, new):
                with ctx.new_transaction() as writer:
                    pending_records.take(writer, _name_of(token), ctx=ctx)
                    sessions.end_session(writer, new.id)
                raise AccessDenied(_ANOTHER.format(present.subject), detail="the response is for another person")
            if present is not None:
                return _continue(token, present, ctx)
        return pages.page("unrequested.html", {"new": new, "token": token})

    def take(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /login/continue: continue as the person on the page."""
        token = fields.get("Token", "")
        with self.site.ctx() as ctx:
            new, present = _find(token, ctx), session_of(request, ctx)
            if present is not None and not sessions.is_same_person(present, new):
                raise AccessDenied(_ANOTHER.format(present.subject), detail="the response is for another person")
            return _continue(token, present, ctx)


def _find(token: str, ctx: RequestContext) -> SignInSession:
    with ctx.snapshot() as reader:
        value = pending_records.find(reader, _name_of(token), ctx=ctx)
    found = None if value is None else sessions.find_by_cookie(value.decode(), ctx)
    if found is None:
        raise ExpiredTokenException(_OVER, detail="no sign-in is waiting under this token")
    return found


def _continue(token: str, present: SignInSession | None, ctx: RequestContext) -> Response:
    """Give the browser its session, once. The session that it replaces ends."""
    with ctx.new_transaction() as writer:
        value = pending_records.take(writer, _name_of(token), ctx=ctx)
        if value is not None and present is not None:
            sessions.end_session(writer, present.id)
    session = None if value is None else sessions.find_by_cookie(value.decode(), ctx)
    if value is None or session is None:
        raise ExpiredTokenException(_OVER, detail="no sign-in is waiting under this token")
    return with_session(pages.redirect("/roles"), session, value.decode().partition(".")[2])


def _name_of(token: str) -> str:
    # A hash, so that a reader of the store does not get the token.
    digest = hashlib.sha256(token[:_LONGEST_TOKEN].encode("utf-8", "surrogatepass")).hexdigest()
    return f"unrequested:{digest}"
