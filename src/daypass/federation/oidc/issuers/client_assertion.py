"""Client assertions: authenticate at a token endpoint with a signed JWT.

Owns the claims of the assertion and the fields that carry it (private_key_jwt).

* `iss` and `sub` are the client id, and `jti` is random, so that a provider can refuse a second use.
* `aud` is the token endpoint, which every provider accepts. Each client has keys of its own: an assertion that another
  server gets hold of does not authenticate any other client.
* An assertion is valid for two minutes. It has no `nbf`, because the provider's clock may be slow.

Source: RFC 7523 sections 2.2 and 3; OpenID Connect Core 1.0 section 9.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import final

from daypass.mint.jwt_signing import load_jwt_key, sign_jwt
from daypass.ports import Entropy

LIFETIME = 120
"""Seconds for which an assertion is valid. RFC 7523 leaves it open; many providers accept at most five minutes."""

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ID_BYTES = 20


class UnusableClientKeyError(Exception):
    """The private key of a client cannot be read."""


@final
class AssertionSigner:
    """The active private key of one client."""

    __slots__ = ("_entropy", "_key", "_now", "key_id")

    def __init__(self, key_id: str, private: bytes, *, now: datetime, entropy: Entropy) -> None:
        try:
            # Anyone can return from a sign-in with an invented code: the primality test takes a tenth of a second.
            self._key = load_jwt_key(private, is_own=True)
        except ValueError as error:
            raise UnusableClientKeyError("the key cannot be read") from error
        self.key_id = key_id
        self._now = int(now.timestamp())
        self._entropy = entropy

    def __repr__(self) -> str:
        return "<secret>"

    def fields(self, client_id: str, audience: str) -> Mapping[str, str]:
        """Return the fields of a token request that authenticate the client."""
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": self._entropy(_ID_BYTES).hex(),
            "iat": self._now,
            "exp": self._now + LIFETIME,
        }
        return {"client_assertion_type": _TYPE, "client_assertion": sign_jwt(self._key, self.key_id, claims)}
