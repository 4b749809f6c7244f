"""The protocol of a wrapping provider.

Owns the promises. A provider is asked when a process starts or learns a new data key, never for a request whose keys
the process knows.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol


class WrappingProvider(Protocol):
    """A master key that may be elsewhere.

    Every call ends within a bounded time. It raises WrongMasterKeyError if this key cannot open the value, and
    MasterKeyUnavailableError if the place does not answer or refuses. Messages never contain a secret.
    """

    @property
    def scheme(self) -> str:
        """The kind of the provider: "key", "vault" or "pkcs11".

        It is stored beside what it wrapped.
        """
        ...

    @property
    def name(self) -> str:
        """The name of the key for people and for the store."""
        ...

    def wrap(self, data_key: bytes, /) -> bytes:
        """Return the encrypted data key, which only the same master key decrypts."""
        ...

    def unwrap(self, wrapped: bytes, /) -> bytes:
        """Return the data key."""
        ...


@dataclass(frozen=True, slots=True)
class RememberingProvider:
    """A provider whose answers stay in memory.

    They are for the workers that a process forks.

    A worker that is restarted while the provider does not answer starts nevertheless.
    """

    asked: WrappingProvider
    remembered: MutableMapping[bytes, bytes] = field(repr=False)

    @property
    def scheme(self) -> str:
        """The kind of the provider."""
        return self.asked.scheme

    @property
    def name(self) -> str:
        """The name of the key."""
        return self.asked.name

    def wrap(self, data_key: bytes, /) -> bytes:
        """Return the encrypted data key."""
        return self.asked.wrap(data_key)

    def unwrap(self, wrapped: bytes, /) -> bytes:
        """Return the data key, which the provider is asked for once."""
        place = sha256(f"{self.scheme}\0{self.name}\0".encode() + wrapped).digest()
        known = self.remembered.get(place)
        if known is None:
            known = self.remembered[place] = self.asked.unwrap(wrapped)
        return known
