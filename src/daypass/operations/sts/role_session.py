"""The common part of the AssumeRole actions.

Owns finding the role, the check of its trust policy, and minting the session. Each action authenticates its caller
itself.
Source: STS API Reference, AssumeRole, AssumeRoleWithSAML and AssumeRoleWithWebIdentity.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from daypass.arn import Arn, assumed_role_arn, is_account_id
from daypass.directory.identity import AssumableRole, load_role
from daypass.errors import AccessDenied, Fault, ValidationError
from daypass.federation.propagation import PropagatedIdentity, carried_keys
from daypass.mint.session import Session, SessionKind
from daypass.operations.operation import Authorized, PermissionCheck
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Grant, mint_credentials, size_of_token
from daypass.operations.sts.session_policies import SessionPolicies, packed_percentage
from daypass.operations.sts.session_tags import SessionTags, tags_context
from daypass.policy.authorization_request import NewConditionKeys, resource_tags

# Returns the Credentials element of an answer.
Mint = Callable[[Grant, Authorized[Any], RequestContext], dict[str, Any]]

_NO_CONTEXT: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_FIXED = "The source identity is already set for this assume role session"


class RoleName(msgspec.Struct, frozen=True):
    """A role as a caller names it: by its ARN, with the path."""

    arn: str
    account: str
    name: str


def read_role_arn(text: str) -> RoleName:
    """Parse a role's ARN. Raises ValidationError if it is malformed."""
    arn = Arn.find(text)
    if (
        arn is None
        or arn.service != "iam"
        or arn.region
        or not is_account_id(arn.account)
        or not arn.resource.startswith("role/")
        or arn.resource.endswith("/")
    ):
        raise ValidationError(f"{text} is invalid")
    return RoleName(text, arn.account, arn.resource.rpartition("/")[2])


def find_role(name: RoleName, ctx: RequestContext) -> AssumableRole | None:
    """Return the role, or None if no role has exactly this ARN."""
    role = ctx.views.get(load_role, name.account, name.name)
    return role if role is not None and role.arn == name.arn else None


def get_role(authorized: Authorized[Any]) -> AssumableRole:
    """Return the role that was evaluated."""
    if authorized.role is None:
        # A missing role has no trust policy, so such a decision cannot exist.
        raise ValueError("no role was evaluated")
    return authorized.role


def role_check(
    action: str, name: RoleName, role: AssumableRole | None, context: NewConditionKeys, refusal: Fault | None = None
) -> PermissionCheck:
    """Return the check that `action` is allowed on a role.

    A missing role trusts no caller.
    """
    trust = None if role is None else role.trust
    # By position: every role session comes here.
    return PermissionCheck(action, name.arn, name.account, context, trust, True, refusal, role)  # noqa: FBT003


def federated_checks(
    action: str,
    name: RoleName,
    role: AssumableRole | None,
    context: NewConditionKeys,
    *,
    tags: object,
    identity: str | None,
) -> tuple[PermissionCheck, ...]:
    """Return the checks that a role trusts a federated identity.

    The trust policy must also allow sts:TagSession if there are `tags`, and sts:SetSourceIdentity if there is a source
    `identity`.
    """
    actions = [action]
    if tags:
        actions.append("sts:TagSession")
    if identity:
        context = {**context, "sts:sourceidentity": identity}
        actions.append("sts:SetSourceIdentity")
    return tuple([role_check(each, name, role, context, _not_authorized(each)) for each in actions])


@lru_cache(maxsize=32)
def _not_authorized(action: str) -> Fault:
    """Return the refusal of a check. It is never raised: authorize.py raises a new one with its words."""
    return AccessDenied(f"Not authorized to perform {action}")


def session_context(session_name: str, tags: SessionTags) -> NewConditionKeys:
    """Return the condition keys of a new role session's name and tags."""
    context: NewConditionKeys = {"sts:rolesessionname": session_name}
    if tags.tags or tags.transitive:
        context.update(tags_context(tags))
    return context


def role_tags(role: AssumableRole | None) -> NewConditionKeys:
    """Return the condition keys of the role's own tags."""
    return {} if role is None else resource_tags(role.tags)


def propagated_keys(propagated: PropagatedIdentity | None) -> NewConditionKeys:
    """Return the condition keys that the proof of identity propagates."""
    return {} if propagated is None else {**propagated.condition_keys}


def show_propagated(propagated: PropagatedIdentity | None) -> dict[str, Any]:
    """Return the member of an answer with the propagated values."""
    return {} if propagated is None else {"TrustedIdentityPropagationContext": propagated.show()}


def carried_context(calling: Session | None) -> Mapping[str, tuple[str, ...]]:
    """Return the condition keys of a session that the next one carries."""
    return {} if calling is None else carried_keys(calling.context)


def keep_source_identity(params: str, calling: Session | None) -> str:
    """Return the source identity of a new session.

    Raises ValidationError if it changes along a chain.
    """
    fixed = "" if calling is None else calling.source_identity
    if fixed and params and params != fixed:
        raise ValidationError(_FIXED)
    return fixed or params


def grant_role(  # noqa: PLR0913 - the properties of a session, by name
    authorized: Authorized[Any],
    ctx: RequestContext,
    *,
    session_name: str,
    seconds: int,
    policies: SessionPolicies,
    tags: SessionTags,
    source_identity: str = "",
    mfa_time: int | None = None,
    provider: str = "",
    context: Mapping[str, tuple[str, ...]] = _NO_CONTEXT,
    chained: bool = False,
    token_size: int = 0,
    mint: Mint = mint_credentials,
) -> dict[str, Any]:
    """Mint a session of the evaluated role.

    Returns the common part of the three answers. Only a template of answers has another `mint`.
    """
    role = get_role(authorized)
    policies.require_account(role.account, ctx)
    percentage = packed_percentage(policies, tags.tags)
    credentials = mint(
        # By position: this many names cost more than the rest of the value.
        Grant(
            SessionKind.ROLE,
            role.account,
            role.id,
            role.name,
            session_name,
            seconds,
            policies.inline,
            policies.arns,
            tags.tags,
            tags.transitive,
            source_identity,
            mfa_time,
            provider,
            context,
            chained,
            token_size=token_size,
        ),
        authorized,
        ctx,
    )
    answer: dict[str, Any] = {
        "Credentials": credentials,
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.id}:{session_name}",
            "Arn": assumed_role_arn(role.account, role.name, session_name),
        },
        **size_of_token(credentials["SessionToken"]),
    }
    if percentage is not None:
        answer["PackedPolicySize"] = percentage
    if source_identity:
        answer["SourceIdentity"] = source_identity
    return answer
