"""The holder of simulated policies: a user, a group or a role.

A user's policies include those of its groups. The holder must be in the caller's own account. Holders of other accounts
count as missing, so that an answer discloses no facts about them.
"""

from dataclasses import dataclass

from daypass.arn import Arn
from daypass.directory import records
from daypass.directory.entities.iam_entities import Group, Role, User
from daypass.directory.identity import Identity, attached_policies, load_identity
from daypass.errors import InvalidInput, NoSuchEntity
from daypass.operations.iam.lookup import get_named
from daypass.operations.request_context import RequestContext
from daypass.policy.compiled import Policy, PolicySet


@dataclass(frozen=True, slots=True)
class PolicyHolder:
    """A user, group or role with its policies and its boundary."""

    account: str
    policies: tuple[Policy, ...]
    boundary: PolicySet | None


def get_holder(arn: str, account: str, ctx: RequestContext) -> PolicyHolder:
    """Return the user, group or role with this ARN and its policies.

    Raises NoSuchEntity if it does not exist in the account.
    """
    parts = Arn.find(arn)
    kind, _, rest = ("", "", "") if parts is None else parts.resource.partition("/")
    if parts is None or parts.service != "iam" or kind not in {"user", "group", "role"}:
        raise InvalidInput(f"{arn} is not the ARN of a user, group or role.")
    name = rest.rpartition("/")[2]
    if kind == "group":
        group = get_named(ctx.reader, Group, account, name)
        _require_arn(group.arn, arn)
        return PolicyHolder(account, tuple(attached_policies(ctx.reader, group)), None)
    unique_id = _user_id(arn, name, account, ctx) if kind == "user" else _role_id(arn, name, account, ctx)
    identity = load_identity(ctx.reader, unique_id)
    if identity is None:
        raise NoSuchEntity(f"{arn} cannot be found.")
    return PolicyHolder(account, identity.policies.policies, identity.boundary)


def _user_id(arn: str, name: str, account: str, ctx: RequestContext) -> str:
    user = get_named(ctx.reader, User, account, name)
    _require_arn(user.arn, arn)
    return user.id


def _role_id(arn: str, name: str, account: str, ctx: RequestContext) -> str:
    role = get_named(ctx.reader, Role, account, name)
    _require_arn(role.arn, arn)
    return role.id


def find_caller(arn: str, account: str, ctx: RequestContext) -> Identity | None:
    """Return the user or role of this ARN in the account, or None."""
    parts = Arn.find(arn)
    if parts is None or parts.account != account:
        return None
    kind, _, rest = parts.resource.partition("/")
    type_: type[User | Role] | None = {"user": User, "role": Role}.get(kind)  # type: ignore[assignment] # two kinds
    found = None if type_ is None else records.find(ctx.reader, type_, account, rest.rpartition("/")[2])
    return None if found is None or found.arn != arn else load_identity(ctx.reader, found.id)


def _require_arn(found: str, params: str) -> None:
    # The account and the path of the ARN must match too.
    if found != params:
        raise NoSuchEntity(f"{params} cannot be found.")
