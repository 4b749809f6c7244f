"""A stand-in for a store of objects: it discards uploads and makes up downloads.

Owns the answers. GET of a key that ends with a number answers with that many bytes. PUT reads the body as its
Content-Length says; a key that begins with `slow` is read slowly. It verifies nothing.
"""

import asyncio
import sys
from typing import cast

import uvloop

_PIECE = bytes(256 * 1024)
_LARGEST_HEAD = 65_536
_PAUSE_SECONDS = 0.05
_ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/octet-stream\r\n"
    b'ETag: "0123456789abcdef0123456789abcdef"\r\n'
    b"Last-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n"
    b"Accept-Ranges: bytes\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class SinkConnection(asyncio.Protocol):
    """One connection. It handles one request after another."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._body_left = 0
        self._is_slow = False
        self._is_paused = False
        self._answer_left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a body, or collect a head."""
        if self._body_left:
            self._discard(len(data))
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self._head = b""
            self._begin(head, rest)
        elif len(self._head) > _LARGEST_HEAD and self._transport is not None:
            self._transport.close()

    def _begin(self, head: bytes, rest: bytes) -> None:
        method, target, *_ = head.split(b" ", 2)
        key = target.partition(b"?")[0].rpartition(b"/")[2]
        if method != b"PUT":
            self._produce(int(key) if key.isdigit() else 0)
            return
        self._is_slow = key.startswith(b"slow")
        self._body_left = _content_length(head)
        if self._body_left == 0:
            self._answer(0)
        elif rest:
            self._discard(len(rest))

    def _discard(self, count: int) -> None:
        self._body_left -= count
        if self._body_left <= 0:
            self._body_left = 0
            self._answer(0)
        elif self._is_slow and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _answer(self, length: int) -> None:
        if self._transport is not None:
            self._transport.write(_ANSWER % length)

    def _produce(self, length: int) -> None:
        if self._transport is not None and length < len(_PIECE):
            self._transport.write(_ANSWER % length + _PIECE[:length])
            return
        self._answer(length)
        self._answer_left = length
        self._write_more()

    def _write_more(self) -> None:
        while self._answer_left and not self._is_paused and self._transport is not None:
            piece = min(len(_PIECE), self._answer_left)
            self._answer_left -= piece
            self._transport.write(_PIECE[:piece] if piece < len(_PIECE) else _PIECE)

    def pause_writing(self) -> None:
        """Wait until the peer has read."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Write on."""
        self._is_paused = False
        self._write_more()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature of asyncio
        """Stop writing."""
        self._transport = None
        self._answer_left = 0


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(SinkConnection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


def main() -> None:
    """Serve on the port named by the first argument."""
    uvloop.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
