"""The key that signs requests to identity providers, and its rotation.

Owns the kind of key, its certificate and the rules of rotation. Leaves storage to operations/saml_request_keys.py, and
the signed bytes to request_signature.py. Providers get the certificate from our metadata, often by hand, so keys are
never added or removed automatically. The certificate's issuer and dates do not matter.
Rules: SAML metadata interoperability profile 2.6.1; NIST SP 800-57 part 1 for the size.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from daypass.mint.key_ring import SKEW, KeyRing, Material, RingKey, drop_expired

# The provider may check a request's signature for ten minutes.
LONGEST_REQUEST = 600
_BITS = 3_072
_LIFETIME = timedelta(days=3_650)
_NAME = "Daypass sign-in requests"


class UnusableKeyError(Exception):
    """The private key is invalid, or does not match its certificate."""


@dataclass(frozen=True, slots=True)
class RequestKeyPair:
    """A new key: private key in PKCS #8 and certificate, both in DER."""

    private: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def id(self) -> str:
        """The name of the key, from the fingerprint of its certificate."""
        return key_id(self.certificate)


@final
class RequestSigner:
    """A private key that signs requests, and its certificate in base64."""

    __slots__ = ("_key", "certificate")

    def __init__(self, private: bytes, certificate: bytes) -> None:
        try:
            # The numbers are ours, and were sealed: a primality test takes a fifth of a second.
            key = serialization.load_der_private_key(private, password=None, unsafe_skip_rsa_key_validation=True)
            public = x509.load_der_x509_certificate(certificate).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise UnusableKeyError("the key or its certificate cannot be read") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != public:
            raise UnusableKeyError("the key does not match its certificate")
        self._key = key
        self.certificate = base64.b64encode(certificate).decode()

    def __repr__(self) -> str:
        return "<secret>"

    def sign(self, octets: bytes) -> str:
        """Return the signature in base64: RSA (PKCS #1 v1.5) with SHA-256."""
        return base64.b64encode(self._key.sign(octets, padding.PKCS1v15(), hashes.SHA256())).decode()


def make_key_pair(now: datetime) -> RequestKeyPair:
    """Create a key and a self-signed certificate.

    This takes some tenths of a second.
    """
    private = rsa.generate_private_key(public_exponent=65_537, key_size=_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    whole = now.astimezone(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # The provider's clock may be slow.
        .not_valid_before(whole - timedelta(days=1))
        .not_valid_after(whole + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    form = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return RequestKeyPair(form, certificate.public_bytes(serialization.Encoding.DER))


def key_id(certificate: bytes) -> str:
    """Return the name of the key in a certificate.

    It is the beginning of the SHA-256, which other tools show too.
    """
    hashed = hashes.Hash(hashes.SHA256())
    hashed.update(certificate)
    return hashed.finalize().hex()[:16]


def certificate_ends(certificate: bytes) -> datetime:
    """Return when our certificate expires. Some providers check this."""
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc


def certificate_pem(certificate: bytes) -> str:
    """Return a certificate in PEM, for the administration pages of providers."""
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM).decode("ascii")


def first_activation(now: int) -> int:
    """Return the activation time of a deployment's first key.

    It is active at once, also on a node with a slow clock.
    """
    return now - SKEW


def published(request_ring: KeyRing[Material], now: int) -> list[RingKey[Material]]:
    """Return the keys in our metadata, the one that signs now first.

    Some providers read only the first key.
    """
    kept = drop_expired(request_ring, now=now, longest=LONGEST_REQUEST).keys
    active = request_ring.active(now)
    return [active, *(key for key in reversed(kept) if key is not active)]
