"""Services of one's own on real servers (uvicorn, wsgiref), called with botocore's own signer over a socket."""

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.sockets import connect
from tests.verify.inventory import (
    BUFFER,
    KEY_ID,
    ROUTES,
    RUNNING,
    SECRET,
    SESSION_KEY_ID,
    TOKEN,
    Inventory,
    make_keys,
)

from daypass.errors import Throttling
from daypass.verify import KeyClaim, KeyGrant, NotLoadedError, StaticKeys
from daypass.verify.asgi import Middleware

LONG_TERM = Credentials(KEY_ID, SECRET)
SESSION = Credentials(SESSION_KEY_ID, SECRET, TOKEN)
LARGE = b"0123456789abcdef" * 20_000


@pytest.fixture(scope="module", params=[*RUNNING])
def service(request: pytest.FixtureRequest) -> Iterator[Inventory]:
    """Run the service on each of the two kinds of servers."""
    with RUNNING[request.param](make_keys()) as running:
        yield running


@pytest.fixture
def inventory(service: Inventory) -> Inventory:
    """Return the running service, which has not seen a request of this test."""
    service.calls, service.whole, service.pieces = 0, 0, []
    return service


def signed(
    inventory: Inventory,
    method: str = "GET",
    path: str = "/items/42",
    body: bytes = b"",
    *,
    credentials: Credentials = LONG_TERM,
    service: str = "inventory",
    headers: dict[str, str] | None = None,
    name_hash: bool = False,
) -> bytes:
    """Return the bytes of a request that botocore has signed."""
    request = AWSRequest(method, inventory.url + path, headers or {}, body)
    if body or method in ("PUT", "POST"):
        request.headers["Content-Length"] = str(len(body))
    if name_hash:
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    return raw(inventory, method, path, dict(request.headers.items())) + body


def presigned(
    inventory: Inventory, path: str = "/items/42", expires: int = 60, credentials: Credentials = LONG_TERM
) -> str:
    """Return the target of a presigned URL of botocore."""
    request = AWSRequest("GET", inventory.url + path)
    SigV4QueryAuth(credentials, "inventory", "us-east-1", expires=expires).add_auth(request)
    return str(request.url).removeprefix(inventory.url)


def raw(inventory: Inventory, method: str, target: str, headers: dict[str, str]) -> bytes:
    """Return the bytes of a head."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {inventory.url.removeprefix('http://')}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "host"]
    return ("\r\n".join(lines) + "\r\nConnection: close\r\n\r\n").encode("latin-1")


def send(inventory: Inventory, request: bytes, *, cut: bool = False) -> tuple[int, dict[str, Any]]:
    """Send the bytes, and return the status and the JSON document of the response.

    If `cut`, the client ends its side of the connection after the bytes.
    """
    with connect(inventory.url) as connection:
        connection.sendall(request)
        if cut:
            connection.shutdown(socket.SHUT_WR)
        return read(connection)


def read(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON document of a response."""
    received = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]) if head else 0, json.loads(body) if body.startswith(b"{") else {}


def refused(inventory: Inventory, request: bytes) -> str:
    """Return the type and the message of a refusal; the application did not see the request."""
    before = inventory.calls
    status, document = send(inventory, request)
    assert inventory.calls == before
    assert status >= 400, document
    return f"{status} {document['__type']}: {document['message']}"


# Let through ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [LONG_TERM, SESSION])
@pytest.mark.parametrize("path", ["/items/42", "/items/a%20b", "/items/42?color=blue&color=red&q=a%2Fb%2Bc"])
def test_a_signed_request_reaches_the_application(inventory: Inventory, credentials: Credentials, path: str) -> None:
    """The application knows the caller."""
    status, document = send(inventory, signed(inventory, path=path, credentials=credentials))
    assert (status, document["caller"]) == (200, "arn:aws:iam::111122223333:user/alice")


@pytest.mark.parametrize("credentials", [LONG_TERM, SESSION])
def test_a_presigned_url_reaches_the_application(inventory: Inventory, credentials: Credentials) -> None:
    """No header is needed."""
    status, document = send(inventory, raw(inventory, "GET", presigned(inventory, credentials=credentials), {}))
    assert (status, document["caller"]) == (200, "arn:aws:iam::111122223333:user/alice")


@pytest.mark.parametrize(
    ("body", "name_hash"), [(b"", False), (b"{}", False), (b"x" * BUFFER, False), (b"{}", True), (LARGE, True)]
)
def test_a_body_reaches_the_application(inventory: Inventory, body: bytes, *, name_hash: bool) -> None:
    """Whole and unchanged, with and without x-amz-content-sha256."""
    status, document = send(inventory, signed(inventory, "PUT", body=body, name_hash=name_hash))
    assert (status, document["sha256"]) == (200, hashlib.sha256(body).hexdigest())


def test_a_chunked_body_reaches_an_asgi_application() -> None:
    """Its hash is named, so that it is verified while it streams."""
    with RUNNING["asgi"](make_keys()) as inventory:
        body = b"5\r\nhello\r\n0\r\n\r\n"
        digest = hashlib.sha256(b"hello").hexdigest()
        for value, expected in ((digest, 200), (hashlib.sha256(b"other").hexdigest(), 403)):
            headers = {"Transfer-Encoding": "chunked", "X-Amz-Content-SHA256": value}
            request = AWSRequest("PUT", inventory.url + "/items/42", headers)
            SigV4Auth(LONG_TERM, "inventory", "us-east-1").add_auth(request)
            assert (
                send(inventory, raw(inventory, "PUT", "/items/42", dict(request.headers.items())) + body)[0] == expected
            )
        assert inventory.whole == 1


def test_an_unusual_spelling_of_a_path_needs_the_target_as_sent(
    inventory: Inventory, request: pytest.FixtureRequest
) -> None:
    """A signature covers the spelling. A server that decodes the path first cannot verify it, and refuses."""
    path = "/items/%34%32"
    status, _ = send(inventory, signed(inventory, path=path))
    assert status == (403 if "wsgi]" in request.node.name else 200)
    for other in ("/items/42", "/items/%342", "/items/4%32"):
        changed = signed(inventory, path=path).replace(path.encode(), other.encode(), 1)
        assert refused(inventory, changed).startswith("403 InvalidSignatureException")


# Refused ----------------------------------------------------------------------------------------------------


def test_an_unsigned_request_is_refused(inventory: Inventory) -> None:
    """The words say how to sign."""
    assert refused(inventory, raw(inventory, "GET", "/items/42", {})) == (
        "403 MissingAuthenticationTokenException: The request is not signed. Sign the request with Signature Version 4 "
        "(AWS4-HMAC-SHA256)."
    )


def test_a_request_without_a_route_is_refused(inventory: Inventory) -> None:
    """Another method, another path, and a path below a route: 403, although the policy allows everything."""
    for method, path in (("PATCH", "/items/42"), ("GET", "/"), ("GET", "/items/42/x"), ("GET", "/itemsx")):
        words = refused(inventory, signed(inventory, method, path))
        assert words.startswith(f"403 AccessDeniedException: The service has no operation for {method}")


def test_a_denied_request_is_refused(inventory: Inventory) -> None:
    """In AWS's words, with the reason. Conditions on the connection work."""
    words = refused(inventory, signed(inventory, path="/items/secret1"))
    assert words == (
        "403 AccessDeniedException: User: arn:aws:iam::111122223333:user/alice is not authorized to perform: "
        "inventory:GetItem on resource: arn:aws:inventory:us-east-1:111122223333:item/secret1 "
        "with an explicit deny in an identity-based policy"
    )
    assert "inventory:DeleteItem" in refused(inventory, signed(inventory, "DELETE"))


@pytest.mark.parametrize(
    "path",
    ["/items//secret", "/items/./42", "/items/../items/42", "/items/a%2fsecret", "/items/%2e%2e", "/items/a%5Cb"],
)
def test_an_ambiguous_path_is_refused(inventory: Inventory, path: str) -> None:
    """A framework could read it as another item than the one that was judged."""
    assert refused(inventory, signed(inventory, path=path)).startswith("4")


def test_a_signature_for_another_service_is_refused(inventory: Inventory) -> None:
    """The words name the service of this one."""
    words = refused(inventory, signed(inventory, service="billing"))
    assert words.endswith("The scope of the signature must name the service 'inventory'.")


@pytest.mark.parametrize(
    "change",
    [
        lambda request: request.replace(b"/items/42", b"/items/43", 1),
        lambda request: request.replace(b"GET ", b"PUT ", 1),
        lambda request: request.replace(b"/items/42 ", b"/items/42?x=1 ", 1),
        lambda request: request.replace(b"X-Amz-Date: 2", b"X-Amz-Date: 1", 1),
        lambda request: request.replace(b"Signature=", b"Signature=0", 1),
        lambda request: request.replace(b"\r\nConnection", b"\r\nX-Amz-Meta: 1\r\nConnection", 1),
    ],
)
def test_a_changed_request_is_refused(inventory: Inventory, change: Callable[[bytes], bytes]) -> None:
    """Method, path, query, date, signature, and further x-amz-* headers."""
    assert refused(inventory, change(signed(inventory))).startswith("403")


def test_an_expired_url_is_refused(inventory: Inventory) -> None:
    """A URL that is valid for a second was signed a minute ago."""
    target = presigned(inventory, expires=1)
    minute_ago = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y%m%dT%H%M%SZ")
    head, _, rest = target.partition("X-Amz-Date=")
    late = f"{head}X-Amz-Date={minute_ago}{rest[16:]}"
    assert refused(inventory, raw(inventory, "GET", late, {})).endswith("has expired. Create a new one.")


@pytest.mark.parametrize("name_hash", [False, True])
@pytest.mark.parametrize("change", [lambda body: body[:-1] + b"X", lambda body: b"X" + body[1:]])
def test_a_small_body_that_was_changed_in_flight_is_refused(
    inventory: Inventory, change: Callable[[bytes], bytes], *, name_hash: bool
) -> None:
    """The application is not even called."""
    body = b'{"count": 1}'
    request = signed(inventory, "PUT", body=body, name_hash=name_hash)
    assert refused(inventory, request[: -len(body)] + change(body)).startswith("403 InvalidSignatureException: The ")


def test_a_large_body_that_was_changed_in_flight_is_refused(inventory: Inventory) -> None:
    """The application saw pieces of it, and not its end; the client gets the refusal."""
    request = signed(inventory, "PUT", body=LARGE, name_hash=True)
    status, document = send(inventory, request[:-1] + b"X")
    assert (status, document["__type"]) == (403, "InvalidSignatureException")
    assert document["message"] == "The body is not the body that was signed. Create the request again."
    assert (inventory.whole, inventory.calls) == (0, 1)
    assert len(b"".join(inventory.pieces)) < len(LARGE)


def test_a_body_that_is_cut_off_never_ends_for_the_application(inventory: Inventory) -> None:
    """The connection closes before the announced length."""
    request = signed(inventory, "PUT", body=LARGE, name_hash=True)
    send(inventory, request[:-1], cut=True)
    assert inventory.whole == 0


def test_bytes_behind_a_body_are_not_part_of_it(inventory: Inventory) -> None:
    """The application gets the announced and signed bytes alone."""
    status, document = send(inventory, signed(inventory, "PUT", body=b"{}", name_hash=True) + b"trailing")
    assert (status, document["sha256"]) == (200, hashlib.sha256(b"{}").hexdigest())


def test_a_large_body_needs_its_hash_in_a_header(inventory: Inventory) -> None:
    """A body cannot be held in memory before its caller is known."""
    words = refused(inventory, signed(inventory, "PUT", body=b"x" * (BUFFER + 1)))
    assert words.startswith("413 RequestEntityTooLargeException: A body of more than 100000 bytes needs the signed")


def test_an_unsigned_body_is_refused(inventory: Inventory) -> None:
    """UNSIGNED-PAYLOAD is for S3."""
    headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    assert refused(inventory, signed(inventory, "PUT", body=b"{}", headers=headers)).startswith("400 Incomplete")


# Key providers ----------------------------------------------------------------------------------------------


class _LazyKeys(StaticKeys):
    """A provider that has to load each key first, on a thread that may wait."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded_on: list[str] = []
        self.fails = False

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        if not self.loaded_on:
            raise NotLoadedError(self._load)
        return make_keys().find(claim, now)

    def _load(self) -> None:
        if self.fails:
            raise Throttling("Slow down.")
        self.loaded_on.append(threading.current_thread().name)


@pytest.mark.parametrize("kind", RUNNING)
def test_keys_are_loaded_where_waiting_is_allowed(kind: str) -> None:
    """NotLoadedError.load runs on a worker thread; its Fault is the answer."""
    keys = _LazyKeys()
    with RUNNING[kind](keys) as inventory:
        keys.fails = True
        assert refused(inventory, signed(inventory)) == "429 ThrottlingException: Slow down."
        keys.fails = False
        assert send(inventory, signed(inventory))[0] == 200
    assert len(keys.loaded_on) == 1


class _EndlessKeys(StaticKeys):
    """A provider that never has loaded enough."""

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:  # noqa: ARG002 - it does not look
        raise NotLoadedError(lambda: None)


@pytest.mark.parametrize("kind", RUNNING)
def test_a_provider_cannot_keep_a_request_for_ever(kind: str) -> None:
    """After a few loads the answer is 503."""
    with RUNNING[kind](_EndlessKeys()) as inventory:
        assert refused(inventory, signed(inventory)).startswith("503 ServiceUnavailableException")


def test_a_websocket_is_refused() -> None:
    """Signatures do not cover its messages. Closing before accepting makes an ASGI server answer 403."""
    inventory, sent = Inventory(), []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def collect(message: Any) -> None:
        sent.append(message["type"])

    app = Middleware(inventory.asgi, make_keys(), service="inventory", regions=["us-east-1"], routes=ROUTES)
    asyncio.run(app({"type": "websocket", "path": "/items/42", "headers": []}, receive, collect))
    assert (sent, inventory.calls) == (["websocket.close"], 0)
