"""Permissions boundaries: the member that shows one, the condition key it brings, and the link that counts it.

Source: IAM User Guide, "Permissions boundaries for IAM entities".
"""

from typing import Any

from daypass.directory.links import BOUNDARY
from daypass.directory.store import Link
from daypass.errors import NoSuchEntity
from daypass.operations.iam.action import Context
from daypass.operations.iam.lookup import get_policy
from daypass.operations.world import World


def show_boundary(arn: str) -> dict[str, Any]:
    """Return the member that shows a permissions boundary, left out where there is none."""
    if not arn:
        return {}
    return {
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": arn,
        }
    }


def boundary_context(arn: str) -> Context:
    """Return the condition key of the boundary that a thing has or shall have."""
    return {"iam:permissionsboundary": arn} if arn else {}


def boundary_link(world: World, holder: str, before: str, after: str) -> None:
    """Bind a user or role to another boundary; an empty ARN is none. Raises NoSuchEntity for one that is missing."""
    if after:
        policy = get_policy(world.reader, after)
        if policy.account not in {"aws", _account_of(world, holder)}:
            raise NoSuchEntity(f"Policy {after} does not exist or is not attachable.")
    if before:
        world.writer.unlink(BOUNDARY, holder, before)
    if after:
        world.writer.link(Link(BOUNDARY, holder, after))


def _account_of(world: World, holder: str) -> str:
    record = world.reader.find_by_id(holder)
    return "" if record is None else record.account
