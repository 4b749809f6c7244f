"""The action that revokes a person's sign-in, for the operator console.

AWS's models do not have this action, so that the wire cannot call it: the console verifies who the operator is, and
runs it through the pipeline, with its authorization and audit. It needs `daypass:RevokeSignIn` on the ARN of the
sign-in. Only sign-ins through an identity provider of the operator's own account exist for the operator.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import NoSuchEntity
from daypass.operations.operation import Authorized, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.sign_in.sessions import is_sign_in_id, revoke_for_account


class RevokeSignInParams(msgspec.Struct, frozen=True):
    """The id of a sign-in, and the verified caller."""

    caller: Caller
    id: str

    def audited(self) -> Mapping[str, Any]:
        """Return the parameters for the audit event."""
        return {"SignInId": self.id}


class RevokeSignIn(Signed[RevokeSignInParams]):
    """Ends a sign-in, its tokens and every role session that grew from it."""

    service, action, access = "daypass", "RevokeSignIn", StoreAccess.WRITE

    def verify_identity(self, params: RevokeSignInParams, signer: Caller | None, ctx: RequestContext) -> Caller:  # noqa: ARG002 - a stage
        """Return the caller that the console verified."""
        return params.caller

    def permissions(
        self,
        params: RevokeSignInParams,
        caller: Caller,
        ctx: RequestContext,  # noqa: ARG002 - a stage
    ) -> tuple[PermissionCheck, ...]:
        """Require the permission on the sign-in."""
        return (PermissionCheck("daypass:RevokeSignIn", sign_in_arn(caller.account, params.id), caller.account),)

    def run(self, authorized: Authorized[RevokeSignInParams], ctx: RequestContext) -> Result:
        """Revoke the sign-in. Raises NoSuchEntity for that of another account."""
        wanted, account = authorized.params.id, authorized.caller.account
        found = records.find(ctx.writer, SignInSession, "", wanted) if is_sign_in_id(wanted) else None
        # A sign-in through a client of the settings belongs to no account.
        if found is None or not account or found.account != account:
            raise NoSuchEntity("This sign-in does not exist in this account, or it has ended.")
        revoke_for_account(ctx.writer, found, ctx.now)
        return {}


def sign_in_arn(account: str, sign_in: str) -> str:
    """Return the ARN that permissions on a sign-in name."""
    return f"arn:aws:daypass::{account}:sign-in/{sign_in if is_sign_in_id(sign_in) else 'unknown'}"
