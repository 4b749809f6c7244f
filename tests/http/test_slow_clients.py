"""A client that is silent, sends slowly or reads slowly is disconnected."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import pytest
import uvicorn
from tests.costs.loop import Wire
from tests.sockets import connect
from uvicorn.server import ServerState

from daypass.http.connection import Connection
from daypass.wire.http import HttpResponse

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"x" * (32 * 2**20)


class Impatient(Connection):
    """A connection with a short timeout for the first byte only."""

    patience_for_first_byte = 0.2


class Hasty(Connection):
    """A connection with short timeouts."""

    patience = 0.3


async def _app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Answer with a small body, or on /large with one that fills every socket."""
    body = LARGE if scope["path"] == "/large" else b"ok"
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(
    connection: type[Connection], keep_alive: float = 60, grace: int | None = None, app: Any = None
) -> Iterator[tuple[uvicorn.Server, str]]:
    """Run uvicorn with such connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app or _app,
        http=connection,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,  # uvicorn's own application around the given one has no plain calls
        timeout_keep_alive=cast("int", keep_alive),  # uvicorn only adds it to a time
        timeout_graceful_shutdown=grace,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_the_first_byte_has_a_shorter_patience() -> None:
    """A silent connection is closed. One that has sent a byte may continue."""
    with serving(Impatient) as (_, url), connect(url) as silent, connect(url) as slow:
        slow.sendall(GET[:1])
        assert silent.recv(1) == b""
        slow.sendall(GET[1:])
        assert slow.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    "start",
    [b"", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", GET + b"POST /"],
    ids=["a head", "a body", "a second request"],
)
def test_a_byte_now_and_then_does_not_move_the_deadline(start: bytes) -> None:
    """The whole request has a deadline, which starts at its first byte."""
    with serving(Hasty) as (_, url), connect(url) as connection:
        connection.sendall(start)
        connection.settimeout(0.02)
        end = time.monotonic() + 30
        is_closed = False
        while not is_closed and time.monotonic() < end:
            try:
                connection.sendall(b"a")
                is_closed = connection.recv(65_536) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                is_closed = True
        assert is_closed


def test_empty_lines_do_not_keep_a_connection() -> None:
    """An idle connection is closed, even if it sends empty lines."""
    with serving(Connection, keep_alive=1) as (_, url), connect(url) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(b"\r\n")
        while connection.recv(65_536):
            continue


class PlainApplication:
    """An application that answers plain calls at once."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer any other request."""
        await _app(scope, receive, send)

    def call(self, *_values: Any, secure: bool, **_query: bytes) -> HttpResponse:
        """Answer a plain call."""
        return HttpResponse(204 if secure else 200, (), b"ok")


def _ask(connection: socket.socket, request: bytes) -> float | None:
    """Return the time before a request was sent, or None if the connection was closed instead of a response."""
    connection.settimeout(30)
    began, received = time.monotonic(), b""
    with suppress(ConnectionError):
        connection.sendall(request)
        while not received.endswith(b"ok"):
            piece = connection.recv(65_536)
            if not piece:
                return None
            received += piece
        return began
    return None


CALL = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "requests", [(CALL, CALL), (GET, CALL), (CALL, GET)], ids=["plain", "then plain", "plain then"]
)
def test_an_idle_connection_is_closed_after_its_last_response(requests: tuple[bytes, bytes]) -> None:
    """Each response gives the client the whole time again, also one that does not set the timer."""
    patience = 0.4
    with serving(Connection, patience, app=PlainApplication()) as (_, url), connect(url) as connection:
        last = _ask(connection, requests[0])
        connection.settimeout(patience / 2)
        with suppress(TimeoutError):
            assert connection.recv(1) == b"", "the machine was too slow for a second request"
        last = _ask(connection, requests[1]) or last
        assert last is not None
        with suppress(ConnectionError):
            assert connection.recv(1) == b""
        assert time.monotonic() - last > patience - 0.01  # The timer counts in milliseconds.


@pytest.mark.parametrize("request_", [GET.replace(b"/ ", b"/large "), GET.replace(b"/ ", b"/large ") * 3])
@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
def test_a_client_that_does_not_read_is_given_up(request_: bytes, ending: bytes) -> None:
    """A response that is never read does not stay in memory, even after the connection was closed."""
    with serving(Hasty) as (server, url), connect(url) as connection:
        connection.sendall(request_.replace(b"Host: x\r\n", b"Host: x\r\n" + ending))
        assert connection.recv(12) == b"HTTP/1.1 200"
        end = time.monotonic() + 30
        while server.server_state.connections:
            assert time.monotonic() < end
            time.sleep(0.01)  # the server does not announce it


class Unread(Wire):
    """A transport whose client has not read the last bytes, which fit into the buffer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        """Return a few bytes, at all times."""
        return 5

    def abort(self) -> None:
        """Drop the connection."""
        self.aborted.set()


class BrokenApplication(PlainApplication):
    """An application that fails for a plain call."""

    def call(self, *_values: Any, secure: bool, **_query: bytes) -> HttpResponse:
        """Fail."""
        raise ArithmeticError(secure)


@pytest.mark.parametrize("request_", [GET, CALL], ids=["parsed", "plain"])
@pytest.mark.parametrize("app", [PlainApplication(), BrokenApplication()], ids=["idle", "broken"])
def test_an_unread_response_is_dropped_after_the_connection_ended(request_: bytes, app: Any) -> None:
    """Also if it is short enough for the buffer, so that writing was never paused."""

    async def steps() -> None:
        config = uvicorn.Config(
            app, http=Hasty, lifespan="off", log_config=None, proxy_headers=False, timeout_keep_alive=0
        )
        config.load()
        wire, loop = Unread(), asyncio.get_running_loop()
        connection = Hasty(config=config, server_state=ServerState(), app_state={}, _loop=loop)
        connection.connection_made(wire)
        connection.data_received(request_)
        await asyncio.wait_for(wire.aborted.wait(), 30)
        assert wire.closing
        connection.connection_lost(None)

    asyncio.run(steps())


def test_a_body_that_is_missing_when_the_server_stops_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a 503, and the log has no traceback."""
    with serving(Connection, grace=1) as (server, url), connect(url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        server.should_exit = True
        assert client.recv(12) == b"HTTP/1.1 503"
    assert not [record for record in caplog.records if record.exc_info]
