"""Verify a body and encode it for the store, piece by piece.

Owns the order of the steps: decode, check, encode. The end of a body leaves when everything was verified: hash,
checksums, chunk signatures, trailer, lengths and framing. Leaves the transfer coding of the client's connection to the
gateway: a transform is fed with decoded bytes. It returns the bytes for the wire, with their transfer coding.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from daypass.verify.http_chunks import LAST_CHUNK, Piece, encode_http_chunk
from daypass.verify.s3.bodies.body_checks import BodyChecks
from daypass.verify.s3.bodies.chunk_writer import BodyWriter
from daypass.verify.s3.bodies.chunks import ChunkReader, Decoded
from daypass.verify.s3.errors import S3Error, s3_error

MAX_WHOLE_BODY = 4 * 1024 * 1024
"""The largest body of an operation other than PutObject and UploadPart, in bytes."""


class BodyTransform(Protocol):
    """Verifies one body and returns the bytes that go to the store.

    The gateway sends the head to the store in one write with the first bytes that feed() returns, or with those of
    finish(), and never before: the head alone could change an object, as SeaweedFS commits an empty body if the
    connection is closed behind the head. After an S3Error it closes the
    connection to the store if the head was sent, and does not send the rest.
    """

    def feed(self, data: bytes) -> list[Piece]:
        """Return the bytes that may go to the store now. Raises S3Error.

        The result may have views of `data`.
        """

    def finish(self) -> list[Piece]:
        """Return the end of the body, at the end of the client's body.

        Raises S3Error unless the whole body was verified.
        """


class WholeBody:
    """Holds a whole body back."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, decoded: Decoded, out: list[Piece]) -> None:  # noqa: ARG002 - returns all of it at the end
        """Keep the bytes. Raises S3Error if they are too many."""
        if len(self._held) + decoded.size > MAX_WHOLE_BODY:
            raise s3_error("MaxMessageLengthExceeded")
        for piece in decoded.pieces:
            self._held += piece

    def settle(self) -> None:
        """Do nothing: the bytes were copied."""

    def finish(self, trailer: bytes) -> list[Piece]:  # noqa: ARG002 - a plain body has no trailer
        """Return the whole body."""
        return [bytes(self._held)]


class WireCoding(msgspec.Struct, frozen=True):
    """The transfer coding of a body: each part, and the end of the body."""

    encode: Callable[[list[Piece]], list[Piece]]
    end: tuple[bytes, ...] = ()


AS_IS = WireCoding(list)
HTTP_CHUNKS = WireCoding(encode_http_chunk, (LAST_CHUNK,))


class CheckedBody:
    """The BodyTransform of all forms."""

    __slots__ = ("_checks", "_closed", "_coding", "_left", "_reader", "_writer")

    def __init__(
        self,
        reader: ChunkReader | None,
        checks: BodyChecks,
        writer: BodyWriter,
        coding: WireCoding,
        length: int | None,
    ) -> None:
        self._reader = reader
        self._checks = checks
        self._writer = writer
        self._coding = coding
        self._left = length
        self._closed = False

    def feed(self, data: bytes) -> list[Piece]:
        """Return the bytes that may go to the store now. Raises S3Error."""
        self._close()
        out: list[Piece] = []
        for decoded in self._decode(bytes(data)):
            self._checks.update(decoded.pieces)
            self._writer.write(decoded, out)
        self._writer.settle()
        self._closed = False
        return self._coding.encode(out)

    def finish(self) -> list[Piece]:
        """Return the end of the body. Raises S3Error."""
        self._close()
        trailer = b""
        if self._reader is not None:
            self._reader.finish()
            trailer = self._reader.trailer_value
        elif self._left:
            raise _wrong_content_length()
        self._checks.verify(trailer)
        return [*self._coding.encode(self._writer.finish(trailer)), *self._coding.end]

    def _close(self) -> None:
        # A transform that raised an error never returns bytes again, whatever its caller does.
        if self._closed:
            raise s3_error("InternalError", detail="the body was refused or has ended before")
        self._closed = True

    def _decode(self, data: bytes) -> list[Decoded]:
        if self._reader is not None:
            return self._reader.feed(data)
        if not data:
            return []
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise _wrong_content_length()
        return [Decoded([data], len(data))]


def _wrong_content_length() -> S3Error:
    return s3_error("IncompleteBody")
