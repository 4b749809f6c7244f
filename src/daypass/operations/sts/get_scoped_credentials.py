"""sts:GetScopedCredentials: narrow credentials of the calling session.

Owns the parameters, the answer and the limit of scope-down policies. credentials.py passes the scope-down policies on
to every session that grows from this one, and authorize/gather.py adds them to every decision.

- The caller is a session of a role, of a user (GetSessionToken) or of a federated user. Long-term keys and root users
  are refused.
- The session keeps everything except its key, its end and its scope-down policies. It also keeps its time of issue, so
  that each rule that ends or excludes the calling session applies to the new one.
- At most three scope-down policies apply to a session, those of the sessions before it included.
Source: STS API Reference, GetScopedCredentials; IAM User Guide, "Permissions for GetScopedCredentials".
"""

from typing import Final

import msgspec

from daypass.arn import Arn
from daypass.authenticate.caller import Caller
from daypass.errors import AccessDenied, InsufficientSessionLifetime, InvalidSubjectCredentials, ValidationError
from daypass.mint.session import Session
from daypass.operations.operation import Authorized, Parameters, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Grant, mint_credentials, size_of_token
from daypass.operations.sts.session_policies import SessionPolicies, packed_percentage, read_session_policies

MOST_SCOPED: Final = 3

_NEITHER = "Request must contain at least one of Policy and DurationSeconds."
_TEMPORARY_ONLY = (
    "GetScopedCredentials must be called with temporary credentials of a role, a user or a federated user. "
    "With the access key of an IAM user, call GetSessionToken first."
)
_TOO_MANY = (
    f"The calling session has {MOST_SCOPED} scope-down policies, which is the maximum. "
    "Call GetScopedCredentials without Policy, or with a session that has fewer."
)

# The fields that a new session gets from its own grant or key chain; all others stay.
_NEW = frozenset(
    {
        "kind",
        "account",
        "principal_id",
        "principal_name",
        "session_name",
        "access_key_id",
        "secret",
        "issued",
        "expires",
        "issuing_key",
        "filler",
        "first_key",
        "issuing_keys",
        "issuing_times",
        "has_all_keys",
        "scoped_policies",
    }
)
_KEPT = tuple(name for name in Session.__struct_fields__ if name not in _NEW)


class GetScopedCredentialsParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of GetScopedCredentials.

    `scoped_session_description` is for the audit event alone.
    """

    policy: str = ""
    duration_seconds: int | None = None
    minimum_session_token_size: int = 0
    scoped_session_description: str = ""


class GetScopedCredentialsRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    members: GetScopedCredentialsParams
    policy: SessionPolicies


class GetScopedCredentials(Signed[GetScopedCredentialsRequest]):
    """Mints credentials with a part of the calling session's permissions."""

    service, action, access = "sts", "GetScopedCredentials", StoreAccess.CACHE
    takes = GetScopedCredentialsParams

    def parse(self, parameters: Parameters) -> GetScopedCredentialsRequest:
        """Return the parameters.

        Raises a Fault if the policy is not valid, or if neither a policy nor a duration is given.
        """
        given = msgspec.convert(parameters, self.takes)
        if not given.policy and given.duration_seconds is None:
            raise ValidationError(_NEITHER)
        return GetScopedCredentialsRequest(given, read_session_policies(given.policy, ()))

    def verify_identity(
        self, params: GetScopedCredentialsRequest, signer: Caller | None, ctx: RequestContext
    ) -> Caller:
        """Return the signer.

        Raises InvalidSubjectCredentials for a long-term key, and for a root user.
        """
        caller = super().verify_identity(params, signer, ctx)
        if caller.session is None or caller.is_root:
            raise InvalidSubjectCredentials(_TEMPORARY_ONLY)
        return caller

    def permissions(
        self, params: GetScopedCredentialsRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require the action on the caller itself."""
        resource = str(Arn("aws", "sts", "", caller.account, "self"))
        return (PermissionCheck("sts:GetScopedCredentials", resource, caller.account),)

    def run(self, authorized: Authorized[GetScopedCredentialsRequest], ctx: RequestContext) -> Result:
        """Mint the credentials."""
        params, caller = authorized.params, authorized.caller
        session = _get_session(caller)
        if params.policy.inline and len(session.scoped_policies) >= MOST_SCOPED:
            raise AccessDenied(_TOO_MANY)
        packed_percentage(params.policy, {})  # for the packed limit; the answer has the size of the token instead
        credentials = mint_credentials(
            Grant(
                kind=session.kind,
                account=session.account,
                principal_id=session.principal_id,
                principal_name=session.principal_name,
                session_name=session.session_name,
                seconds=_seconds(params.members.duration_seconds, session, int(ctx.now.timestamp())),
                token_size=params.members.minimum_session_token_size,
                issued=session.issued,
                scope_down=params.policy.inline,
                **{name: getattr(session, name) for name in _KEPT},
            ),
            authorized,
            ctx,
        )
        shown = {"SourceIdentity": session.source_identity} if session.source_identity else {}
        return {
            "Credentials": credentials,
            "SessionInfo": {"ScopedSessionId": caller.user_id, "Arn": caller.arn},
            "ScopedPoliciesCount": len(session.scoped_policies) + bool(params.policy.inline),
            **shown,
            **size_of_token(credentials["SessionToken"]),
        }


def _get_session(caller: Caller) -> Session:
    if caller.session is None:
        raise ValueError("the caller's session was not verified")
    return caller.session


def _seconds(requested: int | None, session: Session, now: int) -> int:
    """Return the lifetime of the new session.

    Raises InsufficientSessionLifetime if the calling session ends earlier.
    """
    rest = session.expires - now
    if requested is None:
        return rest
    if requested > rest:
        raise InsufficientSessionLifetime(
            f"The requested DurationSeconds {requested} exceeds the remaining lifetime of the calling session, "
            f"{rest} seconds. Request a shorter duration, or omit DurationSeconds to keep the session's end."
        )
    return requested
