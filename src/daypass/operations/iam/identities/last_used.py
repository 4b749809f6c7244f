"""The last use of access keys and roles, as IAM's answers show it.

Source: IAM API Reference, GetAccessKeyLastUsed and RoleLastUsed. "N/A" for an unused key is AWS's.
"""

from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey, Role, User
from daypass.directory.last_uses import find_last_use
from daypass.directory.store import Reader
from daypass.errors import AccessDenied
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.self_service import owner_context
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys

_NEVER = {"Region": "N/A", "ServiceName": "N/A"}


def show_role_use(reader: Reader, role: Role) -> dict[str, Any]:
    """Return a role's last use, or {} if it was never used."""
    use = find_last_use(reader, role.account, role.id)
    return {} if use is None else {"LastUsedDate": use.at, "Region": use.region}


def show_key_use(reader: Reader, key: AccessKey) -> dict[str, Any]:
    """Return a key's last use."""
    use = find_last_use(reader, key.account, key.id)
    return _NEVER if use is None else {"LastUsedDate": use.at, "Region": use.region, "ServiceName": use.service}


class _GetAccessKeyLastUsedParams(IamParams, frozen=True):
    access_key_id: str


class GetAccessKeyLastUsed(IamAction[_GetAccessKeyLastUsedParams]):
    """Shows the owner and the last use of a key."""

    action, takes, access = "GetAccessKeyLastUsed", _GetAccessKeyLastUsedParams, StoreAccess.SHORT_READ

    def resource(self, params: _GetAccessKeyLastUsedParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN of the key's user, or `*` if the account has no such key."""
        owner = _owner(params, caller, ctx)
        return "*" if owner is None else owner.arn

    def context(self, params: _GetAccessKeyLastUsedParams, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the user's tags."""
        return owner_context(_owner(params, caller, ctx))

    def perform(self, params: _GetAccessKeyLastUsedParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the last use.

        For a key of another account AWS returns AccessDenied and discloses no details.
        """
        key = _key(params, caller, ctx)
        if key is None:
            raise AccessDenied(
                f"User: {caller.arn} is not authorized to perform iam:GetAccessKeyLastUsed "
                f"on resource: access key {params.access_key_id}"
            )
        owner = _owner(params, caller, ctx)
        named = {} if owner is None else {"UserName": owner.name}
        return {**named, "AccessKeyLastUsed": show_key_use(ctx.reader, key)}


def _key(params: _GetAccessKeyLastUsedParams, caller: Caller, ctx: RequestContext) -> AccessKey | None:
    key = records.find_by_id(ctx.reader, AccessKey, params.access_key_id)
    return key if key is not None and key.account == caller.account else None


def _owner(params: _GetAccessKeyLastUsedParams, caller: Caller, ctx: RequestContext) -> User | None:
    key = _key(params, caller, ctx)
    return None if key is None else records.find_by_id(ctx.reader, User, key.owner)


OPERATIONS = (GetAccessKeyLastUsed(),)
