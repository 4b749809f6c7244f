"""The approval of a command's sign-in by a person with a sign-in session.

Owns the page on which the person sees who asks, chooses the role and clicks; nothing is approved without that click.
The handle in its address is bound to the session, so that a link is useless to another person. Leaves the states of a
CLI sign-in to cli_login/.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import RequestInfo
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import AccessDenied
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.cli_sign_ins import CliSignIn, SignInApprover
from daypass.portal.roles.role_choice import back_to, forms_to, require_offered, sign_in_summary
from daypass.portal.roles.role_memory import read_memory
from daypass.portal.roles.role_page import read_choice, take_for
from daypass.portal.roles.role_rows import page_values, to_rows
from daypass.portal.sign_in_cookie import require_session
from daypass.portal.site import Site, as_sent
from daypass.sign_in.audited_people import person_of
from daypass.sign_in.open_roles import open_roles


def approval_path(cli_sign_in: CliSignIn, session: SignInSession, ctx: RequestContext) -> str:
    """Return the address of the approval page for the person of a session."""
    return f"/handover/approve/{cli_sign_ins.handle_of(cli_sign_in, ctx, bound_to=session.id)}"


@dataclass(frozen=True, slots=True)
class CommandApproval:
    """The steps of the approval."""

    site: Site

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /handover/approve/HANDLE: show who asks, and the roles."""
        handle = request.path_params["handle"]
        with self.site.ctx() as ctx:
            session, cli_sign_in = _find(request, handle, ctx)
            request_info = RequestInfo(ctx.now, as_sent(request), self.site.pipeline.home_region)
            found = open_roles(session, request_info, ctx)
            offered = require_offered(cli_sign_in, found, lambda role: role.arn)
            memory = read_memory(request)
            rows = to_rows(offered, memory, session.ends, ctx)
            values = page_values(rows, memory, "", int(cli_sign_in.duration or 0))
        summary = {"cli_sign_in": sign_in_summary(cli_sign_in), "handle": handle, "subject": session.subject}
        return pages.page("command_approval.html", {"page": values, **summary}, forms_to=forms_to(cli_sign_in))

    def approve(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /handover/approve: give the credentials of the role to the command."""
        chosen = read_choice(fields.get("Role", ""))
        seconds = chosen.seconds(fields.get("DurationSeconds", ""))
        with self.site.ctx() as ctx:
            session, cli_sign_in = _find(request, fields.get("Handle", ""), ctx)
        if cli_sign_in.role and cli_sign_in.role != chosen.arn:
            raise AccessDenied("The command requested another role.", detail=f"{cli_sign_in.role}, not {chosen.arn}")
        document = take_for(self.site, session, chosen, seconds, request, request_id)
        result = {**document, "RoleArn": chosen.arn, "PrincipalArn": chosen.provider}
        with self.site.ctx() as ctx:
            return back_to(cli_sign_ins.settle(cli_sign_in.name, "approved", result, ctx, _approver(session)))

    def decline(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /handover/decline: decline the sign-in of the command."""
        with self.site.ctx() as ctx:
            _, cli_sign_in = _find(request, fields.get("Handle", ""), ctx)
            return back_to(cli_sign_ins.settle(cli_sign_in.name, "declined", None, ctx))


def _approver(session: SignInSession) -> SignInApprover:
    who = person_of(session)
    return SignInApprover(session.id, session.kind, who.user_name, who.identity_provider, who.account_id)


def _find(request: Request, handle: str, ctx: RequestContext) -> tuple[SignInSession, CliSignIn]:
    """Return the person's session, and the waiting command that its handle names."""
    session = require_session(request, ctx)
    cli_sign_in = cli_sign_ins.find(handle, ctx, bound_to=session.id)
    if cli_sign_in.deliver != "credentials":
        raise AccessDenied("The command requests a SAML assertion. Sign in with a SAML provider.")
    return session, cli_sign_in
