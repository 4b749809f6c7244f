"""Certificates for servers on loopback, valid or with a flaw.

For tests only: the keys live as long as their process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Flaw(Enum):
    """The flaw of a certificate."""

    NONE = "none"
    EXPIRED = "expired"
    OTHER_NAME = "other name"
    SELF_SIGNED = "self-signed"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that only its own test trusts.

    >>> authority = Authority.create("Example authority")
    >>> authority.pem.startswith(b"-----BEGIN CERTIFICATE-----")
    True
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, name: str = "Daypass test authority") -> Self:
        """Create an authority that is valid for a day before and after now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _validity(x509.CertificateBuilder(), Flaw.NONE)
        builder = builder.subject_name(subject).issuer_name(subject).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(key, builder.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        """Return the certificate for a CA bundle."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def thumbprint(self) -> str:
        """Return the SHA-1 thumbprint of the authority, in the form of IAM."""
        return self.certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - AWS's thumbprints are SHA-1

    def write_server_identity(self, path: Path, hosts: Sequence[str], flaw: Flaw = Flaw.NONE) -> Path:
        """Write a key and certificate chain for `hosts` into one file.

        It has the format of ssl.load_cert_chain.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = self.certificate.subject, self.key
        if flaw is Flaw.SELF_SIGNED:
            issuer, signer = _name(hosts[0]), key
        names = ["elsewhere.invalid"] if flaw is Flaw.OTHER_NAME else hosts
        builder = _validity(x509.CertificateBuilder(), flaw)
        builder = builder.subject_name(_name(hosts[0])).issuer_name(issuer).public_key(key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        leaf = builder.serial_number(x509.random_serial_number()).sign(signer, hashes.SHA256())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.touch(mode=0o600)
        path.write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM) + self.pem)
        return path


@cache
def shared_authority() -> Authority:
    """Return the authority of this process.

    The servers of `daypass.testing` trust it without any setting.

    >>> shared_authority() is shared_authority()
    True
    """
    return Authority.create()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _validity(builder: x509.CertificateBuilder, flaw: Flaw) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    end = now - timedelta(hours=1) if flaw is Flaw.EXPIRED else now + timedelta(days=1)
    return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(end)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
