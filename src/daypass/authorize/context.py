"""Build the request context: the condition keys that every request carries, and the caller's own.

Owns the global `aws:` keys. An operation adds its own keys to its question; an assertion or a token its claims.
All values are text, all names lower case. A key that has no value for this request is absent.
Rules: IAM User Guide, "AWS global condition context keys".
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from daypass.authenticate.caller import Caller
from daypass.policy.question import PrincipalKind
from daypass.wire.http import HttpRequest

Context = dict[str, str | tuple[str, ...]]

_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.WEB_IDENTITY: "AssumedRole",
    PrincipalKind.SAML: "AssumedRole",
}


class Surroundings(msgspec.Struct, frozen=True):
    """What a request shows of itself, apart from what it asks: where from, how, and to which region."""

    now: datetime
    request: HttpRequest
    region: str


def build_context(caller: Caller, around: Surroundings) -> Context:
    """Return the global condition keys of one request."""
    seconds = int(around.now.timestamp())
    context: Context = {
        "aws:currenttime": iso(around.now),
        "aws:epochtime": str(seconds),
        "aws:securetransport": "true" if around.request.secure else "false",
        "aws:sourceip": around.request.peer,
        "aws:requestedregion": around.region,
        "aws:viaawsservice": "false",
    }
    user_agent = around.request.header(b"user-agent")
    if user_agent:
        context["aws:useragent"] = user_agent.decode("latin-1")
    _add_principal(context, caller)
    _add_session(context, caller)
    _add_mfa(context, caller, seconds)
    return context


def iso(instant: datetime) -> str:
    """Return an instant as conditions read it: ISO 8601, in whole seconds, Z."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _add_principal(context: Context, caller: Caller) -> None:
    principal = caller.principal
    kind = _TYPES.get(principal.kind)
    if kind is None or principal.kind in (PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML):
        return  # An unsigned call has no principal of ours yet; its keys come from the assertion or token alone.
    context["aws:principalaccount"] = caller.account
    context["aws:principaltype"] = kind
    context["aws:userid"] = caller.user_id
    context["aws:principalarn"] = caller.arn
    if caller.identity is None:
        return
    if principal.kind is PrincipalKind.USER:
        context["aws:username"] = caller.identity.name
    elif principal.kind is PrincipalKind.ROLE_SESSION:
        # The role's ARN with its path, never the session's.
        context["aws:principalarn"] = caller.identity.arn
    if principal.kind is not PrincipalKind.FEDERATED_USER:
        for key, value in caller.identity.tags.items():
            context["aws:principaltag/" + key.lower()] = value


def _add_mfa(context: Context, caller: Caller, seconds: int) -> None:
    session = caller.session
    mfa_at = caller.mfa_at
    if mfa_at is None and session is not None:
        mfa_at = session.mfa_time
        context["aws:multifactorauthpresent"] = "false"
    # Long-term keys alone have neither key, not even a false one: IAM User Guide, "MFA-protected API access".
    if mfa_at is not None:
        context["aws:multifactorauthpresent"] = "true"
        context["aws:multifactorauthage"] = str(max(0, seconds - mfa_at))


def _add_session(context: Context, caller: Caller) -> None:
    session = caller.session
    if session is None:
        return
    context["aws:tokenissuetime"] = iso(datetime.fromtimestamp(session.issued, UTC))
    for key, value in session.tags.items():
        context["aws:principaltag/" + key.lower()] = value
    if session.source_identity:
        context["aws:sourceidentity"] = session.source_identity
        context["sts:sourceidentity"] = session.source_identity
    if session.provider:
        context["aws:federatedprovider"] = session.provider
    for key, values in session.context.items():
        # Of the keys that outlive an assertion only amr has several values.
        context[key] = values if key.endswith(":amr") else values[0]
