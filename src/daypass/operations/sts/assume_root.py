"""sts:AssumeRoot: act as a member's root user for one task.

Owns the parameters, the answer and the rule for permitted callers: the organization of the management account replaces
a trust policy. All others get the same refusal.
Source: STS API Reference, AssumeRoot; IAM User Guide, "Centrally manage root access for member accounts".
"""

import json
from functools import lru_cache

import msgspec

from daypass.arn import account_in_arn, is_account_id, root_arn
from daypass.authenticate.caller import Caller
from daypass.directory.identity import compiled, load_account
from daypass.directory.managed_policies.root_tasks import ROOT_TASKS, RootTask
from daypass.directory.organization.organization_tree import find_organization
from daypass.errors import ValidationError
from daypass.mint.durations import root_task_duration
from daypass.mint.session import SessionKind
from daypass.operations.operation import Authorized, Parameters, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Grant, mint_credentials, size_of_token
from daypass.operations.sts.role_session import carried_context
from daypass.operations.sts.session_policies import PolicyArn
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_set
from daypass.policy.language.document import DocumentKind

_NO_TARGET = "Request must contain a valid target principal"
_NO_TASK = "Request must contain valid AWS managed task policy ARN"


class AssumeRootParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of AssumeRoot."""

    target_principal: str
    task_policy_arn: PolicyArn
    duration_seconds: int | None = None
    minimum_session_token_size: int = 0


class AssumeRootRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    account: str
    task: RootTask
    members: AssumeRootParams


class AssumeRoot(Signed[AssumeRootRequest]):
    """Mints a session of a member's root user that can do one task."""

    service, action, access = "sts", "AssumeRoot", StoreAccess.CACHE
    takes = AssumeRootParams

    def parse(self, parameters: Parameters) -> AssumeRootRequest:
        """Return the parameters.

        Raises ValidationError if the target or the task is not valid.
        """
        given = msgspec.convert(parameters, self.takes)
        account = _read_target(given.target_principal)
        task = ROOT_TASKS.get(given.task_policy_arn.arn)
        if task is None:
            raise ValidationError(_NO_TASK)
        return AssumeRootRequest(account, task, given)

    def permissions(
        self, params: AssumeRootRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require sts:AssumeRoot on the member's root user.

        It trusts only the organization's administrators.
        """
        return (
            PermissionCheck(
                action="sts:AssumeRoot",
                resource=root_arn(params.account),
                account=params.account,
                context={"sts:taskpolicyarn": params.task.arn},
                resource_policy=_trusting(caller.account) if _is_trusted(params, caller, ctx) else None,
                trust=True,
            ),
        )

    def run(self, authorized: Authorized[AssumeRootRequest], ctx: RequestContext) -> Result:
        """Mint the session."""
        params, caller = authorized.params, authorized.caller
        source_identity = "" if caller.session is None else caller.session.source_identity
        credentials = mint_credentials(
            Grant(
                kind=SessionKind.ROOT,
                account=params.account,
                principal_id=params.account,
                principal_name="",
                session_name="",
                seconds=root_task_duration(params.members.duration_seconds),
                root_task_policy=params.task.arn,
                source_identity=source_identity,
                context=carried_context(caller.session),
                token_size=params.members.minimum_session_token_size,
            ),
            authorized,
            ctx,
        )
        shown = {"SourceIdentity": source_identity} if source_identity else {}
        return {"Credentials": credentials, **shown, **size_of_token(credentials["SessionToken"])}


def _read_target(text: str) -> str:
    if is_account_id(text):
        return text
    account = account_in_arn(text)
    if not is_account_id(account) or text != root_arn(account):
        raise ValidationError(_NO_TARGET)
    return account


def _is_trusted(params: AssumeRootRequest, caller: Caller, ctx: RequestContext) -> bool:
    """Tell whether the caller's account may do this task in the target.

    The organization decides.
    """
    organization = ctx.views.get(find_organization)
    target = ctx.views.get(load_account, params.account)
    return (
        organization is not None
        and target is not None
        and target.standing == "member"
        and caller.account in {organization.manager, organization.delegate}
        and params.task.feature.value in organization.features
        # Root users may not act for other root users, nor may a task be passed on.
        and not caller.is_root
    )


@lru_cache(maxsize=16)
def _trusting(account: str) -> PolicySet:
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRoot", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return compile_set((compiled(text, DocumentKind.RESOURCE, PolicySource(PolicyType.RESOURCE, "root-access")),))
