"""Condition keys that describe the caller: names, tags, session.

Owns the table of principal types and each kind's keys. Leaves the keys of the request to authorize/context.py. The
policy simulator uses a caller's keys without a request.
Rules: IAM User Guide, "AWS global condition context keys", "Properties of the principal" and "of a role session".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from daypass.authenticate.caller import Caller
from daypass.directory.identity import Identity
from daypass.mint.session import Session
from daypass.policy.authorization_request import NewConditionKeys, Principal, PrincipalKind

_SECONDS = len("1970-01-01T00:00:00")

_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
}


def iso(instant: datetime) -> str:
    """Return an instant in the format of conditions: ISO 8601, seconds, Z."""
    return instant.isoformat()[:_SECONDS] + "Z"  # a third of strftime's cost


@lru_cache(maxsize=256)
def iso_of(seconds: int) -> str:
    """Return an instant in the format of conditions, from seconds since 1970."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def caller_keys(caller: Caller, *, seconds: int) -> NewConditionKeys:
    """Return the condition keys of a caller at an instant.

    An unsigned call has none until it has assumed its role.
    """
    if caller.principal.kind not in _TYPES:
        return {}
    keys = principal_keys(caller.principal, caller.identity)
    keys["aws:userid"] = caller.user_id
    # AWS adds this key to every signed request. AWS services never call this server.
    keys["aws:principalisawsservice"] = "false"
    if caller.session is not None:
        _add_session(keys, caller.session)
    _add_mfa(keys, caller, seconds)
    return keys


def principal_keys(principal: Principal, identity: Identity | None) -> NewConditionKeys:
    """Return the condition keys of a principal, without those of its session."""
    keys: NewConditionKeys = {
        "aws:principalaccount": principal.account,
        "aws:principaltype": _TYPES[principal.kind],
        # The role's ARN with its path, never the ARN of the session.
        "aws:principalarn": principal.issuer_arn if principal.kind is PrincipalKind.ROLE_SESSION else principal.arn,
    }
    # A federated user gets its creator's permissions, but not the name or tags.
    if identity is None or principal.kind is PrincipalKind.FEDERATED_USER:
        return keys
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = identity.name
    for key, value in identity.tags.items():
        keys["aws:principaltag/" + key.lower()] = value
    return keys


def _add_session(keys: NewConditionKeys, session: Session) -> None:
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
        # Of the keys that remain after the assertion, only amr of an issuer has several values.
        keys[key] = values if key.endswith(":amr") and not key.startswith("aws:") else values[0]


def _add_mfa(keys: NewConditionKeys, caller: Caller, seconds: int) -> None:
    session, mfa_at = caller.session, caller.mfa_at
    if session is not None:
        mfa_at = session.mfa_time if mfa_at is None else mfa_at
        keys["aws:multifactorauthpresent"] = "false"
    # With long-term keys both condition keys are absent; neither is false: IAM User Guide, "Sample policies with MFA".
    if mfa_at is not None:
        keys["aws:multifactorauthpresent"] = "true"
        keys["aws:multifactorauthage"] = str(max(0, seconds - mfa_at))
