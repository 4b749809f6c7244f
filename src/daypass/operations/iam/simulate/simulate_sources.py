"""The holder of simulated policies: a user, a group or a role.

A user's policies include those of its groups. Holders of other accounts count as missing, so that an answer discloses
no facts about them.
"""

from dataclasses import dataclass

from daypass.arn import Arn, account_in_arn
from daypass.directory import records
from daypass.directory.entities.iam_entities import Group
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
    if parts is None or parts.service != "iam" or kind not in records.HOLDER_TYPES:
        raise InvalidInput(f"{arn} is not the ARN of a user, group or role.")
    holder = get_named(ctx.reader, records.HOLDER_TYPES[kind], account, rest.rpartition("/")[2])
    # The account and the path of the ARN must match too.
    if holder.arn != arn:
        raise NoSuchEntity(f"{arn} cannot be found.")
    if isinstance(holder, Group):
        return PolicyHolder(account, tuple(attached_policies(ctx.reader, holder)), None)
    identity = load_identity(ctx.reader, holder.id)
    if identity is None:
        raise NoSuchEntity(f"{arn} cannot be found.")
    return PolicyHolder(account, identity.policies.policies, identity.boundary)


def find_caller(arn: str, account: str, ctx: RequestContext) -> Identity | None:
    """Return the user or role of this ARN in the account, or None."""
    found = records.find_by_arn(ctx.reader, arn) if account_in_arn(arn) == account else None
    return None if found is None else load_identity(ctx.reader, found.id)
