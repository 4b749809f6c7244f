"""The members of groups: add, remove, list.

Source: IAM API Reference, AddUserToGroup and the other membership actions; AWS's recorded answers.
"""

from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import Group, User
from daypass.directory.links import MEMBER, unlink_if_present
from daypass.directory.store import Link, Reader
from daypass.errors import LimitExceeded
from daypass.operations.iam.identities.groups import AboutGroup, GroupNamed
from daypass.operations.iam.identities.users import AboutUser
from daypass.operations.iam.lookup import get_named, show_named
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


class _Member(GroupNamed, frozen=True):
    user_name: str


class AddUserToGroup(AboutGroup):
    """Adds a user to a group. A user that is a member already stays a member."""

    action, takes, access = "AddUserToGroup", _Member, StoreAccess.WRITE

    def perform(self, params: _Member, caller: Caller, ctx: RequestContext) -> None:
        """Add the user, or raise LimitExceeded if it is in too many groups."""
        group, user = _both(params, caller, ctx)
        if ctx.reader.find_link(MEMBER, user.id, group.id) is not None:
            return
        most = ctx.settings.quotas.groups_per_user
        if len(ctx.reader.targets(MEMBER, user.id, limit=most)) >= most:
            raise LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {most}")
        ctx.writer.link(Link(MEMBER, user.id, group.id))


class RemoveUserFromGroup(AboutGroup):
    """Removes a user from a group. A user that is not a member is accepted."""

    action, takes, access = "RemoveUserFromGroup", _Member, StoreAccess.WRITE

    def perform(self, params: _Member, caller: Caller, ctx: RequestContext) -> None:
        """Remove the user."""
        group, user = _both(params, caller, ctx)
        unlink_if_present(ctx.writer, MEMBER, user.id, group.id)


class _GroupPage(Paged, frozen=True, kw_only=True):
    group_name: str


class GetGroup(AboutGroup):
    """Shows a group and its users."""

    action, takes, access = "GetGroup", _GroupPage, StoreAccess.SHORT_READ

    def perform(self, params: _GroupPage, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the group and a page of its users."""
        group = get_named(ctx.reader, Group, caller.account, params.group_name)
        users = page_of_values(
            users_in(ctx.reader, group), params, key=lambda user: user.path + user.name, show=show_named, name="Users"
        )
        return {"Group": show_named(group), **users}


class _UserPage(Paged, frozen=True, kw_only=True):
    user_name: str


class ListGroupsForUser(AboutUser):
    """Lists the groups of a user."""

    action, takes, access = "ListGroupsForUser", _UserPage, StoreAccess.SHORT_READ

    def perform(self, params: _UserPage, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of groups."""
        user = get_named(ctx.reader, User, caller.account, params.user_name)
        return page_of_values(
            groups_of(ctx.reader, user),
            params,
            key=lambda group: group.path + group.name,
            show=show_named,
            name="Groups",
        )


def users_in(reader: Reader, group: Group) -> list[User]:
    """Return the users of a group."""
    return records.find_all(reader, User, (link.source for link in reader.sources(MEMBER, group.id)))


def groups_of(reader: Reader, user: User) -> list[Group]:
    """Return the groups of a user."""
    return records.find_all(reader, Group, (link.target for link in reader.targets(MEMBER, user.id)))


def _both(params: _Member, caller: Caller, ctx: RequestContext) -> tuple[Group, User]:
    # If both are missing, AWS's error names the user.
    user = get_named(ctx.reader, User, caller.account, params.user_name)
    return get_named(ctx.reader, Group, caller.account, params.group_name), user


OPERATIONS = (AddUserToGroup(), RemoveUserFromGroup(), GetGroup(), ListGroupsForUser())
