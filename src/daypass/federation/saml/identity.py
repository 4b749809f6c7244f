"""Who an assertion makes of its bearer: what AssumeRoleWithSAML and the assertion consumer service work with.

Owns the whole way from a base64 SAMLResponse to a SamlIdentity, and the few rules that need nothing else: the
pair of role and provider, and how long a session may be. Trust policies are authorize/'s question.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from daypass.errors import Fault
from daypass.federation.saml.attributes import Claims, RolePair, read_claims
from daypass.federation.saml.meaning import REDEEMABLE, Hearing, check_meaning
from daypass.federation.saml.names import NAME_ID_FORMAT
from daypass.federation.saml.refusals import as_answered, expired, no_role
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.federation.saml.statement import Statement, read_statement
from daypass.federation.saml.verify import VerifiedAssertion, verify_response

_DEFAULT_SESSION = 3_600


@dataclass(frozen=True, slots=True)
class SamlIdentity:
    """A federated identity that a registered provider vouches for.

    `audience` is what AWS calls so in its answer and in saml:aud: the Recipient of the
    SubjectConfirmationData.
    """

    provider: str
    issuer: str
    subject: str
    subject_type: str
    audience: str
    name_qualifier: str
    session_name: str
    session_duration: int | None
    session_ends: datetime | None
    tags: tuple[tuple[str, str], ...]
    transitive_keys: tuple[str, ...]
    source_identity: str | None
    roles: tuple[RolePair, ...]
    conditions: Mapping[str, str | tuple[str, ...]]
    assertion_id: str
    redeemable_until: datetime
    one_time_use: bool
    in_response_to: str | None


def identify(
    unverified_response: str, *, trust: Trust, settings: SamlSettings, now: datetime, request_id: str = ""
) -> SamlIdentity:
    """Return the identity in a base64 SAMLResponse, or raise the Fault that STS answers with."""
    verified = verify_response(unverified_response, trust=trust, now=now, request_id=request_id)
    return identify_verified(verified, trust=trust, settings=settings, now=now, request_id=request_id)


def identify_verified(
    verified: VerifiedAssertion, *, trust: Trust, settings: SamlSettings, now: datetime, request_id: str = ""
) -> SamlIdentity:
    """Return the identity in an assertion that was verified for this provider, or for one that verifies it alike."""
    try:
        return read_identity(verified, trust=trust, settings=settings, now=now)
    except Fault as fault:
        raise as_answered(fault, request_id=request_id) from None


def read_identity(verified: VerifiedAssertion, *, trust: Trust, settings: SamlSettings, now: datetime) -> SamlIdentity:
    """Return the identity in an assertion whose signature was verified, once its meaning holds too."""
    statement = read_statement(verified.element)
    check_meaning(Hearing(statement, verified.envelope, trust, settings, now))
    return _identity(statement, read_claims(statement.attributes), trust)


def _identity(statement: Statement, claims: Claims, trust: Trust) -> SamlIdentity:
    subject_type = statement.subject.format.removeprefix(NAME_ID_FORMAT)
    qualifier = name_qualifier(statement.issuer, trust)
    recipient = statement.confirmation.recipient
    return SamlIdentity(
        provider=trust.provider_arn,
        issuer=statement.issuer,
        subject=statement.subject.value,
        subject_type=subject_type,
        audience=recipient,
        name_qualifier=qualifier,
        session_name=claims.session_name,
        session_duration=claims.session_duration,
        session_ends=statement.session_ends,
        tags=claims.tags,
        transitive_keys=claims.transitive_keys,
        source_identity=claims.source_identity,
        roles=claims.roles,
        conditions={
            **claims.conditions,
            "saml:aud": recipient,
            "saml:iss": statement.issuer,
            "saml:sub": statement.subject.value,
            "saml:sub_type": subject_type,
            "saml:namequalifier": qualifier,
            "saml:doc": f"{trust.account}/{trust.provider_name}",
        },
        assertion_id=statement.identifier,
        redeemable_until=_redeemable_until(statement),
        one_time_use=statement.conditions.one_time_use and not trust.lax_like_aws,
        in_response_to=statement.confirmation.in_response_to,
    )


def name_qualifier(issuer: str, trust: Trust) -> str:
    """Return what, together with the subject, names one person.

    AWS's hash of issuer, account and provider.
    """
    text = f"{issuer}{trust.account}/{trust.provider_name}"
    # AWS fixed the hash function; nothing rests on its collision resistance beyond what AWS rests on it.
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _redeemable_until(statement: Statement) -> datetime:
    """Return the instant from which nobody can redeem the assertion any more.

    Until then a one-use guard must remember.
    """
    ends = [
        statement.issued + REDEEMABLE + timedelta(seconds=1),
        statement.confirmation.not_on_or_after,
        statement.conditions.not_on_or_after,
    ]
    return min(end for end in ends if end is not None)


def require_role(identity: SamlIdentity, *, role: str, provider: str) -> None:
    """Return if the assertion grants this role through this provider.

    Raise the Fault that STS answers with.
    """
    if provider != identity.provider or RolePair(role, provider) not in identity.roles:
        raise no_role(f"the assertion does not grant {role} through {provider}")


def session_seconds(identity: SamlIdentity, *, requested: int | None, now: datetime) -> int:
    """Return how long the session shall be.

    What was asked (an hour unless said), within what the provider allows.
    """
    seconds = _DEFAULT_SESSION if requested is None else requested
    if identity.session_duration is not None:
        seconds = min(seconds, identity.session_duration)
    if identity.session_ends is not None:
        seconds = min(seconds, int((identity.session_ends - now).total_seconds()))
    if seconds <= 0:
        raise expired(f"the session at the provider ended at {identity.session_ends}")
    return seconds
