"""Headers cannot fill the memory, and incomplete requests are closed."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
import uvicorn
from tests.sockets import connect

from daypass.http.body import BodyReader, Receive, Upload
from daypass.http.connection import LARGEST_HEAD, Connection
from daypass.testing.server import RunningServer


def bytes_taken(connection: socket.socket, beginning: bytes, piece: bytes) -> int:
    """Return how much of an endless request the server reads before it closes."""
    sent = 0
    try:
        connection.sendall(beginning)
        while sent < 100 * 2**20:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        return sent
    pytest.fail("the server never closed the connection")


@pytest.mark.parametrize(
    ("beginning", "piece"),
    [
        (b"GET /?", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\nX-Long: ", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n", b"X-Short: a\r\n" * 5_000),
    ],
    ids=["a query", "one header", "many headers"],
)
def test_a_head_that_never_ends_is_cut_off(daypass_server: RunningServer, beginning: bytes, piece: bytes) -> None:
    """The part of a request that is kept before its sender is known is bounded."""
    with connect(daypass_server.url, timeout=10) as connection:
        # The memory that the operating system holds between the two is not the server's memory.
        assert bytes_taken(connection, beginning, piece) < 32 * 2**20


def test_a_long_head_within_bounds_is_read(daypass_server: RunningServer) -> None:
    """The limit has room for a session token and the headers of a few proxies."""
    head = b"GET /healthz HTTP/1.1\r\nHost: here\r\nX-Long: " + b"a" * (LARGEST_HEAD // 2) + b"\r\n\r\n"
    with connect(daypass_server.url, timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(12) == b"HTTP/1.1 200"


def piece(size: int, *, more: bool) -> dict[str, object]:
    """Return a message with a part of a body."""
    return {"type": "http.request", "body": b"a" * size, "more_body": more}


async def trickle() -> dict[str, object]:
    """Send one byte, and never the last one."""
    await asyncio.sleep(0)
    return piece(1, more=True)


async def read_beside_slow_uploads(begun: int, rest: int, slow_peers: tuple[str, ...]) -> bytes | None:
    """Return a body in two parts, beside slow large bodies of other peers."""

    async def last() -> dict[str, object]:
        await asyncio.sleep(0)
        return piece(rest, more=False)

    async def upload(first: int, receive: Receive, peer: str) -> bytes | None:
        async with AsyncExitStack() as place:
            return await bodies.rest(piece(first, more=True), receive, (), Upload(peer, place))

    bodies = BodyReader()
    slow = [asyncio.create_task(upload(200_000, trickle, peer)) for peer in slow_peers]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            return await upload(begun, last, "somebody")
    finally:
        for task in slow:
            task.cancel()


def test_slow_large_bodies_keep_nobody_from_signing_in() -> None:
    """Slow uploads may take all places of large bodies.

    The longest assertion does not need such a place.
    """
    read = read_beside_slow_uploads(70_000, 50_000, tuple(f"peer {number}" for number in range(20)))
    assert asyncio.run(read) == b"a" * 120_000


def test_slow_large_bodies_of_one_peer_leave_places_to_others() -> None:
    """A peer gets at most half of the places, for any number of uploads."""
    assert asyncio.run(read_beside_slow_uploads(200_000, 100_000, ("one peer",) * 20)) == b"a" * 300_000


class Hasty(Connection):
    """A connection with a short timeout."""

    patience = 0.2


async def _answer(scope: dict[str, object], receive: object, send: object) -> None:
    assert callable(receive)
    await receive()


@contextmanager
def hasty_server() -> Iterator[str]:
    """Run uvicorn with short timeouts, and an application that reads the body."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(_answer, http=Hasty, ws="none", lifespan="off", log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    "request_so_far",
    [b"", b"\r\n", b"POST / HTTP/1.1\r\nHost: h", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n"],
    ids=["nothing", "an empty line", "half a head", "no body"],
)
def test_a_request_that_never_becomes_whole_is_given_up(request_so_far: bytes) -> None:
    """A client that does not send all of it in time loses the connection."""
    with hasty_server() as url, connect(url, timeout=10) as connection:
        connection.sendall(request_so_far)
        assert connection.recv(1) == b""
