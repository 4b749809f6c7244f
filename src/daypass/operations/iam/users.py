"""IAM users: create, get, list, update, delete.

Owns what must be gone before a user can go.
Source: IAM API Reference; Service Authorization Reference for resources and condition keys; the words are AWS's
recorded ones.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities import Account, User
from daypass.directory.mfa_devices import devices_of
from daypass.directory.store import Reader
from daypass.errors import DeleteConflict, LimitExceeded
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.access_keys import keys_of
from daypass.operations.iam.action import Asked, Context, IamAction, with_tagging
from daypass.operations.iam.boundaries import bind, boundary_context, show_boundary
from daypass.operations.iam.lookup import arn_of, get_named, insert_named
from daypass.operations.iam.paging import PagedByPath, page_of_named
from daypass.operations.iam.self_service import find_owner, get_owner, owner_arn, owner_context
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import Asking, Touches
from daypass.operations.world import World


def show_user(user: User) -> dict[str, Any]:
    """Return what every answer shows of a user."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
    }


class UserNamed(Asked, frozen=True):
    """An action about one user."""

    user_name: str


class AboutUser(IamAction[Any]):
    """What the actions about one existing user share: its ARN, and its tags and boundary as condition keys."""

    takes: type[Asked] = UserNamed

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the user's ARN."""
        return arn_of(world.reader, User, caller.account, asked.user_name)

    def context(self, asked: Any, caller: Caller, world: World) -> Context:
        """Return the user's tags and boundary."""
        found = records.find(world.reader, User, caller.account, asked.user_name)
        if found is None:
            return {}
        return {**tagging.resource_tags(found.tags), **boundary_context(found.boundary)}


class _Create(UserNamed, frozen=True):
    path: str = "/"
    permissions_boundary: str = ""
    tags: tuple[Tag, ...] = ()


class CreateUser(IamAction[_Create]):
    """Makes a user."""

    action, takes, reach = "CreateUser", _Create, Touches.WRITES

    def resource(self, asked: _Create, caller: Caller, world: World) -> str:
        """Return the ARN that the user will have."""
        return iam_arn(caller.account, "user", asked.path, asked.user_name)

    def context(self, asked: _Create, caller: Caller, world: World) -> Context:
        """Return the tags and the boundary that the user will have."""
        return {**tagging.request_tags(asked.tags), **boundary_context(asked.permissions_boundary)}

    def question(self, asked: _Create, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask for iam:TagUser as well where it is born with tags."""
        return with_tagging(super().question(asked, caller, world), "iam:TagUser", asked.tags)

    def perform(self, asked: _Create, caller: Caller, world: World) -> dict[str, Any]:
        """Return the new user."""
        quotas = world.settings.quotas
        user = User(
            id=new_unique_id("AIDA", world.entropy),
            account=caller.account,
            name=asked.user_name,
            path=asked.path,
            created=world.now,
            tags=tagging.read_tags(asked.tags, most=quotas.tags),
            boundary=asked.permissions_boundary,
        )
        if world.reader.count("user", caller.account) >= quotas.users:
            raise LimitExceeded(f"Cannot exceed quota for UsersPerAccount: {quotas.users}")
        insert_named(world.writer, user)
        bind(world, user, "", user.boundary)
        return {"User": {**show_user(user), **show_boundary(user.boundary), **tagging.echoed(asked.tags)}}


class _Whom(Asked, frozen=True):
    user_name: str | None = None


class GetUser(IamAction[_Whom]):
    """Shows a user: the one named, or the one who asks."""

    action, takes = "GetUser", _Whom

    def resource(self, asked: _Whom, caller: Caller, world: World) -> str:
        """Return the user's ARN."""
        return owner_arn(asked.user_name, caller, world)

    def context(self, asked: _Whom, caller: Caller, world: World) -> Context:
        """Return the user's tags."""
        return owner_context(find_owner(asked.user_name, caller, world))

    def perform(self, asked: _Whom, caller: Caller, world: World) -> dict[str, Any]:
        """Return the user with its boundary and tags."""
        owner = get_owner(asked.user_name, caller, world)
        if owner.user is None:
            return {"User": _show_root(caller.account, world)}
        user = owner.user
        return {"User": {**show_user(user), **show_boundary(user.boundary), **tagging.shown(user.tags)}}


def _show_root(account: str, world: World) -> dict[str, Any]:
    """Return an account's root user, which has neither a path nor a name of its own."""
    known = records.find(world.reader, Account, "", account)
    created = world.now if known is None else known.created
    return {"UserId": account, "Arn": f"arn:aws:iam::{account}:root", "CreateDate": created}


class ListUsers(IamAction[PagedByPath]):
    """Lists the users below a path."""

    action, takes = "ListUsers", PagedByPath

    def resource(self, asked: PagedByPath, caller: Caller, world: World) -> str:
        """Return the ARN of the users below the path."""
        return iam_arn(caller.account, "user", asked.path_prefix, "")

    def perform(self, asked: PagedByPath, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of users, without tags and boundaries, as AWS does."""
        return page_of_named(world.reader, User, caller.account, asked, show=show_user, name="Users")


class _Update(UserNamed, frozen=True):
    new_path: str | None = None
    new_user_name: str | None = None


class UpdateUser(AboutUser):
    """Renames a user or moves it to another path. Its unique id stays, and so does all that names it by id."""

    action, takes, reach = "UpdateUser", _Update, Touches.WRITES

    def question(self, asked: _Update, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask about the user as it is, and as it will be: IAM User Guide, "Renaming a user"."""
        now = super().question(asked, caller, world)
        found = records.find(world.reader, User, caller.account, asked.user_name)
        if found is None:
            return now
        new = _renamed(found, asked)
        return now if new.arn == found.arn else (*now, replace(now[0], resource=new.arn))

    def perform(self, asked: _Update, caller: Caller, world: World) -> None:
        """Rename it."""
        user = get_named(world.reader, User, caller.account, asked.user_name)
        records.delete(world.writer, user)
        insert_named(world.writer, _renamed(user, asked))


def _renamed(user: User, asked: _Update) -> User:
    return msgspec.structs.replace(
        user,
        name=user.name if asked.new_user_name is None else asked.new_user_name,
        path=user.path if asked.new_path is None else asked.new_path,
    )


# What must go before a user can go, in AWS's order, and AWS's word for it.
_PARTS: tuple[tuple[Callable[[Reader, User], object], str], ...] = (
    (lambda reader, user: keys_of(reader, user.account, user.id), "delete access keys"),
    (lambda reader, user: devices_of(reader, user.account, user.id), "delete MFA device"),
    (lambda reader, user: reader.targets(links.ATTACHED, user.id, limit=1), "detach all policies"),
    (lambda _, user: user.inline, "delete policies"),
    (lambda reader, user: reader.targets(links.MEMBER, user.id, limit=1), "remove users from group"),
)


class DeleteUser(AboutUser):
    """Deletes a user that has nothing left."""

    action, reach = "DeleteUser", Touches.WRITES

    def perform(self, asked: UserNamed, caller: Caller, world: World) -> None:
        """Delete it. What belongs to it must go first, as on AWS."""
        user = get_named(world.reader, User, caller.account, asked.user_name)
        for has_some, first in _PARTS:
            if has_some(world.reader, user):
                raise DeleteConflict(f"Cannot delete entity, must {first} first.")
        bind(world, user, user.boundary, "")
        records.delete(world.writer, user)


OPERATIONS = (CreateUser(), GetUser(), ListUsers(), UpdateUser(), DeleteUser())
