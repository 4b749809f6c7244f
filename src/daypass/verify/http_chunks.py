"""The chunked transfer coding of HTTP/1.1, decoded strictly and encoded.

Owns the framing alone. Rules, because a store behind a gateway may read a lenient framing in another way:
- a size has 1 to 16 hexadecimal digits, and nothing follows it: chunk extensions are refused;
- lines end in CR LF, data is followed by CR LF, and trailer fields are refused;
- bytes behind the last chunk belong to the next request.
Source: RFC 9112, section 7.1.
"""

import re
from collections.abc import Callable, Sequence

Piece = bytes | memoryview
LAST_CHUNK = b"0\r\n\r\n"
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_LONGEST_LINE = 16
_CRLF = b"\r\n"


class HttpChunkError(Exception):
    """The framing of a body is invalid. The connection cannot be used again."""


class HttpChunkReader:
    """Decodes one body, in pieces of any size.

    `done` is true when the last chunk was read; `rest` then has the bytes behind it.
    """

    __slots__ = ("_left", "_next", "_partial", "done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._left = 0
        self._partial = b""
        # A function, not a bound method: a cycle would keep the buffers until the garbage collector runs.
        self._next: Callable[[HttpChunkReader, bytes], None] = HttpChunkReader._read_size

    def feed(self, data: bytes) -> list[Piece]:
        """Return the decoded pieces, which may be views of `data`.

        Raises HttpChunkError if the framing is invalid.
        """
        pieces: list[Piece] = []
        view = memoryview(data)
        position = 0
        while position < len(data) and not self.done:
            if self._left:
                piece = view[position : position + self._left]
                self._left -= len(piece)
                position += len(piece)
                pieces.append(piece)
            else:
                position = self._read_line(data, position)
        self.rest = data[position:]
        return pieces

    def _read_line(self, data: bytes, position: int) -> int:
        known = len(self._partial)
        line = self._partial + data[position : position + _LONGEST_LINE + len(_CRLF)]
        end = line.find(_CRLF)
        if end >= 0:
            self._partial = b""
            self._next(self, line[:end])
            return position + end + len(_CRLF) - known
        if len(line) > _LONGEST_LINE + 1:
            raise HttpChunkError("a chunk's size is longer than 16 digits, or has an extension")
        self._partial = line
        return len(data)

    def _read_size(self, line: bytes) -> None:
        if _SIZE.fullmatch(line) is None:
            raise HttpChunkError("a chunk's size is not a hexadecimal number")
        self._left = int(line, 16)
        self._next = HttpChunkReader._read_data_end if self._left else HttpChunkReader._read_body_end

    def _read_data_end(self, line: bytes) -> None:
        if line:
            raise HttpChunkError("a chunk is longer than its size")
        self._next = HttpChunkReader._read_size

    def _read_body_end(self, line: bytes) -> None:
        if line:
            raise HttpChunkError("the body has trailer fields")
        self.done = True


def encode_http_chunk(pieces: Sequence[Piece]) -> list[Piece]:
    """Return one chunk with all of the pieces, or an empty list.

    A chunk without data would end the body.
    """
    size = sum(map(len, pieces))
    return [b"%x\r\n" % size, *pieces, _CRLF] if size else []
