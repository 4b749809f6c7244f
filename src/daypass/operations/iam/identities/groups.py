"""Groups: create, get, list, update, delete.

Source: IAM API Reference; Service Authorization Reference; AWS's recorded answers.
"""

from typing import Any

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities.iam_entities import Group
from daypass.errors import DeleteConflict
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import check_quota, get_named, insert_named, show_named
from daypass.operations.iam.paging import ListNamed
from daypass.operations.iam.policies.policy_holders import AboutNamed, require_no_policies
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


class GroupNamed(IamParams, frozen=True):
    """The parameters of an action about one group."""

    group_name: str


class AboutGroup(AboutNamed):
    """An action about one existing group."""

    entity, named = Group, "group_name"
    takes: type[IamParams] = GroupNamed


class _CreateGroupParams(GroupNamed, frozen=True):
    path: str = "/"


class CreateGroup(IamAction[_CreateGroupParams]):
    """Creates a group."""

    action, takes, access = "CreateGroup", _CreateGroupParams, StoreAccess.WRITE

    def resource(self, params: _CreateGroupParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the group will have."""
        return iam_arn(caller.account, "group", params.path, params.group_name)

    def perform(self, params: _CreateGroupParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new group."""
        check_quota(ctx.reader, Group, caller.account, name="GroupsPerAccount", most=ctx.settings.quotas.groups)
        group = Group(
            id=new_unique_id("AGPA", ctx.entropy),
            account=caller.account,
            name=params.group_name,
            path=params.path,
            created=ctx.now,
        )
        insert_named(ctx.writer, group)
        return {"Group": show_named(group)}


class ListGroups(ListNamed):
    """Lists the groups below a path."""

    action, access, entity, name = "ListGroups", StoreAccess.SHORT_READ, Group, "Groups"


class DeleteGroup(AboutGroup):
    """Deletes a group. It must not have members or policies."""

    action, access = "DeleteGroup", StoreAccess.WRITE

    def perform(self, params: GroupNamed, caller: Caller, ctx: RequestContext) -> None:
        """Delete the group, or raise DeleteConflict."""
        group = get_named(ctx.reader, Group, caller.account, params.group_name)
        if ctx.reader.sources(links.MEMBER, group.id, limit=1):
            raise DeleteConflict("Cannot delete entity, must remove users from group first.")
        require_no_policies(ctx, group)
        records.delete(ctx.writer, group)


OPERATIONS = (CreateGroup(), ListGroups(), DeleteGroup())
