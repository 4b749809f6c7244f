"""Decode a body in the aws-chunked encoding, and verify its signatures.

Owns the framing. Rules:
- a chunk has at most 16 MiB, and at least 8 KiB unless it is the last one with data;
- the chunks have exactly x-amz-decoded-content-length bytes together, and nothing follows the end;
- the only chunk extension is chunk-signature, and it is there exactly if the form has signed chunks;
- a trailer has exactly the field that x-amz-trailer declares, and the signature of the trailer if chunks are signed.
A signed chunk of at most 64 KiB is returned when its signature was verified. A larger one is returned in pieces before
that, so that a connection never buffers 16 MiB; the end of the body is held back by BodyTransform in any case.
Source: Amazon S3 API Reference, "Signature calculations: transferring payload in multiple chunks" and "… with trailing
headers"; the limit of 8 KiB: S3's error InvalidChunkSizeError.
"""

import re
from collections.abc import Callable
from hashlib import sha256

from daypass.verify.http_chunks import Piece
from daypass.verify.payload import EMPTY_SHA256
from daypass.verify.s3.bodies.chunk_signatures import ChunkSignatures
from daypass.verify.s3.errors import S3Error, s3_error

CHUNK_SIZE = 64 * 1024
"""The size of the chunks that go to a store."""
MAX_CHUNK = 16 * 1024 * 1024
MIN_CHUNK = 8 * 1024
_LONGEST_LINE = 256
_CRLF = b"\r\n"
_UNSIGNED_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})")
_SIGNED_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8});chunk-signature=([0-9a-f]{64})")
# minio-go ends the line of a trailer with LF CR LF.
_FIELD = re.compile(rb"([a-z0-9-]{1,64}):[ \t]*([!-~]{1,128})\n?")
_SIGNATURE_FIELD = b"x-amz-trailer-signature"
_SIGNATURE = re.compile(rb"[0-9a-f]{64}")


class Decoded:
    """Decoded bytes. `digest` is their SHA-256 if it is known, else empty."""

    __slots__ = ("digest", "pieces", "size")

    def __init__(self, pieces: list[Piece], size: int, digest: str = "") -> None:
        self.pieces = pieces
        self.size = size
        self.digest = digest


class ChunkReader:
    """Decodes one body in chunks. `length` is the decoded length.

    `signatures` is None for unsigned chunks; `trailer` is the declared field, or empty. After finish(), `trailer_value`
    is the value of that field.
    """

    __slots__ = (
        "_declared", "_hash", "_left", "_next", "_partial", "_pending", "_signature", "_signatures", "_size",
        "_total", "length", "trailer_value",
    )  # fmt: skip

    def __init__(self, length: int, signatures: ChunkSignatures | None, trailer: bytes) -> None:
        self.length = length
        self.trailer_value = b""
        self._declared = trailer
        self._signatures = signatures
        self._total = 0
        self._size = 0
        self._left = 0
        self._partial = b""
        self._pending = bytearray()
        self._signature = ""
        self._hash = sha256()
        # A function, not a bound method: a cycle would keep the buffers until the garbage collector runs.
        self._next: Callable[[ChunkReader, bytes], None] = ChunkReader._read_size

    def feed(self, data: bytes) -> list[Decoded]:
        """Return the decoded bytes, as views of `data`. Raises S3Error."""
        decoded: list[Decoded] = []
        view = memoryview(data)
        position = 0
        while position < len(data):
            if self._left:
                piece = view[position : position + self._left]
                position += len(piece)
                self._take(piece, decoded)
            else:
                position = self._read_line(data, position)
        return decoded

    def finish(self) -> None:
        """Raise S3Error unless the body came to its end."""
        if self._next is not ChunkReader._end:
            raise s3_error("IncompleteBody", "The request body terminated unexpectedly")

    def _take(self, piece: memoryview, decoded: list[Decoded]) -> None:
        self._left -= len(piece)
        if self._signatures is None:
            decoded.append(Decoded([piece], len(piece)))
        elif self._size > CHUNK_SIZE:
            self._hash.update(piece)
            if not self._left:
                self._verify(self._hash.hexdigest())
                self._hash = sha256()
            decoded.append(Decoded([piece], len(piece)))
        elif self._left:
            self._pending += piece
        else:
            decoded.append(self._finish_small(piece))

    def _finish_small(self, piece: memoryview) -> Decoded:
        pieces: list[Piece] = [bytes(self._pending), piece] if self._pending else [piece]
        self._pending.clear()
        digest = sha256(pieces[0])
        if len(pieces) > 1:
            digest.update(piece)
        known = digest.hexdigest()
        self._verify(known)
        return Decoded(pieces, self._size, known)

    def _verify(self, digest: str) -> None:
        if self._signatures is not None:
            self._signatures.verify_chunk(digest, self._signature)

    def _read_line(self, data: bytes, position: int) -> int:
        if self._next is ChunkReader._end:
            raise _malformed("bytes follow the end of the chunks")
        known = len(self._partial)
        line = self._partial + data[position : position + _LONGEST_LINE]
        end = line.find(_CRLF)
        if end >= 0:
            self._partial = b""
            self._next(self, line[:end])
            return position + end + len(_CRLF) - known
        if len(line) >= _LONGEST_LINE:
            raise _malformed("a line is too long")
        self._partial = line
        return len(data)

    def _read_size(self, line: bytes) -> None:
        pattern = _UNSIGNED_SIZE if self._signatures is None else _SIGNED_SIZE
        found = pattern.fullmatch(line)
        if found is None:
            raise _malformed("the line of a chunk is malformed")
        size = int(found[1], 16)
        if self._signatures is not None:
            self._signature = found[2].decode()
        if size:
            self._start_chunk(size)
        else:
            self._end_chunks()

    def _start_chunk(self, size: int) -> None:
        if size > MAX_CHUNK:
            raise s3_error("InvalidChunkSizeError", f"A chunk has more than {MAX_CHUNK} bytes")
        if 0 < self._size < MIN_CHUNK:
            raise s3_error("InvalidChunkSizeError")
        self._total += size
        if self._total > self.length:
            raise _wrong_length()
        self._size = self._left = size
        self._next = ChunkReader._read_data_end

    def _end_chunks(self) -> None:
        if self._total != self.length:
            raise _wrong_length()
        self._verify(EMPTY_SHA256)
        self._next = ChunkReader._read_field if self._declared else ChunkReader._read_end

    def _read_data_end(self, line: bytes) -> None:
        if line:
            raise _malformed("a chunk is longer than its size")
        self._next = ChunkReader._read_size

    def _read_field(self, line: bytes) -> None:
        found = _FIELD.fullmatch(line)
        if found is None or found[1] != self._declared:
            raise s3_error("MalformedTrailerError", detail="the trailer does not start with the declared field")
        self.trailer_value = found[2]
        unsigned = self._signatures is None
        self._next = ChunkReader._read_end if unsigned else ChunkReader._read_trailer_signature

    def _read_trailer_signature(self, line: bytes) -> None:
        name, _, signature = line.partition(b":")
        if name != _SIGNATURE_FIELD or _SIGNATURE.fullmatch(signature) is None:
            raise s3_error("MalformedTrailerError", detail="the trailer does not have its signature")
        if self._signatures is not None:
            self._signatures.verify_trailer(trailer_lines(self._declared, self.trailer_value), signature.decode())
        self._next = ChunkReader._read_end

    def _read_end(self, line: bytes) -> None:
        if line:
            raise s3_error("MalformedTrailerError", detail="the trailer has a field that was not declared")
        self._next = ChunkReader._end

    def _end(self, _line: bytes) -> None:
        """Mark that the body came to its end. It is never called."""


def trailer_lines(name: bytes, value: bytes) -> bytes:
    """Return the trailer as it is signed."""
    return name + b":" + value + b"\n"


def _malformed(detail: str) -> S3Error:
    return s3_error("IncompleteBody", "The request body terminated unexpectedly", detail=detail)


def _wrong_length() -> S3Error:
    return s3_error(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header",
    )
