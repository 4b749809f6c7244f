"""The open roles of a signed-in person, and the credentials of one.

Owns the steps of a browser with a sign-in session. Trust policies are evaluated for each request, so that Back, Reload
and other tabs show the present state. Leaves the decision about a role to sign_in/take_role.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import RequestInfo
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import ExpiredTokenException, InvalidParameterValue
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.continue_at import continue_at
from daypass.portal.roles.credentials_page import CredentialsPage, instant
from daypass.portal.roles.role_memory import key_of, read_memory, with_memory
from daypass.portal.roles.role_rows import page_values, to_rows
from daypass.portal.sign_in_cookie import require_session, session_of
from daypass.portal.site import Site, as_sent
from daypass.sign_in.open_roles import OpenRole, open_roles
from daypass.sign_in.take_role import take_role

_KEY = re.compile(r"[0-9a-f]{12}")
_SECONDS = re.compile(r"[1-9][0-9]{2,4}|")
_PROVIDER = re.compile(r"(?:arn:[a-z-]+:iam::[0-9]{12}:(?:saml|oidc)-provider/[!-~]{1,255}|[a-z0-9.-]{1,255})?")
_LONGEST_QUERY, _LONGEST_CHOICE = 100, 1_200
_BOUND = "role of "
_OTHER_SESSION = "This address belongs to an earlier sign-in. Choose the role again."
_decode_choice = msgspec.msgpack.Decoder(tuple[str, str, int]).decode


@dataclass(frozen=True, slots=True)
class ChosenRole:
    """The role in a form, its provider, and its longest session or 0.

    The form only proposes the limit: the operation refuses a longer session than the role allows.
    """

    arn: str
    provider: str
    longest: int

    def seconds(self, wanted: str) -> int | None:
        """Return the duration that the form wants, within the limit."""
        if not _SECONDS.fullmatch(wanted):
            raise InvalidParameterValue("DurationSeconds must be a number of seconds.")
        return None if not wanted else min(int(wanted), self.longest or int(wanted))


@dataclass(frozen=True, slots=True)
class RolePage:
    """The steps of the role page."""

    site: Site

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /roles: list the roles that are open to the person now."""
        with self.site.ctx() as ctx:
            session = session_of(request, ctx)
            if session is None:
                return self._to_sign_in(request, ctx)
            found = open_roles(session, self._request_info(request, ctx), ctx)
            if pages.is_json_wanted(request):
                return pages.json_answer(_document(session, found))
            memory = read_memory(request)
            query = request.query_params.get("q", "")[:_LONGEST_QUERY]
            values = page_values(to_rows(found, memory, session.ends, ctx), memory, query)
            seconds = int((session.ends - ctx.now).total_seconds())
            person = {"subject": session.subject, "ends": instant(session.ends), "seconds": seconds}
        return pages.page("role_page.html", {"page": values, **person})

    def take(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /roles/credentials: redirect to the credentials of a role.

        Returns them at once as JSON if the client requests JSON.
        """
        chosen, wanted = read_choice(fields.get("Role", "")), fields.get("DurationSeconds", "")
        seconds = chosen.seconds(wanted)
        with self.site.ctx() as ctx:
            session = require_session(request, ctx)
            if not pages.is_json_wanted(request):
                handle = _handle_of(chosen, seconds, session, ctx)
                memory = read_memory(request)
                memory = memory.with_recent(key_of(chosen.arn), int(wanted or memory.seconds))
                return with_memory(pages.redirect(f"/roles/credentials/{handle}"), memory)
        document = take_for(self.site, session, chosen, seconds, request, request_id)
        return CredentialsPage(self.site).show(request, document, chosen.arn, lasts=True)

    def credentials(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /roles/credentials/HANDLE: show new credentials of a role.

        Back and Reload lead here again, without a form to send again. The handle is bound to the session, so that no
        other site can make a browser fetch credentials.
        """
        with self.site.ctx() as ctx:
            session = session_of(request, ctx)
            if session is None:
                return self._to_sign_in(request, ctx)
            chosen, seconds = _open_handle(request.path_params["handle"], session, ctx)
        document = take_for(self.site, session, chosen, seconds, request, request_id)
        return CredentialsPage(self.site).show(request, document, chosen.arn, lasts=True)

    def favourites(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /roles/favourites: add or remove a favourite of this browser."""
        added, removed = fields.get("Add", ""), fields.get("Remove", "")
        if not _KEY.fullmatch(added or removed):
            raise InvalidParameterValue("Add or Remove must name a role of the page.")
        memory = read_memory(request).with_favourite(added or removed, is_one=bool(added))
        # A script shows the change at once and asks to stay on the page.
        answer = (
            Response(status_code=204, headers=dict(pages.HEADERS)) if fields.get("Stay") else pages.redirect("/roles")
        )
        return with_memory(answer, memory)

    def _to_sign_in(self, request: Request, ctx: RequestContext) -> Response:
        if pages.is_json_wanted(request):
            require_session(request, ctx)
        query = request.url.query
        path = f"/roles?{query}" if query and len(query) <= _LONGEST_QUERY else "/roles"
        return pages.redirect(f"/login?next={continue_at(path, ctx)}")

    def _request_info(self, request: Request, ctx: RequestContext) -> RequestInfo:
        return RequestInfo(ctx.now, as_sent(request), self.site.pipeline.home_region)


def read_choice(text: str) -> ChosenRole:
    """Return the role that a button names. Raises InvalidParameterValue."""
    parts = text.split(" ")
    arn, provider, longest = (*parts, "", "")[:3]
    is_valid = len(text) <= _LONGEST_CHOICE and _PROVIDER.fullmatch(provider) and _SECONDS.fullmatch(longest)
    # The limit is one of bytes: a sealed choice is part of an address.
    if not arn or not text.isascii() or len(parts) > 3 or not is_valid:  # noqa: PLR2004 - the parts
        raise InvalidParameterValue("Role must name a role of the page.")
    return ChosenRole(arn, provider, int(longest or 0))


def take_for(
    site: Site, session: SignInSession, chosen: ChosenRole, seconds: int | None, request: Request, request_id: str
) -> dict[str, Any]:
    """Return the response of STS for a role, as `aws sts` prints it."""
    if session.kind == "saml" and chosen.provider and not chosen.provider.startswith("arn:"):
        raise InvalidParameterValue("Role must name a role of the page.")
    answer = take_role(
        site.pipeline, site.store_view, session, chosen.arn, chosen.provider, seconds, as_sent(request), request_id
    )
    credentials = answer["Credentials"]
    return {**answer, "Credentials": {**credentials, "Expiration": credentials["Expiration"].isoformat()}}


def _handle_of(chosen: ChosenRole, seconds: int | None, session: SignInSession, ctx: RequestContext) -> str:
    payload = msgspec.msgpack.encode((chosen.arn, chosen.provider, seconds or 0))
    now = int(ctx.now.timestamp())
    bound_to = f"{_BOUND}{session.id}"
    return seal(Purpose.PORTAL, payload, bound_to=bound_to, sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy)


def _open_handle(handle: str, session: SignInSession, ctx: RequestContext) -> tuple[ChosenRole, int | None]:
    try:
        payload = unseal(Purpose.PORTAL, handle, bound_to=f"{_BOUND}{session.id}", sealing_ring=ctx.sealing_ring)
    except SealBrokenError as error:
        raise ExpiredTokenException(_OTHER_SESSION, detail="the handle is not of this session") from error
    arn, provider, seconds = _decode_choice(payload)
    return ChosenRole(arn, provider, 0), seconds or None


def _document(session: SignInSession, roles: tuple[OpenRole, ...]) -> dict[str, Any]:
    return {
        "Subject": session.subject,
        "Issuer": session.issuer,
        "RoleSessionName": session.session_name,
        "Expiration": instant(session.ends),
        "Roles": [
            {
                "RoleArn": role.arn,
                "PrincipalArn": role.provider_arn,
                "RoleName": role.name,
                "Description": role.description,
                "Account": role.account,
                "LongestSession": role.longest,
            }
            for role in roles
        ],
    }
