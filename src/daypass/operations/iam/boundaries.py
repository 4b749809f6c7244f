"""Permissions boundaries: the member that shows one, the condition key it brings, and binding a thing to one.

Source: IAM User Guide, "Permissions boundaries for IAM entities"; the words are AWS's recorded ones.
"""

from typing import Any

from daypass.directory import links
from daypass.directory.entities import Role, User
from daypass.errors import NoSuchEntity
from daypass.operations.iam.action import Context
from daypass.operations.iam.lookup import find_policy, require_policy_arn
from daypass.operations.world import World


def show_boundary(arn: str) -> dict[str, Any]:
    """Return the member that shows a permissions boundary, left out where there is none."""
    if not arn:
        return {}
    # The model's enum has another word; this is what AWS answers.
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}}


def boundary_context(arn: str) -> Context:
    """Return the condition key of the boundary that a thing has or shall have."""
    return {"iam:permissionsboundary": arn} if arn else {}


def bind(world: World, holder: User | Role, before: str, after: str) -> None:
    """Count a user's or role's change to another boundary; an empty ARN is none. Raises NoSuchEntity."""
    if after:
        require_boundary(world, holder.account, after)
    uses = links.boundaries(holder.account)
    if before:
        uses.remove(world.writer, holder.id, before)
    if after:
        uses.add(world.writer, holder.id, after)


def require_boundary(world: World, account: str, arn: str) -> None:
    """Refuse a boundary that does not exist, or that is another account's."""
    require_policy_arn(arn)
    if find_policy(world.reader, account, arn) is None:
        raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")
