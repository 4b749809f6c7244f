"""Encode the body that goes to a store: plain or in chunks.

Owns the framing of what leaves, and holds the end back: the last bytes and the last chunk leave at finish() alone.
Thus a store never has a whole body before BodyTransform has verified it. Chunks have 64 KiB, so that the length of the
encoded body is known before its first byte.
"""

from hashlib import sha256
from typing import Protocol

from daypass.verify.http_chunks import Piece
from daypass.verify.payload import EMPTY_SHA256
from daypass.verify.s3.bodies.chunk_signatures import ChunkSignatures
from daypass.verify.s3.bodies.chunks import CHUNK_SIZE, Decoded, trailer_lines

_CRLF = b"\r\n"
_SIGNATURE = b";chunk-signature="
_TRAILER_SIGNATURE = b"x-amz-trailer-signature:"
_HEX_SHA256 = 64


class BodyWriter(Protocol):
    """Encodes one body for a store."""

    def write(self, decoded: Decoded, out: list[Piece]) -> None:
        """Append to `out` the bytes that may go to the store now."""

    def settle(self) -> None:
        """Copy the bytes that are held back.

        Otherwise a view would keep a large buffer alive.
        """

    def finish(self, trailer: bytes) -> list[Piece]:
        """Return the end of the body. `trailer` is the value of the trailer."""


class PlainWriter:
    """Sends the bytes as they are. `length` is None if it is not known."""

    __slots__ = ("_held", "_left")

    def __init__(self, length: int | None) -> None:
        self._left = length
        self._held: list[Piece] = []

    def write(self, decoded: Decoded, out: list[Piece]) -> None:
        """Append all but the end."""
        if self._left is None:
            out += self._held
            self._held = decoded.pieces
            return
        self._left -= decoded.size
        if self._left > 0:
            out += decoded.pieces
        else:
            self._held += decoded.pieces

    def settle(self) -> None:
        """Copy the end that is held back."""
        self._held = [bytes(piece) for piece in self._held]

    def finish(self, trailer: bytes) -> list[Piece]:  # noqa: ARG002 - a plain body has no trailer
        """Return the end of the body."""
        return self._held


class ChunkWriter:
    """Sends chunks of 64 KiB. `length` is that of the decoded body.

    `signatures` is None for unsigned chunks, `trailer` the name of the trailer's field, or empty.
    """

    __slots__ = ("_buffer", "_held", "_left", "_signatures", "_size", "_trailer", "_views")

    def __init__(self, length: int, signatures: ChunkSignatures | None, trailer: bytes) -> None:
        self._left = length
        self._signatures = signatures
        self._trailer = trailer
        self._buffer = bytearray()
        self._views: list[Piece] = []
        self._size = 0
        self._held: list[Piece] = []

    def write(self, decoded: Decoded, out: list[Piece]) -> None:
        """Append each chunk that is complete, except the last one."""
        if decoded.size == CHUNK_SIZE and not self._size:
            self._emit(decoded.pieces, decoded.size, decoded.digest, out)
            return
        for piece in decoded.pieces:
            self._add(piece, out)

    def _add(self, piece: Piece, out: list[Piece]) -> None:
        view = memoryview(piece)
        position = 0
        while position < len(view):
            part = view[position : position + CHUNK_SIZE - self._size]
            position += len(part)
            self._views.append(part)
            self._size += len(part)
            if self._size == CHUNK_SIZE:
                self._emit(self._take(), CHUNK_SIZE, "", out)

    def _take(self) -> list[Piece]:
        pieces = [bytes(self._buffer), *self._views] if self._buffer else self._views
        self._buffer.clear()
        self._views = []
        self._size = 0
        return pieces

    def _emit(self, pieces: list[Piece], size: int, digest: str, out: list[Piece]) -> None:
        chunk = self._encode(pieces, size, digest)
        self._left -= size
        if self._left > 0:
            out += chunk
        else:
            self._held += chunk

    def _encode(self, pieces: list[Piece], size: int, digest: str) -> list[Piece]:
        line = b"%x" % size
        if self._signatures is not None:
            line += _SIGNATURE + self._signatures.sign_chunk(digest or _digest(pieces)).encode()
        return [line + _CRLF, *pieces, _CRLF]

    def settle(self) -> None:
        """Copy the bytes of the chunk that is not complete."""
        for view in self._views:
            self._buffer += view
        self._views = []
        if self._held:
            self._held = [b"".join(self._held)]

    def finish(self, trailer: bytes) -> list[Piece]:
        """Return the last chunks and the trailer."""
        out: list[Piece] = []
        if self._size:
            size = self._size
            self._emit(self._take(), size, "", out)
        out += self._held
        line = b"0"
        if self._signatures is not None:
            line += _SIGNATURE + self._signatures.sign_chunk(EMPTY_SHA256).encode()
        return [*out, line + _CRLF + self._encode_trailer(trailer) + _CRLF]

    def _encode_trailer(self, value: bytes) -> bytes:
        if not self._trailer:
            return b""
        line = self._trailer + b":" + value + _CRLF
        if self._signatures is None:
            return line
        signature = self._signatures.sign_trailer(trailer_lines(self._trailer, value))
        return line + _TRAILER_SIGNATURE + signature.encode() + _CRLF


def _digest(pieces: list[Piece]) -> str:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def encoded_length(length: int, *, signed: bool, trailer: bytes, value_length: int) -> int:
    """Return the length of a body in chunks, as ChunkWriter encodes it.

    `length` is the decoded length; `trailer` is the name of the trailer's field, or empty.
    """
    extension = len(_SIGNATURE) + _HEX_SHA256 if signed else 0
    full, last = divmod(length, CHUNK_SIZE)
    total = full * _chunk_length(CHUNK_SIZE, extension) + (_chunk_length(last, extension) if last else 0)
    total += 1 + extension + 2 * len(_CRLF)
    if trailer:
        total += len(trailer) + 1 + value_length + len(_CRLF)
        total += len(_TRAILER_SIGNATURE) + _HEX_SHA256 + len(_CRLF) if signed else 0
    return total


def _chunk_length(size: int, extension: int) -> int:
    return len(b"%x" % size) + extension + size + 2 * len(_CRLF)
