"""The admin listener: health, readiness and metrics.

Owns the three pages. They have a listener of their own, because on the S3 port their paths are names of buckets.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from daypass.gateway.plan import HeaderPairs
from daypass.gateway.transfers.answer_head import CLOSE, render_head
from daypass.http.connection_limits import ConnectionSlot
from daypass.verify.head import LONGEST_HEAD, HeadError, parse_head

_PATIENCE = 10.0  # seconds for a request and its answer
_TEXT: HeaderPairs = ((b"content-type", b"text/plain; charset=utf-8"),)
_METRICS: HeaderPairs = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)


class AdminPages:
    """The contents of the pages."""

    def __init__(self, collectors: Sequence[Collector], health: Callable[[], str]) -> None:
        self._registry = CollectorRegistry()
        for each in collectors:
            self._registry.register(each)
        self._health = health

    def answer(self, method: str, path: bytes) -> tuple[int, HeaderPairs, bytes]:
        """Return the status, headers and body of an answer."""
        if method not in ("GET", "HEAD"):
            return 405, (*_TEXT, (b"allow", b"GET, HEAD")), b"The method is not allowed.\n"
        if path == b"/healthz":
            return 200, _TEXT, b"ok\n"
        if path == b"/readyz":
            return _readiness(self._health())
        if path == b"/metrics":
            return 200, _METRICS, generate_latest(self._registry)
        return 404, _TEXT, b"The page does not exist.\n"


def _readiness(health: str) -> tuple[int, HeaderPairs, bytes]:
    if health in ("ready", "degraded"):
        return 200, _TEXT, f"{health}\n".encode()
    return 503, _TEXT, b"draining\n" if health == "draining" else b"not ready\n"


class AdminConnection(asyncio.Protocol):
    """A connection to the admin listener, with one request."""

    place: ConnectionSlot | None = None

    def __init__(self, pages: AdminPages) -> None:
        self._pages = pages
        self._buffer = b""
        self._has_answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the time."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(_PATIENCE, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer a complete head."""
        if self._has_answered:
            return
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end >= 0:
            self._answer(self._buffer[:end])
        elif len(self._buffer) > LONGEST_HEAD:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason does not matter
        """Release the slot."""
        self._deadline.cancel()
        if self.place is not None:
            self.place.leave()

    def _answer(self, block: bytes) -> None:
        self._has_answered = True
        method, status, headers, body = "GET", 400, _TEXT, b"The request is not valid.\n"
        with suppress(HeadError):
            head = parse_head(block)
            method = head.method
            status, headers, body = self._pages.answer(method, head.path)
        framing = b"content-length: %d\r\n" % len(body) + CLOSE
        out = render_head(status, headers, framing, "", b"")
        self._transport.write(out if method == "HEAD" else out + body)
        self._transport.close()
