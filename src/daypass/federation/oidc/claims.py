"""The claims of a verified token, as a trust policy sees them.

Owns the condition keys that claims become, the claims for STS (tags, source identity, roles), and the list of keys that
the session keeps.
Source: IAM User Guide, "Available keys for AWS OIDC federation"; service authorization reference of AWS STS.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.extra_claims import UnusableClaimError, Value, find_value
from daypass.federation.oidc.provider import SCHEME, ProviderTerms
from daypass.federation.oidc.tags import parse_tags
from daypass.federation.oidc.verify import VerifiedToken
from daypass.federation.propagation import MissingSubjectError, PropagatedIdentity, UnusablePropagationError, propagate

SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"
ROLES_CLAIM = "https://aws.amazon.com/roles"
ROLE_AUTHORIZED_KEY = "sts:roleauthorizedbyidp"
_SOURCE_IDENTITY = re.compile(r"[A-Za-z0-9_+=,.@-]{2,256}")

_ACCOUNT = re.compile(r"arn:[a-z-]+:iam::(\d{12}):")
_ROLE = re.compile(r"arn:[a-z-]+:iam::(\d{12}):role/.+")
UNNAMED_ROLES = "the roles claim contains no role of the provider's account"

# Later calls can test these claims; all others exist only in AssumeRoleWithWebIdentity.
KEPT_IN_SESSION = ("amr", "aud", "id", "sub")
_OPTIONAL = frozenset({"amr", "email"})  # standard claims that not every token has

_GITHUB = (
    "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref",
    "ref", "repository", "repository_id", "repository_owner_id", "workflow",
)  # fmt: skip
_GITLAB = (
    "namespace_id", "pipeline_source", "project_id", "ref_protected", "runner_environment",
    "user_access_level", "user_email", "user_id", "user_login",
)  # fmt: skip
_BUILDKITE = (
    "build_branch", "cluster_id", "cluster_name", "organization_id",
    "organization_slug", "pipeline_id", "pipeline_slug",
)  # fmt: skip
_LABEL = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*"

# Issuers with condition keys for claims of their own: without https://, then the claims.
ISSUER_CLAIMS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"token\.actions\.githubusercontent\.com(?:/[^/]+)?"), _GITHUB),
    (re.compile(rf"token\.actions\.{_LABEL}\.ghe\.com"), _GITHUB),
    (re.compile(r"github\.com/enterprises/[^/]+"), _GITHUB),
    (re.compile(r"gitlab\.com"), _GITLAB),
    (re.compile(r"agent\.buildkite\.com"), _BUILDKITE),
    (re.compile(rf"agent\.{_LABEL}\.buildkite\.(?:dev|site)"), _BUILDKITE),
    (re.compile(r"oidc\.circleci\.com/org/[^/]+"), ("oidc.circleci.com/project-id",)),
    (re.compile(r"idcs-[a-z0-9]+\.identity\.oraclecloud\.com"), ("rpst_id",)),
    (re.compile(r"accounts\.google\.com"), ("google/organization_number",)),
)


class WebIdentity(msgspec.Struct, frozen=True):
    """The identity in a verified token, in the terms of trust policies.

    Condition keys are in lower case. `roles` is None without a restriction; an empty tuple allows no role.
    """

    issuer: str
    subject: str
    audience: str
    provider_arn: str
    condition_keys: Mapping[str, Value]
    session_keys: Mapping[str, Value]
    tags: tuple[tuple[str, str], ...]
    transitive: tuple[str, ...]
    source_identity: str | None
    roles: tuple[str, ...] | None
    expires: datetime
    propagated: PropagatedIdentity | None = None


def read_identity(token: VerifiedToken, provider: ProviderTerms) -> WebIdentity:
    """Return the identity that the token describes.

    Raises InvalidIdentityToken if a claim for STS is not valid.
    """
    usual = _find_usual_keys(token, provider)
    if usual is not None:
        condition_keys, session_keys = usual
    else:
        condition_keys, session_keys = _read_keys(token, provider)
    session = parse_tags(token.claims)
    return WebIdentity(
        issuer=token.issuer,
        subject=token.subject,
        audience=token.audience,
        provider_arn=provider.arn,
        condition_keys=condition_keys,
        session_keys=session_keys,
        tags=session.tags,
        transitive=session.transitive,
        source_identity=_source_identity(token.claims),
        roles=_roles(token.claims),
        expires=token.expires,
        propagated=_propagated(token, provider),
    )


Keys = tuple[Mapping[str, Value], Mapping[str, Value]]


def _read_keys(token: VerifiedToken, provider: ProviderTerms) -> Keys:
    """Return the condition keys of the call and those that the session keeps."""
    try:
        named = {**_issuer_claims(token, provider), **_further_claims(token, provider), **_standard_claims(token)}
    except UnusableClaimError as fault:
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail=str(fault)) from None
    prefix = provider.key_prefix.lower() + ":"
    return (
        {prefix + name.lower(): value for name, value in named.items()},
        {prefix + name: named[name] for name in KEPT_IN_SESSION if name in named},
    )


def _find_usual_keys(token: VerifiedToken, provider: ProviderTerms) -> Keys | None:
    """Return the keys of a token whose only keys are those that every token has, or None."""
    names = _usual_names(provider.issuer)
    if (
        names is None
        or provider.further_claims
        or token.authorized_party is not None
        or len(token.audiences) != 1
        or not _OPTIONAL.isdisjoint(token.claims)
    ):
        return None
    (sub, aud, oaud), subject, audience = names, token.subject, token.audience
    return {sub: subject, aud: audience, oaud: token.audiences[0]}, {aud: audience, sub: subject}


@lru_cache(maxsize=1024)
def _usual_names(issuer: str) -> tuple[str, str, str] | None:
    """Return the names of the keys that every token of an issuer has.

    Returns None for an issuer with claims of its own.
    """
    prefix = issuer.removeprefix(SCHEME)
    if _claims_of_issuer(prefix):
        return None
    prefix = prefix.lower()
    return f"{prefix}:sub", f"{prefix}:aud", f"{prefix}:oaud"


def check_role(identity: WebIdentity, role_arn: str) -> Mapping[str, str]:
    """Return the condition key that says whether the provider named the role.

    A token's list of exact ARNs, without wildcards, is enforced before any trust policy. Raises InvalidIdentityToken if
    it does not contain the role.
    """
    if identity.roles is None:
        return {ROLE_AUTHORIZED_KEY: "false"}
    if role_arn not in identity.roles:
        raise InvalidIdentityToken(
            oidc_messages.ROLE_NOT_IN_CLAIM, detail=f"the roles claim does not contain {role_arn}"
        )
    return {ROLE_AUTHORIZED_KEY: "true"}


def _propagated(token: VerifiedToken, provider: ProviderTerms) -> PropagatedIdentity | None:
    """Return the values that the provider propagates, or None without any.

    Raises InvalidIdentityToken if the subject is missing, or a value is not valid.
    """
    if provider.context_provider is None:
        return None

    def values(name: str) -> tuple[object, ...]:
        value = token.claims.get(name)
        return tuple(value) if isinstance(value, list) else () if value is None else (value,)

    try:
        return propagate(
            provider.context_provider, values, issuer=token.issuer.removeprefix(SCHEME), provider_arn=provider.arn
        )
    except MissingSubjectError as missing:
        raise InvalidIdentityToken(oidc_messages.MISSING_CLAIM.format(name=missing)) from None
    except UnusablePropagationError as fault:
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail=f"claim {fault}") from None


def require_any_role(identity: WebIdentity) -> None:
    """Refuse a token with a list of roles that allows none of its account.

    Raises the InvalidIdentityToken of check_role, which every call gets.
    """
    if identity.roles is None:
        return
    owner = _ACCOUNT.match(identity.provider_arn)
    accounts = {found[1] for role in identity.roles if (found := _ROLE.fullmatch(role))}
    if not accounts or (owner is not None and owner[1] not in accounts):
        raise InvalidIdentityToken(oidc_messages.ROLE_NOT_IN_CLAIM, detail=UNNAMED_ROLES)


def _standard_claims(token: VerifiedToken) -> dict[str, Value]:
    named: dict[str, Value] = {
        "sub": token.subject,
        "aud": token.audience,
        "oaud": token.audiences if len(token.audiences) > 1 else token.audiences[0],
    }
    if token.authorized_party is not None:
        named["azp"] = token.authorized_party
    if (email := find_value("email", token.claims.get("email"))) is not None:
        named["email"] = email
    if methods := _methods(token.claims.get("amr")):
        named["amr"] = methods
    return named


def _methods(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list) else [value]
    if value is None or found == []:
        return ()
    if not all(isinstance(method, str) for method in found):
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="amr is not a list of strings")
    return tuple(str(method) for method in found)


def _issuer_claims(token: VerifiedToken, provider: ProviderTerms) -> dict[str, Value]:
    names = _claims_of_issuer(provider.key_prefix)
    if not names:
        return {}
    found = ((name, find_value(name, _find(token.claims, name))) for name in names)
    return {name: value for name, value in found if value is not None}


@lru_cache(maxsize=1024)
def _claims_of_issuer(key_prefix: str) -> tuple[str, ...]:
    return next((names for issuer, names in ISSUER_CLAIMS if issuer.fullmatch(key_prefix)), ())


def _find(claims: Mapping[str, Any], name: str) -> object:
    # Google nests its organization number; CircleCI's claim contains the slash itself.
    outer, _, inner = name.partition("/")
    if name in claims or not isinstance(claims.get(outer), Mapping):
        return claims.get(name)
    return claims[outer].get(inner)


def _further_claims(token: VerifiedToken, provider: ProviderTerms) -> dict[str, Value]:
    named: dict[str, Value] = {}
    for further in provider.further_claims:
        value = further.find(token.claims)
        if value is not None:
            named[further.name] = value
    return named


def _source_identity(claims: Mapping[str, Any]) -> str | None:
    value = claims.get(SOURCE_IDENTITY_CLAIM)
    if value is None:
        return None
    if not isinstance(value, str) or not _SOURCE_IDENTITY.fullmatch(value):
        raise InvalidIdentityToken(
            oidc_messages.NOT_VALIDATED, detail="the source identity is not 2 to 256 characters of A-Za-z0-9_+=,.@-"
        )
    return value


def _roles(claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    # An unreadable roles claim must not lift the restriction.
    if ROLES_CLAIM not in claims:
        return None
    value = claims[ROLES_CLAIM]
    roles = value if isinstance(value, list) else [value]
    if not all(isinstance(role, str) for role in roles):
        raise InvalidIdentityToken(oidc_messages.ROLE_NOT_IN_CLAIM, detail="the roles claim is not a list of ARNs")
    return tuple(roles)
