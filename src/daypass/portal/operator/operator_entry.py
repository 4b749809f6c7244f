"""The entrance to the operator console for a person who is signed in.

Owns the page of roles, and the step from a role to an operator session. The role is taken like every other one, so its
trust policy decides, and the audit log records it. A browser that is not signed in is sent to the sign-in page, and
returns.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from daypass.arn import Arn
from daypass.authorize.context import RequestInfo
from daypass.errors import AccessDenied, InvalidParameterValue
from daypass.portal import pages
from daypass.portal.continue_at import continue_at
from daypass.portal.operator.operator_sessions import OperatorSessions
from daypass.portal.roles.role_list import account_alias
from daypass.portal.sign_in_cookie import COOKIE, require_session, session_of
from daypass.portal.site import as_sent
from daypass.sign_in.open_roles import OpenRole, open_roles
from daypass.sign_in.take_role import take_role

ADDRESS, HOME = "/operator/enter", "/operator"
_PAGE = re.compile(r"/operator(?:/(?!enter|leave)[a-z/]{1,60})?(?:\?[!-~]{1,600})?", re.ASCII)
_SEARCHED_FROM = 12
_LONGEST_SEARCH, _LONGEST_COOKIE, _LONGEST_ARN = 200, 128, 2_048
_LONGEST_ENTRANCE = 1_200  # a sign-in continues at 1,300 characters at most
_EVENT = "EnterOperatorConsole"


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """The page of roles, and its form."""

    sessions: OperatorSessions

    def lead(self, request: Request) -> Response:
        """Lead a browser without an operator session to a role, or to sign in."""
        path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        with self.sessions.site.ctx() as ctx:
            entrance = _entrance(_page(path))
            if session_of(request, ctx) is not None:
                return pages.redirect(entrance)
            return pages.redirect(f"/login?{urlencode({'next': continue_at(entrance, ctx)})}")

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/enter: show the roles that are open to the person.

        Raises KeysNeededError if the keys of an issuer must be fetched first.
        """
        site, query = self.sessions.site, request.query_params
        to, search = _page(query.get("to", "")), query.get("q", "").strip()[:_LONGEST_SEARCH]
        with site.ctx() as ctx:
            session = session_of(request, ctx)
            if session is None:
                return pages.redirect(f"/login?{urlencode({'next': continue_at(_entrance(to), ctx)})}")
            found = open_roles(session, RequestInfo(ctx.now, as_sent(request), site.pipeline.home_region), ctx)
            roles = [_row(role, account_alias(role.account, ctx)) for role in found]
        shown = [
            role for role in roles if search.lower() in f"{role['name']} {role['account']} {role['alias']}".lower()
        ]
        values = {
            "roles": sorted(shown, key=lambda role: (role["account"], role["name"].lower())),
            "searchable": len(roles) >= _SEARCHED_FROM,
            "search": search,
            "to": to,
            "person": session.session_name,
            "entry": entry_token(request),
        }
        return pages.page("operator_enter.html", values)

    def enter(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/enter: take a role, and start an operator session.

        Raises KeysNeededError if the keys of an issuer must be fetched first.
        """
        if not hmac.compare_digest(fields.get("Form", "").encode(), entry_token(request).encode()):
            raise AccessDenied("This form belongs to another session. Reload the page.")
        site = self.sessions.site
        with site.ctx() as ctx:
            session = require_session(request, ctx)
        role, provider = (fields.get(name, "")[:_LONGEST_ARN] for name in ("RoleArn", "PrincipalArn"))
        if Arn.find(provider) is None:
            raise InvalidParameterValue("PrincipalArn must be the ARN of an identity provider.")
        taken = take_role(
            site.pipeline, site.store_view, session, role, provider, None, as_sent(request), request_id, event=_EVENT
        )
        given = taken["Credentials"]
        answer = pages.redirect(_page(fields.get("To", "")))
        return self.sessions.begin(
            request,
            (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]),
            min(given["Expiration"], session.ends),
            request_id,
            answer,
            sign_in=session.id,
        )


def entry_token(request: Request) -> str:
    """Return the CSRF token of a sign-in, which other sites cannot compute."""
    cookie = request.cookies.get(COOKIE, "")[:_LONGEST_COOKIE]
    return hashlib.sha256(f"operator entry {cookie}".encode()).hexdigest()[:32]


def _entrance(to: str) -> str:
    address = f"{ADDRESS}?{urlencode({'to': to})}"
    return ADDRESS if to == HOME or len(address) > _LONGEST_ENTRANCE else address


def _page(path: str) -> str:
    """Return a page of the console, or its first page for any other path."""
    return path if _PAGE.fullmatch(path) else HOME


def _row(role: OpenRole, alias: str) -> dict[str, Any]:
    return {
        "arn": role.arn,
        "provider": role.provider_arn,
        "name": role.name,
        "account": role.account,
        "alias": alias,
        "description": role.description,
    }
