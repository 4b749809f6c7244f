"""One connection: uvicorn's, with timeouts, and a fast path for the API.

framing.py splits the bytes into requests and limits their heads; plain_calls.py reads a call that arrives complete and
in its plain form; body.py limits bodies.

Without timeouts a client could hold connections for ever: by silence, incomplete requests, or unread responses.

A call of the API is small and its response rarely has to wait; the task and the messages of ASGI would cost more than
the response. On the fast path it is buffered until it is complete, answered where it was read, and its response is
written at once. GetRoleCredentials, which every SDK calls for each role, takes it too. A plain call that has to wait is
answered by waiting_answer.py. All others take uvicorn's path: other pages, large or unusual requests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from daypass.http.asgi_messages import send_answer
from daypass.http.connection_limits import ConnectionSlot
from daypass.http.framing import LARGEST_HEAD as LARGEST_HEAD  # noqa: PLC0414 - re-exported
from daypass.http.framing import OneRequestAtATime
from daypass.http.lingering import LingeringTransport
from daypass.http.peer import plain_address
from daypass.http.plain_calls import ROLE_CREDENTIALS, AnswerCall, PlainCall, read_plain_call
from daypass.http.response_framing import ResponseFramer
from daypass.http.waiting_answer import WaitingAnswer
from daypass.wire.cors import cross_origin_headers
from daypass.wire.http import Headers, HttpResponse

_LARGEST_KEPT = 65_536  # bytes; a longer body leaves the fast path
_ROLE_CREDENTIALS = ROLE_CREDENTIALS + b"?"
_LEAST_READ = 16_384  # bytes of a response that a client must read within its timeout

# Returns the response to a complete request, or an awaitable of it.
AtOnce = Callable[[Any, bytes], HttpResponse | Awaitable[HttpResponse]]

_frame = ResponseFramer().frame


class Connection(OneRequestAtATime):
    """Closes itself if the client is too slow.

    It may be silent, or send a request or read a response too slowly. An application's method `at_once` is called for
    POST to / and for GetRoleCredentials, and its method `call`, if it has one, for a plain call (PlainCall).
    """

    patience = 60.0  # seconds for a whole request, and for each part of a response that the client reads
    patience_for_first_byte = 10.0
    patience_for_tls_end = 3.0  # seconds, when the server stops

    _deadline: asyncio.TimerHandle | None = None
    _is_timed = False  # the deadline belongs to a request that has begun
    _stalled: asyncio.TimerHandle | None = None
    _is_stopping = False
    _tls_end: asyncio.TimerHandle | None = None

    _at_once: AtOnce | None = None
    _call: AnswerCall | None = None
    _peer, _secure = "", False
    _idle_since = 0.0  # the time of the last response
    _kept: bytearray | None = None  # the body, so far, of a call on the fast path
    _awaited: Awaitable[HttpResponse] | None = None
    _answered = False  # in this turn: other connections come before a second answer

    _lingering: LingeringTransport
    _is_refused = False

    place: ConnectionSlot | None = None  # among the connections of its peer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start to wait for the first request."""
        self._lingering = LingeringTransport(transport, self._count_unread)
        super().connection_made(cast("asyncio.Transport", self._lingering))
        if self.client is not None:
            self.client = plain_address(self.client[0]), self.client[1]
            self._peer = self.client[0]
        self._secure = self.scheme == "https"
        self._at_once = getattr(self.app, "at_once", None)
        self._call = getattr(self.app, "call", None)
        first = min(self.patience, self.patience_for_first_byte)
        self._deadline = self.loop.call_later(first, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Read data, and give an unfinished request a deadline."""
        if self._lingering.is_lingering:
            self._lingering.drop(data)
            return
        if self._call is not None and self._is_at_rest():
            call = read_plain_call(data)
            if call is not None:
                self._answer_plain(self._call, call)
                return
        self._answered = False
        super().data_received(data)
        self._watch_request()

    def take_turn(self) -> None:
        """Read the requests that wait."""
        self._answered = False
        super().take_turn()
        self._watch_request()

    def is_busy(self) -> bool:
        """Return whether a request is pending, or was answered in this turn."""
        return self._answered or super().is_busy()

    def hold(self) -> None:
        """Let a request wait, at least for the next turn."""
        super().hold()
        if self._answered:
            self.take_turn_soon()

    def take_head(self) -> None:
        """Choose the fast path or uvicorn's path."""
        if self._is_short():
            self._kept = bytearray()
        else:
            super().take_head()

    def take_body(self, body: bytes) -> None:
        """Buffer a part of a body, or pass it on."""
        if self._kept is None:
            super().take_body(body)
            return
        self._kept += body
        if len(self._kept) > _LARGEST_KEPT:
            self._take_usual_way()

    def take_end(self) -> None:
        """Cancel the deadline, and answer a buffered call."""
        self._is_timed = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._kept is None:
            super().take_end()
        else:
            self._answer()

    def refuse(self, message: str) -> None:
        """Answer 400, and make sure that the connection ends."""
        self._kept, self._is_refused = None, True
        super().refuse(message)
        self._watch_writing()

    def send_400_response(self, msg: str) -> None:
        """Write a refusal."""
        self._write_last(400, msg.encode("ascii"))

    def _write_last(self, status: int, text: bytes = b"") -> None:
        """Write the last response. A page of another origin may read it, as all of STS."""
        is_api = getattr(self, "url", b"").partition(b"?")[0] == b"/"  # no target before the first request
        extra = cross_origin_headers(tuple(self.headers)) if is_api else ()
        headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *extra)
        self.transport.write(_frame(HttpResponse(status, headers, text), self.server_state.default_headers))
        self.transport.close()

    def on_response_complete(self) -> None:
        """Read the next request, or make sure that the connection ends."""
        self._idle_since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_writing()
            self._watch_tls_end()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle for long enough.

        Otherwise, look again later: a plain call leaves the timer as it is, because a new one for each response would
        cost more.
        """
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again(left)
        else:
            super().timeout_keep_alive_handler()
            self._watch_writing()

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        """Start to wait for the client to read."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Stop waiting for the client: it has read nearly everything."""
        super().resume_writing()
        if self._stalled is not None and not self.transport.is_closing():
            self._stalled.cancel()
            self._stalled = None

    def shutdown(self) -> None:
        """Let a request that has begun finish."""
        if self._lingering.is_lingering:
            self._lingering.close_now()
        if self._kept is not None:
            self._take_usual_way()
        self._is_stopping = True
        super().shutdown()
        self._watch_tls_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timers, and release the slot."""
        self._kept = None
        self._lingering.close_now()
        if self.place is not None:
            self.place.leave()
        for timer in (self._deadline, self._stalled, self._tls_end, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _is_short(self) -> bool:
        """Return whether a request may take the fast path.

        It is a small API call that does not close the connection.
        """
        return (
            (self.url == b"/" or self.url.startswith(_ROLE_CREDENTIALS))
            and self._at_once is not None
            and not self._answered
            and not self._is_last
            and self.parser.get_method() == (b"POST" if self.url == b"/" else b"GET")
            and not self.expect_100_continue
            and not self.flow.write_paused
        )

    def _take_usual_way(self) -> None:
        """Pass a buffered request on to uvicorn's path."""
        body, self._kept = self._kept, None
        super().take_head()
        if body:
            super().take_body(bytes(body))

    def _answer(self) -> None:
        body, self._kept, self._answered = bytes(self._kept or b""), None, True
        if self._at_once is None or self.transport.is_closing():
            return
        scope = cast("dict[str, Any]", self.scope)
        scope["method"] = "POST" if self.url == b"/" else "GET"
        scope["raw_path"], _, scope["query_string"] = self.url.partition(b"?")
        try:
            answer = self._at_once(scope, body)
            if isinstance(answer, HttpResponse):
                self.transport.write(_frame(answer, self.server_state.default_headers))
                self.on_response_complete()
                return
        except Exception:
            # The calling parser would treat the exception as a malformed request.
            self.logger.exception("the response could not be created")
            self.transport.close()
            self._watch_writing()
            return
        self._awaited = answer
        super().take_head()
        super().take_end()

    def _is_at_rest(self) -> bool:
        """Return whether the next byte begins a request that may be answered at once."""
        cycle: RequestResponseCycle | None = self.cycle
        return not (
            self._in_message
            or self._head_bytes  # empty lines, or a part of one
            or self._buffer
            or self._is_over
            or self.flow.write_paused
            or (cycle is not None and not cycle.response_complete)
            or self._lingering.is_closing()
        )

    def _answer_plain(self, answer_call: AnswerCall, call: PlainCall) -> None:
        """Answer a plain call, which the parser does not see."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        headers, by_name, body, query = call
        try:
            answer = answer_call(headers, by_name, body, self._peer, secure=self._secure, query=query)
            if isinstance(answer, HttpResponse):
                self.transport.write(_frame(answer, self.server_state.default_headers))
                self.server_state.total_requests += 1
                self._idle_since = self.loop.time()
                if self.timeout_keep_alive_task is None:
                    self._look_again(self.timeout_keep_alive)
                return
        except Exception:
            self.logger.exception("the response could not be created")
            self.transport.close()
            self._watch_writing()
            return
        self._wait_for(answer, headers)

    def _wait_for(self, answer: Awaitable[HttpResponse], headers: Headers) -> None:
        """Send the response to a plain call when it is ready."""
        self._unset_keepalive_if_required()
        waiting = WaitingAnswer(headers, self.transport, self._own_headers, self.on_response_complete, self.logger)
        self.cycle = cast("RequestResponseCycle", waiting)
        task = self.loop.create_task(waiting.send(answer))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        return self.server_state.default_headers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        awaited, self._awaited = self._awaited, None
        super()._start_asgi_task(cycle, _until_cancelled(cycle, app if awaited is None else _sending(awaited)))

    def _watch_request(self) -> None:
        """Set the deadline of a request that has begun."""
        if self._in_message and not self._is_timed:
            if self._deadline is not None:
                self._deadline.cancel()
            self._is_timed = True
            self._deadline = self.loop.call_later(self.patience, self._give_up)

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self._kept is not None:
            self._kept = None
            self._write_last(408)
        else:
            self._lingering.close_now()
        self._watch_writing()

    def _count_unread(self) -> int | None:
        """Return the number of bytes that the client may still send, or None."""
        if self._is_refused:
            return None
        if not self._in_message:
            return 0
        return self._left or None  # A chunked body has no length.

    def _watch_writing(self) -> None:
        """Make sure that the client reads.

        Unread data stays in memory, even after a close.
        """
        if self._stalled is None:
            left = self.transport.get_write_buffer_size()
            self._stalled = self.loop.call_later(self.patience, self._drop_if_stalled, left)

    def _watch_tls_end(self) -> None:
        """Make sure that the server stops.

        The transport would wait long for a silent client to end TLS.
        """
        if self._is_stopping and self._tls_end is None and self.transport.is_closing():
            self._tls_end = self.loop.call_later(self.patience_for_tls_end, self._drop_if_sent)

    def _drop_if_sent(self) -> None:
        if not self.transport.get_write_buffer_size():
            self.transport.abort()

    def _drop_if_stalled(self, before: int) -> None:
        self._stalled = None
        left = self.transport.get_write_buffer_size()
        if left > before - _LEAST_READ and left:
            self.transport.abort()
        elif left:
            self._watch_writing()


def _until_cancelled(cycle: RequestResponseCycle, app: Any) -> Any:
    """Return an application that handles its cancellation.

    The server cancels it after a shutdown's grace period.
    """

    async def cancellable(scope: object, receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if cycle.response_started:
                cycle.disconnected = True  # a partial response cannot be completed
                cycle.transport.close()
            else:
                extra = cross_origin_headers(tuple(cycle.scope["headers"])) if cycle.scope["path"] == "/" else ()
                await send_answer(send, HttpResponse(503, extra, b""))

    return cancellable


def _sending(awaited: Awaitable[HttpResponse]) -> Any:
    """Return an application that sends a response once it is ready."""

    async def app(_scope: object, _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        await send_answer(send, await awaited)

    return app
