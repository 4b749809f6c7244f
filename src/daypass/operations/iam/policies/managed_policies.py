"""Managed policies: create, get, list, delete.

Source: IAM API Reference; Service Authorization Reference; AWS's recorded answers.
"""

from collections.abc import Iterator
from typing import Any

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities.iam_entities import ManagedPolicy, PolicyVersion
from daypass.directory.managed_policies.aws_managed import aws_policies
from daypass.directory.records import each_by_path
from daypass.errors import DeleteConflict
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import AboutArn, CreateWithTags, IamAction, IamParams
from daypass.operations.iam.lookup import check_quota, find_policy, get_own_policy, get_policy, insert_named
from daypass.operations.iam.paging import Paged, page_of_stream, read_marker
from daypass.operations.iam.policies.policy_documents import check_managed
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext

# A list shows the account's own policies first, then AWS's: the first letter of a position distinguishes them.
_OWN, _AWS = "0", "1"


def show_policy(policy: ManagedPolicy, account: str, ctx: RequestContext) -> dict[str, Any]:
    """Return a policy as lists show it, without its description and tags."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default,
        "AttachmentCount": links.attachments(account).count(ctx.reader, policy.arn),
        "PermissionsBoundaryUsageCount": links.boundaries(account).count(ctx.reader, policy.arn),
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }


class PolicyNamed(IamParams, frozen=True):
    """The parameters of an action about one policy."""

    policy_arn: str


class AboutPolicy(AboutArn):
    """The base class of actions about one existing policy."""

    takes: type[IamParams] = PolicyNamed
    named = "policy_arn"
    find = staticmethod(find_policy)


class _CreatePolicyParams(IamParams, frozen=True):
    policy_name: str
    policy_document: str
    path: str = "/"
    description: str = ""
    tags: tuple[Tag, ...] = ()


class CreatePolicy(CreateWithTags):
    """Creates a managed policy with its first version."""

    action, takes, tag_action = "CreatePolicy", _CreatePolicyParams, "iam:TagPolicy"

    def resource(self, params: _CreatePolicyParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the policy will have."""
        return iam_arn(caller.account, "policy", params.path, params.policy_name)

    def perform(self, params: _CreatePolicyParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new policy."""
        quotas = ctx.settings.quotas
        check_managed(params.policy_document, quotas.managed_policy_characters)
        check_quota(ctx.reader, ManagedPolicy, caller.account, name="PoliciesPerAccount", most=quotas.policies)
        policy = ManagedPolicy(
            id=new_unique_id("ANPA", ctx.entropy),
            account=caller.account,
            name=params.policy_name,
            path=params.path,
            created=ctx.now,
            updated=ctx.now,
            description=params.description,
            tags=tagging.read_tags(params.tags, most=quotas.tags, rule=tagging.EXACT),
            versions=(PolicyVersion(id="v1", document=params.policy_document, created=ctx.now),),
            default="v1",
        )
        insert_named(ctx.writer, policy)
        return {"Policy": {**show_policy(policy, caller.account, ctx), **tagging.echoed(params.tags)}}


class GetPolicy(AboutPolicy):
    """Shows a policy, without its document."""

    action, access = "GetPolicy", StoreAccess.SHORT_READ

    def perform(self, params: PolicyNamed, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the policy with its description and tags, even if empty."""
        policy = get_policy(ctx.reader, caller.account, params.policy_arn)
        described = {"Description": policy.description} if policy.description else {}
        tags = {"Tags": tagging.show_tags(policy.tags)}
        return {"Policy": {**show_policy(policy, caller.account, ctx), **described, **tags}}


class _ListPoliciesParams(Paged, frozen=True, kw_only=True):
    path_prefix: str = "/"
    scope: str = "All"
    only_attached: bool = False
    policy_usage_filter: str = ""


class ListPolicies(IamAction[_ListPoliciesParams]):
    """Lists the account's policies, AWS managed policies, or both."""

    action, takes = "ListPolicies", _ListPoliciesParams

    def perform(self, params: _ListPoliciesParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of policies."""
        after = read_marker(params.marker)
        return page_of_stream(
            (
                (place, policy)
                for place, policy in _places(params, caller.account, ctx, after)
                if _is_wanted(policy, params, caller.account, ctx)
            ),
            params,
            show=lambda policy: show_policy(policy, caller.account, ctx),
            name="Policies",
        )


def _places(
    params: _ListPoliciesParams, account: str, ctx: RequestContext, after: str
) -> Iterator[tuple[str, ManagedPolicy]]:
    if params.scope != "AWS" and after[:1] in {"", _OWN}:
        own = each_by_path(ctx.reader, ManagedPolicy, account, params.path_prefix, after[1:])
        yield from ((_OWN + place, policy) for place, policy in own)
    if params.scope != "Local":
        for place, policy in sorted((_AWS + policy.path + policy.name, policy) for policy in aws_policies().values()):
            if place > after and policy.path.startswith(params.path_prefix):
                yield place, policy


def _is_wanted(policy: ManagedPolicy, params: _ListPoliciesParams, account: str, ctx: RequestContext) -> bool:
    attached = links.attachments(account)
    bounding = links.boundaries(account)
    if params.policy_usage_filter == "PermissionsPolicy":
        uses = [attached]
    elif params.policy_usage_filter == "PermissionsBoundary":
        uses = [bounding]
    elif params.only_attached:
        uses = [attached]
    else:
        return True
    return any(use.count(ctx.reader, policy.arn) for use in uses)


class DeletePolicy(AboutPolicy):
    """Deletes an unused policy that has only one version."""

    action, access = "DeletePolicy", StoreAccess.WRITE

    def perform(self, params: PolicyNamed, caller: Caller, ctx: RequestContext) -> None:
        """Delete the policy, or raise DeleteConflict."""
        policy = get_own_policy(ctx.reader, caller.account, params.policy_arn)
        uses = (links.attachments(caller.account), links.boundaries(caller.account))
        if any(use.count(ctx.reader, policy.arn) for use in uses):
            raise DeleteConflict("Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        records.delete(ctx.writer, policy)


OPERATIONS = (CreatePolicy(), GetPolicy(), ListPolicies(), DeletePolicy())
