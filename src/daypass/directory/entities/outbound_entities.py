"""The issuers of web identity tokens and their keys as frozen values.

Owns their fields. The Account says whether its issuer is enabled. Source: IAM User Guide, "Outbound identity
federation".
"""

from collections.abc import Mapping
from typing import Any

from daypass.directory.entities.iam_entities import Entity


class Issuer(Entity, frozen=True, kw_only=True):
    """An issuer.

    `id` is the opaque part of its URL, `account` its owner.
    """

    id: str
    account: str


class TokenSigningKey(Entity, frozen=True, kw_only=True):
    """A key that signs an account's tokens, encrypted under the master key.

    `public` is its JWK. Times are whole seconds since 1970.
    """

    account: str
    id: str
    algorithm: str
    sealed_private: bytes
    public: Mapping[str, Any]
    created: int
    activates: int
