"""A WSGI middleware that lets verified and allowed requests through.

Owns the WSGI environment and the waiting. The rules are those of the ASGI middleware (asgi.py), with these differences:

- The caller is `environ["daypass.caller"]`.
- If a large body is wrong, the application's read raises VerifyError, and the client gets the refusal in place of the
  application's response.
- A server that does not provide the target as sent (REQUEST_URI or RAW_URI), such as wsgiref, decodes the path. Then a
  path that was not sent in the usual encoding does not verify.
- A chunked body needs a server that sets `wsgi.input_terminated`.
"""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

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

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_PIECE = 65_536
_PHRASES = {400: "Bad Request", 403: "Forbidden", 413: "Content Too Large", 417: "Expectation Failed"}


class WsgiMiddleware(ServiceMiddleware["WSGIApplication"]):
    """Protects a WSGI application.

    The arguments are those of ServiceMiddleware (middleware.py).

    >>> from daypass.verify import Route, RouteTable, StaticKeys
    >>> from daypass.verify.wsgi import Middleware
    >>> def inventory(environ, start_response): ...
    >>> item = "arn:aws:inventory:us-east-1:111122223333:item/{item}"
    >>> routes = RouteTable([Route("GET", "/items/{item}", "inventory:GetItem", item)])
    >>> app = Middleware(inventory, StaticKeys(), service="inventory", regions=["us-east-1"], routes=routes)
    """

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request, or let it through."""
        try:
            head = _head_of(environ)
            verified, body = self._verify(head, environ)
            connection = RequestOrigin(environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"] == "https")
            self._rules.prepare(head, verified, self._clock(), connection).require_allowed()
            if body is None:
                body = self._read_small(head, verified, environ)
        except VerifyError as error:
            return _answer(environ, start_response, answer_error(error))
        except RefusedRequestError as refused:
            return _answer(environ, start_response, refused.answer)
        except Fault as fault:
            return _answer(environ, start_response, answer_fault(fault))
        inner = {**environ, CALLER: verified.caller}
        if body is not None:
            return self._app({**inner, "wsgi.input": io.BytesIO(body)}, start_response)
        check = BodyCheck(verified.payload.value, length=head.content_length)
        verifying = _VerifyingInput(check, _pieces(environ, head.content_length))
        inner["wsgi.input"] = io.BufferedReader(verifying, _PIECE)
        return _serve_large(self._app, inner, start_response, verifying)

    def _verify(self, head: RequestHead, environ: "WSGIEnvironment") -> tuple[VerifiedRequest, bytes | None]:
        """Return the verified request, and its body if that was needed for it."""
        try:
            return self._load_and_verify(head, None), None
        except VerifyError as error:
            if error.reason is not VerifyReason.PAYLOAD_MISSING:
                raise
        # The signer did not send the hash of the body, thus the signature can be verified only with the body.
        if head.content_length is not None and head.content_length > self._buffer:
            raise body_too_large(self._buffer)
        body = _read(environ, head.content_length, self._buffer)
        return self._load_and_verify(head, sha256(body).hexdigest()), body

    def _load_and_verify(self, head: RequestHead, body_sha256: str | None) -> VerifiedRequest:
        for _ in range(MOST_LOADS):
            try:
                return self._rules.verify(head, self._clock(), body_sha256)
            except NotLoadedError as missing:
                missing.load()
        raise RefusedRequestError(TOO_MANY_LOADS)

    def _read_small(self, head: RequestHead, verified: VerifiedRequest, environ: "WSGIEnvironment") -> bytes | None:
        """Return the verified body, or None if it is too large to be read first."""
        if head.chunked or (head.content_length or 0) > self._buffer:
            return None
        length = head.content_length or 0
        check = BodyCheck(verified.payload.value, length=length)
        return check.feed(_read(environ, length, length)) + check.finish()


Middleware = WsgiMiddleware


class _VerifyingInput(io.RawIOBase):
    """A body that holds its end back until it was verified.

    A read of a wrong body raises VerifyError.
    """

    def __init__(self, check: BodyCheck, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._check, self._pieces = check, pieces
        self._ready = memoryview(b"")
        self._done = False
        self.refused: VerifyError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            while not self._ready and not self._done:
                self._ready = memoryview(self._next())
        except VerifyError as error:
            self.refused = error
            raise
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next(self) -> bytes:
        for piece in self._pieces:
            return self._check.feed(piece)
        end = self._check.finish()
        self._done = True
        return end


def _serve_large(
    app: "WSGIApplication", environ: "WSGIEnvironment", start_response: "StartResponse", body: _VerifyingInput
) -> Iterator[bytes]:
    """Call the application, and replace its response if the body is wrong."""
    started = False
    response: Iterable[bytes] = ()

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        nonlocal started
        if body.refused is not None:
            return lambda _: None
        started = True
        return start_response(status, headers, exc_info)

    try:
        try:
            response = app(environ, start)
            for piece in response:
                if body.refused is not None:
                    break
                yield piece
        except VerifyError:
            if body.refused is None:
                raise
        if body.refused is not None:
            exc_info = (VerifyError, body.refused, body.refused.__traceback__) if started else None
            # A server that has sent the head already raises here, and closes the connection.
            yield from _answer(environ, start_response, answer_error(body.refused), exc_info)
    finally:
        close = getattr(response, "close", None)
        if close is not None:
            close()


def _head_of(environ: "WSGIEnvironment") -> RequestHead:
    decoded = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw is None:
        target = quote_from_bytes(decoded, "/-_.~!$&'()*+,;=:@").encode() + (b"?" + query if query else b"")
    else:
        target = raw.encode("latin-1")
    head = build_head(environ["REQUEST_METHOD"], target, list(_headers_of(environ)))
    if unquote_to_bytes(head.path) != decoded or head.query != query:
        raise HeadError("The path of the request has another meaning for the application.", VerifyReason.TARGET)
    if head.chunked and not environ.get("wsgi.input_terminated"):
        raise HeadError("This server needs a Content-Length.")
    return head


def _headers_of(environ: "WSGIEnvironment") -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1")
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").lower().encode(), value.encode("latin-1")


def _pieces(environ: "WSGIEnvironment", length: int | None) -> Iterator[bytes]:
    """Yield the pieces of the body, at most `length` bytes. Servers may wait for more than was announced."""
    left = sys.maxsize if length is None else length
    while left:
        piece = environ["wsgi.input"].read(min(_PIECE, left))
        if not piece:
            return
        left -= len(piece)
        yield piece


def _read(environ: "WSGIEnvironment", length: int | None, limit: int) -> bytes:
    body = bytearray()
    for piece in _pieces(environ, length):
        body += piece
        if len(body) > limit:
            raise body_too_large(limit)
    if length is not None and len(body) != length:
        raise VerifyError(VerifyReason.BODY_LENGTH)
    return bytes(body)


def _answer(
    environ: "WSGIEnvironment", start_response: "StartResponse", answer: ServiceAnswer, exc_info: Any = None
) -> list[bytes]:
    status = f"{answer.status} {_PHRASES.get(answer.status, answer.type)}"
    start_response(status, list(answer.headers), exc_info)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]
