"""Encryption of an assertion for a command that uses it at another STS.

docs/handover.md specifies the decryption. A reader of the response or of the store cannot decrypt the assertion.

* Key agreement is X25519 (RFC 7748), key derivation is HKDF (RFC 5869), encryption is AES-256-GCM.
* Each assertion has a new ephemeral key. Therefore the nonce is constant.
"""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daypass.base64url import parse_base64url, to_base64url
from daypass.portal.cli_login.cli_sign_ins import CliSignIn
from daypass.ports import Entropy

_INFO = b"daypass assertion 1"
_KEY_BYTES = 32
_NONCE = bytes(12)


def is_public_key(text: str) -> bool:
    """Tell whether a string is an X25519 public key that is safe to use."""
    try:
        X25519PrivateKey.generate().exchange(_read_key(text))
    except ValueError:  # also for a key of low order, which makes every shared secret the same
        return False
    return True


def relay(assertion: str, cli_sign_in: CliSignIn, entropy: Entropy) -> Mapping[str, Any]:
    """Return the assertion, encrypted for the key of a CLI sign-in."""
    ephemeral = X25519PrivateKey.from_private_bytes(entropy(_KEY_BYTES))
    ours = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    theirs = _read_key(cli_sign_in.public_key)
    salt = ours + theirs.public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=_INFO).derive(ephemeral.exchange(theirs))
    sealed = AESGCM(key).encrypt(_NONCE, assertion.encode(), cli_sign_in.challenge.encode())
    return {"sealed_assertion": to_base64url(sealed), "ephemeral_key": to_base64url(ours)}


def _read_key(text: str) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(parse_base64url(text))
