"""The application with a span around each request.

Owns which requests have a span, and its names. TracedApp stands in front of the application, which does not know of it:
a server without traces does no work for them. The pages of health and metrics have no spans, because machines read them
all the time. The path of another page may contain names of people, so a span has its first part at most.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from daypass.http.plain_calls import ROLE_CREDENTIALS
from daypass.traces.request_spans import RequestSpans, working_on
from daypass.traces.span_maker import SpanMaker, http_attributes
from daypass.wire.http import Headers, HttpResponse

_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
# The first parts of the paths of pages.
_ROUTES = frozenset(
    {
        "assets",
        "assignment",
        "authorize",
        "client",
        "clusters",
        "delegation",
        "device_authorization",
        "federation",
        "issuer",
        "login",
        "logout",
        "operator",
        "resource-server",
        "saml",
        "sessions",
        "start",
        "token",
        "v1",
    }
)
_ROLE_CREDENTIALS = ROLE_CREDENTIALS.decode("ascii")


class AnsweringApp(Protocol):
    """An application with the fast path of http/connection.py."""

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one request of uvicorn's path, or the lifespan."""
        ...

    def at_once(self, scope: Mapping[str, Any], body: bytes | None) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a short request."""
        ...

    def call(
        self,
        headers: Headers,
        by_name: Mapping[bytes, bytes],
        body: bytes,
        peer: str,
        *,
        secure: bool,
        query: bytes | None = None,
    ) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a plain call."""
        ...


class TracedApp:
    """The application, with a span for each of its responses."""

    def __init__(self, app: AnsweringApp, maker: SpanMaker) -> None:
        self._app = app
        self._maker = maker

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one request of uvicorn's path, or the lifespan."""
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        spans, status = _begin(scope), 0

        async def send_and_note(message: Mapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with working_on(spans):
                await self._app(scope, receive, send_and_note)
        finally:
            self._maker.close(spans, status)

    def at_once(self, scope: Mapping[str, Any], body: bytes | None) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a short request, as the application does."""
        spans = _begin(scope)
        with working_on(spans):
            answer = self._app.at_once(scope, body)
        return self._ended(answer, spans)

    def call(
        self,
        headers: Headers,
        by_name: Mapping[bytes, bytes],
        body: bytes,
        peer: str,
        *,
        secure: bool,
        query: bytes | None = None,
    ) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a plain call, as the application does."""
        method, path = ("POST", "/") if query is None else ("GET", _ROLE_CREDENTIALS)
        spans = RequestSpans(headers, http_attributes(method, path=path))
        with working_on(spans):
            answer = self._app.call(headers, by_name, body, peer, secure=secure, query=query)
        return self._ended(answer, spans)

    def _ended(
        self, answer: HttpResponse | Awaitable[HttpResponse], spans: RequestSpans
    ) -> HttpResponse | Awaitable[HttpResponse]:
        if not isinstance(answer, HttpResponse):
            return self._ended_late(answer, spans)
        self._maker.close(spans, answer.status)
        return answer

    async def _ended_late(self, answer: Awaitable[HttpResponse], spans: RequestSpans) -> HttpResponse:
        status = 0
        try:
            with working_on(spans):
                response = await answer
            status = response.status
        finally:
            self._maker.close(spans, status)
        return response


def _begin(scope: Mapping[str, Any]) -> RequestSpans:
    """Return the notes of a request, with the names that its span may have."""
    path = scope["raw_path"].decode("latin-1")
    headers = tuple(scope["headers"])
    if path in {"/", _ROLE_CREDENTIALS}:
        return RequestSpans(headers, http_attributes(scope["method"], path=path))
    first = path[1:].partition("/")[0]
    return RequestSpans(headers, http_attributes(scope["method"], route=f"/{first}" if first in _ROUTES else ""))
