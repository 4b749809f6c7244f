"""Claims beyond AWS's list that an operator chose to expose as condition keys.

Owns how such a choice is written and how its value is found in a token: groups and roles, flat or nested,
are what people ask an STS for and AWS does not give. `realm_access/roles` walks into an object,
`groups=team` renames.
Source: none of AWS's; the slash follows accounts.google.com:google/organization_number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

# Keys whose meaning AWS has fixed. An operator's choice may not change who a token is for or about.
RESERVED = frozenset(
    {"iss", "sub", "aud", "oaud", "azp", "amr", "email", "exp", "iat", "nbf", "id", "app_id", "user_id"}
)
MAX_LENGTH = 256
Value = str | tuple[str, ...]


class ClaimUnusable(ValueError):  # noqa: N818 - it says what the claim is
    """The claim has a shape that no condition can test, or can be read in two ways."""


@dataclass(frozen=True, slots=True)
class FurtherClaim:
    """One more claim: where it stands in the token, and the name it has in policies."""

    claim: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `claim` or `claim=name`, or raise ValueError with a sentence for the operator."""
        claim, _, alias = text.rpartition("=") if "=" in text else (text, "", text)
        name = alias or claim
        if not claim or len(text) > MAX_LENGTH or not text.isprintable():
            raise ValueError(f"{text!r} is not the name of a claim")
        if ":" in name:
            raise ValueError(f"{name!r} holds a colon, which policies do not take: write {name}=another-name")
        if name.lower() in RESERVED:
            raise ValueError(f"{name!r} already has a meaning in policies")
        return cls(claim, name)

    def find(self, claims: Mapping[str, Any]) -> Value | None:
        """Return the claim's value as policies see it, None where the token lacks it.

        Raises ClaimUnusable for a shape that no condition can test.
        """
        flat = claims.get(self.claim)
        nested = self._walk(claims)
        if flat is not None and nested is not None:
            raise ClaimUnusable(f"claim {self.claim} stands in the token twice")
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
    """Return what a claim says as policies see it, None where it says nothing. A list becomes a set of texts.

    Anything else that is no text, number or truth value is refused rather than left out: a Deny that tests the key
    must not miss because an issuer changed a claim's shape.
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
        raise ClaimUnusable(f"claim {claim} is neither text nor a list of texts")
    return value
