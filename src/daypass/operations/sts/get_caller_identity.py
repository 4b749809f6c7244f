"""sts:GetCallerIdentity: return the identity of the caller.

Needs no permission, and no policy can deny it.
"""

from daypass.authenticate.caller import Caller
from daypass.operations.operation import (
    Authorized,
    NoMembers,
    NoPermissionNeeded,
    Parameters,
    Result,
    Signed,
    StoreAccess,
)
from daypass.operations.request_context import RequestContext

_OPEN = NoPermissionNeeded("sts:GetCallerIdentity")


class GetCallerIdentity(Signed[None]):
    """Answers with the signer's account, ARN and unique id."""

    service, action, access = "sts", "GetCallerIdentity", StoreAccess.CACHE
    takes = NoMembers
    answers_caller = True

    def parse(self, parameters: Parameters) -> None:
        """Return None, because the action has no parameters."""

    def permissions(self, params: None, caller: Caller, ctx: RequestContext) -> NoPermissionNeeded:
        """Require no permission."""
        return _OPEN

    def run(self, authorized: Authorized[None], ctx: RequestContext) -> Result:
        """Return the caller's identity."""
        caller = authorized.caller
        return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}
