"""UpdateUser and UpdateGroup: rename, and move to another path.

Source: IAM API Reference, UpdateUser and UpdateGroup; IAM User Guide, "Renaming a user".
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.operations.iam.lookup import insert_named
from daypass.operations.iam.policies.policy_holders import GROUPS, USERS, AboutHolder, HolderEntity, HolderNamed
from daypass.operations.operation import PermissionCheck, StoreAccess
from daypass.operations.request_context import RequestContext


class _Rename(HolderNamed, frozen=True):
    new_path: str | None = None
    new_name: str | None = None


class Rename(AboutHolder):
    """Renames a user or group.

    It keeps its unique id, members, policies, and all references by id.
    """

    verb, takes, access = "Update{}", _Rename, StoreAccess.WRITE

    @property
    def spelled(self) -> Mapping[str, str]:
        """Map the names to UserName and NewUserName, or to those of groups."""
        return {**super().spelled, "NewName": f"New{self.kind.name_member}"}

    def permissions(self, params: Any, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require the permission for the present and for the new name."""
        now = super().permissions(params, caller, ctx)
        found = self.kind.find(ctx, caller.account, params.holder_name)
        if found is None:
            return now
        new = _renamed(found, params)
        return now if new.arn == found.arn else (*now, msgspec.structs.replace(now[0], resource=new.arn))

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Rename the user or group."""
        holder = self.holder(params, caller, ctx)
        records.delete(ctx.writer, holder)
        insert_named(ctx.writer, _renamed(holder, params))


def _renamed(holder: HolderEntity, params: _Rename) -> HolderEntity:
    name = holder.name if params.new_name is None else params.new_name
    path = holder.path if params.new_path is None else params.new_path
    return msgspec.structs.replace(holder, name=name, path=path)


OPERATIONS = tuple(Rename(kind) for kind in (USERS, GROUPS))
