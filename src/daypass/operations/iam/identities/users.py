"""Users: create, get, list, update, delete.

Owns the list of parts that must be deleted before a user.
Source: IAM API Reference; Service Authorization Reference; AWS's recorded answers.
"""

from collections.abc import Callable
from typing import Any

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities.iam_entities import Account, User
from daypass.directory.mfa_devices import devices_of
from daypass.directory.store import Reader
from daypass.errors import DeleteConflict
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import CreateWithTags, IamParams
from daypass.operations.iam.identities.access_keys import keys_of
from daypass.operations.iam.lookup import check_quota, get_named, insert_named, show_named
from daypass.operations.iam.paging import ListNamed
from daypass.operations.iam.policies.boundaries import bind, boundary_context, show_boundary
from daypass.operations.iam.policies.policy_holders import AboutNamed
from daypass.operations.iam.self_service import AboutOwner, Owned, get_owner
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys


class UserNamed(IamParams, frozen=True):
    """The parameters of an action about one user."""

    user_name: str


class AboutUser(AboutNamed):
    """An action about one existing user."""

    entity, named = User, "user_name"
    takes: type[IamParams] = UserNamed


class _CreateUserParams(UserNamed, frozen=True):
    path: str = "/"
    permissions_boundary: str = ""
    tags: tuple[Tag, ...] = ()


class CreateUser(CreateWithTags):
    """Creates a user."""

    action, takes, tag_action = "CreateUser", _CreateUserParams, "iam:TagUser"

    def resource(self, params: _CreateUserParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the user will have."""
        return iam_arn(caller.account, "user", params.path, params.user_name)

    def context(self, params: _CreateUserParams, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the tags and the boundary that the user will have."""
        return {**super().context(params, caller, ctx), **boundary_context(params.permissions_boundary)}

    def perform(self, params: _CreateUserParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new user."""
        quotas = ctx.settings.quotas
        user = User(
            id=new_unique_id("AIDA", ctx.entropy),
            account=caller.account,
            name=params.user_name,
            path=params.path,
            created=ctx.now,
            tags=tagging.read_tags(params.tags, most=quotas.tags),
            boundary=params.permissions_boundary,
        )
        check_quota(ctx.reader, User, caller.account, name="UsersPerAccount", most=quotas.users)
        insert_named(ctx.writer, user)
        bind(ctx, user, "", user.boundary)
        return {"User": {**show_named(user), **show_boundary(user.boundary), **tagging.echoed(params.tags)}}


class GetUser(AboutOwner):
    """Shows the named user, or the caller."""

    action, access = "GetUser", StoreAccess.SHORT_READ

    def perform(self, params: Owned, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the user with its boundary and tags."""
        owner = get_owner(params.user_name, caller, ctx)
        if owner.user is None:
            return {"User": _show_root(caller.account, ctx)}
        user = owner.user
        return {"User": {**show_named(user), **show_boundary(user.boundary), **tagging.shown(user.tags)}}


def _show_root(account: str, ctx: RequestContext) -> dict[str, Any]:
    """Return an account's root user, which does not have a path or a name."""
    known = records.find(ctx.reader, Account, "", account)
    created = ctx.now if known is None else known.created
    return {"UserId": account, "Arn": f"arn:aws:iam::{account}:root", "CreateDate": created}


class ListUsers(ListNamed):
    """Lists the users below a path, without tags and boundary, as AWS does."""

    action, access, entity, name = "ListUsers", StoreAccess.SHORT_READ, User, "Users"


# The parts that must be deleted before a user, in AWS's order, with AWS's message for each.
_PARTS: tuple[tuple[Callable[[Reader, User], object], str], ...] = (
    (lambda reader, user: keys_of(reader, user.account, user.id), "delete access keys"),
    (lambda reader, user: devices_of(reader, user.account, user.id), "delete MFA device"),
    (lambda reader, user: reader.targets(links.ATTACHED, user.id, limit=1), "detach all policies"),
    (lambda _, user: user.inline, "delete policies"),
    (lambda reader, user: reader.targets(links.MEMBER, user.id, limit=1), "remove users from group"),
)


class DeleteUser(AboutUser):
    """Deletes a user. It must not have keys, devices, policies or groups."""

    action, access = "DeleteUser", StoreAccess.WRITE

    def perform(self, params: UserNamed, caller: Caller, ctx: RequestContext) -> None:
        """Delete the user, or raise DeleteConflict."""
        user = get_named(ctx.reader, User, caller.account, params.user_name)
        for has_some, first in _PARTS:
            if has_some(ctx.reader, user):
                raise DeleteConflict(f"Cannot delete entity, must {first} first.")
        bind(ctx, user, user.boundary, "")
        records.delete(ctx.writer, user)


OPERATIONS = (CreateUser(), GetUser(), ListUsers(), DeleteUser())
