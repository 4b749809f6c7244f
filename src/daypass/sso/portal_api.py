"""The SSO portal API: the accounts and roles of a person, and credentials.

Owns the four operations that programs call with the access token of a sign-in. Rules:

* The access token alone identifies the caller. It is that of SSO OIDC, with the scope sso:account:access; an ended
  sign-in, an expired token and a token of another kind have the same refusal.
* The lists contain the roles whose trust policies allow the person now. They are the roles of the portal.
* A role that does not exist and one that does not trust the person have the same refusal, so that names in other
  accounts cannot be found out.
* Credentials come from AssumeRoleWithSAML or AssumeRoleWithWebIdentity, with their audit event.

Source: botocore's model of sso/2019-06-10.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from daypass.arn import is_account_id
from daypass.authorize.context import RequestInfo
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.identity import load_account, load_role
from daypass.errors import AccessDenied, ExpiredTokenException, Fault, InvalidIdentityToken
from daypass.federation.saml.saml_faults import NO_ROLE
from daypass.operations.request_context import RequestContext
from daypass.sign_in.open_roles import OpenRole, open_roles
from daypass.sign_in.sessions import end_session
from daypass.sign_in.take_role import take_role
from daypass.sign_in.token_families import find_by_access
from daypass.sso.assignments import MOST, page_of_accounts, page_of_roles
from daypass.sso.rest_action import RestCall
from daypass.wire.rest_faults import ResourceNotFoundException, UnauthorizedException

SCOPE = "sso:account:access"

_UNAUTHORIZED = "Session token not found or invalid"
_NO_ROLE = "The account or the role does not exist, or its trust policy does not allow this sign-in"


class BearerParams(msgspec.Struct, frozen=True, rename="camel"):
    """The parameter of every operation: the access token."""

    access_token: str

    def __repr__(self) -> str:
        return "<secret>"


class ListAccountsParams(BearerParams, frozen=True, rename="camel", kw_only=True):
    """The parameters of ListAccounts."""

    next_token: str = ""
    max_results: int = MOST


class ListAccountRolesParams(BearerParams, frozen=True, rename="camel", kw_only=True):
    """The parameters of ListAccountRoles."""

    account_id: str
    next_token: str = ""
    max_results: int = MOST


class GetRoleCredentialsParams(BearerParams, frozen=True, rename="camel", kw_only=True):
    """The parameters of GetRoleCredentials."""

    account_id: str
    role_name: str


class OfSso:
    """The common part of the operations of the portal API."""

    service = "sso"
    payload = ""
    needs_provider = True
    # The lists decide about every role of a person, which takes too long for the event loop.
    is_cached = False


class ListAccounts(OfSso):
    """Lists the accounts in which the person can assume a role."""

    name = "ListAccounts"
    takes = ListAccountsParams

    def answer(self, params: ListAccountsParams, call: RestCall) -> Mapping[str, Any]:
        """Return one page of accounts."""
        roles = _roles_of(session_of(params, call), call)
        names = {account: _name_of(account, call.ctx) for account in {role.account for role in roles}}
        return page_of_accounts(roles, names, after=params.next_token, size=params.max_results)


class ListAccountRoles(OfSso):
    """Lists the roles of one account that the person can assume."""

    name = "ListAccountRoles"
    takes = ListAccountRolesParams

    def answer(self, params: ListAccountRolesParams, call: RestCall) -> Mapping[str, Any]:
        """Return one page of roles."""
        call.recorded["accountId"] = params.account_id
        roles = _roles_of(session_of(params, call), call)
        if all(role.account != params.account_id for role in roles):
            raise ResourceNotFoundException(_NO_ROLE)
        return page_of_roles(roles, params.account_id, after=params.next_token, size=params.max_results)


class GetRoleCredentials(OfSso):
    """Issues credentials of a role."""

    name = "GetRoleCredentials"
    takes = GetRoleCredentialsParams
    is_cached = True

    def answer(self, params: GetRoleCredentialsParams, call: RestCall) -> Mapping[str, Any]:
        """Return credentials, with the expiration in milliseconds."""
        call.recorded |= {"accountId": params.account_id, "roleName": params.role_name}
        session = session_of(params, call)
        arn = role_arn(params, call.ctx)
        try:
            taken = take_role(
                call.pipeline,
                call.store_view,
                session,
                arn,
                "",
                None,
                call.request,
                call.request_id,
                event=self.name,
                ctx=call.ctx,
            )
        except (AccessDenied, InvalidIdentityToken, ExpiredTokenException) as refusal:
            raise _refused(refusal, session) from refusal
        found = taken["Credentials"]
        credentials = {
            "accessKeyId": found["AccessKeyId"],
            "secretAccessKey": found["SecretAccessKey"],
            "sessionToken": found["SessionToken"],
            "expiration": _milliseconds(found["Expiration"]),
        }
        return {"roleCredentials": credentials}


class Logout(OfSso):
    """Ends the sign-in, with all of its tokens."""

    name = "Logout"
    takes = BearerParams

    def answer(self, params: BearerParams, call: RestCall) -> Mapping[str, Any]:
        """Return an empty response."""
        session = session_of(params, call)
        with call.ctx.new_transaction() as writer:
            end_session(writer, session.id)
        return {}


def session_of(params: BearerParams, call: RestCall) -> SignInSession:
    """Return the sign-in of an access token. Raises UnauthorizedException."""
    found = find_by_access(params.access_token, call.ctx)
    if found is None:
        raise UnauthorizedException(_UNAUTHORIZED)
    family, session = found
    call.sign_in, call.session = session.id, session
    if family.kind != "sso" or SCOPE not in family.scopes:
        raise UnauthorizedException(_UNAUTHORIZED, detail=f"a token of the kind {family.kind!r} without {SCOPE}")
    return session


def _roles_of(session: SignInSession, call: RestCall) -> tuple[OpenRole, ...]:
    info = RequestInfo(call.ctx.now, call.request, call.ctx.region)
    try:
        return open_roles(session, info, call.ctx)
    except AccessDenied:
        return ()
    except (ExpiredTokenException, InvalidIdentityToken) as refusal:
        raise UnauthorizedException(_UNAUTHORIZED, detail=refusal.detail or refusal.message) from refusal


def _refused(refusal: Fault, session: SignInSession) -> Fault:
    """Return the refusal of a role, or of the sign-in as a whole.

    A sign-in that its provider does not accept any more, for instance because of a new key, needs a new sign-in. The
    accounts that trust an OpenID Connect issuer accept a token independently of each other.
    """
    detail = refusal.detail or refusal.message
    is_of_sign_in = isinstance(refusal, ExpiredTokenException) or (
        isinstance(refusal, InvalidIdentityToken) and session.kind == "saml" and refusal.message != NO_ROLE
    )
    if is_of_sign_in:
        return UnauthorizedException(_UNAUTHORIZED, detail=detail)
    return ResourceNotFoundException(_NO_ROLE, detail=detail)


def _name_of(account: str, ctx: RequestContext) -> str:
    found = ctx.views.get(load_account, account)
    return "" if found is None else found.alias or found.name


def role_arn(params: GetRoleCredentialsParams, ctx: RequestContext) -> str:
    """Return the ARN of a role, with its path, which this API does not know."""
    account = params.account_id
    role = ctx.views.get(load_role, account, params.role_name) if is_account_id(account) else None
    if role is None or role.name != params.role_name:
        raise ResourceNotFoundException(_NO_ROLE)
    return role.arn


def _milliseconds(ends: datetime) -> int:
    return int(ends.timestamp()) * 1000
