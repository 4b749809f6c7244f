"""The key that signs our requests to identity providers: what it is made of, and how one succeeds another.

Owns the kind of key, its certificate and the rules of succession. Keeping it is operations/saml_request_keys.py's work,
and what is signed is request_signature.py's. A provider learns the certificate from our metadata, often by hand, and so
no key comes or goes by itself. Who signed the certificate does not matter, nor do its dates: it contains a key.
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

from daypass.mint.lifecycle import SKEW, KeyRing, Material, RingKey, drop_expired

# A request waits for its answer for ten minutes, and its provider may look at the signature until then.
LONGEST_REQUEST = 600
_BITS = 3_072
_LIFETIME = timedelta(days=3_650)
_NAME = "Daypass sign-in requests"


class UnusableKeyError(Exception):
    """A private key that is none, or not the one of its certificate."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key: the private one in PKCS #8 and its certificate, both in DER."""

    private: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def id(self) -> str:
        """A name for the key, from its certificate's fingerprint."""
        return key_id(self.certificate)


@final
class RequestSigner:
    """A private key that signs requests, and its certificate in base64."""

    __slots__ = ("_key", "certificate")

    def __init__(self, private: bytes, certificate: bytes) -> None:
        try:
            # Checking that the numbers are prime takes a fifth of a second; they are ours, and were sealed.
            key = serialization.load_der_private_key(private, password=None, unsafe_skip_rsa_key_validation=True)
            public = x509.load_der_x509_certificate(certificate).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise UnusableKeyError("it cannot be read") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != public:
            raise UnusableKeyError("it is not the key of its certificate")
        self._key = key
        self.certificate = base64.b64encode(certificate).decode()

    def __repr__(self) -> str:
        return "<secret>"

    def sign(self, octets: bytes) -> str:
        """Return the signature by RSA (PKCS #1 v1.5) with SHA-256, in base64."""
        return base64.b64encode(self._key.sign(octets, padding.PKCS1v15(), hashes.SHA256())).decode()


def make_key_pair(now: datetime) -> KeyPair:
    """Make a key and a certificate that it signs for itself. It takes some tenths of a second."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    whole = now.astimezone(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # A provider's clock may be behind.
        .not_valid_before(whole - timedelta(days=1))
        .not_valid_after(whole + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    form = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(form, certificate.public_bytes(serialization.Encoding.DER))


def key_id(certificate: bytes) -> str:
    """Return the name of the key in a certificate: the beginning of the SHA-256 of it, which tools show too."""
    hashed = hashes.Hash(hashes.SHA256())
    hashed.update(certificate)
    return hashed.finalize().hex()[:16]


def certificate_ends(certificate: bytes) -> datetime:
    """Return when a certificate of ours ends. Some providers look at it."""
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc


def certificate_pem(certificate: bytes) -> str:
    """Return a certificate as text, as administrators' pages take it."""
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM).decode("ascii")


def first_activation(now: int) -> int:
    """Return when a deployment's first key signs: at once, also on a node whose clock is behind."""
    return now - SKEW


def published(ring: KeyRing[Material], now: int) -> list[RingKey[Material]]:
    """Return the keys that our metadata names, the one that signs now first: some providers read no further."""
    kept = drop_expired(ring, now=now, longest=LONGEST_REQUEST).keys
    active = ring.active(now)
    return [active, *(key for key in reversed(kept) if key is not active)]
