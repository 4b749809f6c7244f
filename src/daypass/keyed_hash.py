"""HMAC-SHA256 with one key that is used many times.

The two padded keys are hashed in advance, which halves the cost of each use.
Source: RFC 2104.
"""

from hashlib import sha256

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class KeyedHash:
    """Computes HMAC-SHA256 with its key."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def __repr__(self) -> str:
        return "<secret>"

    def digest(self, message: bytes) -> bytes:
        """Return the hash of `message` in bytes."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def hexdigest(self, message: bytes) -> str:
        """Return the hash of `message` in lower-case hexadecimal."""
        # The body of digest, inlined: every signature is verified with it.
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()
