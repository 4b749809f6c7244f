"""The actions and regions of each kind of credentials, before any policy.

The table is checked before an operation reads its parameters, so that a session without access does not learn about
them or use up an MFA code.
Source: IAM User Guide, "Compare AWS STS credentials". The messages are AWS's if they are known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daypass.authenticate.authenticate import Signer
from daypass.errors import AccessDenied, Fault, InvalidClientTokenId, RegionDisabled
from daypass.mint.session import Session, SessionKind

# IAM's message; STS's message ends with a full stop.
_NO_IAM = "The security token included in the request is invalid"

_NOT_ACTIVATED = (
    "STS is not activated in this region for account:{}. "
    "Your account administrator can activate STS in this region using the IAM Console."
)

_LONG_TERM_ONLY = frozenset({"GetSessionToken", "GetFederationToken"})


def _is_anything(_: Session) -> bool:
    return True


def _is_nothing(_: Session) -> bool:
    return False


def _has_mfa(session: Session) -> bool:
    return session.mfa_time is not None


def _is_task(session: Session) -> bool:
    """Return whether AssumeRoot or GetDelegatedAccessToken created the session.

    Its permissions are in its own policy.
    """
    return bool(session.root_task_policy or session.delegation)


@dataclass(frozen=True, slots=True)
class _Limit:
    """The actions that one kind of session may call.

    `iam` returns whether it may call IAM; `sts` lists the actions of STS, or is None for all that do not require
    long-term credentials.
    """

    iam: Callable[[Session], bool]
    sts: frozenset[str] | None


_GET_SESSION_TOKEN = _Limit(iam=_has_mfa, sts=frozenset({"AssumeRole", "GetCallerIdentity", "GetScopedCredentials"}))
_ROLE = _Limit(iam=_is_anything, sts=None)

_LIMITS: Mapping[SessionKind, _Limit] = {
    SessionKind.ROLE: _ROLE,
    SessionKind.USER: _GET_SESSION_TOKEN,
    SessionKind.ROOT: _GET_SESSION_TOKEN,
    SessionKind.FEDERATED: _Limit(iam=_is_nothing, sts=frozenset({"GetCallerIdentity", "GetScopedCredentials"})),
}


def check_session_limits(signer: Signer, service: str, action: str, *, regions: frozenset[str]) -> None:
    """Check that the credentials may call this action of `sts` or `iam`.

    Raises a Fault if they may not. STS is activated in `regions`, or everywhere if empty. IAM has one endpoint for all
    regions.
    """
    session = signer.caller.session
    if regions and service == "sts" and signer.region not in regions:
        raise RegionDisabled(_NOT_ACTIVATED.format(signer.caller.account))
    refusal = None if session is None else _find_refusal(session, service, action)
    if refusal is not None:
        raise refusal


def _find_refusal(session: Session, service: str, action: str) -> Fault | None:
    limit = _ROLE if _is_task(session) else _LIMITS[session.kind]
    detail = f"a {session.kind.value} session may not call {service}:{action}"
    if service == "iam":
        return None if limit.iam(session) else InvalidClientTokenId(_NO_IAM, detail=detail)
    allowed = action not in _LONG_TERM_ONLY if limit.sts is None else action in limit.sts
    return None if allowed else AccessDenied(f"Cannot call {action} with session credentials", detail=detail)
