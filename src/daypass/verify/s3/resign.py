"""The head of the request that the store gets, signed with the store's key.

Owns the values of a store's address, key and signed head.
"""

from typing import Any

import msgspec

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey


class BackendKey(msgspec.Struct, frozen=True):
    """The access key with which the gateway signs requests to one store."""

    access_key_id: str
    secret: str
    region: str

    def __repr__(self) -> str:
        return "<secret>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Hide the members from the tracebacks of rich too."""
        return []


class BackendAddress(msgspec.Struct, frozen=True):
    """The Host header of a store, the path before every bucket, and the key.

    `path_prefix` is empty, or begins with a slash and does not end with one; it is percent-encoded.
    """

    host: bytes
    key: BackendKey
    path_prefix: bytes = b""


class SignedHead(msgspec.Struct, frozen=True):
    """The head for the store, with the empty line at its end.

    The other members are what chunk signatures start from: the seed signature, the scope, the signing key and the
    timestamp of the head.
    """

    head: bytes
    signature: str
    scope: str
    signing_key: SigV4SigningKey
    timestamp: str
