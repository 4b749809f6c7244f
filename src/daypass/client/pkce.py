"""Proof Key for Code Exchange, and the random texts of a sign-in. Source: RFC 7636; RFC 9700, 2.1.1."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pkce:
    """A verifier that we keep, and the challenge that we show."""

    verifier: str
    challenge: str

    def __repr__(self) -> str:
        return "<secret>"


def make_pkce() -> Pkce:
    """Return a pair of its own for one sign-in."""
    verifier = secrets.token_urlsafe(48)
    return Pkce(verifier, base64url(hashlib.sha256(verifier.encode()).digest()))


def make_state() -> str:
    """Return a text that nobody can guess."""
    return secrets.token_urlsafe(32)


def base64url(value: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()
