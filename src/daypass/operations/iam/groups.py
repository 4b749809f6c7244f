"""Groups: create, get, list, update, delete.

Source: IAM API Reference; Service Authorization Reference for resources; the words are AWS's recorded ones.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities import Group
from daypass.errors import DeleteConflict, LimitExceeded
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam.action import Asked, IamAction
from daypass.operations.iam.lookup import arn_of, get_named, insert_named
from daypass.operations.iam.paging import PagedByPath, page_of_named
from daypass.operations.operation import Asking, Touches
from daypass.operations.world import World


def show_group(group: Group) -> dict[str, Any]:
    """Return a group as the API shows it."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created,
    }


class GroupNamed(Asked, frozen=True):
    """An action about one group."""

    group_name: str


class AboutGroup(IamAction[Any]):
    """What the actions about one existing group share: its ARN. Groups have neither tags nor boundaries."""

    takes: type[Asked] = GroupNamed

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the group's ARN."""
        return arn_of(world.reader, Group, caller.account, asked.group_name)


class _Create(GroupNamed, frozen=True):
    path: str = "/"


class CreateGroup(IamAction[_Create]):
    """Makes a group."""

    action, takes, reach = "CreateGroup", _Create, Touches.WRITES

    def resource(self, asked: _Create, caller: Caller, world: World) -> str:
        """Return the ARN that the group will have."""
        return iam_arn(caller.account, "group", asked.path, asked.group_name)

    def perform(self, asked: _Create, caller: Caller, world: World) -> dict[str, Any]:
        """Return the new group."""
        most = world.settings.quotas.groups
        if world.reader.count("group", caller.account) >= most:
            raise LimitExceeded(f"Cannot exceed quota for GroupsPerAccount: {most}")
        group = Group(
            id=new_unique_id("AGPA", world.entropy),
            account=caller.account,
            name=asked.group_name,
            path=asked.path,
            created=world.now,
        )
        insert_named(world.writer, group)
        return {"Group": show_group(group)}


class ListGroups(IamAction[PagedByPath]):
    """Lists the groups below a path."""

    action, takes = "ListGroups", PagedByPath

    def resource(self, asked: PagedByPath, caller: Caller, world: World) -> str:
        """Return the ARN of the groups below the path."""
        return iam_arn(caller.account, "group", asked.path_prefix, "")

    def perform(self, asked: PagedByPath, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of groups."""
        return page_of_named(world.reader, Group, caller.account, asked, show=show_group, name="Groups")


class _Update(GroupNamed, frozen=True):
    new_path: str | None = None
    new_group_name: str | None = None


class UpdateGroup(AboutGroup):
    """Renames a group or moves it to another path. Its unique id stays, and so do its members and policies."""

    action, takes, reach = "UpdateGroup", _Update, Touches.WRITES

    def question(self, asked: _Update, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask about the group as it is and as it will be: IAM API Reference, UpdateGroup."""
        now = super().question(asked, caller, world)
        found = records.find(world.reader, Group, caller.account, asked.group_name)
        if found is None:
            return now
        new = _renamed(found, asked)
        return now if new.arn == found.arn else (*now, replace(now[0], resource=new.arn))

    def perform(self, asked: _Update, caller: Caller, world: World) -> None:
        """Rename it."""
        group = get_named(world.reader, Group, caller.account, asked.group_name)
        records.delete(world.writer, group)
        insert_named(world.writer, _renamed(group, asked))


def _renamed(group: Group, asked: _Update) -> Group:
    return msgspec.structs.replace(
        group,
        name=group.name if asked.new_group_name is None else asked.new_group_name,
        path=group.path if asked.new_path is None else asked.new_path,
    )


class DeleteGroup(AboutGroup):
    """Deletes a group that has neither members nor policies."""

    action, reach = "DeleteGroup", Touches.WRITES

    def perform(self, asked: GroupNamed, caller: Caller, world: World) -> None:
        """Delete it."""
        group = get_named(world.reader, Group, caller.account, asked.group_name)
        if world.reader.sources(links.MEMBER, group.id, limit=1):
            raise DeleteConflict("Cannot delete entity, must remove users from group first.")
        if world.reader.targets(links.ATTACHED, group.id, limit=1):
            raise DeleteConflict("Cannot delete entity, must detach all policies first.")
        if group.inline:
            raise DeleteConflict("Cannot delete entity, must delete policies first.")
        records.delete(world.writer, group)


OPERATIONS = (CreateGroup(), ListGroups(), UpdateGroup(), DeleteGroup())
