"""A sign-in that waits for its choice of role, as a frozen value.

Owns its fields. The proof of identity is sealed at rest, and deleted after the choice or after some minutes.
"""

from datetime import datetime

from daypass.directory.entities.iam_entities import Entity


class SignIn(Entity, frozen=True, kw_only=True):
    """A proof of identity that a browser submitted."""

    id: str
    ends: datetime
    sealed_proof: bytes

    @property
    def proof_name(self) -> str:
        """Return the name that the sealed proof is bound to: this sign-in only."""
        return f"sign-in:{self.id}"
