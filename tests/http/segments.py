"""Send bytes over a socket in segments, and read the responses.

The server reads each segment before the next one is sent.
"""

import itertools
import re
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_WAIT = 30.0  # seconds until a server that does not read or close fails the test


@dataclass(frozen=True)
class Reply:
    """One response as received."""

    status: int
    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the response says that it is the last one."""
        return re.search(rb"(?im)^connection: close\r?$", self.head) is not None


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """Connect to a server on this machine."""
    host, _, port = url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=_WAIT) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def exchange(url: str, segments: Iterable[bytes], *, head_only: bool = False) -> list[Reply]:
    """Send segments, each after the one before it was read, and return the responses until the server closes."""
    with connected(url) as connection:
        send_segments(connection, segments)
        return read_until_closed(connection, head_only=head_only)


def send_segments(connection: socket.socket, segments: Iterable[bytes]) -> None:
    """Send segments, each after the server has read the one before it, until the server closes."""
    for number, segment in enumerate(segments):
        try:
            if number:
                _wait_until_read(connection)
            connection.sendall(segment)
        except OSError:
            return


def _wait_until_read(connection: socket.socket) -> None:
    """Wait until the receive queue of the other end is empty.

    Source: proc(5), /proc/net/tcp.
    """
    pair = f" {_spelled(connection.getpeername())} {_spelled(connection.getsockname())} "
    end = time.monotonic() + _WAIT
    while time.monotonic() < end:
        line = next((each for each in Path("/proc/net/tcp").read_text().splitlines() if pair in each), None)
        if line is None or line.split()[4].endswith(":00000000"):
            return
    raise AssertionError("the server does not read")


def _spelled(address: tuple[str, int]) -> str:
    return f"{socket.inet_aton(address[0])[::-1].hex().upper()}:{address[1]:04X}"


def read_until_closed(connection: socket.socket, *, head_only: bool = False) -> list[Reply]:
    """Return all responses until the server closes the connection.

    The server must close it.
    """
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionError:
        pass  # It closed while some of our bytes were unread.
    return list(_replies(received, head_only=head_only))


def _replies(received: bytes, *, head_only: bool) -> Iterator[Reply]:
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"no whole answer: {head!r}"
        status = int(head.split(b" ", 2)[1])
        if status < 200:
            continue
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = 0 if head_only or length is None else int(length[1])
        assert len(received) >= size, f"half an answer: {received!r}"
        yield Reply(status, head, received[:size])
        received = received[size:]


def splits(data: bytes) -> dict[str, list[bytes]]:
    """Return bytes as segments: whole, split around the end of the head, and split inside it."""
    head = data.find(b"\r\n\r\n") + 4
    cuts = {
        "whole": [],
        "behind the head": [head],
        "in the head's end": [head - 2],
        "before the head's end": [head - 3, head - 1],
        "behind one byte of the body": [head, head + 1],
        "in odd pieces": list(range(7, len(data), 61)),
    }
    return {name: _cut(data, places) for name, places in cuts.items()}


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *places, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if data[start:end]]
