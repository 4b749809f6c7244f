"""Large objects over one connection, and many slow connections at once.

Owns the client's side of them. The caller chooses the core, and measures the server.
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from bench.servers import BenchError

_PIECE = bytes(256 * 1024)
_PATIENCE_SECONDS = 60
_SLOW_READ = 4096
_SLOW_PAUSE_SECONDS = 0.05
_OK = b"HTTP/1.1 200"


def download(port: int, request: bytes, size: int, context: ssl.SSLContext | None) -> None:
    """Read an object of `size` bytes. Raises BenchError."""
    with _connect(port, context) as connection:
        connection.sendall(request)
        head, begun = _read_head(connection)
        _check(head)
        left, buffer = size - len(begun), bytearray(len(_PIECE))
        while left > 0:
            count = connection.recv_into(buffer)
            if not count:
                raise BenchError(f"the connection was closed {left} bytes before the end of the object")
            left -= count


def upload(port: int, request: bytes, size: int, context: ssl.SSLContext | None) -> None:
    """Write an object of `size` bytes. Raises BenchError."""
    with _connect(port, context) as connection:
        connection.sendall(request)
        for _ in range(size // len(_PIECE)):
            connection.sendall(_PIECE)
        head, _ = _read_head(connection)
        _check(head)


def _connect(port: int, context: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection if context is None else context.wrap_socket(connection)


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65_536)
        if not data:
            raise BenchError(f"the connection was closed after {received[:200]!r}")
        received += data
    head, _, begun = received.partition(b"\r\n\r\n")
    return head, begun


def _check(head: bytes) -> None:
    if not head.startswith(_OK):
        raise BenchError(f"the answer to a transfer was {head[:300]!r}")


def slow_downloads(port: int, requests: Sequence[bytes], seconds: float, sample: Callable[[], None]) -> None:
    """Read many objects slowly at once, and call `sample` between the reads. Then close the connections."""
    _at_once(port, requests, seconds, sample, _read_some)


def slow_uploads(port: int, requests: Sequence[bytes], seconds: float, sample: Callable[[], None]) -> None:
    """Write many objects at once, as fast as the store reads, and call `sample` in between."""
    _at_once(port, requests, seconds, sample, _write_some)


def _at_once(
    port: int,
    requests: Sequence[bytes],
    seconds: float,
    sample: Callable[[], None],
    step: Callable[[socket.socket], None],
) -> None:
    connections = []
    try:
        for request in requests:
            connection = _connect(port, None)
            connections.append(connection)
            connection.sendall(request)
            connection.settimeout(0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for connection in connections:
                step(connection)
            sample()
            time.sleep(_SLOW_PAUSE_SECONDS)
    finally:
        for connection in connections:
            connection.close()


def _read_some(connection: socket.socket) -> None:
    with suppress(BlockingIOError):
        if not connection.recv(_SLOW_READ):
            raise BenchError("the connection of a slow reader was closed")


def _write_some(connection: socket.socket) -> None:
    with suppress(BlockingIOError):
        connection.send(_PIECE)
