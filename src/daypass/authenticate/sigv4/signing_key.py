"""Signing keys for one date, region and service, derived from a secret.

Owns the derivation and a bounded cache.
Source: IAM User Guide, "Create a signed AWS API request", step 4.
"""

import hmac
from typing import final

from daypass.authenticate.sigv4.signature import TERMINATOR
from daypass.bounded_memory import BoundedMemory
from daypass.keyed_hash import KeyedHash


@final
class SigV4SigningKey(KeyedHash):
    """A signing key: `hexdigest` of a string is the signature."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw

    sign = KeyedHash.hexdigest


def signing_key(secret: str, date: str, region: str, service: str) -> SigV4SigningKey:
    """Return the signing key of `secret` for `date`, `region` and `service`."""
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return SigV4SigningKey(key)


class SigningKeys:
    """A bounded cache of signing keys by secret, date, region and service.

    It evicts the oldest.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._keys: BoundedMemory[tuple[str, str, str, str], SigV4SigningKey] = BoundedMemory(capacity)

    def __repr__(self) -> str:
        return f"<{len(self._keys)} signing keys>"

    def __len__(self) -> int:
        return len(self._keys)

    def key_for(self, secret: str, date: str, region: str, service: str) -> SigV4SigningKey:
        """Return the signing key: derived at the first call, cached afterwards."""
        name = (secret, date, region, service)
        return self._keys.get(name) or self._keys.put(name, signing_key(*name))
