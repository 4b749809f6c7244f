"""One connection: uvicorn's, but with bounds on a request's head and its time, and a short way for the API's calls.

Owns both bounds. Without them anybody could fill the memory with a header that never ends, or hold connections open
for ever by sending requests that never become whole. How much of a body is read is body.py's rule.

Owns the short way too. A call of the API is small and whole, and its answer mostly needs no waiting; then the task and
the messages of ASGI cost more than the answer. Such a call is kept until it is whole, answered where it was read, and
written at once. All else takes the usual way: other pages, large or unusual requests, answers that have to wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sized
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from daypass.http.answering import send_answer
from daypass.wire.http import HttpResponse

# Bytes of request line and headers. The longest session token and the longest query together are a third of it.
LARGEST_HEAD = 131_072
_LARGEST_KEPT = 65_536  # bytes of a body that is waited for here
_TOO_LARGE = "The head of the request is too large."

# Answers a whole request now, or returns what will.
AtOnce = Callable[[Any, bytes], HttpResponse | Awaitable[HttpResponse]]


class Connection(HttpToolsProtocol):
    """Closes itself when a head is too large, and when a request is not there in full after `patience` seconds.

    An application with a method `at_once` is asked by it for what is POSTed to /.
    """

    patience = 60.0

    _whole = False
    _in_head = True
    _began = False  # the request, in this piece of data
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    _at_once: AtOnce | None = None
    _kept: bytes | None = None  # the body, so far, of a call that will be answered here
    _awaited: Awaitable[HttpResponse] | None = None
    _answered = False  # in this piece of data: others have their turn before a second one is

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._at_once = getattr(self.app, "at_once", None)
        self._deadline = self.loop.call_later(self.patience, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and see that an unfinished request stays within its bounds."""
        self._answered = self._began = False
        super().data_received(data)
        if self._whole:
            return
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.patience, self._give_up)
        # Of a piece in which it began, most may be other requests'.
        if self._in_head and not self._began:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Count from here."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._whole, self._in_head, self._began, self._head_bytes = False, True, True, 0

    def on_headers_complete(self) -> None:
        """Stop counting, and choose the way."""
        self._in_head = False
        if self._is_short():
            self._kept = b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, or hand it on."""
        if self._kept is None:
            super().on_body(body)
            return
        self._kept += body
        if len(self._kept) > _LARGEST_KEPT:
            self._take_usual_way()

    def on_message_complete(self) -> None:
        """Stop waiting, and answer what was kept."""
        self._whole = True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._kept is None:
            super().on_message_complete()
        else:
            self._answer()

    def shutdown(self) -> None:
        """Let a request that has begun come to its end."""
        if self._kept is not None:
            self._take_usual_way()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._kept = None
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _is_short(self) -> bool:
        """Tell whether a request may be answered here: a call of the API, with nothing to be answered before it."""
        parser = self.parser
        cycle: RequestResponseCycle | None = self.cycle
        return (
            self.url == b"/"
            and self._at_once is not None
            and not self._answered
            and parser.get_method() == b"POST"
            and (cycle is None or cycle.response_complete)
            and not self.pipeline
            and not self.expect_100_continue
            and not self.flow.write_paused
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
        )

    def _take_usual_way(self) -> None:
        """Go on with a kept request as uvicorn does."""
        body, self._kept = self._kept, None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _answer(self) -> None:
        body, self._kept, self._answered = self._kept or b"", None, True
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
        super().on_headers_complete()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        awaited, self._awaited = self._awaited, None
        super()._start_asgi_task(cycle, app if awaited is None else _sending(awaited))

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

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as a request, and close."""
        before: RequestResponseCycle | None = self.cycle
        if before is None or before.response_complete:
            super().send_400_response(msg)
        else:
            self.transport.close()  # An answer to the request before is on its way; two must not be mixed.

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self._kept is not None:
            self.transport.write(STATUS_LINE[408] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


class _Flow(FlowControl):
    """Takes in nothing more while requests wait for their turn: uvicorn reads on, and queues without bound."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on where nothing waits."""
        if not self._waiting:
            super().resume_reading()


def _sending(awaited: Awaitable[HttpResponse]) -> Any:
    """Return the application that sends an answer when it is there."""

    async def app(_scope: object, _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        await send_answer(send, await awaited)

    return app
