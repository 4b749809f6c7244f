"""sts:GetSessionToken: temporary credentials of a user or root user.

Needs no permission, and no policy can deny it. authorize/session_limits.py lists the calls that such a session may
make.
Source: STS API Reference, GetSessionToken.
"""

import msgspec

from daypass.authenticate.caller import Caller
from daypass.mint.durations import root_user_duration, user_duration
from daypass.mint.session import SessionKind
from daypass.operations.mfa import verify_mfa
from daypass.operations.operation import Authorized, NoPermissionNeeded, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Grant, mint_credentials, size_of_token

_OPEN = NoPermissionNeeded("sts:GetSessionToken")


class GetSessionTokenParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of GetSessionToken."""

    duration_seconds: int | None = None
    serial_number: str | None = None
    token_code: str | None = None
    minimum_session_token_size: int = 0


class GetSessionToken(Signed[GetSessionTokenParams]):
    """Mints a session of the caller itself."""

    service, action, access = "sts", "GetSessionToken", StoreAccess.CACHE
    takes = GetSessionTokenParams

    def verify_identity(self, params: GetSessionTokenParams, signer: Caller | None, ctx: RequestContext) -> Caller:
        """Return the signer, with the MFA that it presented."""
        return verify_mfa(params.serial_number, params.token_code, super().verify_identity(params, signer, ctx), ctx)

    def permissions(self, params: GetSessionTokenParams, caller: Caller, ctx: RequestContext) -> NoPermissionNeeded:
        """Require no permission."""
        return _OPEN

    def run(self, authorized: Authorized[GetSessionTokenParams], ctx: RequestContext) -> Result:
        """Mint the session."""
        params, caller = authorized.params, authorized.caller
        duration = root_user_duration if caller.is_root else user_duration
        credentials = mint_credentials(
            Grant(
                kind=SessionKind.ROOT if caller.is_root else SessionKind.USER,
                account=caller.account,
                principal_id=caller.principal.unique_id,
                principal_name="" if caller.identity is None else caller.identity.name,
                session_name="",
                seconds=duration(params.duration_seconds),
                mfa_time=caller.mfa_at,
                token_size=params.minimum_session_token_size,
            ),
            authorized,
            ctx,
        )
        return {"Credentials": credentials, **size_of_token(credentials["SessionToken"])}
