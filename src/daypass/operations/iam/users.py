"""IAM users: create, get, list, update, delete, tags and boundaries.

Source: IAM API Reference; Service Authorization Reference for resources and condition keys.
"""

from typing import Any

import msgspec

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities import User
from daypass.directory.links import ATTACHED, MEMBER
from daypass.errors import DeleteConflict, LimitExceeded
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.access_keys import keys_of
from daypass.operations.iam.action import Asked, Context, IamAction
from daypass.operations.iam.boundaries import boundary_context, boundary_link, show_boundary
from daypass.operations.iam.lookup import get_named, insert_named
from daypass.operations.iam.paging import Paged, page_of_records
from daypass.operations.iam.self_service import get_owner, owner_arn
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import Touches
from daypass.operations.world import World


def user_arn(world: World, account: str, name: str) -> str:
    """Return the ARN that a permission about a user is asked for. A user that is missing has the path `/`."""
    found = records.find(world.reader, User, account, name)
    return iam_arn(account, "user", "/", name) if found is None else found.arn


def show_user(user: User) -> dict[str, Any]:
    """Return a user as the API shows it, without its tags."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
        **show_boundary(user.boundary),
    }


class UserNamed(Asked, frozen=True):
    """An action about one user."""

    user_name: str


class AboutUser(IamAction[Any]):
    """What the actions about one existing user share: its ARN, and its tags as condition keys."""

    takes: type[Asked] = UserNamed

    def resource(self, asked: Any, caller: Caller, world: World) -> str:
        """Return the user's ARN."""
        return user_arn(world, caller.account, asked.user_name)

    def context(self, asked: Any, caller: Caller, world: World) -> Context:
        """Return the user's tags."""
        found = records.find(world.reader, User, caller.account, asked.user_name)
        return {} if found is None else tagging.resource_tags(found.tags)


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

    def perform(self, asked: _Create, caller: Caller, world: World) -> dict[str, Any]:
        """Return the new user."""
        quotas = world.settings.quotas
        if world.reader.count("user", caller.account) >= quotas.users:
            raise LimitExceeded(f"Cannot exceed quota for UsersPerAccount: {quotas.users}")
        user = User(
            id=new_unique_id("AIDA", world.entropy),
            account=caller.account,
            name=asked.user_name,
            path=asked.path,
            created=world.now,
            tags=tagging.read_tags(asked.tags, most=quotas.tags),
            boundary=asked.permissions_boundary,
        )
        insert_named(world.writer, user, "User")
        boundary_link(world, user.id, "", user.boundary)
        return {"User": {**show_user(user), **tagging.shown(user.tags)}}


class _Whom(Asked, frozen=True):
    user_name: str | None = None


class GetUser(IamAction[_Whom]):
    """Shows a user: the one named, or the one who asks."""

    action, takes = "GetUser", _Whom

    def resource(self, asked: _Whom, caller: Caller, world: World) -> str:
        """Return the user's ARN."""
        return owner_arn(asked.user_name, caller, world)

    def perform(self, asked: _Whom, caller: Caller, world: World) -> dict[str, Any]:
        """Return the user with its tags. An account's root user shows itself without a name."""
        owner = get_owner(asked.user_name, caller, world)
        if owner.user is None:
            return {
                "User": {
                    "UserId": owner.id,
                    "Arn": owner.arn,
                    "CreateDate": world.now,
                    "Path": "/",
                    "UserName": "",
                }
            }
        return {"User": {**show_user(owner.user), **tagging.shown(owner.user.tags)}}


class _List(Paged, frozen=True):
    path_prefix: str = "/"


class ListUsers(IamAction[_List]):
    """Lists the users below a path."""

    action, takes = "ListUsers", _List

    def resource(self, asked: _List, caller: Caller, world: World) -> str:
        """Return the ARN of the users below the path."""
        return iam_arn(caller.account, "user", asked.path_prefix, "")

    def perform(self, asked: _List, caller: Caller, world: World) -> dict[str, Any]:
        """Return a page of users, without tags and boundaries, as AWS does."""
        return page_of_records(
            world.reader,
            "user",
            caller.account,
            asked,
            prefix=asked.path_prefix,
            show=lambda record: show_user(records.to_entity(User, record)),
            name="Users",
        )


class _Update(UserNamed, frozen=True):
    new_path: str | None = None
    new_user_name: str | None = None


class UpdateUser(AboutUser):
    """Renames a user or moves it to another path. Its unique id stays, and so does all that names it by id."""

    action, takes, reach = "UpdateUser", _Update, Touches.WRITES

    def perform(self, asked: _Update, caller: Caller, world: World) -> None:
        """Rename it."""
        user = get_named(world.reader, User, caller.account, asked.user_name)
        renamed = msgspec.structs.replace(
            user,
            name=user.name if asked.new_user_name is None else asked.new_user_name,
            path=user.path if asked.new_path is None else asked.new_path,
        )
        records.delete(world.writer, user)
        insert_named(world.writer, renamed, "User")


class DeleteUser(AboutUser):
    """Deletes a user that has nothing left."""

    action, reach = "DeleteUser", Touches.WRITES

    def perform(self, asked: UserNamed, caller: Caller, world: World) -> None:
        """Delete it. What belongs to it must go first, as on AWS."""
        user = get_named(world.reader, User, caller.account, asked.user_name)
        reader = world.reader
        if user.inline:
            raise DeleteConflict("Cannot delete entity, must delete policies first.")
        if reader.targets(ATTACHED, user.id, limit=1):
            raise DeleteConflict("Cannot delete entity, must detach all policies first.")
        if keys_of(reader, user.account, user.id):
            raise DeleteConflict("Cannot delete entity, must delete access keys first.")
        if reader.targets(MEMBER, user.id, limit=1):
            raise DeleteConflict("Cannot delete entity, must remove users from group first.")
        boundary_link(world, user.id, user.boundary, "")
        records.delete(world.writer, user)


OPERATIONS = (CreateUser(), GetUser(), ListUsers(), UpdateUser(), DeleteUser())
