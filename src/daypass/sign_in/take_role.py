"""Take a role with a sign-in session.

Owns the way from a session and a role's ARN to credentials: the same decision, answer and audit event as
AssumeRoleWithSAML or AssumeRoleWithWebIdentity, through the pipeline. The event has the sign-in's id and time.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from daypass.authorize.context import RequestInfo
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.saml_providers import provider_name
from daypass.errors import Fault, ValidationError
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_with_saml import AssumeRoleWithSAMLParams
from daypass.operations.sts.assume_role_with_web_identity import WebIdentityRoleParams
from daypass.operations.sts.role_session import RoleName, read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies
from daypass.pipeline import Pipeline, StoreView
from daypass.sign_in.open_roles import is_open
from daypass.sign_in.proofs import saml_identity
from daypass.sign_in.signed_in_operations import (
    NO_TOKEN,
    SignedInSamlRequest,
    SignedInTokenRequest,
    SignedInWithOidc,
    SignedInWithSaml,
)
from daypass.wire.http import HttpRequest

SHORTEST, LONGEST = 900, 43_200
_WITH_SAML, _WITH_OIDC = SignedInWithSaml(), SignedInWithOidc()
_NO_POLICIES = SessionPolicies()
_DURATION = (
    "1 validation error detected: Value '{}' at 'durationSeconds' failed to satisfy constraint: "
    "Member must have value between 900 and 43200"
)


class RoleCall(msgspec.Struct, frozen=True):
    """A call of STS for a person.

    `parameters` and `sign_in` are for the audit event.
    """

    operation: SignedInWithSaml | SignedInWithOidc
    params: Any
    parameters: dict[str, Any]
    sign_in: dict[str, str]


def take_role(  # noqa: PLR0913, PLR0917 - the choice, and the request that it is for
    pipeline: Pipeline,
    store_view: StoreView,
    session: SignInSession,
    role_arn: str,
    provider_arn: str,
    seconds: int | None,
    request: HttpRequest,
    request_id: str,
    *,
    event: str = "",
    ctx: RequestContext | None = None,
) -> dict[str, Any]:
    """Return the members of the answer, with the credentials of a role.

    - An empty `provider_arn` chooses the first provider whose role is open.
    - `event` is the API call that needs the role, for the audit event.
    - `ctx` is the context that `store_view` has opened for the call, if it has one.

    Raises the Fault of STS; SignInOverError if the session has ended; WouldBlockError and KeysNeededError before any
    effect.
    """
    role = read_role_arn(role_arn)
    if seconds is not None and not SHORTEST <= seconds <= LONGEST:
        raise ValidationError(_DURATION.format(seconds))
    if session.kind == "saml" and not provider_arn:
        if ctx is not None:
            provider_arn = find_provider(session, role_arn, request, ctx)
        else:
            with store_view.open(StoreAccess.CACHE, pipeline.now(), pipeline.home_region) as own:
                provider_arn = find_provider(session, role_arn, request, own)
    elif session.kind == "saml" and provider_name(provider_arn) is None:
        raise ValidationError(f"{provider_arn} is invalid")
    call = role_call(session, role, provider_arn, seconds, event)
    result = pipeline.perform(
        call.operation, call.params, call.parameters, request, request_id, store_view, sign_in=call.sign_in
    )
    return dict(result)


def role_call(session: SignInSession, role: RoleName, provider_arn: str, seconds: int | None, event: str) -> RoleCall:
    """Return the call of STS that takes a role with a sign-in session."""
    operation, params = _call(session, role, provider_arn, seconds)
    sign_in = {"SignInId": session.id, "SignInTime": _second(session.proven_at)}
    if event:
        sign_in["SignInEvent"] = event
    parameters: dict[str, Any] = {"RoleArn": role.arn, "RoleSessionName": session.session_name}
    if provider_arn:
        parameters["PrincipalArn"] = provider_arn
    if seconds is not None:
        parameters["DurationSeconds"] = seconds
    return RoleCall(operation, params, parameters, sign_in)


@lru_cache(maxsize=1_024)
def _second(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _call(
    session: SignInSession, role: RoleName, provider_arn: str, seconds: int | None
) -> tuple[SignedInWithSaml | SignedInWithOidc, Any]:
    if session.kind == "saml":
        members = AssumeRoleWithSAMLParams(role.arn, provider_arn, "", duration_seconds=seconds)
        return _WITH_SAML, SignedInSamlRequest(role, members, _NO_POLICIES, session=session)
    token_members = WebIdentityRoleParams(role.arn, session.session_name, duration_seconds=seconds)
    return _WITH_OIDC, SignedInTokenRequest(
        role, token_members, _NO_POLICIES, NO_TOKEN, session=session, provider_arn=provider_arn
    )


def find_provider(session: SignInSession, role_arn: str, request: HttpRequest, ctx: RequestContext) -> str:
    """Return the provider in the assertion through which a role is open.

    If there is no choice, the operation decides, and its refusal is in the audit log.
    """
    try:
        roles = saml_identity(session, session.provider, ctx).roles
    except Fault:
        return session.provider
    providers = list(dict.fromkeys([pair.provider for pair in roles if pair.role == role_arn])) or [session.provider]
    if len(providers) > 1:
        request_info = RequestInfo(ctx.now, request, ctx.region)
        for provider in providers[:-1]:
            if _is_open(session, role_arn, provider, request_info, ctx):
                return provider
    return providers[-1]


def _is_open(session: SignInSession, role_arn: str, provider: str, info: RequestInfo, ctx: RequestContext) -> bool:
    try:
        return is_open(session, role_arn, provider, info, ctx)
    except Fault:
        return False  # The provider does not verify the assertion, or does not exist.
