"""Read the metadata of an identity provider: name, keys, sign-in URLs.

Owns the documents that CreateSAMLProvider and UpdateSAMLProvider accept. A document is parsed as untrusted input, and
trusted once a permitted operator has registered it. A certificate is only a container for a key: its issuer does not
matter (SAML metadata interoperability profile).
Rules: SAML metadata 2.0; IAM API reference, CreateSAMLProvider.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from daypass.errors import Fault, InvalidInput
from daypass.federation.saml.element_text import find_instant, find_problem_with_name
from daypass.federation.saml.signature import PublicKey
from daypass.federation.saml.xml_names import SAMLP, ds, md
from daypass.federation.saml.xml_parser import METADATA, UnreadableXmlError, parse_xml

SHORTEST, LONGEST = 1_000, 10_000_000
COULD_NOT_PARSE = "Could not parse metadata"
_ENTITY_ID_LENGTH = 1_024  # SAML core 8.3.6
_WEAKEST_RSA = 2_048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_KEYS = 20


class UnusableCertificateError(Exception):
    """A signing certificate cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class SamlSigningKey:
    """A signing key of a provider, from its certificate."""

    key: PublicKey
    fingerprint: str  # SHA-256 of the certificate, in hexadecimal
    not_before: datetime
    not_after: datetime
    certificate: bytes = b""  # in DER

    def is_current(self, now: datetime) -> bool:
        """Return whether `now` is between the dates of the certificate."""
        return self.not_before <= now <= self.not_after


@dataclass(frozen=True, slots=True)
class SignOnLocation:
    """The URL to which a browser is sent to sign in, and its binding."""

    binding: str
    location: str


@dataclass(frozen=True, slots=True)
class IdentityProviderMetadata:
    """An identity provider as its metadata describes it."""

    entity_id: str
    signing_keys: tuple[SamlSigningKey, ...]
    sign_on: tuple[SignOnLocation, ...]
    valid_until: datetime | None
    wants_signed_requests: bool

    def find_sign_on(self, binding: str) -> str | None:
        """Return the sign-in URL for this binding, or None if it is absent."""
        return next((each.location for each in self.sign_on if each.binding == binding), None)


def parse_metadata(text: str, *, now: datetime) -> IdentityProviderMetadata:
    """Return the content of a metadata document to register at `now`.

    Raises InvalidInput if it is invalid or expired, or has no usable signing certificate.
    """
    return require_current(read_metadata(text), now=now)


def require_current(metadata: IdentityProviderMetadata, *, now: datetime) -> IdentityProviderMetadata:
    """Return metadata that has not expired, or raise InvalidInput."""
    if metadata.valid_until is not None and metadata.valid_until <= now:
        raise _unusable(f"the metadata was valid until {metadata.valid_until:%Y-%m-%dT%H:%M:%SZ}")
    return metadata


def read_metadata(text: str) -> IdentityProviderMetadata:
    """Return the content of a metadata document that was registered before.

    Its expiry is checked in verify.py.
    """
    if not SHORTEST <= len(text) <= LONGEST:
        raise _unusable(f"a metadata document has {SHORTEST:,} to {LONGEST:,} characters")
    try:
        root = parse_xml(text.encode("utf-8"), METADATA)
        entity = _only_provider(root)
        return _describe(entity, _earliest_end(entity))
    except (UnreadableXmlError, UnicodeEncodeError) as problem:
        raise _unusable(str(problem)) from None
    except InvalidInput:
        raise
    except Fault as problem:  # the messages for times are those of a response
        raise _unusable(problem.detail) from None


def _describe(entity: etree._Element, valid_until: datetime | None) -> IdentityProviderMetadata:
    entity_id = entity.get("entityID") or ""
    problem = find_problem_with_name(entity_id)
    if problem or len(entity_id) > _ENTITY_ID_LENGTH:
        raise _unusable(f"the entityID {problem or 'is longer than 1,024 characters'}")
    roles = _roles(entity)
    return IdentityProviderMetadata(
        entity_id=entity_id,
        signing_keys=_signing_keys(roles),
        sign_on=tuple(
            SignOnLocation(service.get("Binding") or "", service.get("Location") or "")
            for role in roles
            for service in role.findall(md("SingleSignOnService"))
        ),
        valid_until=valid_until,
        wants_signed_requests=any(role.get("WantAuthnRequestsSigned") in {"true", "1"} for role in roles),
    )


def _only_provider(root: etree._Element) -> etree._Element:
    """Return the one entity that is an identity provider.

    It is the root, or one in an EntitiesDescriptor.
    """
    if root.tag == md("EntityDescriptor"):
        candidates = [root]
    elif root.tag == md("EntitiesDescriptor"):
        candidates = list(root.iter(md("EntityDescriptor")))
    else:
        raise _unusable(f"the root is {root.tag!s:.200}, not an EntityDescriptor of SAML 2.0 metadata")
    providers = [entity for entity in candidates if _roles(entity)]
    if len(providers) != 1:
        raise _unusable(
            f"there must be exactly one EntityDescriptor with an IDPSSODescriptor for SAML 2.0, not {len(providers)}"
        )
    return providers[0]


def _roles(entity: etree._Element) -> list[etree._Element]:
    return [
        role
        for role in entity.findall(md("IDPSSODescriptor"))
        if SAMLP in (role.get("protocolSupportEnumeration") or "").split()
    ]


def _earliest_end(entity: etree._Element) -> datetime | None:
    """Return the earliest expiry of the entity, its roles and its groups."""
    holders = [entity, *_roles(entity), *entity.iterancestors(md("EntitiesDescriptor"))]
    ends = [find_instant(holder, "validUntil") for holder in holders]
    return min((end for end in ends if end is not None), default=None)


def _signing_keys(roles: list[etree._Element]) -> tuple[SamlSigningKey, ...]:
    """Return the usable signing keys in the document's order, without repeats.

    Raises a Fault without a usable key.
    """
    found: dict[str, SamlSigningKey] = {}
    reasons: list[str] = []
    for encoded in _signing_certificates(roles):
        try:
            key = _read_certificate(encoded)
        except UnusableCertificateError as problem:
            reasons.append(str(problem))
            continue
        found.setdefault(key.fingerprint, key)
    if len(found) > _KEYS:
        raise _unusable(f"more than {_KEYS} signing certificates")
    if not found:
        raise _unusable("; ".join(reasons[:3]) or f"no signing certificate{_instead(roles)}")
    return tuple(found.values())


def _instead(roles: list[etree._Element]) -> str:
    """Return advice for a provider that publishes a key without certificate.

    LemonLDAP::NG does this if it is configured with a public key.
    """
    bare = any(role.find(f"{md('KeyDescriptor')}//{ds('KeyValue')}") is not None for role in roles)
    return "; its key has no certificate (KeyValue): configure it to publish an X509Certificate" if bare else ""


def _signing_certificates(roles: list[etree._Element]) -> Iterator[str]:
    for role in roles:
        for descriptor in role.findall(md("KeyDescriptor")):
            # A key without `use` serves both purposes (SAML metadata 2.4.1.1).
            if descriptor.get("use", "signing") == "signing":
                for certificate in descriptor.iter(ds("X509Certificate")):
                    yield certificate.text or ""


def _read_certificate(encoded: str) -> SamlSigningKey:
    """Return the key in a base64 certificate, or raise UnusableCertificateError."""
    try:
        octets = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableCertificateError("a signing certificate cannot be read") from None
    return read_signing_key(octets)


def read_signing_key(octets: bytes) -> SamlSigningKey:
    """Return the key in a DER certificate, or raise UnusableCertificateError."""
    try:
        certificate = x509.load_der_x509_certificate(octets)
        key = certificate.public_key()
        dates = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise UnusableCertificateError("a signing certificate cannot be read") from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _WEAKEST_RSA:
        raise UnusableCertificateError(
            f"a signing certificate has an RSA key of {key.key_size} bits; the minimum is 2,048"
        )
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        raise UnusableCertificateError(f"a signing certificate is on the curve {key.curve.name}")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise UnusableCertificateError("a signing certificate's key is neither RSA nor ECDSA")
    return SamlSigningKey(key, certificate.fingerprint(hashes.SHA256()).hex(), *dates, octets)


def _unusable(why: str) -> InvalidInput:
    return InvalidInput(f"{COULD_NOT_PARSE}: {why}", detail=why)
