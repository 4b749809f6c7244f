"""The `userIdentity` of an event: the caller and its credentials.

Owns the member for each kind of caller, and the session context of temporary credentials. Pure.

- `sessionIssuer` is the role or user whose permissions a session has, and is absent for a session of the same user.
- `issuingKeys` is this server's own: the ids of the access keys, and of the sign-in, that led to the session, oldest
  first. With it, one event is enough to trace a session.

Source: AWS CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from daypass.authenticate.caller import Caller
from daypass.mint.session import Session
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.verify.caller import VerifiedCaller

TYPES: Final[Mapping[PrincipalKind, str]] = {
    PrincipalKind.ROOT: "Root",
    PrincipalKind.USER: "IAMUser",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.WEB_IDENTITY: "WebIdentityUser",
    PrincipalKind.SAML: "SAMLUser",
}
_WITH_ISSUER = frozenset({PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER})
_MOST_ISSUERS = 1_024
_OIDC = ":oidc-provider/"
_TRUE, _FALSE = "true", "false"


class SessionIssuer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The role or user that a session belongs to."""

    type: str
    principal_id: str
    arn: str
    account_id: str
    user_name: str = ""


class SessionAttributes(msgspec.Struct, frozen=True, rename="camel"):
    """When a session was issued, and whether its caller had an MFA code."""

    creation_date: str
    mfa_authenticated: str


class WebIdFederationData(msgspec.Struct, frozen=True, rename="camel"):
    """The OpenID Connect provider of a session."""

    federated_provider: str
    attributes: Mapping[str, str] = {}


class SessionContext(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The facts about temporary credentials.

    `assumed_root` is "true" for a session of AssumeRoot.
    """

    attributes: SessionAttributes
    session_issuer: SessionIssuer | None = None
    web_id_federation_data: WebIdFederationData | None = None
    source_identity: str = ""
    assumed_root: str = ""
    issuing_keys: tuple[str, ...] = ()


class UserIdentity(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The caller of the request."""

    type: str
    principal_id: str = ""
    arn: str = ""
    account_id: str = ""
    access_key_id: str = ""
    user_name: str = ""
    identity_provider: str = ""
    session_context: SessionContext | None = None


def identity_of_caller(caller: Caller) -> UserIdentity:
    """Return the caller of an API call."""
    principal, session = caller.principal, caller.session
    name, provider = "", ""
    if principal.kind is PrincipalKind.USER:
        name = _last_name(principal.arn)
    elif principal.federated:
        name, provider = caller.subject, principal.federated
    return UserIdentity(
        TYPES.get(principal.kind, "Unknown"),
        caller.user_id,
        caller.arn,
        caller.account,
        caller.access_key_id,
        name,
        provider,
        None if session is None else _session_context(principal, session),
    )


def _session_context(principal: Principal, session: Session) -> SessionContext:
    provider = session.provider
    return SessionContext(
        _attributes(session.issued, session.mfa_time is None),
        _issuer_of(principal),
        WebIdFederationData(provider) if _OIDC in provider else None,
        session.source_identity,
        _TRUE if session.root_task_policy else "",
        session.issuing_keys,
    )


def identity_of_person(kind: str, subject: str, provider: str, account: str) -> UserIdentity:
    """Return a person whose sign-in proves the call.

    `kind` is that of the sign-in. `account` owns the provider, and is empty for one from the settings.
    """
    return UserIdentity(
        TYPES[PrincipalKind.SAML if kind == "saml" else PrincipalKind.WEB_IDENTITY],
        f"{provider}:{subject}",
        account_id=account,
        user_name=subject,
        identity_provider=provider,
    )


def identity_of_verified(caller: VerifiedCaller) -> UserIdentity:
    """Return the caller of a request to a resource server."""
    if caller.anonymous:
        return UserIdentity("AWSAccount", "", "", "ANONYMOUS_PRINCIPAL")
    principal, source = caller.principal, caller.context.get("aws:sourceidentity")
    context, issued = None, caller.context.get("aws:tokenissuetime")
    if isinstance(issued, str):
        attributes = SessionAttributes(issued, _FALSE if caller.mfa_at is None else _TRUE)
        source_identity = source if isinstance(source, str) else ""
        context = SessionContext(attributes, _issuer_of(principal), source_identity=source_identity)
    return UserIdentity(
        TYPES.get(principal.kind, "Unknown"),
        caller.user_id,
        caller.arn,
        caller.account,
        caller.access_key_id,
        _last_name(principal.arn) if principal.kind is PrincipalKind.USER else "",
        session_context=context,
    )


def _issuer_of(principal: Principal) -> SessionIssuer | None:
    if principal.kind not in _WITH_ISSUER:
        return None
    return _issuer(principal.kind, principal.unique_id, principal.issuer_arn, principal.account)


@lru_cache(maxsize=_MOST_ISSUERS)
def _issuer(kind: PrincipalKind, unique_id: str, arn: str, account: str) -> SessionIssuer:
    if kind is PrincipalKind.ROLE_SESSION:
        return SessionIssuer("Role", unique_id, arn, account, _last_name(arn))
    if unique_id == account:
        return SessionIssuer("Root", unique_id, arn, account)
    return SessionIssuer("IAMUser", unique_id, arn, account, _last_name(arn))


def _last_name(arn: str) -> str:
    return arn.rpartition("/")[2]


@lru_cache(maxsize=_MOST_ISSUERS)  # a session makes several calls, and a second issues several sessions
def _attributes(issued: int, is_without_mfa: bool) -> SessionAttributes:  # noqa: FBT001 - by position
    at = datetime.fromtimestamp(issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return SessionAttributes(at, _FALSE if is_without_mfa else _TRUE)
