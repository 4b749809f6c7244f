"""The issuers of web identity tokens as frozen values: whose each is, and its signing keys.

Owns their fields. Whether an account's issuer is enabled is said by the Account.
Source: IAM User Guide, "Outbound identity federation".
"""

from collections.abc import Mapping
from typing import Any

from daypass.directory.entities import Entity


class Issuer(Entity, frozen=True, kw_only=True):
    """An issuer that was handed out: `id` is the opaque part of its URL, `account` whose it is."""

    id: str
    account: str


class TokenSigningKey(Entity, frozen=True, kw_only=True):
    """A key that signs an account's tokens, encrypted at rest under the master key. `public` is its JWK.

    Times are whole seconds since 1970.
    """

    account: str
    id: str
    algorithm: str
    sealed_private: bytes
    public: Mapping[str, Any]
    created: int
    activates: int
