"""The promise of a box for secrets at rest.

Owns the Protocol and its one refusal; storage/vault.py keeps it under the master key.
"""

from typing import Protocol


class Unopenable(Exception):  # noqa: N818 - read as a sentence: decrypting raises Unopenable
    """The sealed secret is damaged, or belongs to something else."""


class SecretBox(Protocol):
    """Seals what must not lie readable in the store."""

    def encrypt(self, plaintext: bytes, /, *, bound_to: str) -> bytes:
        """Return the sealed form; it opens only with the same `bound_to`."""
        ...

    def decrypt(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Return what was sealed, or raise Unopenable."""
        ...
