"""One request at a time: how the bytes of a connection become requests.

Owns the framing, on top of uvicorn's connection, without relying on the parser for the border between two requests:
llhttp skips bodies (Upgrade) and continues after the last request of a connection:

- The parser is fed in stretches, and a stretch never extends beyond the end of a request. The next request is not
  parsed until the response before it is complete: waiting requests are bytes and not objects, and reading is paused.
- A request that begins anywhere else is refused, even if the parser accepts it.
- Data after the last request of a connection, or after a refused request, is not read. A request that was answered
  before its client sent the body (Expect: 100-continue) is the last one too.
- The bytes of a head, the number of its headers, and the overhead of a chunked body are limited.
- Trailers are discarded (RFC 9110 section 6.5.1): the headers of a request are complete when its head is.

head.py checks the content of a head. connection.py limits the time of a request.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from daypass.http.head import (
    CHUNKED,
    MOST_HEADERS,
    RefusedHeadError,
    expects_continue,
    find_absolute_target,
    read_framing,
)

# Bytes of request line and headers. The longest session token and the longest query together are a third of it.
LARGEST_HEAD = 131_072
# Bytes. A head with many small headers is detected after one stretch of them.
_STRETCH = 8_192
_LARGEST_HELD = 1_048_576  # bytes that wait for their turn; one read of the transport is at most a quarter of it

# Each chunk adds at least a size and two line ends; all other overhead is extensions and trailers.
_BYTES_A_CHUNK = 12
_LARGEST_EXTRAS = 4_096  # bytes, in total
_MOST_TINY_CHUNKS = 4_096
_TINY = 16  # bytes; for each such part of the body, one more chunk is allowed
_MOST_TRAILERS = 64

_TOO_LARGE = "The head of the request is too large."
_TOO_MANY = f"The request has more than {MOST_HEADERS} headers."
_TOO_MUCH_FRAMING = "The chunks of the request are too small, or their extensions or trailers too large."
_UNREADABLE = "The request is not valid HTTP."

_END = b"\r\n\r\n"
_OVERLAP = len(_END) - 1


class OneRequestAtATime(HttpToolsProtocol):
    """A connection that reads a request after the previous response.

    A subclass may override `take_head`, `take_body` and `take_end`; `is_busy` returns whether the next request has to
    wait.
    """

    flow: "HoldingFlow"

    _in_message = False
    _in_head = False
    _began_here = False  # a request began or ended in the current stretch
    _is_last = False  # the current request is the last one
    _is_draining = False  # each request is the last one, because the server is about to stop
    _is_over = False  # the rest of the data is ignored

    _buffer = b""
    _at = 0
    _turn: asyncio.Handle | None = None

    _head_bytes = 0
    _left = 0  # remaining bytes of a body with a Content-Length
    _is_chunked = False
    _chunked_bytes = _body_bytes = _chunks = _trailers = 0
    _skipped_length = 0  # of the body that the parser skips, because the request asks for another protocol
    _reason = ""
    _has_cycle = False  # the current request was passed to the application

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Set up the flow control."""
        super().connection_made(transport)
        self.flow = HoldingFlow(transport)

    def data_received(self, data: bytes) -> None:
        """Read bytes. Data after the last request is dropped."""
        if self._is_over:
            return
        if self._at < len(self._buffer):
            self._buffer = self._buffer[self._at :] + data
            if len(self._buffer) > _LARGEST_HELD:
                self.refuse(_TOO_LARGE)
                return
        else:
            self._buffer = data
        self._at = 0
        self.read_on()

    def read_on(self) -> None:
        """Feed the parser until a request has to wait, or the data ends."""
        while self._at < len(self._buffer) and not self._is_over:
            if not self._in_message and self.is_busy():
                self.hold()
                return
            end = self._end_of_stretch()
            stretch = self._buffer[self._at : end]
            self._at = end
            self._feed(stretch)
        self._buffer, self._at = b"", 0
        self.flow.release()

    def is_busy(self) -> bool:
        """Return whether a request still has to be answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def hold(self) -> None:
        """Let a request wait for the previous response, and pause reading."""
        self.flow.hold()

    def take_turn_soon(self) -> None:
        """Read the waiting requests, after other connections had their turn."""
        if self.flow.is_held and self._turn is None:
            self._turn = self.loop.call_soon(self.take_turn)

    def take_turn(self) -> None:
        """Read the waiting requests."""
        self._turn = None
        if not self.transport.is_closing():
            self.read_on()

    def on_response_complete(self) -> None:
        """Continue with the waiting requests."""
        super().on_response_complete()
        self.take_turn_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the data that was not read."""
        self._is_over, self._buffer, self._at = True, b"", 0
        super().connection_lost(exc)

    def _end_of_stretch(self) -> int:
        buffer, at = self._buffer, self._at
        if self._left:
            return min(len(buffer), at + self._left)
        # An empty line ends a head and a chunked body. It may be split between two reads, or precede this position.
        if at < _OVERLAP and self._in_message:
            return at + 1
        found = buffer.find(_END, max(at - _OVERLAP, 0), at + _STRETCH + _OVERLAP)
        return found + len(_END) if found >= 0 else min(len(buffer), at + _STRETCH)

    def _feed(self, stretch: bytes) -> None:
        size = len(stretch)
        in_body = self._in_message and not self._in_head
        if not in_body:
            self._head_bytes += size
            if self._head_bytes > LARGEST_HEAD:
                self.refuse(_TOO_LARGE)
                return
        elif self._left:
            self._left -= size
        else:
            self._chunked_bytes += size
        self._began_here = False
        try:
            self.parser.feed_data(stretch)
        except httptools.HttpParserUpgrade as switch:
            self._ignore_switch(size - switch.args[0])
        except httptools.HttpParserError:
            self.refuse(self._reason or _UNREADABLE)
        else:
            self._check_bounds()
            if self._trailers and not self._in_message:
                # llhttp lets trailers such as `Connection: close` affect the next request; a new parser has not seen
                # them.
                self._trailers = 0
                self.parser = httptools.HttpRequestParser(self)

    def _check_bounds(self) -> None:
        if not self._in_message:
            return
        if self._in_head:
            if len(self.headers) > MOST_HEADERS:
                self.refuse(_TOO_MANY)
        elif self._is_chunked and self._is_padded():
            self.refuse(_TOO_MUCH_FRAMING)

    def _is_padded(self) -> bool:
        extras = self._chunked_bytes - self._body_bytes - _BYTES_A_CHUNK * self._chunks
        return (
            extras > _LARGEST_EXTRAS
            or self._chunks > _MOST_TINY_CHUNKS + self._body_bytes // _TINY
            or self._trailers > _MOST_TRAILERS
        )

    def _ignore_switch(self, left_over: int) -> None:
        """Read the body of a request that asked for another protocol.

        The parser has skipped this body.
        """
        if left_over:
            self.refuse(_UNREADABLE)
        elif self._in_message:
            self.parser = httptools.HttpRequestParser(_BodyEvents(self))
            framing = b"transfer-encoding: chunked"
            if self._skipped_length != CHUNKED:
                framing = b"content-length: %d" % self._skipped_length
            self.parser.feed_data(b"POST / HTTP/1.1\r\nhost: ignored\r\n%b\r\n\r\n" % framing)
        self._skipped_length = 0

    def on_message_begin(self) -> None:
        """Begin a request. Raises RefusedHeadError where a request must not begin."""
        if self._began_here:
            # The parser sees a border between two requests that does not exist.
            raise RefusedHeadError(_UNREADABLE)
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._in_message = self._in_head = self._began_here = True
        self._has_cycle = self._is_chunked = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header. A trailer is counted and discarded."""
        if not self._in_head:
            self._trailers += 1
            return
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = True  # until the head is complete and the value is read
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head, and pass it on."""
        self._in_head = False
        try:
            self._read_head()
        except RefusedHeadError as refused:
            self._reason = str(refused)
            raise
        self.take_head()
        # After a final response, a client that waits for 100-continue may omit its body, and its next request would be
        # read as the body. So a response ends the connection, unless the body arrived before.
        if self._has_cycle and (self._is_last or self.expect_100_continue):
            self.cycle.keep_alive = False

    def _read_head(self) -> None:
        version = self.parser.get_http_version()
        length, is_last = read_framing(self.parser.get_method(), self.url, version, self.headers)
        self._is_last = is_last or self._is_draining or not self.parser.should_keep_alive()
        absolute = None
        if not self.url.startswith(b"/"):
            absolute = find_absolute_target(self.url, self.scheme or "http")
        if absolute is not None:
            self.url = absolute.origin_form
            self.headers[:] = [each for each in self.headers if each[0] != b"host"]
            self.headers.insert(0, (b"host", absolute.authority))
        if self.expect_100_continue:
            self.expect_100_continue = expects_continue(version, self.headers)
        self._is_chunked = length == CHUNKED
        self._left = max(length, 0)
        self._chunked_bytes = self._body_bytes = self._chunks = self._trailers = 0
        self._skipped_length = length if self.parser.should_upgrade() else 0

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        """Count a part of a body, and pass it on."""
        self._body_bytes += len(body)
        self.take_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._skipped_length:
            return  # The parser skips the body; _BodyEvents reads it.
        if self._is_chunked and self._is_padded():
            self._reason = _TOO_MUCH_FRAMING
            raise RefusedHeadError(self._reason)
        self._in_message, self._began_here, self._head_bytes = False, True, 0
        self._is_over = self._is_last
        if self._has_cycle and self.expect_100_continue and not self._is_last and not self.cycle.response_started:
            self.cycle.keep_alive = True
        self.take_end()

    def take_head(self) -> None:
        """Pass a head on: the application starts."""
        super().on_headers_complete()
        self._has_cycle = True

    def take_body(self, body: bytes) -> None:
        """Pass a part of a body on."""
        super().on_body(body)

    def take_end(self) -> None:
        """Signal the end of a body."""
        super().on_message_complete()

    def refuse(self, message: str) -> None:
        """Answer 400 if no response to this request has begun, and close."""
        self._is_over, self._buffer, self._at = True, b"", 0
        if self.transport.is_closing():
            return
        if self._has_answer():
            # The client would read a second response as the response to its next request.
            self.transport.close()
            return
        if self._in_message and self._has_cycle:
            self.cycle.disconnected = True  # the application's response is dropped
            self.cycle.message_event.set()
        self.send_400_response(message)

    def _has_answer(self) -> bool:
        if self._in_message:
            return self._has_cycle and self.cycle.response_started
        return self._began_here or self.is_busy()


class HoldingFlow(FlowControl):
    """Flow control that pauses reading while requests wait for their turn."""

    is_held = False

    def hold(self) -> None:
        """Pause reading until `release`."""
        self.is_held = True
        self.pause_reading()

    def release(self) -> None:
        """Resume reading."""
        if self.is_held:
            self.is_held = False
            self.resume_reading()

    def resume_reading(self) -> None:
        """Resume reading if no request waits."""
        if not self.is_held:
            super().resume_reading()


class _BodyEvents:
    """Passes on the events of a second parser.

    It reads a body after its head was read.
    """

    def __init__(self, connection: OneRequestAtATime) -> None:
        self.on_body = connection.on_body
        self.on_chunk_header = connection.on_chunk_header
        self.on_message_complete = connection.on_message_complete

    def on_header(self, _name: bytes, _value: bytes) -> Any:
        """Discard a trailer, and the head that gives the parser the framing."""
