"""The sealed form of a secret: AES-256-GCM under a key of its own.

Owns the bytes after a version: salt (16 bytes) and the ciphertext. HKDF derives key and nonce from the data key, the
salt and the purpose, so that no number of secrets gets near a nonce's bounds. The owner is authenticated too: a secret
that is moved to another owner does not open. Leaves versions and keys to its callers.
"""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daypass.directory.secret_box import SecretDecryptionError
from daypass.ports import Entropy

KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16


def seal_bytes(key: bytes, purpose: bytes, plaintext: bytes, bound_to: str, entropy: Entropy) -> bytes:
    """Return salt and ciphertext."""
    salt = entropy(_SALT_BYTES)
    cipher, nonce = _cipher(key, salt, purpose)
    return salt + cipher.encrypt(nonce, plaintext, bound_to.encode())


def open_bytes(key: bytes, purpose: bytes, sealed: bytes, bound_to: str) -> bytes:
    """Return the plaintext.

    Raises InvalidTag for another key, purpose or owner, and SecretDecryptionError if the value is too short.
    """
    salt, ciphertext = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    if len(ciphertext) < _TAG_BYTES:
        raise unsupported_form()
    cipher, nonce = _cipher(key, salt, purpose)
    return cipher.decrypt(nonce, ciphertext, bound_to.encode())


def unsupported_form() -> SecretDecryptionError:
    """Return the error of a value that this version cannot read."""
    return SecretDecryptionError("the sealed secret has a format that this version does not support")


def _cipher(key: bytes, salt: bytes, purpose: bytes) -> tuple[AESGCM, bytes]:
    """Return the cipher and nonce of one salt and one purpose only."""
    derived = HKDF(SHA256(), KEY_BYTES + _NONCE_BYTES, salt, purpose).derive(key)
    return AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]
