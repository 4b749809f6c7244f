"""The data keys of a store: the keys that seal its secrets.

Owns the value DataKeys and the ids of keys. The first key of a store has no id, and its secrets have the form of
version 0.1.0. A key that a rotation made has an id, which each of its secrets carries. Leaves their encryption at rest
to keyring.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daypass.storage.refusals import StoreOpenError
from daypass.storage.sealed_form import KEY_BYTES

FIRST = b""
"""The id of a store's first data key."""
ID_BYTES = 8


class _Encoded(msgspec.Struct, frozen=True):
    keys: dict[str, bytes]
    current: str


@dataclass(frozen=True, slots=True)
class DataKeys:
    """Data keys by id. `current` seals new secrets."""

    by_id: Mapping[bytes, bytes] = field(repr=False)
    current: bytes = FIRST

    def __repr__(self) -> str:
        return "<secret>"

    def encode(self) -> bytes:
        """Return the keys as bytes, for a backup. The caller encrypts them."""
        keys = {key_id.hex(): key for key_id, key in self.by_id.items()}
        return msgspec.json.encode(_Encoded(keys, self.current.hex()))

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Return the keys of `encode`, or raise StoreOpenError."""
        try:
            found = msgspec.json.decode(encoded, type=_Encoded)
            keys = {bytes.fromhex(key_id): key for key_id, key in found.keys.items()}
            current = bytes.fromhex(found.current)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            raise StoreOpenError("the data keys are damaged, or were written by another version") from error
        if current not in keys or any(not has_id(key, key_id) for key_id, key in keys.items()):
            raise StoreOpenError("the data keys are damaged")
        return cls(keys, current)


def id_of(key: bytes) -> bytes:
    """Return the id of a key that a rotation made. It does not tell the key."""
    return HKDF(SHA256(), ID_BYTES, None, b"daypass vault data key id").derive(key)


def has_id(key: bytes, key_id: bytes) -> bool:
    """Return whether a key has this id. Any key may be the first one."""
    return len(key) == KEY_BYTES and key_id in {FIRST, id_of(key)}
