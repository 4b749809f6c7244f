"""A secret access key that cannot be printed by accident.

Leaves its creation to access_keys.py, and sealing to seal.py.
"""

import hmac

import msgspec


class Secret(msgspec.Struct, frozen=True, array_like=True, eq=False):
    """A secret string. Only the attribute `text` shows it."""

    text: str

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.text.encode(), other.text.encode())

    def __hash__(self) -> int:
        return hash(self.text)
