"""The response to a plain call that has to wait.

Owns such a response from the call to its last byte. The parser never saw the call, so ASGI has no request for it: this
object takes the place of uvicorn's cycle on the connection, with the members that uvicorn and framing.py use. While it
waits, the connection reads no further request. A server that stops waits for its task too, and cancels it in the end:
then the client gets 503.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from daypass.http.response_framing import ResponseFramer
from daypass.wire.cors import cross_origin_headers
from daypass.wire.http import Headers, HttpResponse

_frame = ResponseFramer().frame
_CLOSE = (b"connection", b"close")
_BUG = HttpResponse(500, ((b"content-type", b"text/plain; charset=utf-8"),), b"Internal Server Error")


class _Output(Protocol):
    """The part of a transport that a response needs."""

    def write(self, data: bytes) -> None:
        """Write bytes."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class _NoEvent:
    """The event of uvicorn's cycle, for which nothing waits here."""

    def set(self) -> None:
        """Ignore it: the body of the call has arrived."""


class WaitingAnswer:
    """A response that is sent once it is ready.

    `headers` are those of the call. `own_headers` returns the server's own, and `on_response` is called after the last
    byte. `disconnected` drops the response, and `keep_alive` is set to False to make it the last one.
    """

    __slots__ = (
        "_headers",
        "_logger",
        "_on_response",
        "_output",
        "_own_headers",
        "disconnected",
        "keep_alive",
        "response_complete",
        "response_started",
    )

    message_event = _NoEvent()

    def __init__(
        self,
        headers: Headers,
        output: _Output,
        own_headers: Callable[[], list[tuple[bytes, bytes]]],
        on_response: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        self._headers = headers
        self._output = output
        self._own_headers = own_headers
        self._on_response = on_response
        self._logger = logger
        self.disconnected = self.response_started = self.response_complete = False
        self.keep_alive = True

    async def send(self, awaited: Awaitable[HttpResponse]) -> None:
        """Wait for the response, and write it."""
        try:
            data = self._frame(await awaited)
        except asyncio.CancelledError:
            data = self._frame(HttpResponse(503, cross_origin_headers(self._headers), b""))
        except Exception:
            self._logger.exception("the response could not be created")
            self.keep_alive = False
            data = self._frame(_BUG)
        if not self.disconnected:
            self._write(data)

    def _frame(self, answer: HttpResponse) -> bytes:
        if not self.keep_alive:
            answer = HttpResponse(answer.status, (*answer.headers, _CLOSE), answer.body)
        return _frame(answer, self._own_headers())

    def _write(self, data: bytes) -> None:
        self.response_started = True
        self._output.write(data)
        self.response_complete = True
        if not self.keep_alive:
            self._output.close()
        self._on_response()
