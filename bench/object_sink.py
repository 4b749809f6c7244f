"""A stand-in for a store of objects: it discards large uploads and makes up downloads.

Owns the answers. GET of a key that ends with a number answers with that many bytes. PUT reads the body as its
Content-Length says; a key that begins with `slow` is read slowly. Small objects are kept, listed and deleted, because
the gateway examines a store with them before it starts. It does not verify signatures.
"""

import asyncio
import sys
from typing import cast

import uvloop

_PIECE = bytes(256 * 1024)
_LARGEST_HEAD = 65_536
_LARGEST_KEPT = 262_144  # bytes of an object
_PAUSE_SECONDS = 0.05
_ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/octet-stream\r\n"
    b'ETag: "0123456789abcdef0123456789abcdef"\r\n'
    b"Last-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n"
    b"Accept-Ranges: bytes\r\n"
    b"Content-Length: %d\r\n\r\n"
)


_CUT = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
_objects: dict[bytes, bytes] = {}  # by their encoded paths


class SinkConnection(asyncio.Protocol):
    """One connection. It handles one request after another."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._path = b""
        self._body_left = 0
        self._kept: bytearray | None = None  # the body of a small object
        self._is_slow = False
        self._is_paused = False
        self._answer_left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a body, or collect a head."""
        if self._body_left:
            self._take(data)
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
        self._path, _, query = target.partition(b"?")
        key = self._path.rpartition(b"/")[2]
        if method == b"PUT":
            self._is_slow = key.startswith(b"slow")
            self._body_left = _content_length(head)
            self._kept = bytearray() if self._body_left <= _LARGEST_KEPT else None
            if rest or not self._body_left:
                self._take(rest)
        elif method == b"DELETE":
            _objects.pop(self._path, None)
            self._answer(0)
        elif b"list-type=2" in query:
            self._send(_list(self._path))
        elif self._path in _objects:
            self._send(_objects[self._path])
        else:
            self._produce(int(key) if key.isdigit() else 0)

    def _take(self, data: bytes) -> None:
        self._body_left -= len(data)
        if self._kept is not None:
            self._kept += data
        if self._body_left <= 0:
            self._body_left = 0
            if self._kept is not None:
                _objects[self._path], self._kept = bytes(self._kept), None
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

    def _send(self, content: bytes) -> None:
        if self._transport is not None:
            self._transport.write(_ANSWER % len(content) + content)

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

    def eof_received(self) -> None:
        """Refuse an upload that was cut off."""
        if self._body_left and self._transport is not None:
            self._transport.write(_CUT)

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


def _list(bucket: bytes) -> bytes:
    prefix = bucket.rstrip(b"/") + b"/"
    keys = (path.removeprefix(prefix) for path in _objects if path.startswith(prefix))
    return b"<ListBucketResult>%b</ListBucketResult>" % b"".join(b"<Key>%b</Key>" % key for key in keys)


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
