"""Users, groups and roles as holders of policies.

Owns the table HOLDERS and the base of actions about one holder, which exist for the three kinds.
Source: IAM API Reference; Service Authorization Reference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities.iam_entities import Group, InstanceProfile, Role, User
from daypass.errors import DeleteConflict
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import arn_of, get_named
from daypass.operations.iam.policies.boundaries import boundary_context
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import Quotas
from daypass.policy.authorization_request import ConditionKeys, resource_tags

HolderEntity = User | Group | Role


@dataclass(frozen=True, slots=True)
class HolderKind:
    """One kind of holder.

    `entity` is its class, `word` its name in actions and members, `inline_most` the quota of its inline policies.
    """

    entity: type[User] | type[Group] | type[Role]
    word: str
    inline_most: Callable[[Quotas], int]

    @property
    def name_member(self) -> str:
        """The member for the holder's name, such as RoleName."""
        return f"{self.word}Name"

    @property
    def noun(self) -> str:
        """The word in AWS's messages."""
        return self.word.lower()

    def find(self, ctx: RequestContext, account: str, name: str) -> HolderEntity | None:
        """Return the holder of this name, or None."""
        return records.find(ctx.reader, self.entity, account, name)

    def get(self, ctx: RequestContext, account: str, name: str) -> HolderEntity:
        """Return the holder of this name, or raise NoSuchEntity."""
        found: HolderEntity = get_named(ctx.reader, self.entity, account, name)
        return found


USERS = HolderKind(User, "User", lambda quotas: quotas.inline_user_characters)
GROUPS = HolderKind(Group, "Group", lambda quotas: quotas.inline_group_characters)
ROLES = HolderKind(Role, "Role", lambda quotas: quotas.inline_role_characters)
HOLDERS = (USERS, GROUPS, ROLES)


def boundary_of(holder: HolderEntity | InstanceProfile | None) -> str:
    """Return the ARN of a holder's permissions boundary, or an empty string.

    Groups do not have boundaries.
    """
    return holder.boundary if isinstance(holder, User | Role) else ""


class HolderNamed(IamParams, frozen=True):
    """The parameters of an action about one holder of any kind."""

    holder_name: str


class AboutNamed(IamAction[Any]):
    """An action about one existing user, group, role or instance profile.

    The resource is its ARN. Its tags and boundary are condition keys. `named` is the parameter with its name.
    """

    entity: type[HolderEntity] | type[InstanceProfile]
    named: str

    def resource(self, params: Any, caller: Caller, ctx: RequestContext) -> str:
        """Return the entity's ARN."""
        return arn_of(ctx.reader, self.entity, caller.account, getattr(params, self.named))

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the entity's tags and boundary."""
        found = records.find(ctx.reader, self.entity, caller.account, getattr(params, self.named))
        if found is None:
            return {}
        return {**resource_tags(found.tags), **boundary_context(boundary_of(found))}


def require_no_policies(ctx: RequestContext, holder: HolderEntity) -> None:
    """Refuse to delete a holder that still has policies."""
    if ctx.reader.targets(links.ATTACHED, holder.id, limit=1):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if holder.inline:
        raise DeleteConflict("Cannot delete entity, must delete policies first.")


class AboutHolder(AboutNamed):
    """An action about one existing holder, for each kind."""

    verb = "{}"
    takes: type[IamParams] = HolderNamed
    named = "holder_name"

    def __init__(self, kind: HolderKind) -> None:
        self.kind = kind
        self.entity = kind.entity
        self.action = self.verb.format(kind.word)

    @property
    def spelled(self) -> Mapping[str, str]:
        """Map the holder's name to UserName, GroupName or RoleName."""
        return {"HolderName": self.kind.name_member}

    def holder(self, params: Any, caller: Caller, ctx: RequestContext) -> HolderEntity:
        """Return the holder, or raise NoSuchEntity."""
        return self.kind.get(ctx, caller.account, params.holder_name)
