"""Managed policies of users, groups and roles: attach, detach, list.

Source: IAM API Reference, AttachRolePolicy and the other actions for attachments; AWS's recorded answers.
"""

from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import links
from daypass.directory.entities.iam_entities import ManagedPolicy
from daypass.directory.managed_policies.root_tasks import PATH as ROOT_TASK_PATH
from daypass.directory.store import RecordMissingError
from daypass.errors import LimitExceeded, NoSuchEntity, PolicyNotAttachable, ValidationError
from daypass.operations.iam.iam_action import IamParams
from daypass.operations.iam.lookup import find_policy, is_policy_arn, require_changeable
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.policies.policy_holders import HOLDERS, AboutHolder, HolderEntity
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys

_SERVICE_PATH = "/aws-service-role/"


class _Attached(IamParams, frozen=True):
    holder_name: str
    policy_arn: str


class _ListAttachedPoliciesParams(Paged, frozen=True, kw_only=True):
    holder_name: str
    path_prefix: str = "/"


class _ChangesAttachment(AboutHolder):
    takes, access = _Attached, StoreAccess.WRITE

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the condition keys of the holder, and the policy's ARN."""
        return {**super().context(params, caller, ctx), "iam:policyarn": params.policy_arn}


class Attach(_ChangesAttachment):
    """Attaches a managed policy, which may be attached already."""

    verb = "Attach{}Policy"

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Attach the policy, or raise LimitExceeded if the holder has too many."""
        holder = self.holder(params, caller, ctx)
        require_changeable(holder)
        policy = _get_attachable(ctx, caller.account, params.policy_arn)
        if ctx.reader.find_link(links.ATTACHED, holder.id, policy.arn) is not None:
            return
        self._require_room(holder, ctx)
        links.attachments(holder.account).add(ctx.writer, holder.id, policy.arn)

    def _require_room(self, holder: HolderEntity, ctx: RequestContext) -> None:
        most = ctx.settings.quotas.attached_policies
        if len(ctx.reader.targets(links.ATTACHED, holder.id, limit=most)) >= most:
            raise LimitExceeded(f"Cannot exceed quota for PoliciesPer{self.kind.word}: {most}")


class Detach(_ChangesAttachment):
    """Detaches a managed policy."""

    verb = "Detach{}Policy"

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Detach the policy, or raise NoSuchEntity if it is not attached."""
        holder = self.holder(params, caller, ctx)
        require_changeable(holder)
        _require_arn(params.policy_arn)
        try:
            links.attachments(holder.account).remove(ctx.writer, holder.id, params.policy_arn)
        except RecordMissingError as missing:
            raise NoSuchEntity(f"Policy {params.policy_arn} was not found.") from missing


class ListAttached(AboutHolder):
    """Lists the attached managed policies."""

    verb, takes, access = "ListAttached{}Policies", _ListAttachedPoliciesParams, StoreAccess.SHORT_READ

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of names and ARNs."""
        holder = self.holder(params, caller, ctx)
        policies = attached_to(ctx, holder)
        return page_of_values(
            [policy for policy in policies if policy.path.startswith(params.path_prefix)],
            params,
            key=lambda policy: policy.arn,
            show=show_attached,
            name="AttachedPolicies",
        )


def attached_to(ctx: RequestContext, holder: HolderEntity) -> list[ManagedPolicy]:
    """Return the managed policies attached to a holder, sorted by ARN."""
    found = (
        find_policy(ctx.reader, holder.account, link.target) for link in ctx.reader.targets(links.ATTACHED, holder.id)
    )
    return [policy for policy in found if policy is not None]


def show_attached(policy: ManagedPolicy) -> dict[str, str]:
    """Return an attached policy as the API shows it."""
    return {"PolicyName": policy.name, "PolicyArn": policy.arn}


def _get_attachable(ctx: RequestContext, account: str, arn: str) -> ManagedPolicy:
    _require_arn(arn)
    policy = find_policy(ctx.reader, account, arn)
    if policy is None:
        raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    if policy.account == "aws" and policy.path.startswith(_SERVICE_PATH):
        raise PolicyNotAttachable("Cannot attach a Service Role Policy to a Customer Role.")
    if policy.account == "aws" and policy.path == ROOT_TASK_PATH:
        raise PolicyNotAttachable("Cannot attach a root task policy. It scopes the sessions of AssumeRoot alone.")
    return policy


def _require_arn(arn: str) -> None:
    if not is_policy_arn(arn):
        raise ValidationError(f"ARN {arn} is not valid.")


OPERATIONS = tuple(action(kind) for action in (Attach, Detach, ListAttached) for kind in HOLDERS)
