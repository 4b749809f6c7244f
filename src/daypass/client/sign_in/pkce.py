"""Proof Key for Code Exchange, and random values of a sign-in.

Source: RFC 7636; RFC 9700, 2.1.1.
"""

import hashlib
import secrets
from dataclasses import dataclass

from daypass.base64url import to_base64url


@dataclass(frozen=True, slots=True)
class Pkce:
    """A secret verifier and its public challenge."""

    verifier: str
    challenge: str

    def __repr__(self) -> str:
        return "<secret>"


def make_pkce() -> Pkce:
    """Return a new pair for one sign-in."""
    verifier = secrets.token_urlsafe(48)
    return Pkce(verifier, to_base64url(hashlib.sha256(verifier.encode()).digest()))


def make_state() -> str:
    """Return a random string that cannot be guessed."""
    return secrets.token_urlsafe(32)
