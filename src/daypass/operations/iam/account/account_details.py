"""GetAccountAuthorizationDetails: all IAM entities of an account.

`daypass import` reads this format. Owns the order of the sections (users, groups, roles, the account's own policies,
AWS managed policies in use) and their members.
Source: IAM API Reference, GetAccountAuthorizationDetails; AWS's recorded answers.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import links
from daypass.directory.entities.iam_entities import Group, ManagedPolicy, Named, Role, User
from daypass.directory.managed_policies.aws_managed import aws_policies
from daypass.directory.records import each_by_path
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import IamAction
from daypass.operations.iam.identities.instance_profiles import profiles_of, show_profile
from daypass.operations.iam.identities.last_used import show_role_use
from daypass.operations.iam.identities.memberships import groups_of
from daypass.operations.iam.identities.roles import show_role
from daypass.operations.iam.lookup import show_named
from daypass.operations.iam.paging import Paged, read_marker, truncation
from daypass.operations.iam.policies.attachments import attached_to, show_attached
from daypass.operations.iam.policies.boundaries import show_boundary
from daypass.operations.iam.policies.managed_policies import show_policy
from daypass.operations.iam.policies.policy_documents import show_document
from daypass.operations.iam.policies.policy_holders import HolderEntity
from daypass.operations.iam.policies.policy_versions import show_version
from daypass.operations.request_context import RequestContext

Place = tuple[str, Named]


class _Details(Paged, frozen=True):
    filter: tuple[str, ...] = ()


def _inline(holder: HolderEntity) -> list[dict[str, str]]:
    return [{"PolicyName": name, "PolicyDocument": show_document(text)} for name, text in sorted(holder.inline.items())]


def _attached(ctx: RequestContext, holder: HolderEntity) -> list[dict[str, str]]:
    return [show_attached(policy) for policy in attached_to(ctx, holder)]


def _user(ctx: RequestContext, user: Any) -> dict[str, Any]:
    inline = _inline(user)
    return {
        **show_named(user),
        # AWS omits only this list if it is empty.
        **({"UserPolicyList": inline} if inline else {}),
        "GroupList": [group.name for group in groups_of(ctx.reader, user)],
        "AttachedManagedPolicies": _attached(ctx, user),
        **show_boundary(user.boundary),
        "Tags": tagging.show_tags(user.tags),
    }


def _group(ctx: RequestContext, group: Any) -> dict[str, Any]:
    return {
        **show_named(group),
        "GroupPolicyList": _inline(group),
        "AttachedManagedPolicies": _attached(ctx, group),
    }


def _role(ctx: RequestContext, role: Any) -> dict[str, Any]:
    return {
        **show_role(ctx.reader, role),
        "InstanceProfileList": [show_profile(ctx.reader, profile) for profile in profiles_of(ctx.reader, role)],
        "RolePolicyList": _inline(role),
        "AttachedManagedPolicies": _attached(ctx, role),
        **show_boundary(role.boundary),
        "Tags": tagging.show_tags(role.tags),
        "RoleLastUsed": show_role_use(ctx.reader, role),
    }


def _policy(account: str) -> Callable[[RequestContext, Any], dict[str, Any]]:
    def show(ctx: RequestContext, policy: Any) -> dict[str, Any]:
        return {
            **show_policy(policy, account, ctx),
            "PolicyVersionList": [
                {**show_version(policy, version), "Document": show_document(version.document)}
                for version in reversed(policy.versions)
            ],
        }

    return show


def _aws_in_use(ctx: RequestContext, account: str, after: str) -> Iterator[Place]:
    uses = (links.attachments(account), links.boundaries(account))
    for arn, policy in sorted(aws_policies().items()):
        if arn > after and any(use.count(ctx.reader, arn) for use in uses):
            yield arn, policy


def _stored(type_: type[Named]) -> Callable[[RequestContext, str, str], Iterator[Place]]:
    return lambda ctx, account, after: each_by_path(ctx.reader, type_, account, "/", after)


# Each section: its letter in a marker, its name in the filter, and the function that yields its entities.
_SECTIONS: tuple[tuple[str, str, Callable[[RequestContext, str, str], Iterator[Place]]], ...] = (
    ("0", "User", _stored(User)),
    ("1", "Group", _stored(Group)),
    ("2", "Role", _stored(Role)),
    ("3", "LocalManagedPolicy", _stored(ManagedPolicy)),
    ("4", "AWSManagedPolicy", _aws_in_use),
)
_LISTS: Mapping[str, str] = {
    "0": "UserDetailList",
    "1": "GroupDetailList",
    "2": "RoleDetailList",
    "3": "Policies",
    "4": "Policies",
}


class GetAccountAuthorizationDetails(IamAction[_Details]):
    """Shows users, groups, roles and policies with all their attachments."""

    action, takes = "GetAccountAuthorizationDetails", _Details

    def perform(self, params: _Details, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return one page. A page can span several sections."""
        after = read_marker(params.marker)
        found = list(islice(_places(params, caller.account, ctx, after), params.max_items + 1))
        answer: dict[str, Any] = {name: [] for name in _LISTS.values()}
        show = {"0": _user, "1": _group, "2": _role, "3": _policy(caller.account), "4": _policy(caller.account)}
        for place, thing in found[: params.max_items]:
            answer[_LISTS[place[0]]].append(show[place[0]](ctx, thing))
        last = found[params.max_items - 1][0] if len(found) > params.max_items else None
        return {**answer, **truncation(last)}


def _places(params: _Details, account: str, ctx: RequestContext, after: str) -> Iterator[Place]:
    for letter, name, things in _SECTIONS:
        if (params.filter and name not in params.filter) or letter < after[:1]:
            continue
        start = after[1:] if after[:1] == letter else ""
        for place, thing in things(ctx, account, start):
            yield letter + place, thing


OPERATIONS = (GetAccountAuthorizationDetails(),)
