"""The chain of signatures of a body in signed chunks.

Owns the strings to sign of chunks and trailers. The same chain verifies the chunks of a client and signs those that go
to the store. Source: Amazon S3 API Reference, "Signature calculations: transferring payload in multiple chunks" and
"… with trailing headers".
"""

from hashlib import sha256
from hmac import compare_digest

import msgspec

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.payload import EMPTY_SHA256
from daypass.verify.s3.errors import s3_error


class ChunkSeed(msgspec.Struct, frozen=True):
    """The signature of a head, with which the chain of its chunks starts."""

    signature: str
    timestamp: str
    scope: str
    key: SigV4SigningKey

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class ChunkSignatures:
    """Signs or verifies the chunks of one body, in their order."""

    __slots__ = ("_chunk_prefix", "_key", "_previous", "_trailer_prefix")

    def __init__(self, seed: ChunkSeed) -> None:
        self._key = seed.key
        self._previous = seed.signature
        self._chunk_prefix = f"AWS4-HMAC-SHA256-PAYLOAD\n{seed.timestamp}\n{seed.scope}\n"
        self._trailer_prefix = f"AWS4-HMAC-SHA256-TRAILER\n{seed.timestamp}\n{seed.scope}\n"

    def sign_chunk(self, digest: str) -> str:
        """Return the signature of the next chunk. `digest` is the SHA-256."""
        text = f"{self._chunk_prefix}{self._previous}\n{EMPTY_SHA256}\n{digest}"
        self._previous = self._key.sign(text.encode())
        return self._previous

    def sign_trailer(self, trailer: bytes) -> str:
        """Return the signature of the trailer: lines that end in LF."""
        text = f"{self._trailer_prefix}{self._previous}\n{sha256(trailer).hexdigest()}"
        self._previous = self._key.sign(text.encode())
        return self._previous

    def verify_chunk(self, digest: str, signature: str) -> None:
        """Raise S3Error unless the signature of the next chunk is right."""
        if not compare_digest(self.sign_chunk(digest), signature):
            raise s3_error("SignatureDoesNotMatch", detail="the signature of a chunk is wrong")

    def verify_trailer(self, trailer: bytes, signature: str) -> None:
        """Raise S3Error unless the signature of the trailer is right."""
        if not compare_digest(self.sign_trailer(trailer), signature):
            raise s3_error("SignatureDoesNotMatch", detail="the signature of the trailer is wrong")
