"""The ASGI page below /resource-server/v1.

Owns reading the body, the choice of a thread, and waiting for changes. A request for changes waits on the event loop,
so that a thousand waiting resource servers do not occupy a thread each.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec

from daypass.directory.changes import NOWHERE, Changes, Position
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.errors import Fault, ServiceUnavailable, ValidationError
from daypass.http.asgi_messages import Send, send_answer
from daypass.http.request_ids import RequestIds
from daypass.resource_server.known_positions import KnownPositions
from daypass.resource_server.service import ResourceServers, encode, refused, understands_nonces
from daypass.resource_server.snapshot import invalidated_names
from daypass.storage.cache import CacheProgress, StoreCache
from daypass.verify.remote_server.protocol import (
    BUCKET_CHANGES_PATH,
    CHANGES_PATH,
    DOCUMENTS_PATH,
    FACTS_PATH,
    KEYS_PATH,
    ChangesAnswer,
)
from daypass.wire.http import HttpRequest, HttpResponse

Receive = Callable[[], Awaitable[Any]]
Scope = Mapping[str, Any]

_LARGEST = 131_072  # bytes: a thousand names of buckets, or a policy and a token of 20 KB each
_PATIENCE = 10.0  # seconds for the body to arrive
_LONGEST_WAIT = 25.0  # seconds
_STEP = 0.05  # seconds between two looks at the counter of changes
_OLDEST = 3.0  # seconds since the last word from the database, beyond which "no change" is not said
_MOST_NAMES = 2_000  # and nonces
_LONGEST_NONCE = 64  # characters; longer ones are cut, and differ from every nonce
_MOST_WAITING = 2_048
_POSTS = frozenset({KEYS_PATH, FACTS_PATH, BUCKET_CHANGES_PATH})
_PLAIN = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))
_MISSING = HttpResponse(404, _PLAIN, b"Page not found.\n")
_NEXT = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


@dataclass(slots=True)
class ResourceServerPage:
    """Serves the paths below /resource-server/v1."""

    service: ResourceServers
    cache: StoreCache
    workers: ThreadPoolExecutor
    request_ids: RequestIds = field(default_factory=RequestIds)
    _waiting: int = 0
    _positions: KnownPositions = field(default_factory=KnownPositions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send_answer(send, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> HttpResponse:
        path, method = scope["path"], scope["method"]
        is_document = path.startswith(DOCUMENTS_PATH)
        is_get = path == CHANGES_PATH or is_document
        if method != ("GET" if is_get else "POST") or not (is_get or path in _POSTS):
            return _MISSING
        body = await _read(receive)
        if body is None:
            return HttpResponse(413, _PLAIN, b"The body is too large, too slow or incomplete.\n")
        client = scope["client"]
        request = HttpRequest(
            method,
            scope["raw_path"],
            scope["query_string"],
            tuple(scope["headers"]),
            body,
            client[0] if client else "",
            scope["scheme"] == "https",
        )
        if path == CHANGES_PATH:
            return await self._changes(request)
        answer: HttpResponse = await self._run(self.service.answer, request, self.request_ids())
        return answer

    async def _changes(self, request: HttpRequest) -> HttpResponse:
        asked = time.monotonic()
        if self._waiting >= _MOST_WAITING:
            return refused(ServiceUnavailable("The server is busy. Try again."))
        self._waiting += 1
        try:
            if not await self._run(self.service.is_in_use):
                return _MISSING
            server, _ = await self._run(self.service.identify, request)
            return await self._wait(server, _terms(request), asked)
        except Fault as fault:
            return refused(fault)
        finally:
            self._waiting -= 1

    async def _wait(self, server: ResourceServer, terms: "_FeedTerms", asked: float) -> HttpResponse:
        while True:
            answer, is_new = await self._next(server, terms, asked)
            is_over = time.monotonic() - asked >= terms.wait
            # An ambiguous number stays the newest one until the next write: without the wait, a resource server would
            # start anew as often as the network allows.
            is_ambiguous = not terms.nonce and self._positions.is_ambiguous(terms.after)
            if is_over or (is_new and not is_ambiguous):
                return HttpResponse(200, _NEXT, encode(answer))
            await asyncio.sleep(_STEP)

    async def _next(self, server: ResourceServer, terms: "_FeedTerms", asked: float) -> tuple[ChangesAnswer, bool]:
        """Return the changes after a position, and whether there are any."""
        progress = self.cache.progress()
        if progress.is_overtaken:
            await self._run(self.cache.poll)
            progress = self.cache.progress()
        heard_at = self._heard_at(progress)
        self._positions.note(progress.position)
        position = Position(terms.after, terms.nonce) if terms.nonce else self._positions.find(terms.after)
        changes: Changes | None = Changes(position, frozenset())
        if progress.position != position:
            changes = await self._run(self.service.source.store.changes_since, position)
        if changes is None and position != NOWHERE:
            # The history lacks this position. The cache may not have noticed yet: its own may be of the lost history.
            await self._run(self.cache.poll)
            progress = self.cache.progress()
            heard_at = self._heard_at(progress)
        newest = progress.position if changes is None else changes.position
        self._positions.note(newest)
        names = frozenset[str]() if changes is None else invalidated_names(changes, server)
        reset = changes is None or max(len(names), len(changes.nonces)) > _MOST_NAMES
        nonces = () if reset or changes is None else tuple(nonce.hex() for nonce in changes.nonces)
        answer = ChangesAnswer(
            revision=newest.number,
            waited=time.monotonic() - asked,
            age=time.monotonic() - heard_at,
            invalidated=frozenset() if reset else names,
            reset=reset,
            nonces=(nonces or (newest.nonce.hex(),)) if terms.understands_nonces else msgspec.UNSET,
        )
        return answer, newest != position

    def _heard_at(self, progress: CacheProgress) -> float:
        """Return the time at which the server asked its database for this progress.

        Raises ServiceUnavailable if that is too long ago: then "no change" could be wrong.
        """
        if progress.age > _OLDEST or self.cache.is_away:
            raise ServiceUnavailable("This server has lost its database.", detail=f"no word for {progress.age:.1f} s")
        return time.monotonic() - progress.age

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.workers, function, *args)


@dataclass(frozen=True, slots=True)
class _FeedTerms:
    """The position after which a resource server asks for changes, and the seconds to wait.

    An earlier resource server does not send a nonce.
    """

    after: int
    nonce: bytes
    wait: float
    understands_nonces: bool


def _terms(request: HttpRequest) -> _FeedTerms:
    """Return the terms of a request for changes. Raises ValidationError."""
    found = parse_qs(request.query.decode("latin-1"))
    try:
        after, wait = int(found.get("after", ["-1"])[0]), float(found.get("wait", ["0"])[0])
        nonce = bytes.fromhex(found.get("nonce", [""])[0][:_LONGEST_NONCE])
    except ValueError as error:
        raise ValidationError("after must be a revision, nonce hexadecimal, and wait a number of seconds.") from error
    if not 0 <= wait <= _LONGEST_WAIT or not -1 <= after < 2**63:
        raise ValidationError(f"wait must be between 0 and {_LONGEST_WAIT:.0f} seconds, and after a revision.")
    return _FeedTerms(after, nonce, wait, understands_nonces(request))


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or None if it is too large, too slow or incomplete."""
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > _LARGEST:
                    return None
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return None
