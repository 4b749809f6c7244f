"""A sign-in that waits for its choice of role, as a frozen value.

Owns its fields. What proves the sign-in is sealed at rest, and gone once a choice was made or its minutes are over.
"""

from datetime import datetime

from daypass.directory.entities import Entity


class SignIn(Entity, frozen=True, kw_only=True):
    """A proof of identity that somebody handed in with a browser."""

    id: str
    ends: datetime
    sealed_proof: bytes

    @property
    def proof_name(self) -> str:
        """What the sealed proof is bound to: this sign-in and no other."""
        return f"sign-in:{self.id}"
