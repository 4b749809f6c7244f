"""One connection: uvicorn's, but with bounds on time, and a short way for the API's calls.

Owns the bounds on time. Without them anybody could hold connections open for ever: by silence, by requests that never
become whole, or by answers that are never read. How bytes become requests, and the bounds on a request's head, are
framing.py's. How much of a body is read is body.py's rule.

Owns the short way too. A call of the API is small and whole, and its answer mostly needs no waiting; then the task and
the messages of ASGI cost more than the answer. Such a call is kept until it is whole, answered where it was read, and
written at once. All else takes the usual way: other pages, large or unusual requests, answers that have to wait.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from daypass.http.answering import send_answer
from daypass.http.connection_limits import Place
from daypass.http.framing import LARGEST_HEAD as LARGEST_HEAD  # noqa: PLC0414 - its users find it here
from daypass.http.framing import OneRequestAtATime
from daypass.http.peer import plain_address
from daypass.wire.http import HttpResponse

_LARGEST_KEPT = 65_536  # bytes of a body that is waited for here
_LEAST_READ = 16_384  # bytes of an answer that a client must take within its patience

# Answers a whole request now, or returns what will.
AtOnce = Callable[[Any, bytes], HttpResponse | Awaitable[HttpResponse]]


class Connection(OneRequestAtATime):
    """Closes itself when the client is too slow: silent, in sending a request, or in reading an answer.

    An application with a method `at_once` is asked by it for what is POSTed to /.
    """

    patience = 60.0  # seconds for a whole request, and for each part of an answer that the client has to take
    patience_for_first_byte = 10.0
    patience_for_tls_end = 3.0  # seconds, when the server stops

    _deadline: asyncio.TimerHandle | None = None
    _is_timed = False  # the deadline is that of a request that has begun
    _stalled: asyncio.TimerHandle | None = None
    _is_stopping = False
    _tls_end: asyncio.TimerHandle | None = None

    _at_once: AtOnce | None = None
    _kept: bytearray | None = None  # the body, so far, of a call that will be answered here
    _awaited: Awaitable[HttpResponse] | None = None
    _answered = False  # in this turn: others have theirs before a second one is

    place: Place | None = None  # among the connections of its peer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = plain_address(self.client[0]), self.client[1]
        self._at_once = getattr(self.app, "at_once", None)
        first = min(self.patience, self.patience_for_first_byte)
        self._deadline = self.loop.call_later(first, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and see that an unfinished request has a deadline."""
        self._answered = False
        super().data_received(data)
        self._watch_request()

    def take_turn(self) -> None:
        """Read the requests that wait."""
        self._answered = False
        super().take_turn()
        self._watch_request()

    def is_busy(self) -> bool:
        """Tell whether a request is still to be answered, or was answered in this turn."""
        return self._answered or super().is_busy()

    def hold(self) -> None:
        """Let a request wait, for the next turn at least."""
        super().hold()
        if self._answered:
            self.take_turn_soon()

    def take_head(self) -> None:
        """Choose the way."""
        if self._is_short():
            self._kept = bytearray()
        else:
            super().take_head()

    def take_body(self, body: bytes) -> None:
        """Keep a part of a body, or hand it on."""
        if self._kept is None:
            super().take_body(body)
            return
        self._kept += body
        if len(self._kept) > _LARGEST_KEPT:
            self._take_usual_way()

    def take_end(self) -> None:
        """Stop waiting, and answer what was kept."""
        self._is_timed = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._kept is None:
            super().take_end()
        else:
            self._answer()

    def refuse(self, message: str) -> None:
        """Answer 400, and see that the connection ends."""
        self._kept = None
        super().refuse(message)
        self._watch_writing()

    def on_response_complete(self) -> None:
        """Go on, or see that the connection ends."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_writing()
            self._watch_tls_end()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Stop waiting for the client: it has read nearly all."""
        super().resume_writing()
        if self._stalled is not None and not self.transport.is_closing():
            self._stalled.cancel()
            self._stalled = None

    def shutdown(self) -> None:
        """Let a request that has begun come to its end."""
        if self._kept is not None:
            self._take_usual_way()
        self._is_stopping = True
        super().shutdown()
        self._watch_tls_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._kept = None
        if self.place is not None:
            self.place.leave()
        for timer in (self._deadline, self._stalled, self._tls_end):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _is_short(self) -> bool:
        """Tell whether a request may be answered here: a small call of the API that others may follow."""
        return (
            self.url == b"/"
            and self._at_once is not None
            and not self._answered
            and not self._is_last
            and self.parser.get_method() == b"POST"
            and not self.expect_100_continue
            and not self.flow.write_paused
        )

    def _take_usual_way(self) -> None:
        """Go on with a kept request as uvicorn does."""
        body, self._kept = self._kept, None
        super().take_head()
        if body:
            super().take_body(bytes(body))

    def _answer(self) -> None:
        body, self._kept, self._answered = bytes(self._kept or b""), None, True
        if self._at_once is None or self.transport.is_closing():
            return
        scope = cast("dict[str, Any]", self.scope)
        scope["method"], scope["raw_path"], scope["query_string"] = "POST", b"/", b""
        try:
            answer = self._at_once(scope, body)
            if isinstance(answer, HttpResponse):
                self.transport.write(self._framed(answer))
                self.on_response_complete()
                return
        except Exception:
            # The parser, from which we are called, would take it for a broken request.
            self.logger.exception("an answer could not be made")
            self.transport.close()
            return
        self._awaited = answer
        super().take_head()
        super().take_end()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        awaited, self._awaited = self._awaited, None
        super()._start_asgi_task(cycle, _until_cancelled(cycle, app if awaited is None else _sending(awaited)))

    def _framed(self, answer: HttpResponse) -> bytes:
        headers = (*self.server_state.default_headers, *answer.headers)
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise ValueError("a header holds the end of a line")
        return b"%bcontent-length: %d\r\n%b\r\n%b" % (
            STATUS_LINE[answer.status],
            len(answer.body),
            head,
            answer.body,
        )

    def _watch_request(self) -> None:
        """Give a request that has begun its deadline."""
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
            self.transport.write(STATUS_LINE[408] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
        self._watch_writing()

    def _watch_writing(self) -> None:
        """See that the client reads: what is written waits in memory, even behind the end of the connection."""
        if self._stalled is None:
            left = self.transport.get_write_buffer_size()
            self._stalled = self.loop.call_later(self.patience, self._drop_if_stalled, left)

    def _watch_tls_end(self) -> None:
        """See that the server stops although a silent client never ends TLS, for which the transport waits long."""
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
    """Return an application that ends in order when it is cancelled: the server stops and has waited long enough."""

    async def cancellable(scope: object, receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if cycle.response_started:
                cycle.disconnected = True  # half an answer cannot be completed
                cycle.transport.close()
            else:
                await send_answer(send, HttpResponse(503, (), b""))

    return cancellable


def _sending(awaited: Awaitable[HttpResponse]) -> Any:
    """Return the application that sends an answer when it is there."""

    async def app(_scope: object, _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        await send_answer(send, await awaited)

    return app
