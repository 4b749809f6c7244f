"""The approval of `aws login`: a person chooses one role for a program.

Owns the page on which the person sees what asks, chooses the role and clicks, and the page that shows the code to a
person whose program runs on another device. Nothing is approved without that click, also in a browser that is signed
in. The form is bound to the browser's session. Leaves the code to sign_in/grants.py, and its exchange to the sign-in
API.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import RequestInfo
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import AccessDenied, ExpiredTokenException, InvalidParameterValue
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.approvals.login_request import (
    CONFIRMATION,
    PATH,
    SCOPE,
    LoginRequest,
    parse_login_request,
)
from daypass.portal.approvals.sealed_forms import open_form, seal_form
from daypass.portal.continue_at import continue_at
from daypass.portal.roles.role_memory import key_of, read_memory, with_memory
from daypass.portal.roles.role_page import ChosenRole, read_choice
from daypass.portal.roles.role_rows import OpenRoleRow, page_values, to_rows
from daypass.portal.sign_in_cookie import require_session, session_of
from daypass.portal.site import Site, as_sent
from daypass.sign_in.audited_people import person_of
from daypass.sign_in.grants import CodeGrant, GrantRefusedError, issue_code
from daypass.sign_in.open_api import require_open_api
from daypass.sign_in.open_roles import OpenRole, open_roles
from daypass.sign_in.role_limits import end_for_role
from daypass.wire.form import read_form

_CODE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[!-~]{1,256}")
_DECIDED = "This request has its answer already. Run `aws login` again."


@dataclass(frozen=True, slots=True)
class LoginApproval:
    """The steps of the approval."""

    site: Site

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /v1/authorize: show what asks, and the roles."""
        query = request.scope["query_string"]
        asked = parse_login_request(query, self.site.settings.public_url)
        with self.site.ctx() as ctx:
            require_open_api(ctx, needs_provider=True)
            session = session_of(request, ctx)
            if session is None:
                return pages.redirect(f"/login?next={continue_at(f'{PATH}?{query.decode()}', ctx)}")
            memory = read_memory(request)
            rows = to_rows(self._open_roles(session, request, ctx), memory, session.ends, ctx)
            values = {
                "page": page_values(rows, memory, ""),
                "handle": seal_form(PATH, asked, session, ctx),
                "is_remote": asked.is_remote,
                "subject": session.subject,
                "last": _last(rows, memory.recent),
            }
        return pages.page("login_approval.html", values, forms_to=() if asked.is_remote else (asked.origin,))

    def decide(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /v1/authorize: approve one role for the program, or decline."""
        with self.site.ctx() as ctx:
            session = require_session(request, ctx)
            form = open_form(PATH, fields.get("Handle", ""), session, ctx)
            asked = msgspec.json.decode(form.value, type=LoginRequest)
            if "Decline" in fields:
                self._record("DeclineOAuth2Access", request, request_id, asked, session)
                return _declined(asked)
            chosen = read_choice(fields.get("Role", ""))
            self._require_open(chosen, session, request, ctx)
            grant = CodeGrant(
                sign_in=session.id,
                client_id=asked.client_id,
                redirect_uri=asked.redirect_uri,
                challenge=asked.challenge,
                scopes=(SCOPE,),
                role_arn=chosen.arn,
                provider_arn=chosen.provider,
            )
            try:
                code = issue_code(grant, ctx, approval=form.id)
            except GrantRefusedError as refused:
                raise ExpiredTokenException(_DECIDED) from refused
        self._record("AuthorizeOAuth2Access", request, request_id, asked, session, role=chosen.arn)
        memory = read_memory(request)
        return with_memory(_back(asked, code), memory.with_recent(key_of(chosen.arn), memory.seconds))

    def show_code(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /v1/sessions/confirmation: show the code for the terminal."""
        with self.site.ctx() as ctx:
            require_session(request, ctx)
        query = request.scope["query_string"]
        members = read_form(query)
        code, state = members.get("code", ""), members.get("state", "")
        is_whole = query.count(b"&") + 1 == len(members) and members.keys() == {"code", "state"}
        if not is_whole or not _CODE.fullmatch(code) or not _STATE.fullmatch(state):
            raise InvalidParameterValue("This page needs code and state, as the approval page sends them.")
        text = base64.b64encode(urlencode({"state": state, "code": code}).encode()).decode()
        return pages.page("login_code.html", {"code": text})

    def _record(
        self, event: str, request: Request, request_id: str, asked: LoginRequest, session: SignInSession, role: str = ""
    ) -> None:
        parameters = {"clientId": asked.client_id, **({"roleArn": role} if role else {})}
        sign_in, person = {"SignInId": session.id}, person_of(session)
        self.site.record(event, request, request_id, parameters=parameters, sign_in=sign_in, person=person)

    def _open_roles(self, session: SignInSession, request: Request, ctx: RequestContext) -> tuple[OpenRole, ...]:
        found = open_roles(session, RequestInfo(ctx.now, as_sent(request), self.site.pipeline.home_region), ctx)
        return tuple(role for role in found if end_for_role(session, role.arn, ctx).ends > ctx.now)

    def _require_open(self, chosen: ChosenRole, session: SignInSession, request: Request, ctx: RequestContext) -> None:
        found = self._open_roles(session, request, ctx)
        if not any((role.arn, role.provider_arn) == (chosen.arn, chosen.provider) for role in found):
            raise AccessDenied(
                "The role is not open to you now. Go back and choose another one.", detail=f"{chosen.arn} is not open"
            )


def _last(rows: Sequence[OpenRoleRow], recent: Sequence[str]) -> OpenRoleRow | None:
    """Return the role that this browser took last, if it is open."""
    return next((row for row in rows if row.key == recent[0]), None) if recent else None


def _back(asked: LoginRequest, code: str) -> Response:
    if not asked.is_remote:
        return pages.redirect(asked.response(code=code))
    # On the host that has the cookie, which can be another name of this machine.
    return pages.redirect(f"{CONFIRMATION}?{urlencode({'code': code, 'state': asked.state})}")


def _declined(asked: LoginRequest) -> Response:
    if not asked.is_remote:
        return pages.redirect(asked.response(error="access_denied", error_description="The person declined."))
    values: dict[str, Any] = {
        "title": "Sign-in declined",
        "text": "The program does not get credentials.",
        "good": False,
    }
    return pages.page("end.html", values)
