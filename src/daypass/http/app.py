"""The ASGI application: the API at /, and pages for machines beside it.

Owns the steps between the socket and the pipeline: the limits of a body, the client's address, the choice between the
event loop and a worker thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from daypass.begun_calls import BegunCall, find_begun
from daypass.directory.store import WouldBlockError
from daypass.errors import ServiceUnavailable
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.http.asgi_messages import Send, send_answer
from daypass.http.body import BodyReader, BodyTimeoutError, ClientDisconnectedError, Receive, Upload
from daypass.http.connection_limits import ConnectionLimits
from daypass.http.delegation import PREFIX as DELEGATIONS
from daypass.http.delegation import delegation_page
from daypass.http.fetch_slots import FetchSlots
from daypass.http.issuers import PREFIX as ISSUERS
from daypass.http.issuers import IssuerPages
from daypass.http.metrics import Metrics
from daypass.http.node_metrics import exposition
from daypass.http.peer import PeerRule
from daypass.http.plain_calls import ROLE_CREDENTIALS
from daypass.http.request_ids import RequestIds
from daypass.pipeline import Pipeline, StoreView
from daypass.refused_calls import refuse
from daypass.verify.remote_server.protocol import PREFIX as RESOURCE_SERVERS
from daypass.wire.cors import METHODS, answer_options, cross_origin_headers
from daypass.wire.http import Headers, HttpRequest, HttpResponse
from daypass.wire.other_services import find_other_service, refuse_unknown_path, render_not_served
from daypass.wire.peer_network import peer_network

if TYPE_CHECKING:
    from daypass.http.access_log import AccessLog
    from daypass.traces.span_export import Traces

Scope = Mapping[str, Any]
Page = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = Callable[[HttpRequest, str, StoreView], HttpResponse]


class CacheFreshness(Protocol):
    """Whether cached values can be used at once."""

    @property
    def is_fresh(self) -> bool:
        """Return whether they can."""
        ...

    async def wait_until_settled(self) -> None:
        """Wait until they can, or until waiting is of no use. It is bounded."""
        ...


class JsonServices(Protocol):
    """The page of the services with JSON bodies."""

    def serves(self, method: str, path: str) -> bool:
        """Tell whether an operation of a service has this method and path.

        The path is that of the request line, without decoding.
        """
        ...

    def at_once(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a call, or an awaitable of it."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        ...


_MOST_WAITING = 1024
# Larger requests take more than a millisecond to read, hash and parse.
_LIGHT_BYTES = 32_768
_LIGHT_PARAMETERS = 128
_NO_PAGE = b"Page not found. The API is at /.\n"
_PLAIN = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))


@dataclass(slots=True)
class App:
    """Answers every request of one server process.

    `nonblocking` is the store view of the event loop, `blocking` that of a worker thread, and `blocking_first` that
    for a request that the event loop has not tried. `issuers` serves the keys of our web identity tokens, `sso` the
    calls of programs that sign people in, `portal` all other paths. `health` returns "ready", "degraded" while only
    cached values are served, or "unable", and must not block. `is_draining` is set when the server is about to
    stop. LoggedApp writes `access_log`, and TracedApp makes the spans of `traces`. `freshness` is that of the cache of
    `nonblocking`, and `nonblocking_again` is the view of a request that waited for it.
    """

    pipeline: Pipeline
    nonblocking: StoreView
    nonblocking_again: StoreView
    freshness: CacheFreshness
    blocking: StoreView
    blocking_first: StoreView
    issuer_keys: IssuerKeys
    peers: PeerRule
    metrics: Metrics
    workers: ThreadPoolExecutor
    health: Callable[[], str]
    issuers: IssuerPages
    connections: ConnectionLimits
    portal: Page | None = None
    sso: JsonServices | None = None
    resource_servers: Page | None = None
    shows_metrics: bool = True
    access_log: "AccessLog | None" = None
    traces: "Traces | None" = None
    on_start: tuple[Callable[[], None], ...] = ()
    on_stop: tuple[Callable[[], None], ...] = ()
    on_hangup: tuple[Callable[[], None], ...] = ()
    is_draining: bool = False
    _bodies: BodyReader = field(default_factory=BodyReader)
    _request_ids: RequestIds = field(default_factory=RequestIds)
    _waiting: int = 0
    _fetching: FetchSlots = field(default_factory=FetchSlots)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the startup and shutdown of the server."""
        if scope["type"] == "http":
            if scope["path"] == "/":
                await self._api(scope, receive, send)
            else:
                await self._page(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send_answer(send, answer_options(scope["headers"], self._request_ids()))
            return
        try:
            answer = await self._api_answer(scope, receive)
        except ClientDisconnectedError:
            return
        except BodyTimeoutError:
            answer = HttpResponse(408, (*_PLAIN, *cross_origin_headers(scope["headers"])), b"")
        await send_answer(send, answer)

    async def _api_answer(self, scope: Scope, receive: Receive) -> HttpResponse:
        if scope["method"] not in METHODS:
            return await self._whole_answer(scope, b"")  # It is refused, whatever its body is.
        if self._bodies.is_too_large(scope["headers"]):
            return await self._whole_answer(scope, None)  # A client that waits for 100-continue sends no body.
        message = await receive()
        body = self._bodies.whole(message)
        if body is not None:
            return await self._whole_answer(scope, body)
        async with AsyncExitStack() as place:
            upload = Upload(peer_network(self._request(scope, b"").peer), place)
            return await self._whole_answer(scope, await self._bodies.rest(message, receive, scope["headers"], upload))

    async def _whole_answer(self, scope: Scope, body: bytes | None) -> HttpResponse:
        answer = self.at_once(scope, body)
        return answer if isinstance(answer, HttpResponse) else await answer

    def at_once(self, scope: Scope, body: bytes | None) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response, or an awaitable of it if the request must wait.

        A body of None was too large.
        """
        if scope["raw_path"] != b"/":
            return self._page_at_once(self._request(scope, body))
        return self._answer(self._request(scope, body))

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
        """Return the response to a plain call (plain_calls.py), as `at_once` does.

        `peer` and `secure` describe the connection. `query` is that of a GET of GetRoleCredentials.
        """
        if not self.peers.trusts_nobody:
            peer, secure = self.peers.resolve(peer, secure=secure, headers=headers)
        if query is not None:
            return self._page_at_once(
                HttpRequest("GET", ROLE_CREDENTIALS, query, headers, b"", peer, secure, False, by_name, monotonic())  # noqa: FBT003 - positional: see below
            )
        return self._answer(HttpRequest("POST", b"/", b"", headers, body, peer, secure, False, by_name, monotonic()))  # noqa: FBT003 - positional: this constructor is the most frequent one

    def _answer(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        request_id = self._request_ids()
        if len(request.body) + len(request.query) > _LIGHT_PARAMETERS and _is_large(request):
            return self._answer_waiting(request, request_id, self.blocking_first)
        try:
            return self.pipeline.answer(request, request_id, self.nonblocking)
        except WouldBlockError as stop:
            if self.freshness.is_fresh:
                return self._answer_waiting(request, request_id, self.blocking, find_begun(stop))
            return self._answer_when_fresh(request, request_id)
        except KeysNeededError as needed:
            return self._answer_with_keys(needed, request, request_id)

    def _page_at_once(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        other = self._find_other_service(request)
        if other is not None:
            return other
        if self.sso is None:
            return HttpResponse(404, _PLAIN, _NO_PAGE)
        return self.sso.at_once(request)

    async def _answer_when_fresh(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """Wait for the cache without a thread, so that many requests can, and then answer."""
        if self._waiting >= _MOST_WAITING:
            return _refuse_busy(request, request_id)
        self._waiting += 1
        try:
            await self.freshness.wait_until_settled()
        finally:
            self._waiting -= 1
        try:
            return self.pipeline.answer(request, request_id, self.nonblocking_again)
        except WouldBlockError as stop:
            begun = find_begun(stop)
        except KeysNeededError as needed:
            return await self._answer_with_keys(needed, request, request_id)
        return await self._answer_waiting(request, request_id, self.blocking, begun)

    async def _answer_waiting(
        self, request: HttpRequest, request_id: str, store_view: StoreView, begun: BegunCall | None = None
    ) -> HttpResponse:
        answer: Answer = self.pipeline.answer if begun is None else partial(self.pipeline.answer, begun=begun)
        try:
            return await self._answer_cold(answer, request, request_id, store_view)
        except KeysNeededError as needed:
            return await self._answer_with_keys(needed, request, request_id)

    async def _answer_with_keys(self, needed: KeysNeededError, request: HttpRequest, request_id: str) -> HttpResponse:
        # On the event loop: a silent issuer must not occupy a worker thread.
        account = needed.provider.account
        if self._fetching.take(account, request):
            try:
                await self.issuer_keys.fetch(needed.provider)
            finally:
                self._fetching.give_back(account, request)
        return await self._answer_cold(self.pipeline.answer_at_last, request, request_id, self.blocking)

    async def _answer_cold(
        self, answer: Answer, request: HttpRequest, request_id: str, store_view: StoreView
    ) -> HttpResponse:
        if self._waiting >= _MOST_WAITING:
            return _refuse_busy(request, request_id)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.workers, answer, request, request_id, store_view)
        finally:
            self._waiting -= 1

    def _request(self, scope: Scope, body: bytes | None) -> HttpRequest:
        headers = scope["headers"]
        client = scope["client"]
        peer, secure = client[0] if client else "", scope["scheme"] == "https"
        if not self.peers.trusts_nobody:
            peer, secure = self.peers.resolve(peer, secure=secure, headers=headers)
        return HttpRequest(
            scope["method"],
            scope["raw_path"],
            scope["query_string"],
            tuple(headers),
            body or b"",
            peer,
            secure,
            body is None,
            began=monotonic(),
        )

    def client_of(self, scope: Scope) -> str:
        """Return the client's own address, resolved by PeerRule."""
        client = scope["client"]
        peer = client[0] if client else ""
        return self.peers.resolve(peer, secure=False, headers=scope["headers"])[0]

    def _vetted(self, scope: Scope) -> Scope:
        """Return a scope with the client's own address, resolved by PeerRule."""
        if self.peers.trusts_nobody:
            return scope
        request = self._request(scope, b"")
        return {**scope, "client": (request.peer, 0), "scheme": "https" if request.secure else "http"}

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        other = self._find_other_service(self._request(scope, b""))
        if other is not None:
            await send_answer(send, other)
        elif path == "/healthz" and method in {"GET", "HEAD"}:
            await send_answer(send, HttpResponse(200, _PLAIN, b"ok\n"))
        elif path == "/readyz" and method in {"GET", "HEAD"}:
            await send_answer(send, self._readiness())
        elif path == "/metrics" and method == "GET" and self.shows_metrics:
            await send_answer(send, HttpResponse(200, _PLAIN, exposition(self.metrics)))
        elif path.startswith(ISSUERS) and method in {"GET", "HEAD"}:
            await send_answer(send, await self.issuers.answer(path, self._request(scope, b"").peer))
        elif path.startswith(DELEGATIONS) and method in {"GET", "HEAD"}:
            await send_answer(send, delegation_page(path))
        elif path.startswith(RESOURCE_SERVERS) and self.resource_servers is not None:
            await self.resource_servers(self._vetted(scope), receive, send)
        elif self.sso is not None and self.sso.serves(method, scope["raw_path"].decode("latin-1")):
            await self.sso(self._vetted(scope), receive, send)
        elif self.portal is not None:
            await self.portal(self._vetted(scope), receive, send)
        else:
            unknown = refuse_unknown_path(self._request(scope, b""), self._request_ids())
            await send_answer(send, unknown or HttpResponse(404, _PLAIN, _NO_PAGE))

    def _find_other_service(self, request: HttpRequest) -> HttpResponse | None:
        """Return the refusal of a request for a path of another service.

        It does not look at the body: it may be a large upload, which is not read.
        """
        refusal = find_other_service(request)
        return None if refusal is None else render_not_served(refusal, request, self._request_ids())

    def state(self) -> str:
        """Return "draining" while the server is about to stop, else its health."""
        return "draining" if self.is_draining else self.health()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a worker thread or the cache."""
        return self._waiting

    @property
    def waiting_uploads(self) -> int:
        """The number of large bodies that wait for a place in memory."""
        return self._bodies.waiting

    def _readiness(self) -> HttpResponse:
        health = self.state()
        is_ready = health in {"ready", "degraded"}
        if not is_ready and not self.is_draining:
            health = "not ready"
        return HttpResponse(200 if is_ready else 503, _PLAIN, f"{health}\n".encode())

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                for start in self.on_start:
                    start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.issuer_keys.close()
                for stop in self.on_stop:
                    stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _refuse_busy(request: HttpRequest, request_id: str) -> HttpResponse:
    """Return the refusal of a request when too many others wait."""
    fault = ServiceUnavailable("The server is busy. Try again.", detail="too many requests wait")
    return refuse(fault, request, request_id)


def _is_large(request: HttpRequest) -> bool:
    """Return whether a request is too large to parse on the event loop."""
    body, query = request.body, request.query
    return len(body) + len(query) > _LIGHT_BYTES or body.count(b"&") + query.count(b"&") > _LIGHT_PARAMETERS
