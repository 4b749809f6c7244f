"""Read the private key that decrypts a provider's assertions.

Owns the keys that AddPrivateKey accepts. Leaves sealed storage to storage/.
Source: IAM User Guide, "Troubleshoot SAML federation with IAM", for the messages.
"""

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from daypass.errors import InvalidInput

LONGEST = 16_384
_SHORTEST_MODULUS, _LONGEST_MODULUS = 2_048, 8_192


def parse_private_key(pem: str) -> rsa.RSAPrivateKey:
    """Return the RSA key in a PEM file without a passphrase.

    Raises InvalidInput if the file does not contain one.
    """
    if len(pem) > LONGEST:
        raise _invalid(f"longer than {LONGEST:,} characters")
    try:
        key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _invalid("not an unencrypted private key in PEM form") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _invalid("not an RSA key")
    if not _SHORTEST_MODULUS <= key.key_size <= _LONGEST_MODULUS:
        raise _invalid(f"an RSA key of {key.key_size} bits")
    return key


def read_private_key(pem: bytes) -> rsa.RSAPrivateKey:
    """Return a key that `parse_private_key` accepted at registration.

    The proof that its parts match, 40 milliseconds, is not repeated.
    """
    key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a stored key is not an RSA key")
    return key


def fingerprint(key: rsa.RSAPrivateKey) -> str:
    """Return the SHA-256 of the public key in DER.

    It identifies the private key without revealing it.
    """
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def _invalid(why: str) -> InvalidInput:
    return InvalidInput("Invalid private key.", detail=f"the private key is {why}")
