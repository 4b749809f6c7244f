"""sts:AssumeRole: a signed caller takes on a role that trusts it.

Owns the parameters and the answer. The trust policy is the role's resource policy and must name the caller, or its
account; the caller's own policies cannot replace that. A missing role and one that does not trust the caller have the
same refusal: a caller must not learn which.
Source: STS API Reference, AssumeRole; AWS's order of checks on durations, tags and source identity.
"""

from functools import partial

import msgspec

from daypass.authenticate.caller import Caller
from daypass.errors import AccessDenied, InvalidContextAssertion
from daypass.mint.durations import role_duration
from daypass.operations.mfa import verify_mfa
from daypass.operations.operation import (
    Authorized,
    EncodeEvent,
    NamedSession,
    Parameters,
    PermissionCheck,
    Result,
    Signed,
    StoreAccess,
    TaggedSession,
    TemplatedSession,
)
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_template import AssumeRoleTemplate, make_assume_role_template
from daypass.operations.sts.credentials import mint_credentials
from daypass.operations.sts.role_session import (
    Mint,
    RoleName,
    carried_context,
    find_role,
    get_role,
    grant_role,
    keep_source_identity,
    read_role_arn,
    role_check,
    role_tags,
    session_context,
)
from daypass.operations.sts.session_policies import PolicyArn, SessionPolicies, read_session_policies
from daypass.operations.sts.session_tags import SessionTag, SessionTags, inherit_tags, read_tags
from daypass.policy.authorization_request import PrincipalKind
from daypass.wire.operation import OperationModel


class ProvidedContext(msgspec.Struct, frozen=True, rename="pascal"):
    """A context assertion of a trusted provider."""

    provider_arn: str = ""
    context_assertion: str = ""


class AssumeRoleParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of AssumeRole."""

    role_arn: str
    role_session_name: str
    policy_arns: tuple[PolicyArn, ...] = ()
    policy: str = ""
    duration_seconds: int | None = None
    tags: tuple[SessionTag, ...] = ()
    transitive_tag_keys: tuple[str, ...] = ()
    external_id: str | None = None
    serial_number: str | None = None
    token_code: str | None = None
    source_identity: str = ""
    provided_contexts: tuple[ProvidedContext, ...] = ()
    minimum_session_token_size: int = 0


class AssumeRoleRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    role: RoleName
    members: AssumeRoleParams
    policies: SessionPolicies
    tags: SessionTags


class AssumeRole(Signed[AssumeRoleRequest], NamedSession, TaggedSession, TemplatedSession):
    """Mints a role session."""

    service, action, access = "sts", "AssumeRole", StoreAccess.CACHE
    takes = AssumeRoleParams

    def parse(self, parameters: Parameters) -> AssumeRoleRequest:
        """Return the parameters.

        Raises a Fault if an ARN, a policy or the tags are not valid.
        """
        given = msgspec.convert(parameters, self.takes)
        if given.provided_contexts:
            provider = given.provided_contexts[0].provider_arn
            raise InvalidContextAssertion(f"The context provider {provider} is not trusted by this server.")
        return AssumeRoleRequest(
            role=read_role_arn(given.role_arn),
            # The tags are read below: one value in two places could differ.
            members=msgspec.structs.replace(given, tags=()) if given.tags else given,
            policies=read_session_policies(given.policy, given.policy_arns),
            tags=read_tags(given.tags, given.transitive_tag_keys),
        )

    def with_session_name(self, params: AssumeRoleRequest, name: str) -> AssumeRoleRequest:
        """Return the parameters with another session name."""
        members = msgspec.structs.replace(params.members, role_session_name=name)
        return AssumeRoleRequest(params.role, members, params.policies, params.tags)

    def with_tag_values(
        self, params: AssumeRoleRequest, places: tuple[int, ...], values: tuple[str, ...]
    ) -> AssumeRoleRequest:
        """Return the parameters with other values of some tags."""
        tags, keys = dict(params.tags.tags), [*params.tags.tags]
        tags.update(zip(map(keys.__getitem__, places), values, strict=True))
        return AssumeRoleRequest(
            params.role, params.members, params.policies, SessionTags(tags, params.tags.transitive)
        )

    def verify_identity(self, params: AssumeRoleRequest, signer: Caller | None, ctx: RequestContext) -> Caller:
        """Return the signer, with the MFA that it presented.

        A root user may not assume roles.
        """
        caller, members = super().verify_identity(params, signer, ctx), params.members
        if caller.is_root:
            raise AccessDenied("Roles may not be assumed by root accounts.")
        return verify_mfa(members.serial_number, members.token_code, caller, ctx)

    def permissions(
        self, params: AssumeRoleRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require sts:AssumeRole, and the actions for tags and source identity.

        They are sts:TagSession and sts:SetSourceIdentity.
        """
        role, members, session = find_role(params.role, ctx), params.members, caller.session
        context = session_context(members.role_session_name, params.tags)
        if role is not None and role.tags:
            context.update(role_tags(role))
        if members.external_id is not None:
            context["sts:externalid"] = members.external_id
        inherited = inherit_tags(params.tags, session)
        source_identity = keep_source_identity(members.source_identity, session)
        if source_identity:
            context["sts:sourceidentity"] = source_identity
        checks = [role_check("sts:AssumeRole", params.role, role, context)]
        if inherited.tags:
            checks.append(role_check("sts:TagSession", params.role, role, context))
        if source_identity:
            checks.append(role_check("sts:SetSourceIdentity", params.role, role, context))
        return tuple(checks)

    def run(self, authorized: Authorized[AssumeRoleRequest], ctx: RequestContext) -> Result:
        """Mint the session."""
        return _grant(authorized, ctx, mint_credentials)

    def make_template(
        self,
        model: OperationModel,
        authorized: Authorized[AssumeRoleRequest],
        ctx: RequestContext,
        encode_event: EncodeEvent,
    ) -> AssumeRoleTemplate | None:
        """Return the template of similar answers, or None.

        Managed session policies and a token of a certain length are checked anew for each session.
        """
        params = authorized.params
        if params.policies.arns or params.policies.inline or params.members.minimum_session_token_size:
            return None
        return make_assume_role_template(partial(_grant, authorized, ctx), model, authorized, ctx, encode_event)


def _grant(authorized: Authorized[AssumeRoleRequest], ctx: RequestContext, mint: Mint) -> Result:
    """Return the answer, with a session of `mint`."""
    params, caller = authorized.params, authorized.caller
    members, session, role = params.members, caller.session, get_role(authorized)
    chained = caller.principal.kind is PrincipalKind.ROLE_SESSION
    seconds = role_duration(members.duration_seconds, role_maximum=role.max_session_seconds, chained=chained)
    tags = inherit_tags(params.tags, session)
    return grant_role(
        authorized,
        ctx,
        session_name=members.role_session_name,
        seconds=seconds,
        policies=params.policies,
        tags=tags,
        source_identity=keep_source_identity(members.source_identity, session),
        mfa_time=caller.mfa_at,
        context=carried_context(session),
        chained=chained,
        token_size=members.minimum_session_token_size,
        mint=mint,
    )
