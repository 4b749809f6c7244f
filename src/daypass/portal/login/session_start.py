"""The start and the end of a browser's sign-in session.

Owns who gets a session, and the page on which the person continues. Leaves the session to sign_in/sessions.py.

* A script that wants JSON, and a command that wants the assertion itself, get no session: they choose a role at once.
* A response that this browser did not request waits for the person (unrequested.py). So does a response to a request
  that another site began: it can send its visitors to a provider that answers with the identity of an attacker.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.code_page import bound_sign_in
from daypass.portal.continue_at import find_path, keep_path, take_path
from daypass.portal.login.unrequested import wait_for_person
from daypass.portal.roles.command_approval import approval_path
from daypass.portal.sign_in_cookie import session_of, with_session, without_session
from daypass.portal.site import Site, peer_of
from daypass.sign_in import sessions
from daypass.sign_in.audited_people import person_of
from daypass.sign_in.proofs import Identified, Proof

UNASKED = "unasked"
"""The name that a sign-in continues if another site sent the browser to the provider."""


def read_continuation(request: Request, ctx: RequestContext) -> str:
    """Return the name of the record that a sign-in continues, or "".

    It is UNASKED if another site began the sign-in.

    Raises ExpiredTokenException if a CLI sign-in is not pending in this browser.
    """
    if _is_from_other_site(request):
        return UNASKED
    query = request.query_params
    if handle := query.get("handover", ""):
        return bound_sign_in(handle, request, ctx).name
    path = find_path(query.get("next", ""), ctx)
    return keep_path(path, peer_of(request), ctx) if path not in {"", "/roles"} else ""


def _is_from_other_site(request: Request) -> bool:
    """Tell whether a page of another site sent the browser here.

    Bookmarks and programs do not. Browsers without Sec-Fetch-Site do not say it.
    """
    return any(value.lower() in {"cross-site", "same-site"} for value in request.headers.getlist("sec-fetch-site"))


def lasts(request: Request, continues: str, ctx: RequestContext) -> bool:
    """Tell whether a sign-in begins a session.

    `continues` is the name of the record that the sign-in continues: a CLI sign-in, a page, or empty.
    """
    if pages.is_json_wanted(request):
        return False
    return not cli_sign_ins.is_name(continues) or cli_sign_ins.get_waiting(continues, ctx).deliver == "credentials"


def begin_session(
    request: Request, proof: Proof, found: Identified, continues: str | None, ctx: RequestContext
) -> tuple[Response, SignInSession]:
    """Begin a session, and return the redirect to the next page.

    `continues` is None if this browser did not request the response, and UNASKED if another site did. The session that
    the new one replaces ends.
    """
    session, secret = sessions.begin(proof, found, peer_of(request), request.headers.get("user-agent", ""), ctx)
    if continues is None or continues == UNASKED:
        return wait_for_person(session, secret, ctx), session
    replaced = session_of(request, ctx)
    if replaced is not None:
        with ctx.new_transaction() as writer:
            sessions.end_session(writer, replaced.id)
    return with_session(pages.redirect(_address(continues, session, ctx)), session, secret), session


def _address(continues: str, session: SignInSession, ctx: RequestContext) -> str:
    if cli_sign_ins.is_name(continues):
        return approval_path(cli_sign_ins.get_waiting(continues, ctx), session, ctx)
    with ctx.new_transaction() as writer:
        return take_path(writer, continues, ctx) if continues else "/roles"


@dataclass(frozen=True, slots=True)
class SignOut:
    """The end of a session by its person."""

    site: Site

    def end(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /sign-out: end the session and the tokens of its programs."""
        with self.site.ctx() as ctx:
            session = session_of(request, ctx)
            if session is not None:
                sign_in, person = sign_in_of(session), person_of(session)
                self.site.record("SignOut", request, request_id, sign_in=sign_in, person=person)
                with ctx.new_transaction() as writer:
                    sessions.end_session(writer, session.id)
        return without_session(pages.redirect("/login?signed-out"))


def sign_in_of(session: SignInSession) -> Mapping[str, str]:
    """Return the members of an audit event that name a session."""
    return {"SignInId": session.id, "SignInTime": session.proven_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
