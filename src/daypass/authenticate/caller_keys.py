"""The condition keys that say who asks: names, tags, and what the session remembers.

Owns the table of principal types and which keys each kind of caller has. What a request shows of itself is
authorize/context.py's; the policy simulator uses the keys of a caller without a request.
Rules: IAM User Guide, "AWS global condition context keys", "Properties of the principal" and "of a role session".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from daypass.authenticate.caller import Caller
from daypass.directory.identity import Identity
from daypass.mint.session import Session
from daypass.policy.question import Principal, PrincipalKind

Context = dict[str, str | tuple[str, ...]]

_SECONDS = len("1970-01-01T00:00:00")

_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
}


def iso(instant: datetime) -> str:
    """Return an instant as conditions read it: ISO 8601, in whole seconds, Z."""
    return instant.isoformat()[:_SECONDS] + "Z"  # a third of strftime's cost


@lru_cache(maxsize=256)
def iso_of(seconds: int) -> str:
    """Return an instant as conditions read it, from its seconds since 1970."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def caller_keys(caller: Caller, *, seconds: int) -> Context:
    """Return the keys of a caller at an instant. A call without a signature has none before its role is assumed."""
    if caller.principal.kind not in _TYPES:
        return {}
    keys = principal_keys(caller.principal, caller.identity)
    keys["aws:userid"] = caller.user_id
    # AWS: in the context of every signed request. No service of AWS's own ever calls here.
    keys["aws:principalisawsservice"] = "false"
    if caller.session is not None:
        _add_session(keys, caller.session)
    _add_mfa(keys, caller, seconds)
    return keys


def principal_keys(principal: Principal, identity: Identity | None) -> Context:
    """Return the keys that a principal has by itself, whatever its session."""
    keys: Context = {
        "aws:principalaccount": principal.account,
        "aws:principaltype": _TYPES[principal.kind],
        # A role's ARN with its path, never its session's.
        "aws:principalarn": principal.issuer_arn if principal.kind is PrincipalKind.ROLE_SESSION else principal.arn,
    }
    # What a federated user gets from the user who made it are rights, neither its name nor its tags.
    if identity is None or principal.kind is PrincipalKind.FEDERATED_USER:
        return keys
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = identity.name
    for key, value in identity.tags.items():
        keys["aws:principaltag/" + key.lower()] = value
    return keys


def _add_session(keys: Context, session: Session) -> None:
    keys["aws:tokenissuetime"] = iso_of(session.issued)
    for key, value in session.tags.items():
        keys["aws:principaltag/" + key.lower()] = value
    if session.source_identity:
        keys["aws:sourceidentity"] = session.source_identity
    if session.provider:
        keys["aws:federatedprovider"] = session.provider
    if session.root_task_policy:
        keys["aws:assumedroot"] = "true"
    for key, values in session.context.items():
        # Of the keys that outlive an assertion only amr has several values.
        keys[key] = values if key.endswith(":amr") else values[0]


def _add_mfa(keys: Context, caller: Caller, seconds: int) -> None:
    session, mfa_at = caller.session, caller.mfa_at
    if session is not None:
        mfa_at = session.mfa_time if mfa_at is None else mfa_at
        keys["aws:multifactorauthpresent"] = "false"
    # Long-term keys alone have neither key, not even a false one: IAM User Guide, "Sample policies with MFA".
    if mfa_at is not None:
        keys["aws:multifactorauthpresent"] = "true"
        keys["aws:multifactorauthage"] = str(max(0, seconds - mfa_at))
