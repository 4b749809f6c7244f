"""The approval of `aws sso login`: a person gives a program their sign-in.

Owns the page for a program on this device, which gets an authorization code, and the page for a program on another
device, which waits with a device code. Both show what asks, and want a click on "Approve sign-in".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import ExpiredTokenException
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.approvals.authorize_request import PATH, AuthorizeRequest, parse_authorize_request
from daypass.portal.approvals.sealed_forms import open_form, seal_form
from daypass.portal.continue_at import continue_at
from daypass.portal.sign_in_cookie import require_session, session_of
from daypass.portal.site import Site
from daypass.sign_in import device_codes
from daypass.sign_in.audited_people import person_of
from daypass.sign_in.device_codes import DeviceRequest
from daypass.sign_in.grants import CodeGrant, GrantRefusedError, issue_code
from daypass.sign_in.open_api import require_open_api
from daypass.sign_in.short_codes import shown_code

DEVICE = "/device/approval"
_DECIDED = "This request has its answer already. Start the sign-in again in your terminal."
_DECLINED = {"title": "Sign-in declined", "text": "The program does not get access.", "good": False}
_APPROVED = {"title": "You are signed in", "text": "Return to your terminal.", "good": True}


class WaitingCode(msgspec.Struct, frozen=True, array_like=True):
    """The names of a waiting device request."""

    code: str
    id: str


@dataclass(frozen=True, slots=True)
class ProgramApproval:
    """The steps of both pages."""

    site: Site

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /authorize: show the program on this device that asks."""
        query = request.scope["query_string"]
        with self.site.ctx() as ctx:
            require_open_api(ctx, needs_provider=True)
            asked, client = parse_authorize_request(query, ctx)
            session = session_of(request, ctx)
            if session is None:
                return pages.redirect(f"/login?next={continue_at(f'{PATH}?{query.decode()}', ctx)}")
            values = _values(PATH, client.name, session) | {"handle": seal_form(PATH, asked, session, ctx)}
        return pages.page("program_approval.html", values, forms_to=(asked.origin,))

    def decide(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /authorize: approve or decline the program on this device."""
        with self.site.ctx() as ctx:
            session = require_session(request, ctx)
            form = open_form(PATH, fields.get("Handle", ""), session, ctx)
            asked = msgspec.json.decode(form.value, type=AuthorizeRequest)
            if "Approve" not in fields:
                self._record("DeclineAuthorization", request, request_id, asked.client_id, session)
                return pages.redirect(asked.response(error="access_denied"))
            code = self._issue(asked, session, form.id, ctx)
        self._record("ApproveAuthorization", request, request_id, asked.client_id, session)
        return pages.redirect(asked.response(code=code))

    def show_device(self, ctx: RequestContext, request: Request, waiting: DeviceRequest) -> Response:
        """Show the program on another device whose short code was entered."""
        require_open_api(ctx, needs_provider=True)
        code = shown_code(waiting.user_code)
        session = session_of(request, ctx)
        if session is None:
            return pages.redirect(f"/login?next={continue_at(f'/device?user_code={code}', ctx)}")
        value = WaitingCode(waiting.user_code, waiting.id)
        values = _values(DEVICE, waiting.client_name, session) | {
            "handle": seal_form(DEVICE, value, session, ctx),
            "code": code,
            "peer": waiting.peer,
        }
        return pages.page("program_approval.html", values)

    def decide_device(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /device/approval: approve or decline the program on another device."""
        is_approved = "Approve" in fields
        with self.site.ctx() as ctx:
            session = require_session(request, ctx)
            form = open_form(DEVICE, fields.get("Handle", ""), session, ctx)
            named = msgspec.json.decode(form.value, type=WaitingCode)
            waiting = device_codes.get_waiting(named.code, named.id, ctx)
            device_codes.settle(waiting, "approved" if is_approved else "declined", session.id, ctx)
        event = "ApproveDeviceAuthorization" if is_approved else "DeclineDeviceAuthorization"
        self._record(event, request, request_id, waiting.client_id, session)
        return pages.page("end.html", _APPROVED if is_approved else _DECLINED)

    def _issue(self, asked: AuthorizeRequest, session: SignInSession, form_id: str, ctx: RequestContext) -> str:
        grant = CodeGrant(
            sign_in=session.id,
            client_id=asked.client_id,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
        )
        try:
            return issue_code(grant, ctx, approval=form_id)
        except GrantRefusedError as refused:
            raise ExpiredTokenException(_DECIDED) from refused

    def _record(self, event: str, request: Request, request_id: str, client_id: str, session: SignInSession) -> None:
        parameters, sign_in = {"clientId": client_id}, {"SignInId": session.id}
        self.site.record(event, request, request_id, parameters=parameters, sign_in=sign_in, person=person_of(session))


def _values(action: str, name: str, session: SignInSession) -> dict[str, Any]:
    return {
        "action": action,
        "name": name,
        "subject": session.subject,
        "ends": session.ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "code": "",
        "peer": "",
    }
