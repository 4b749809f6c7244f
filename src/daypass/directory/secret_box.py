"""The protocol that encrypts secrets at rest.

Owns the Protocol and its one error; storage/vault.py implements it with the master key.
"""

from typing import Any, Protocol

from daypass.mint.key_ring import FindKey


class SecretDecryptionError(Exception):
    """The sealed secret is damaged or bound to another name."""


class SecretBox(Protocol):
    """Encryption of values that must not be readable in the store.

    `find_sealing_key` finds a sealing key that the cache does not show (mint/key_ring.py).
    """

    @property
    def find_sealing_key(self) -> FindKey[Any]:
        """The function that finds it."""
        ...

    def encrypt(self, plaintext: bytes, /, *, bound_to: str) -> bytes:
        """Return the sealed form; only the same `bound_to` opens it."""
        ...

    def decrypt(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Return the plaintext, or raise SecretDecryptionError."""
        ...
