"""The choice of a role: the page of roles, and the step to credentials.

Owns both steps, for every kind of sign-in. The second calls the API through the pipeline, with the stored proof. The
credentials go to the page or to the waiting command.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import AccessDenied, Fault, InvalidParameterValue
from daypass.federation.oidc.identify import KeysNeededError
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.cli_sign_ins import CliSignIn, SignInApprover
from daypass.portal.cli_login.loopback_address import loopback_origin, returning_url
from daypass.portal.cli_login.outcome_pages import with_outcome
from daypass.portal.cli_login.sealed_assertion import relay
from daypass.portal.credential_formats import FORMS, RoleCredentials
from daypass.portal.roles import proven_sign_ins
from daypass.portal.roles.credentials_page import CredentialsPage, instant, seconds_until
from daypass.portal.roles.proven_sign_ins import MINUTES, ProvenSignIn, Ticket
from daypass.portal.roles.role_list import by_account, describe_role
from daypass.portal.site import Site
from daypass.sign_in.oidc_roles import verify_token

T = TypeVar("T")

_MOST_FOLDED = 6  # accounts that one page shows unfolded


@dataclass(frozen=True, slots=True)
class OfferedRole:
    """A role to choose, its provider, and its longest session in seconds."""

    role: str
    provider: str
    longest: int


@dataclass(frozen=True, slots=True)
class Offered:
    """The signed-in person, and the roles that they can assume.

    `closed` counts roles in the proof that cannot be assumed. `account` owns the identity provider, or is empty if the
    operator configured it.
    """

    subject: str
    issuer: str
    session_name: str
    roles: Sequence[OfferedRole]
    closed: int
    ends: datetime
    account: str = ""


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """The two steps."""

    site: Site

    def offer(self, request: Request, offered: Offered, proof: ProvenSignIn, ctx: RequestContext) -> Response:
        """Store the proof and show the roles."""
        cli_sign_in = cli_sign_ins.get_waiting(proof.handover, ctx) if proof.handover else None
        roles = require_offered(cli_sign_in, offered.roles, lambda each: each.role)
        ticket = proven_sign_ins.keep(proof, ctx, account=offered.account)
        document = _document(offered, roles, ticket, ctx)
        if pages.is_json_wanted(request):
            return proven_sign_ins.with_cookie(pages.json_answer(document), ticket, request)
        values = {
            "it": document,
            "accounts": by_account(document["Roles"], wanted=cli_sign_in.duration if cli_sign_in else ""),
            "cli_sign_in": None if cli_sign_in is None else sign_in_summary(cli_sign_in),
            "seconds": seconds_until(document["Expiration"], ctx.now),
            "open": len({role["Account"] for role in document["Roles"]}) <= _MOST_FOLDED,
        }
        page = pages.page("roles.html", values, forms_to=forms_to(cli_sign_in))
        return proven_sign_ins.with_cookie(page, ticket, request)

    def choose(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Exchange the stored proof for the credentials of one role."""
        role, provider, duration = (fields.get(name, "") for name in ("RoleArn", "PrincipalArn", "DurationSeconds"))
        if not role or not provider:
            raise InvalidParameterValue("RoleArn and PrincipalArn are required.")
        proof = self._take(request, fields, request_id)
        answer = self._relayed(proof, role, provider) or self._redeemed(
            request, proof, (role, provider, duration), request_id
        )
        return proven_sign_ins.without_cookie(answer, fields.get("Handle", ""), request)

    def _relayed(self, proof: ProvenSignIn, role: str, provider: str) -> Response | None:
        """Give the proof to a command that requests it, or return None."""
        if not proof.handover:
            return None
        with self.site.ctx() as ctx:
            cli_sign_in = cli_sign_ins.get_waiting(proof.handover, ctx)
            _require_requested(cli_sign_in, proof, role)
            if cli_sign_in.deliver != "assertion":
                return None
            pair = {"RoleArn": role, "PrincipalArn": provider}
            result = {**relay(proof.text, cli_sign_in, ctx.entropy), "roles": [pair]}
            approver = SignInApprover(proof.sign_in, proof.kind, proof.subject, provider)
            return back_to(cli_sign_ins.settle(proof.handover, "approved", result, ctx, approver))

    def _redeemed(
        self, request: Request, proof: ProvenSignIn, chosen: tuple[str, str, str], request_id: str
    ) -> Response:
        """Give the credentials of the role to the page or the waiting command."""
        role, provider, _ = chosen
        status, document = self._redeem(request, proof, chosen, request_id)
        if "Error" in document:
            return pages.answer(request, "refusal.html", document, status=status)
        if proof.handover:
            return self._hand_over(proof, {**document, "RoleArn": role, "PrincipalArn": provider}, provider)
        return CredentialsPage(self.site).show(request, document, role)

    def require_keys(self, request: Request, fields: Mapping[str, str], ctx: RequestContext) -> None:
        """Verify that the keys for a proof are available.

        Call this before the proof is used, which is possible only once. Raises KeysNeededError.
        """
        try:
            proof = proven_sign_ins.look(proven_sign_ins.ticket_of(request, fields.get("Handle", "")), ctx)
            if proof.kind == "oidc":
                verify_token(proof.text, fields.get("RoleArn", ""), proof.session_name, ctx)
        except KeysNeededError:
            raise
        except Fault:
            return  # choose() returns the error.

    def decline(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Decline the CLI sign-in of the waiting command."""
        proof = self._take(request, fields, request_id)
        answer = pages.redirect("/login")
        if proof.handover:
            with self.site.ctx() as ctx:
                answer = back_to(cli_sign_ins.settle(proof.handover, "declined", None, ctx))
        return proven_sign_ins.without_cookie(answer, fields.get("Handle", ""), request)

    def file(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """Return the credentials in the form as a file. They are not stored."""
        form = FORMS.get(fields.get("Format", ""))
        if form is None:
            raise InvalidParameterValue("Format must be one of " + ", ".join(FORMS))
        key_id, secret, token, ends, name = (
            fields.get(each, "") for each in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Name")
        )
        endpoint, s3_endpoint = self.site.settings.public_url, self.site.settings.s3_url
        text = form.write(RoleCredentials(key_id, secret, token, ends, name, endpoint, self.site.region, s3_endpoint))
        headers = {**pages.HEADERS, "content-disposition": f'attachment; filename="{form.file}"'}
        return Response(text, 200, headers, "application/octet-stream")

    def _take(self, request: Request, fields: Mapping[str, str], request_id: str) -> ProvenSignIn:
        try:
            with self.site.ctx() as ctx:
                return proven_sign_ins.take(proven_sign_ins.ticket_of(request, fields.get("Handle", "")), ctx)
        except Fault as fault:
            self.site.record("ChooseRole", request, request_id, fault=fault)
            raise

    def _redeem(
        self, request: Request, proof: ProvenSignIn, chosen: tuple[str, str, str], request_id: str
    ) -> tuple[int, dict[str, Any]]:
        role, provider, duration = chosen
        parameters, sign_in = {"RoleArn": role}, {"SignInId": proof.sign_in} if proof.sign_in else None
        if duration:
            parameters["DurationSeconds"] = duration
        if proof.kind == "saml":
            parameters |= {"PrincipalArn": provider, "SAMLAssertion": proof.text}
            return self.site.call(request, "AssumeRoleWithSAML", parameters, request_id, sign_in)
        parameters |= {"RoleSessionName": proof.session_name, "WebIdentityToken": proof.text}
        return self.site.call(request, "AssumeRoleWithWebIdentity", parameters, request_id, sign_in)

    def _hand_over(self, proof: ProvenSignIn, result: Mapping[str, Any], provider: str) -> Response:
        approver = SignInApprover(proof.sign_in, proof.kind, proof.subject, provider)
        with self.site.ctx() as ctx:
            return back_to(cli_sign_ins.settle(proof.handover, "approved", result, ctx, approver))


def _require_requested(cli_sign_in: CliSignIn, proof: ProvenSignIn, role: str) -> None:
    if cli_sign_in.deliver == "assertion" and proof.kind != "saml":
        raise AccessDenied("The command requests a SAML assertion. Sign in with a SAML provider.")
    if cli_sign_in.role and cli_sign_in.role != role:
        raise AccessDenied("The command requested another role.", detail=f"{cli_sign_in.role}, not {role}")


def require_offered(cli_sign_in: CliSignIn | None, roles: Sequence[T], arn_of: Callable[[T], str]) -> Sequence[T]:
    """Return the roles that a command accepts.

    Raises AccessDenied if its role is not among them.
    """
    if cli_sign_in is None or not cli_sign_in.role:
        return roles
    found = [each for each in roles if arn_of(each) == cli_sign_in.role]
    if not found:
        raise AccessDenied(f"The command requests {cli_sign_in.role}, but you cannot assume this role.")
    return found


def back_to(settled: CliSignIn) -> Response:
    """Redirect to the listener of the command, or to a last page."""
    if settled.mode == "loopback":
        url = returning_url(settled)
    else:
        url = "/handover/done" if settled.outcome == "approved" else "/handover/declined"
    return with_outcome(pages.redirect(url), settled.outcome)


def forms_to(cli_sign_in: CliSignIn | None) -> tuple[str, ...]:
    """Return the form targets that the sign-in of a command needs."""
    # The form's response redirects to the command's listener, and browsers apply this policy to redirects.
    return (loopback_origin(cli_sign_in.redirect_uri),) if cli_sign_in is not None and cli_sign_in.redirect_uri else ()


def sign_in_summary(cli_sign_in: CliSignIn) -> dict[str, str]:
    """Return the values that a page shows about a waiting command."""
    return {
        "machine": cli_sign_in.machine,
        "peer": cli_sign_in.peer,
        "code": cli_sign_ins.shown_code(cli_sign_in),
        "role": cli_sign_in.role,
        "mode": cli_sign_in.mode,
        "deliver": cli_sign_in.deliver,
    }


def _document(offered: Offered, roles: Sequence[OfferedRole], ticket: Ticket, ctx: RequestContext) -> dict[str, Any]:
    return {
        "Subject": offered.subject,
        "Issuer": offered.issuer,
        "RoleSessionName": offered.session_name,
        "Handle": ticket.handle,
        "Expiration": instant(min(ctx.now + MINUTES, offered.ends)),
        "Roles": [describe_role(each.role, each.provider, each.longest, ctx) for each in roles],
        "ClosedRoles": offered.closed,
    }
