"""sts:GetFederationToken: a session with a name that the caller chooses.

Owns the parameters and the answer. authorize/gather.py and the engine limit the session: it has only permissions that
both its session policies and the caller have.
Source: STS API Reference, GetFederationToken; IAM User Guide, "Permissions for GetFederationToken".
"""

import msgspec

from daypass.arn import federated_user_arn
from daypass.authenticate.caller import Caller
from daypass.mint.durations import root_user_duration, user_duration
from daypass.mint.session import SessionKind
from daypass.operations.operation import Authorized, Parameters, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Grant, mint_credentials, size_of_token
from daypass.operations.sts.session_policies import (
    PolicyArn,
    SessionPolicies,
    packed_percentage,
    read_session_policies,
)
from daypass.operations.sts.session_tags import SessionTag, SessionTags, read_tags, tags_context


class GetFederationTokenParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of GetFederationToken."""

    name: str
    policy: str = ""
    policy_arns: tuple[PolicyArn, ...] = ()
    duration_seconds: int | None = None
    tags: tuple[SessionTag, ...] = ()
    minimum_session_token_size: int = 0


class GetFederationTokenRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    members: GetFederationTokenParams
    policies: SessionPolicies
    tags: SessionTags


class GetFederationToken(Signed[GetFederationTokenRequest]):
    """Mints a session of a federated user."""

    service, action, access = "sts", "GetFederationToken", StoreAccess.CACHE
    takes = GetFederationTokenParams

    def parse(self, parameters: Parameters) -> GetFederationTokenRequest:
        """Return the parameters.

        Raises a Fault if the policies or tags are not valid.
        """
        given = msgspec.convert(parameters, self.takes)
        return GetFederationTokenRequest(
            given, read_session_policies(given.policy, given.policy_arns), read_tags(given.tags, ())
        )

    def permissions(
        self, params: GetFederationTokenRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require sts:GetFederationToken, and sts:TagSession if tags are given."""
        resource = federated_user_arn(caller.account, params.members.name)
        actions = ("sts:GetFederationToken", "sts:TagSession") if params.tags.tags else ("sts:GetFederationToken",)
        context = tags_context(params.tags)
        return tuple(PermissionCheck(action, resource, caller.account, context) for action in actions)

    def run(self, authorized: Authorized[GetFederationTokenRequest], ctx: RequestContext) -> Result:
        """Mint the session."""
        params, caller = authorized.params, authorized.caller
        params.policies.require_account(caller.account, ctx)
        percentage = packed_percentage(params.policies, params.tags.tags)
        duration = root_user_duration if caller.is_root else user_duration
        credentials = mint_credentials(
            Grant(
                kind=SessionKind.FEDERATED,
                account=caller.account,
                principal_id=caller.principal.unique_id,
                principal_name="" if caller.identity is None else caller.identity.name,
                session_name=params.members.name,
                seconds=duration(params.members.duration_seconds),
                policy=params.policies.inline,
                policy_arns=params.policies.arns,
                tags=params.tags.tags,
                token_size=params.members.minimum_session_token_size,
            ),
            authorized,
            ctx,
        )
        return {
            "Credentials": credentials,
            "FederatedUser": {
                "FederatedUserId": f"{caller.account}:{params.members.name}",
                "Arn": federated_user_arn(caller.account, params.members.name),
            },
            # Unlike AssumeRole, this action returns 0 if there are neither policies nor tags.
            "PackedPolicySize": percentage or 0,
            **size_of_token(credentials["SessionToken"]),
        }
