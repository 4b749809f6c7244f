"""Permissions boundaries: their member in answers, condition key and use.

Source: IAM User Guide, "Permissions boundaries for IAM entities"; AWS's recorded answers.
"""

from typing import Any

from daypass.directory import links
from daypass.directory.entities.iam_entities import Role, User
from daypass.errors import NoSuchEntity
from daypass.operations.iam.lookup import find_policy, require_policy_arn
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys


def show_boundary(arn: str) -> dict[str, Any]:
    """Return the member that shows a boundary, or {} if the ARN is empty."""
    if not arn:
        return {}
    # AWS returns "Policy", although the enum of its model has another value.
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}}


def boundary_context(arn: str) -> ConditionKeys:
    """Return the condition key for the present or requested boundary."""
    return {"iam:permissionsboundary": arn} if arn else {}


def bind(ctx: RequestContext, holder: User | Role, before: str, after: str) -> None:
    """Record the change of a holder's boundary.

    An empty ARN means no boundary. Raises NoSuchEntity if the new boundary does not exist.
    """
    if after:
        require_boundary(ctx, holder.account, after)
    uses = links.boundaries(holder.account)
    if before:
        uses.remove(ctx.writer, holder.id, before)
    if after:
        uses.add(ctx.writer, holder.id, after)


def require_boundary(ctx: RequestContext, account: str, arn: str) -> None:
    """Refuse a boundary that does not exist or belongs to another account."""
    require_policy_arn(arn)
    if find_policy(ctx.reader, account, arn) is None:
        raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")
