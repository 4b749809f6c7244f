"""The user of an action without a UserName: the user who signs.

Owns this rule for access keys, MFA devices, passwords and GetUser. The account's root user can omit the name and then
means itself.
Source: IAM API Reference: "If you do not specify a user name, IAM determines the user name implicitly based on the AWS
access key ID signing the request."
"""

from dataclasses import dataclass
from typing import Any

from daypass.arn import root_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import User
from daypass.errors import ValidationError
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import arn_of, get_named
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys, PrincipalKind, resource_tags


class Owned(IamParams, frozen=True):
    """The parameters of an action about the named user or the caller."""

    user_name: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of keys and devices: a user, or an account's root user.

    `id` is a user's unique id, or the account id. `name` is empty for the root user.
    """

    account: str
    id: str
    name: str
    arn: str
    user: User | None


def owner_arn(name: str | None, caller: Caller, ctx: RequestContext) -> str:
    """Return the owner's ARN for a permission check."""
    if name is not None:
        return arn_of(ctx.reader, User, caller.account, name)
    user = find_owner(name, caller, ctx)
    return root_arn(caller.account) if user is None else user.arn


def find_owner(name: str | None, caller: Caller, ctx: RequestContext) -> User | None:
    """Return the user, or None for a missing user or the root user."""
    if name is not None:
        return records.find(ctx.reader, User, caller.account, name)
    if caller.principal.kind is PrincipalKind.USER:
        return records.find_by_id(ctx.reader, User, caller.principal.unique_id)
    return None


def owner_context(user: User | None) -> ConditionKeys:
    """Return the condition keys of the user."""
    return {} if user is None else resource_tags(user.tags)


def get_owner(name: str | None, caller: Caller, ctx: RequestContext) -> Owner:
    """Return the owner.

    Raises NoSuchEntity if the user does not exist, or ValidationError without a name if the caller is neither a user
    nor a root user.
    """
    if name is not None:
        return _of_user(get_named(ctx.reader, User, caller.account, name))
    if caller.is_root:
        return Owner(caller.account, caller.account, "", root_arn(caller.account), None)
    # By unique id: since the signature check, the user can have a new name, and another user its old name.
    user = find_owner(name, caller, ctx)
    if user is not None:
        return _of_user(user)
    raise ValidationError("Must specify userName when calling with non-User credentials")


class AboutOwner(IamAction[Any]):
    """The base class of actions about a user or the caller, or what they own.

    The resource is the owner's ARN. The owner's tags are condition keys.
    """

    takes: type[IamParams] = Owned

    def named_user(self, params: Any, caller: Caller) -> str | None:
        """Return the user name of the request, or None for the caller."""
        name: str | None = params.user_name
        return name

    def resource(self, params: Any, caller: Caller, ctx: RequestContext) -> str:
        """Return the owner's ARN."""
        return owner_arn(self.named_user(params, caller), caller, ctx)

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the owner's tags."""
        return owner_context(find_owner(self.named_user(params, caller), caller, ctx))


def _of_user(user: User) -> Owner:
    return Owner(user.account, user.id, user.name, user.arn, user)
