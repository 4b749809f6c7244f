"""The middlewares, called with messages that a client cannot send through every server.

A server in front, or a proxy, may have another idea of a request than the signature. test_middlewares.py has the rules
on real servers.
"""

import asyncio
import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.verify.inventory import ROUTES
from tests.verify.signing import KEY_ID, NOW, SECRET, Signing, make_keys

from daypass.verify import StaticKeys, asgi, static_caller, wsgi
from daypass.verify.head import RequestHead

BUFFER = 10
PATH = "/items/42"
_TERMINATED: dict[str, Any] = {"wsgi.input_terminated": True}
_CONDITION = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
  "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.1"}}}}"""


def signed(
    body: bytes = b"", *, method: str = "GET", path: str = PATH, query: str = "", named: bool = False, **headers: str
) -> RequestHead:
    """Return a signed head. `named` states the hash of the body in x-amz-content-sha256."""
    digest = hashlib.sha256(body).hexdigest()
    if named:
        headers["x-amz-content-sha256"] = digest
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    return Signing(
        method=method, path=path, query=query, headers=lines, payload=digest, service="inventory", plain=True
    ).by_header()


class _Application:
    """An application that reads its body, and then answers 200 in any case."""

    def __init__(self) -> None:
        self.calls = 0
        self.read = 0
        """The number of messages or reads of the client's body."""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI's signature
        self.calls += 1
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        self.calls += 1
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [b"{}"]


def answer_of_asgi(
    head: RequestHead,
    pieces: Sequence[bytes] = (b"",),
    keys: StaticKeys | None = None,
    context: Any = None,
    **more: Any,
) -> tuple[str, _Application]:
    """Return the status with the type of the refusal, and the application. `more` replaces parts of the scope."""
    application, sent = _Application(), list[Any]()
    waiting = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces)} for at, piece in enumerate(pieces, 1)
    ]

    async def receive() -> Any:
        application.read += 1
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = asgi.Middleware(
        application.asgi,
        keys or make_keys(),
        service="inventory",
        regions=["us-east-1"],
        routes=ROUTES,
        context=context,
        buffer=BUFFER,
        clock=lambda: NOW,
    )
    scope = {
        "type": "http",
        "method": head.method,
        "path": head.path.decode(),
        "raw_path": head.path,
        "query_string": head.query,
        "headers": list(head.headers.items()),
        "client": ("192.0.2.1", 1),
        "scheme": "http",
    }
    asyncio.run(app({**scope, **more}, receive, send))
    starts = [message["status"] for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1, sent
    return f"{starts[0]} {json.loads(sent[-1]['body']).get('__type', '')}".strip(), application


class _CountedInput(io.BytesIO):
    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def answer_of_wsgi(
    head: RequestHead, pieces: Sequence[bytes] = (), keys: StaticKeys | None = None, context: Any = None, **more: Any
) -> tuple[str, _Application]:
    """Return the status with the type of the refusal, and the application. `more` replaces parts of the environment."""
    application, statuses = _Application(), list[str]()
    app = wsgi.Middleware(
        application.wsgi,
        keys or make_keys(),
        service="inventory",
        regions=["us-east-1"],
        routes=ROUTES,
        context=context,
        buffer=BUFFER,
        clock=lambda: NOW,
    )
    body = _CountedInput(b"".join(pieces))
    headers = {
        f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in head.headers.items()
    }
    environ = {
        "REQUEST_METHOD": head.method,
        "PATH_INFO": head.path.decode(),
        "QUERY_STRING": head.query.decode(),
        "REQUEST_URI": head.target.decode(),
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_LENGTH": headers.pop("HTTP_CONTENT_LENGTH", ""),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        **headers,
    }

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    answer = app({**environ, **more}, start_response)
    document = json.loads(b"".join(answer))
    application.read = body.reads
    return f"{statuses[-1][:3]} {document.get('__type', '')}".strip(), application


def refused_by_both(expected: str, head: RequestHead, pieces: Sequence[bytes] = (b"",), **more: Any) -> None:
    """Assert that both middlewares refuse the request before the application sees it."""
    for answer_of in (answer_of_asgi, answer_of_wsgi):
        answer, application = answer_of(head, pieces, **more)
        assert (answer, application.calls) == (expected, 0), answer_of


def test_the_messages_of_a_right_request_pass() -> None:
    """The other tests of this module change one thing each."""
    head = signed(b"{}", method="PUT", content_length="2")
    for answer_of in (answer_of_asgi, answer_of_wsgi):
        answer, application = answer_of(head, [b"{}"])
        assert (answer, application.calls) == ("200", 1)


def test_the_path_of_the_application_is_the_signed_one() -> None:
    """A server that maps /items/42 to another path would let the wrong item be changed."""
    assert answer_of_asgi(signed(), path="/items/43")[0] == "400 MalformedHttpRequestException"
    assert answer_of_wsgi(signed(), PATH_INFO="/items/43")[0] == "400 MalformedHttpRequestException"


def test_the_query_of_the_application_is_the_signed_one() -> None:
    """A server that splits the target in another place has another query."""
    head = signed(query="color=red")
    assert answer_of_asgi(head, raw_path=head.target, query_string=b"")[0] == "400 MalformedHttpRequestException"
    assert answer_of_wsgi(head, QUERY_STRING="color=blue")[0] == "400 MalformedHttpRequestException"
    assert answer_of_wsgi(signed(), QUERY_STRING="color=blue")[0] == "400 MalformedHttpRequestException"


def test_a_path_that_is_not_utf_8_is_refused() -> None:
    """The application would have a replacement character."""
    head = signed(path="/items/%FF")
    assert answer_of_asgi(head, path="/items/\ufffd")[0] == "400 MalformedHttpRequestException"


def test_an_asgi_server_must_provide_the_path_as_sent() -> None:
    """It is an error of the installation, not of the client."""
    with pytest.raises(RuntimeError, match="raw_path"):
        answer_of_asgi(signed(), raw_path=None)


@pytest.mark.parametrize("named", [False, True])
def test_a_body_has_the_announced_length(*, named: bool) -> None:
    """A connection that was cut ends a body early, although what came was signed."""
    head = signed(b"{}", method="PUT", named=named, content_length="3")
    refused_by_both("400 IncompleteBodyException", head, [b"{}"])


def test_a_large_body_without_a_hash_is_refused_before_it_is_read() -> None:
    """The announced length is enough to refuse it."""
    body = b"x" * (BUFFER + 1)
    head = signed(body, method="PUT", content_length=str(len(body)))
    for answer_of in (answer_of_asgi, answer_of_wsgi):
        answer, application = answer_of(head, [body])
        assert (answer, application.read) == ("413 RequestEntityTooLargeException", 0)


def test_a_chunked_body_without_a_hash_has_a_limit() -> None:
    """Its length is not announced, and its signature is known at its end only."""
    body = b"x" * (BUFFER + 1)
    head = signed(body, method="PUT", transfer_encoding="chunked")
    refused = "413 RequestEntityTooLargeException"
    assert answer_of_asgi(head, [body[:BUFFER], body[BUFFER:]])[0] == refused
    assert answer_of_wsgi(head, [body], **_TERMINATED)[0] == refused


def test_a_chunked_body_needs_a_wsgi_server_that_ends_it() -> None:
    """Other servers leave the framing of the chunks in the body, or wait for ever."""
    head = signed(b"{}", method="PUT", named=True, transfer_encoding="chunked")
    assert answer_of_wsgi(head, [b"{}"], **_TERMINATED)[0] == "200"
    assert answer_of_wsgi(head, [b"{}"])[0] == "400 MalformedHttpRequestException"


def test_an_application_cannot_answer_after_its_body_was_refused() -> None:
    """The client gets the refusal, also if the application ignores http.disconnect."""
    body = b"x" * (BUFFER + 1)
    head = signed(body, method="PUT", named=True, content_length=str(len(body)))
    changed = [b"y" * BUFFER, b"x"]
    for answer_of in (answer_of_asgi, answer_of_wsgi):
        answer, application = answer_of(head, changed)
        assert (answer, application.calls) == ("403 InvalidSignatureException", 1)


def test_the_service_cannot_replace_the_address_of_the_client() -> None:
    """A hook that copies headers into condition keys does not override those of the connection."""
    keys = StaticKeys()
    keys.add(static_caller("111122223333", "alice", _CONDITION, access_key_id=KEY_ID), secret=SECRET)
    for key in ("aws:sourceip", "aws:SourceIp"):
        hook: Any = lambda _head, _caller, key=key: {key: "10.0.0.1"}  # noqa: E731 - one line
        refused_by_both("403 AccessDeniedException", signed(), keys=keys, context=hook)
    assert answer_of_asgi(signed(), keys=keys, client=("10.0.0.1", 1))[0] == "200"
    assert answer_of_wsgi(signed(), keys=keys, REMOTE_ADDR="10.0.0.1")[0] == "200"


def test_regions_are_a_list() -> None:
    """The letters of one string would each be a region."""
    for middleware in (asgi.Middleware, wsgi.Middleware):
        with pytest.raises(TypeError, match="list of region names"):
            middleware(_Application().wsgi, StaticKeys(), service="inventory", regions="us-east-1", routes=ROUTES)  # type: ignore[arg-type]
