"""A plain call that has to wait for the store: its response, and what follows on its connection."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.http.raw import signed
from tests.http.segments import connected
from tests.http.test_last_responses import read_one
from tests.sockets import connect

from daypass.http.waiting_answer import WaitingAnswer
from daypass.testing.server import RunningServer, running_server
from daypass.wire.http import HttpResponse

IAM = {"Version": "2010-05-08"}


def call_bytes(server: RunningServer, parameters: dict[str, str], service: str = "iam") -> bytes:
    """Return a plain call of the root user."""
    body, headers = signed(server, parameters, service=service)
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Content-Length": str(len(body))}.items())
    return f"POST / HTTP/1.1\r\n{lines}\r\n".encode() + body


def create(server: RunningServer, name: str) -> bytes:
    """Return the call that creates a user."""
    return call_bytes(server, {"Action": "CreateUser", "UserName": name, **IAM})


def who(server: RunningServer) -> bytes:
    """Return a call that does not wait."""
    return call_bytes(server, {"Action": "GetCallerIdentity", "Version": "2011-06-15"}, "sts")


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server."""
    with running_server() as running:
        yield running


def wait_for_a_call(server: RunningServer) -> None:
    """Return when a call has reached the threads, where it waits for the store."""
    while not any(thread.name.startswith("request") for thread in threading.enumerate()):
        with connect(server.url):
            pass


def test_a_connection_goes_on_after_a_write(server: RunningServer) -> None:
    """Writes and reads are answered one after the other, and the connection stays open."""
    with connected(server.url) as line:
        for number in range(3):
            line.sendall(create(server, f"user-{number}"))
            reply = read_one(line)
            assert reply.status == 200
            assert f"user-{number}".encode() in reply.body
            assert b"connection: close" not in reply.head.lower()
            line.sendall(who(server))
            assert read_one(line).status == 200


def test_later_calls_wait_for_the_response_before_them(server: RunningServer) -> None:
    """A call that needs no store is not answered before the write on its connection."""
    with connected(server.url) as line:
        with server.there.store.write():
            line.sendall(create(server, "ada"))
            wait_for_a_call(server)
            line.sendall(who(server))
        received = b""
        while b"</GetCallerIdentityResponse>" not in received:
            received += line.recv(65_536) or pytest.fail("the connection ended without a response")
    assert 0 < received.find(b"</CreateUserResponse>") < received.find(b"<GetCallerIdentityResponse")


def test_a_client_that_has_gone_leaves_no_trace(server: RunningServer) -> None:
    """Its write is made, and the server answers others."""
    with server.there.store.write():
        line = connect(server.url)
        line.sendall(create(server, "ada"))
        wait_for_a_call(server)
        line.close()
    with connected(server.url) as line:
        status, end = 404, time.monotonic() + 30
        while status == 404 and time.monotonic() < end:  # the write may still wait for its thread
            line.sendall(call_bytes(server, {"Action": "GetUser", "UserName": "ada", **IAM}))
            status = read_one(line).status
        assert status == 200


class Output:
    """The bytes that were written, and whether the connection was closed."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.written += data

    def close(self) -> None:
        """Note the end."""
        self.is_closed = True


async def _succeeds() -> HttpResponse:
    return HttpResponse(200, (), b"done")


def test_the_response_of_a_server_that_stops_is_the_last_one() -> None:
    """It says so, and the connection ends."""
    output = Output()
    waiting = WaitingAnswer((), output, list, lambda: None, logging.getLogger("test"))
    waiting.keep_alive = False
    asyncio.run(waiting.send(_succeeds()))
    assert output.written.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in output.written
    assert output.is_closed


async def _fails() -> HttpResponse:
    raise RuntimeError("a bug")


async def _breaks_a_line() -> HttpResponse:
    return HttpResponse(200, ((b"x", b"a\r\nset-cookie: b"),), b"")


@pytest.mark.parametrize("answer", [_fails, _breaks_a_line])
def test_a_bug_gets_500_and_ends_the_connection(answer: Callable[[], object]) -> None:
    """The client does not wait for ever, and no header is forged."""
    output, ended = Output(), []
    waiting = WaitingAnswer((), output, list, lambda: ended.append(True), logging.getLogger("test"))
    asyncio.run(waiting.send(answer()))  # type: ignore[arg-type]
    assert output.written.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in output.written
    assert output.is_closed
    assert ended == [True]


def test_a_cancelled_response_is_503() -> None:
    """A server that stops cancels what takes too long. A page of another origin may read the refusal."""
    output = Output()

    async def cancelled() -> None:
        headers = ((b"host", b"sts"), (b"origin", b"https://app.example"))
        waiting = WaitingAnswer(headers, output, list, lambda: None, logging.getLogger("test"))
        waiting.keep_alive = False
        task = asyncio.create_task(waiting.send(asyncio.get_running_loop().create_future()))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(cancelled())
    assert output.written.startswith(b"HTTP/1.1 503 ")
    assert b"access-control-allow-origin: *" in output.written.lower()
    assert output.is_closed
