"""HTTP framing: the same requests are answered however a stream is cut.

They are those that a strict parser finds. Owns the connection over a transport in memory. Leaves the strict parser to
strict_http.py.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from tests.fuzz.choices import Choices
from tests.fuzz.strict_http import Found, Message, digest, read_answers, read_requests
from uvicorn.server import ServerState

from daypass.http.connection import Connection
from daypass.wire.http import Headers, HttpResponse

_LOOP = asyncio.new_event_loop()
_BODY = b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n"  # a body that would be a request itself
# Streams consist of whole lines, so that most of them are requests or almost requests.
_PARTS = (
    b"\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
    b"PUT /x?y HTTP/1.1\r\nHost: a\r\n",
    b"HEAD / HTTP/1.1\r\n",
    b"POST / HTTP/1.0\r\n",
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY),
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY),
    b"\r\n3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nX-Forwarded-For: 10.9.8.7\r\n\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: Upgrade\r\nUpgrade: foo\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"X-Extra:  a \t b \r\n",
    b"X-Folded: a\r\n b\r\n",
    b"User-Agent: a b\r\n",
    b"Content-Type: a: b\r\n",
    b"host: a\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Length: +3\r\n",
    b"Host : a\r\n",
    b"abc",
    b"\n",
    b"\r",
    b"\0",
)
_ROUNDS = 40  # iterations of the event loop until all started work is complete


class Problems(logging.Handler):
    """A log handler that keeps the server's own failures."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.found.append(record.getMessage())


_PROBLEMS = Problems()
logging.getLogger("uvicorn.error").addHandler(_PROBLEMS)
logging.getLogger("uvicorn.error").propagate = False
_LOOP.set_exception_handler(lambda _, context: _PROBLEMS.found.append(str(context)))


@dataclass
class Echo:
    """An application that says which request it answers."""

    def at_once(self, scope: Any, body: bytes) -> HttpResponse:
        """Respond where the request was read."""
        told = digest(Message(scope["method"], _target(scope), _headers(scope), body))
        return HttpResponse(200, ((b"x-request", told),), b"")

    def call(
        self,
        headers: Headers,
        by_name: Mapping[bytes, bytes],
        body: bytes,
        _peer: str,
        *,
        secure: bool,
        query: bytes | None,
    ) -> HttpResponse:
        """Respond to a plain call. Streams that are cut do not come here."""
        assert not secure
        assert tuple(by_name.items()) == headers
        method, target = ("POST", b"/") if query is None else ("GET", b"/federation/credentials?" + query)
        return HttpResponse(200, ((b"x-request", digest(Message(method, target, headers, body))),), b"")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond through ASGI."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        told = digest(Message(scope["method"], _target(scope), _headers(scope), body))
        headers = [(b"x-request", told), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _target(scope: Any) -> bytes:
    path: bytes = scope["raw_path"]
    return path + (b"?" + scope["query_string"] if scope["query_string"] else b"")


def _headers(scope: Any) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name, value) for name, value in scope["headers"])


_CONFIG = uvicorn.Config(
    Echo(), http=Connection, ws="none", lifespan="off", log_config=None, server_header=False, proxy_headers=False
)
_CONFIG.load()


@dataclass
class Wire(asyncio.Transport):
    """A transport without a socket."""

    written: bytearray = field(default_factory=bytearray)
    closing: bool = False
    paused: bool = False

    def __post_init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})

    def write(self, data: Any) -> None:
        """Keep the written data.

        After a close it is dropped, as by the transport of a socket.
        """
        if not self.closing:
            self.written += data

    def close(self) -> None:
        """Close."""
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closing

    def pause_reading(self) -> None:
        """Stop delivering data."""
        self.paused = True

    def resume_reading(self) -> None:
        """Continue delivering data."""
        self.paused = False

    def is_reading(self) -> bool:
        """Return whether data is delivered."""
        return not self.paused

    def get_write_buffer_size(self) -> int:
        """Return 0: all data was sent."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Ignore the limits."""


def fuzz_one(data: bytes) -> None:
    """Feed one stream whole, cut at a few places, and if it is short, byte by byte."""
    choices = Choices(data)
    cuts = [choices.below(4096) for _ in range(choices.below(6))]
    stream = _built(choices) if choices.flag() else choices.rest()
    found = read_requests(stream)
    whole = _answers([stream])
    _check(whole, found)
    for pieces in (_cut(stream, cuts), _cut(stream, list(range(len(stream)))[:400])):
        answers = _answers(pieces)
        _check(answers, found)
        _check_alike(whole, answers)


def _built(choices: Choices) -> bytes:
    parts = []
    while not choices.is_over:
        kind = choices.below(len(_PARTS) + 2)
        parts.append(_PARTS[kind] if kind < len(_PARTS) else choices.chunk())
    return b"".join(parts)


def _cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(stream)) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


def _answers(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    """Return status and echo of each response to a stream."""
    _PROBLEMS.found.clear()
    written = _LOOP.run_until_complete(_feed(pieces))
    assert not _PROBLEMS.found, _PROBLEMS.found
    return read_answers(written)


async def _feed(pieces: list[bytes]) -> bytes:
    wire = Wire()
    connection = Connection(config=_CONFIG, server_state=ServerState(), app_state={}, _loop=_LOOP)
    connection.connection_made(wire)
    for piece in pieces:
        await _until_idle(wire)
        if wire.closing:
            break
        connection.data_received(piece)
    await _settle()
    connection.connection_lost(None)
    await _settle()
    return bytes(wire.written)


async def _until_idle(wire: Wire) -> None:
    for _ in range(_ROUNDS):
        if not wire.paused:
            break
        await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _settle() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


def _check(answers: list[tuple[int, bytes]], found: Found) -> None:
    """Compare with the strict parser.

    Exactly its requests get a response, and no response follows an end.
    """
    echoes = [echo for status, echo in answers if status == 200]
    expected = [digest(message) for message in found.messages]
    for number, (echo, want) in enumerate(zip(echoes, expected, strict=False)):
        assert echo == want, f"request {number} was read otherwise: {found.messages[number]}"
    if found.ended:
        assert len(echoes) <= len(expected), "a request was found where there is none"
    if found.complete:
        assert len(echoes) == len(expected), f"{len(expected)} requests, {len(echoes)} answers"
    failed = [status for status, _ in answers if status != 200]
    assert len(failed) <= 1
    assert not failed or answers[-1][0] == failed[0], "an answer follows an error"


def _check_alike(whole: list[tuple[int, bytes]], cut: list[tuple[int, bytes]]) -> None:
    # A broken request closes the connection, and pending responses may be lost; they must not change.
    ours, theirs = ([echo for status, echo in each if status == 200] for each in (whole, cut))
    assert ours[: len(theirs)] == theirs[: len(ours)], "cut otherwise, the stream holds other requests"
