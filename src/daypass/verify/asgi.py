"""An ASGI middleware that lets verified and allowed requests through.

Owns the ASGI messages and the waiting. The rules:

- An application sees a request only if its signature is right, it has a route, and the policies allow it. The caller is
  `scope["daypass.caller"]`.
- A body of at most `buffer` bytes is verified before the application is called. A larger one is passed on as it
  arrives, but its last piece only after the whole body was verified. If it is wrong, the application receives
  http.disconnect.
- WebSocket connections are refused. Lifespan messages pass.
- A header signature can be replayed for 15 minutes, a presigned URL for its X-Amz-Expires: make operations idempotent.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

from daypass.errors import Fault
from daypass.verify.body_check import BodyCheck
from daypass.verify.head import HeadError, RequestHead, build_head
from daypass.verify.keys import NotLoadedError
from daypass.verify.middleware import ServiceMiddleware
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.services.answers import ServiceAnswer, answer_error, answer_fault
from daypass.verify.services.service import (
    CALLER,
    MOST_LOADS,
    TOO_MANY_LOADS,
    RefusedRequestError,
    RequestOrigin,
    body_too_large,
)
from daypass.verify.signature import VerifiedRequest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _ClientGoneError(Exception):
    """The client has closed the connection."""


class AsgiMiddleware(ServiceMiddleware[Application]):
    """Protects an ASGI application.

    The arguments are those of ServiceMiddleware (middleware.py).

    >>> from daypass.verify import Route, RouteTable, StaticKeys
    >>> from daypass.verify.asgi import Middleware
    >>> async def inventory(scope, receive, send): ...
    >>> item = "arn:aws:inventory:us-east-1:111122223333:item/{item}"
    >>> routes = RouteTable([Route("GET", "/items/{item}", "inventory:GetItem", item)])
    >>> app = Middleware(inventory, StaticKeys(), service="inventory", regions=["us-east-1"], routes=routes)
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            head = _head_of(scope)
            verified, body = await self._verify(head, receive)
            connection = RequestOrigin((scope.get("client") or ("",))[0], scope.get("scheme") == "https")
            check = self._rules.prepare(head, verified, self._clock(), connection)
            if check.light:
                check.require_allowed()
            else:
                await asyncio.to_thread(check.require_allowed)
            if body is None:
                body = await self._read_small(head, verified, receive)
        except VerifyError as error:
            await _answer(send, answer_error(error))
        except RefusedRequestError as refused:
            await _answer(send, refused.answer)
        except Fault as fault:
            await _answer(send, answer_fault(fault))
        except _ClientGoneError:
            return
        else:
            inner = {**scope, CALLER: verified.caller}
            if body is None:
                body_check = BodyCheck(verified.payload.value, length=head.content_length)
                streaming = _StreamedBody(body_check, receive, send)
                await self._app(inner, streaming.receive, streaming.send)
            else:
                await self._app(inner, _replayed(body, receive), send)

    async def _verify(self, head: RequestHead, receive: Receive) -> tuple[VerifiedRequest, bytes | None]:
        """Return the verified request, and its body if that was needed for it."""
        try:
            return await self._load_and_verify(head, None), None
        except VerifyError as error:
            if error.reason is not VerifyReason.PAYLOAD_MISSING:
                raise
        # The signer did not send the hash of the body, thus the signature can be verified only with the body.
        if head.content_length is not None and head.content_length > self._buffer:
            raise body_too_large(self._buffer)
        body = await _read(receive, self._buffer)
        if head.content_length is not None and len(body) != head.content_length:
            raise VerifyError(VerifyReason.BODY_LENGTH)
        return await self._load_and_verify(head, sha256(body).hexdigest()), body

    async def _load_and_verify(self, head: RequestHead, body_sha256: str | None) -> VerifiedRequest:
        for _ in range(MOST_LOADS):
            try:
                return self._rules.verify(head, self._clock(), body_sha256)
            except NotLoadedError as missing:
                await asyncio.to_thread(missing.load)
        raise RefusedRequestError(TOO_MANY_LOADS)

    async def _read_small(self, head: RequestHead, verified: VerifiedRequest, receive: Receive) -> bytes | None:
        """Return the verified body, or None if it is too large to be read first."""
        if head.chunked or (head.content_length or 0) > self._buffer:
            return None
        check = BodyCheck(verified.payload.value, length=head.content_length or 0)
        body = await _read(receive, head.content_length or 0)
        return check.feed(body) + check.finish()


Middleware = AsgiMiddleware


class _StreamedBody:
    """Passes a body on, and holds its end back until it was verified."""

    def __init__(self, check: BodyCheck, receive: Receive, send: Send) -> None:
        self._check, self._receive, self._send = check, receive, send
        self._started = self._refused = self._done = False

    async def receive(self) -> Message:
        """Return the next message for the application."""
        while not self._refused and not self._done:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            try:
                data = self._check.feed(message.get("body", b""))
                if not message.get("more_body", False):
                    data += self._check.finish()
                    self._done = True
                    return {"type": "http.request", "body": data, "more_body": False}
            except VerifyError as error:
                await self._refuse(error)
            else:
                if data:
                    return {"type": "http.request", "body": data, "more_body": True}
        return {"type": "http.disconnect"} if self._refused else await self._receive()

    async def send(self, message: Message) -> None:
        """Send a message of the application, unless its request was refused."""
        if not self._refused:
            self._started = True
            await self._send(message)

    async def _refuse(self, error: VerifyError) -> None:
        self._refused = True
        # A response that has begun stays incomplete: the server closes the connection.
        if not self._started:
            await _answer(self._send, answer_error(error))


def _head_of(scope: Scope) -> RequestHead:
    raw_path = scope.get("raw_path")
    if raw_path is None:
        raise RuntimeError("the ASGI server does not provide raw_path, which the signature covers")
    query = scope.get("query_string", b"")
    head = build_head(scope["method"], raw_path + (b"?" + query if query else b""), scope["headers"])
    try:
        agrees = unquote_to_bytes(head.path).decode("utf-8") == scope["path"]
    except UnicodeDecodeError:
        agrees = False
    if not agrees or head.query != query:
        raise HeadError("The path of the request has another meaning for the application.", VerifyReason.TARGET)
    return head


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise body_too_large(limit)
        more = message.get("more_body", False)
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _answer(send: Send, answer: ServiceAnswer) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
