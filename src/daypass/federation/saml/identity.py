"""The federated identity of an assertion.

Owns the way from a base64 SAMLResponse to a SamlIdentity, the check of the pair of role and provider, and the duration
of a session. Leaves trust policies to authorize/.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from daypass.errors import Fault
from daypass.federation.propagation import MissingSubjectError, PropagatedIdentity, UnusablePropagationError, propagate
from daypass.federation.saml.assertion import ParsedAssertion, read_assertion
from daypass.federation.saml.attributes import Claims, RolePair, gather, read_claims, require_provider
from daypass.federation.saml.conditions import REDEEMABLE, ValidationContext, check_conditions
from daypass.federation.saml.saml_faults import as_answered, expired, invalid, no_role
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.federation.saml.signature import key_hash
from daypass.federation.saml.verify import VerifiedAssertion, verify_response
from daypass.federation.saml.xml_names import NAME_ID_FORMAT

_DEFAULT_SESSION = 3_600
NAME_ID_SOURCE = "Subject/NameID"
"""The source key of the NameID of the subject. Every other source key is the name of an attribute."""


class SamlIdentity(msgspec.Struct, frozen=True):
    """A federated identity that a registered provider signed.

    `audience` is AWS's Audience and saml:aud: the Recipient of the SubjectConfirmationData.
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
    propagated: PropagatedIdentity | None = None
    was_encrypted: bool = False


def identify(
    unverified_response: str, *, trust: Trust, settings: SamlSettings, now: datetime, request_id: str = ""
) -> SamlIdentity:
    """Return the identity in a base64 SAMLResponse.

    Raises the Fault that STS returns if the response is refused.
    """
    verified = verify_response(unverified_response, trust=trust, now=now, request_id=request_id)
    return identify_verified(verified, trust=trust, settings=settings, now=now, request_id=request_id)


def identify_verified(
    verified: VerifiedAssertion, *, trust: Trust, settings: SamlSettings, now: datetime, request_id: str = ""
) -> SamlIdentity:
    """Return the identity in a verified assertion.

    It was verified for this provider, or for one that verifies it alike.
    """
    try:
        return read_identity(verified, trust=trust, settings=settings, now=now)
    except Fault as fault:
        raise as_answered(fault, request_id=request_id) from None


def read_identity(verified: VerifiedAssertion, *, trust: Trust, settings: SamlSettings, now: datetime) -> SamlIdentity:
    """Return the identity in an assertion with a verified signature.

    Raises a Fault if the conditions or the attributes are not valid.
    """
    assertion = read_assertion(verified.element)
    check_conditions(ValidationContext(assertion, verified.envelope, trust, settings, now))
    identity = _identity(assertion, read_claims(assertion.attributes), trust)
    if trust.context_provider is None and not verified.encrypted:
        return identity
    propagated = find_propagated(assertion, key_hash(verified.signing_key), trust)
    return msgspec.structs.replace(identity, propagated=propagated, was_encrypted=verified.encrypted)


def _identity(assertion: ParsedAssertion, claims: Claims, trust: Trust) -> SamlIdentity:
    subject_type = assertion.subject.format.removeprefix(NAME_ID_FORMAT)
    qualifier = name_qualifier(assertion.issuer, trust)
    recipient = assertion.confirmation.recipient
    return SamlIdentity(
        provider=trust.provider_arn,
        issuer=assertion.issuer,
        subject=assertion.subject.value,
        subject_type=subject_type,
        audience=recipient,
        name_qualifier=qualifier,
        session_name=claims.session_name,
        session_duration=claims.session_duration,
        session_ends=assertion.session_ends,
        tags=claims.tags,
        transitive_keys=claims.transitive_keys,
        source_identity=claims.source_identity,
        roles=claims.roles,
        conditions={
            **claims.conditions,
            "saml:aud": recipient,
            "saml:iss": assertion.issuer,
            "saml:sub": assertion.subject.value,
            "saml:sub_type": subject_type,
            "saml:namequalifier": qualifier,
            "saml:doc": f"{trust.account}/{trust.provider_name}",
        },
        assertion_id=assertion.identifier,
        redeemable_until=_redeemable_until(assertion),
        one_time_use=assertion.conditions.one_time_use and not trust.lax_like_aws,
        in_response_to=assertion.confirmation.in_response_to,
    )


def find_propagated(assertion: ParsedAssertion, signer: str, trust: Trust) -> PropagatedIdentity | None:
    """Return the values that the provider propagates, or None without any.

    The issuer is the hash of the key that signed. Raises the Fault of STS if the subject is missing, or a value is not
    valid.
    """
    if trust.context_provider is None:
        return None
    attributes: Mapping[str, tuple[object, ...]] = {
        **gather(assertion.attributes),
        NAME_ID_SOURCE: (assertion.subject.value,),
    }
    try:
        return propagate(
            trust.context_provider,
            lambda name: attributes.get(name, ()),
            issuer=signer,
            provider_arn=trust.provider_arn,
        )
    except MissingSubjectError as missing:
        raise invalid(f"{missing} is required in AuthnResponse") from None
    except UnusablePropagationError as fault:
        raise invalid(f"A propagated value in AuthnResponse is not valid: {fault}") from None


def name_qualifier(issuer: str, trust: Trust) -> str:
    """Return the qualifier that, together with the subject, names one user.

    It is AWS's hash of issuer, account and provider.
    """
    text = f"{issuer}{trust.account}/{trust.provider_name}"
    # AWS chose the hash; its collision resistance matters no more here.
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _redeemable_until(assertion: ParsedAssertion) -> datetime:
    """Return the first instant at which the assertion cannot be redeemed.

    The replay guard stores it until then.
    """
    ends = [
        assertion.issued + REDEEMABLE + timedelta(seconds=1),
        assertion.confirmation.not_on_or_after,
        assertion.conditions.not_on_or_after,
    ]
    return min(end for end in ends if end is not None)


def require_role(identity: SamlIdentity, *, role: str, provider: str) -> None:
    """Check that the assertion grants this role through this provider.

    Raises the Fault that STS returns otherwise.
    """
    require_provider(identity.roles, provider)
    if provider != identity.provider or RolePair(role, provider) not in identity.roles:
        raise no_role(f"the assertion does not grant {role} through {provider}")


def session_seconds(identity: SamlIdentity, *, requested: int | None, now: datetime) -> int:
    """Return the duration of the session in seconds.

    It is the requested one (default: one hour), limited by the provider.
    """
    seconds = _DEFAULT_SESSION if requested is None else requested
    if identity.session_duration is not None:
        seconds = min(seconds, identity.session_duration)
    if identity.session_ends is not None:
        seconds = min(seconds, int((identity.session_ends - now).total_seconds()))
    if seconds <= 0:
        raise expired(f"the session at the provider ended at {identity.session_ends}")
    return seconds
