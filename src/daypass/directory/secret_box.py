"""The protocol that encrypts secrets at rest.

Owns the Protocol and its one error; storage/vault.py implements it with the master key.
"""

from typing import Protocol


class SecretDecryptionError(Exception):
    """The sealed secret is damaged or bound to another name."""


class SecretBox(Protocol):
    """Encryption of values that must not be readable in the store."""

    def encrypt(self, plaintext: bytes, /, *, bound_to: str) -> bytes:
        """Return the sealed form; only the same `bound_to` opens it."""
        ...

    def decrypt(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Return the plaintext, or raise SecretDecryptionError."""
        ...
