"""Set and remove the permissions boundaries of users and roles.

The condition key iam:PermissionsBoundary is the new boundary, or the one to be removed.
Source: IAM API Reference, PutUserPermissionsBoundary and the other boundary actions; Service Authorization Reference.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role, User
from daypass.operations.iam.iam_action import IamParams
from daypass.operations.iam.lookup import require_changeable
from daypass.operations.iam.policies.boundaries import bind, boundary_context
from daypass.operations.iam.policies.policy_holders import ROLES, USERS, AboutHolder, HolderNamed
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys


class _PutPermissionsBoundaryParams(IamParams, frozen=True):
    holder_name: str
    permissions_boundary: str


class _Change(AboutHolder):
    access = StoreAccess.WRITE

    def rebind(self, params: Any, boundary: str, caller: Caller, ctx: RequestContext) -> None:
        """Set another boundary. An empty string removes the boundary."""
        holder = self.holder(params, caller, ctx)
        require_changeable(holder)
        if not isinstance(holder, User | Role):
            raise TypeError("a group has no boundary")
        bind(ctx, holder, holder.boundary, boundary)
        records.replace(ctx.writer, msgspec.structs.replace(holder, boundary=boundary))


class PutBoundary(_Change):
    """Sets the boundary, in place of the previous one."""

    verb, takes = "Put{}PermissionsBoundary", _PutPermissionsBoundaryParams

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the requested boundary as a condition key."""
        return {**super().context(params, caller, ctx), **boundary_context(params.permissions_boundary)}

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Set the boundary."""
        self.rebind(params, params.permissions_boundary, caller, ctx)


class DeleteBoundary(_Change):
    """Removes the boundary."""

    verb, takes = "Delete{}PermissionsBoundary", HolderNamed

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Remove the boundary."""
        self.rebind(params, "", caller, ctx)


OPERATIONS = tuple(action(kind) for action in (PutBoundary, DeleteBoundary) for kind in (USERS, ROLES))
