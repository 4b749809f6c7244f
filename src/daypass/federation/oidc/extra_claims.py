"""Claims beyond AWS's list that an operator exposes as condition keys.

Owns their syntax and the lookup of their values: AWS offers neither groups nor roles. `realm_access/roles` reads a
member of an object, `groups=team` renames.
Source: not from AWS; the slash follows accounts.google.com:google/organization_number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

# AWS defines these keys: an operator must not change a token's audience or subject.
RESERVED = frozenset(
    {"iss", "sub", "aud", "oaud", "azp", "amr", "email", "exp", "iat", "nbf", "id", "app_id", "user_id"}
)
MAX_LENGTH = 256
Value = str | tuple[str, ...]


class UnusableClaimError(ValueError):
    """The claim has a shape that a condition cannot test, or is ambiguous."""


@dataclass(frozen=True, slots=True)
class ExtraClaim:
    """An extra claim: its place in the token, and its name in policies."""

    claim: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `claim` or `claim=name`.

        Raises ValueError with a message for the operator.
        """
        claim, _, alias = text.rpartition("=") if "=" in text else (text, "", text)
        name = alias or claim
        if not claim or len(text) > MAX_LENGTH or not text.isprintable():
            raise ValueError(f"{text!r} is not the name of a claim")
        if ":" in name:
            raise ValueError(f"{name!r} contains a colon, which policies do not allow: write {name}=another-name")
        if name.lower() in RESERVED:
            raise ValueError(f"{name!r} already has a meaning in policies")
        return cls(claim, name)

    def find(self, claims: Mapping[str, Any]) -> Value | None:
        """Return the claim's value as policies see it, or None if absent.

        Raises UnusableClaimError for a shape that a condition cannot test.
        """
        flat = claims.get(self.claim)
        nested = self._walk(claims)
        if flat is not None and nested is not None:
            raise UnusableClaimError(f"claim {self.claim} is in the token twice")
        return find_value(self.claim, nested if flat is None else flat)

    def _walk(self, claims: Mapping[str, Any]) -> object:
        steps = self.claim.split("/")
        if len(steps) == 1 or not all(steps):
            return None
        here: Any = claims
        for step in steps:
            if not isinstance(here, Mapping):
                return None
            here = here.get(step)
        return here


def find_value(claim: str, value: object) -> Value | None:
    """Return a claim's value as policies see it, or None if it has no value.

    A list becomes a set of strings. Raises UnusableClaimError for a value that is not a string, number or Boolean:
    without it, a Deny that tests the key would not match after an issuer changed a claim's shape.
    """
    if isinstance(value, list):
        return tuple(_text(claim, item) for item in value) or None
    return None if value is None else _text(claim, value)


def _text(claim: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise UnusableClaimError(f"claim {claim} is neither a string nor a list of strings")
    return value
