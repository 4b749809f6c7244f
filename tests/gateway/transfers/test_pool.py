"""Connections to a store that are used again: the bytes of one answer never become those of the next."""

import asyncio
import select
import socket
from collections.abc import Callable

import pytest
import uvloop

from daypass.gateway.plan import Backend
from daypass.gateway.store_times import S3StoreTimes
from daypass.gateway.transfers.backend_connection import BackendConnection
from daypass.gateway.transfers.limits import TransferLimits
from daypass.gateway.transfers.pool import BackendPool
from daypass.gateway.transfers.read_buffer import ReadBuffer
from daypass.gateway.transfers.store_head import parse_store_head


def with_connection(then: Callable[[BackendPool, BackendConnection, socket.socket], None]) -> None:
    """Open a connection to a store on an event loop, and call `then` in one turn of the loop."""

    async def run(listener: socket.socket) -> None:
        host, port = listener.getsockname()
        pool = BackendPool(Backend("store", host, port, secure=False), TransferLimits(), ReadBuffer(), S3StoreTimes())
        connected: asyncio.Future[BackendConnection | None] = asyncio.get_running_loop().create_future()
        pool.connect(connected.set_result)
        connection = await connected
        assert connection is not None
        store, _ = listener.accept()
        with store:
            then(pool, connection, store)
        pool.close()

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(run(listener))


def test_a_connection_without_unread_bytes_is_used_again() -> None:
    """The newest one comes first."""

    def then(pool: BackendPool, connection: BackendConnection, _store: socket.socket) -> None:
        pool.give_back(connection)
        assert pool.take(is_replayable=False) is connection

    with_connection(then)


def test_a_connection_with_unread_bytes_is_not_used_again() -> None:
    """Late bytes of the last answer would be the answer to the next caller."""

    def then(pool: BackendPool, connection: BackendConnection, store: socket.socket) -> None:
        pool.give_back(connection)
        store.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        unread = connection.transport.get_extra_info("socket").fileno()
        assert select.select([unread], [], [], 10)[0]
        assert pool.take(is_replayable=True) is None
        assert connection.transport.is_closing()

    with_connection(then)


@pytest.mark.parametrize(
    ("block", "is_last"),
    [
        (b"HTTP/1.1 204 No Content", False),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0", False),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5", True),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", False),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked", True),
    ],
)
def test_a_bodiless_answer_that_announces_a_body_ends_the_connection(block: bytes, *, is_last: bool) -> None:
    """The body may still come. RFC 9110 section 8.6: a 304 may have the length of the 200, a 204 may not."""
    assert parse_store_head(block, is_head=False).is_last is is_last
