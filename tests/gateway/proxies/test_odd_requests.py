"""Odd requests through nginx and Caddy: the service gets only requests that /verify allowed, as it saw them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.proxies.shipped_proxies import shipped_proxy
from tests.gateway.proxies.test_forward_auth import ACCOUNT, GET, ROUTES
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.gateway.settings import GatewaySettings

pytestmark = pytest.mark.slow
SILENCE = 0.3  # seconds without an answer after which there is none
MARK = b"x-request-number"
IDENTITY = {b"x-daypass-arn", b"x-daypass-account", b"x-daypass-user-id", b"x-daypass-content-sha256"}
EVIL = b"DELETE /items/42 HTTP/1.1\r\nHost: x\r\nX-Daypass-Arn: forged\r\n\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVIL), EVIL)
LENGTH = b"Content-Length: %d" % len(EVIL)
# Headers from which frameworks take an address, a path, a method or another protocol.
STEERING = (
    "Forwarded", "Upgrade", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix",
    "X-Forwarded-Proto", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Real-IP",
    "X-Rewrite-URL",
)  # fmt: skip


@dataclass
class RawService:
    """A service that keeps the heads that it gets, and understands lengths and chunks."""

    heads: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            # At the end of the stream readline returns b"", for ever.
            while head := b"".join(iter(lambda: lines.readline() or b"\r\n", b"\r\n")):
                self.heads.append(head)
                values = values_of(head)
                if b"transfer-encoding" in values:
                    while size := int(lines.readline(), 16):
                        lines.read(size + 2)
                    lines.readline()
                lines.read(int(values.get(b"content-length", [b"0"])[0]))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def values_of(head: bytes) -> dict[bytes, list[bytes]]:
    """Return the values of each header."""
    found: dict[bytes, list[bytes]] = {}
    for line in head.splitlines()[1:]:
        name, _, value = line.partition(b": ")
        found.setdefault(name.lower(), []).append(value)
    return found


@dataclass
class Behind:
    """A service behind a proxy. `number` is that of the present request."""

    port: int
    service: RawService
    gateway: RunningGateway
    credentials: Credentials
    number: int = 0

    def signed(self, target: str = "/items/42", method: str = "GET") -> list[bytes]:
        """Return the lines of a signed request."""
        host = f"127.0.0.1:{self.port}"
        request = AWSRequest(method, f"http://{host}{target}")
        SigV4Auth(self.credentials, "inventory", "us-east-1").add_auth(request)
        self.number += 1
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"{MARK.decode()}: {self.number}"]
        return [line.encode() for line in (*lines, *(f"{name}: {value}" for name, value in request.headers.items()))]

    def send(self, data: bytes) -> None:
        """Send bytes, and wait until nothing more comes back."""
        self.service.heads.clear()
        self.gateway.audit.audit_records.clear()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            connection.settimeout(SILENCE)
            with suppress(OSError):
                while connection.recv(65_536):
                    pass

    def heads(self) -> list[bytes]:
        """Return the heads that the service got, without a late one of an earlier request."""
        present = [b"%d" % self.number]
        return [head for head in self.service.heads if values_of(head).get(MARK, present) == present]


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway with routes of one service."""
    with running_gateway(moto_store, GatewaySettings(routes=ROUTES)) as running:
        yield running


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("nginx-service.conf", marks=pytest.mark.component("nginx")),
        pytest.param("Caddyfile", marks=pytest.mark.component("caddy")),
    ],
)
def behind(
    request: pytest.FixtureRequest, gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    """Run a proxy with its shipped configuration."""
    service = RawService()
    made = gateway.credentials(GET)
    credentials = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    ports = {7882: gateway.proxies.port, 9000: service.port}
    with shipped_proxy(request.param, tmp_path_factory.mktemp("proxy"), ports) as port:
        yield Behind(port, service, gateway, credentials)
    service.listener.close()


Make = Callable[[Behind], bytes]


def lines(*added: bytes, body: bytes = b"", method: str = "GET") -> Make:
    """Return a signed request with added lines and a body that are not signed."""
    return lambda behind: b"\r\n".join([*behind.signed(method=method), *added]) + b"\r\n\r\n" + body


def first(old: bytes, new: bytes) -> Make:
    """Return a signed request with another first line."""
    return lambda behind: lines()(behind).replace(old, new, 1)


def at(target: str) -> Make:
    """Return a signed request for another target."""
    return lambda behind: b"\r\n".join(behind.signed(target)) + b"\r\n\r\n"


REQUESTS: dict[str, Make] = {
    **{f"Connection names {name}": lines(f"Connection: close, {name}".encode())
       for name in ("X-Daypass-Arn", "X-Daypass-Content-Sha256", "Authorization", "X-Forwarded-Uri", "Host")},
    "Connection hides a forged identity": lines(b"Connection: X-Daypass-Arn", b"X-Daypass-Arn: forged"),
    "Connection hides another header": lines(b"Connection: X-Daypass-Admin", b"X-Daypass-Admin: forged"),
    "Connection hides an unsigned header": lines(b"Connection: X-Amz-Forged", b"X-Amz-Forged: forged"),
    **{f"forged {name}": lines(f"{name}: forged".encode()) for name in STEERING},
    **{f"identity {name!r}": lines(name + b": forged")
       for name in (b"X_Daypass_Arn", b"X-Daypass_Arn", b"X-Daypass-Arn ", b"X-Daypass-Arn\t")},
    "websocket": lines(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
    "h2c": lines(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
    "two hosts": lines(b"Host: other.example"),
    "a folded line": lines(b"X-A: a", b" X-Daypass-Arn: forged"),
    "a bare line feed": lines(b"X-A: a\nX-Daypass-Arn: forged"),
    "a bare carriage return": lines(b"X-A: a\rX-Daypass-Arn: forged"),
    "a length and chunks": lines(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + EVIL),
    "two lengths": lines(b"Content-Length: 0", LENGTH, body=EVIL),
    "two codings": lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + EVIL),
    "a space before the colon": lines(b"Transfer-Encoding : chunked", body=CHUNKS),
    "capital letters": lines(b"Transfer-Encoding: Chunked", body=CHUNKS),
    "chunks": lines(b"Transfer-Encoding: chunked", body=CHUNKS),
    "chunks of a POST": lines(b"Transfer-Encoding: chunked", body=CHUNKS, method="POST"),
    "a trailer": lines(b"Transfer-Encoding: chunked", b"Trailer: X-Daypass-Arn",
                       body=b"0\r\nX-Daypass-Arn: forged\r\n\r\n", method="POST"),
    "a body of a GET": lines(LENGTH, body=EVIL),
    "a length with a sign": lines(LENGTH.replace(b" ", b" +"), body=EVIL),
    "a length with zeros": lines(LENGTH.replace(b" ", b" 00"), body=EVIL),
    "a body behind Upgrade": lines(b"Connection: Upgrade", b"Upgrade: h2c", LENGTH, body=EVIL),
    "Connection names the length": lines(b"Connection: Content-Length", LENGTH, body=EVIL),
    "Connection names the coding": lines(b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", body=CHUNKS),
    "a second request": lines(body=EVIL),
    "another host in the target": first(b" /", b" http://other.example/"),
    "HTTP/1.0": first(b"HTTP/1.1", b"HTTP/1.0"),
    "a fragment": first(b"42 ", b"42#x "),
    "two spaces": first(b" /", b"  /"),
    "every resource": first(b"GET /items/42", b"OPTIONS *"),
    **{f"target {target}": at(target) for target in (
        "/items//42", "//items/42", "/items/./42", "/items/4%5c2", "/items/42;x=1", "/items;x/42", "/items/42%3Bx",
        "/items/42%3fa=b", "/items/42??", "/items/42/..", "/items/%2e%2e", "/items/42%00", "/items/42%0d%0aX:y",
        "/%69tems/42", "/_daypass", "/denied", "/verify/items/42", "/items/42?service=s3", "/items/4%252f2",
        "/items/42?x=%zz",
    )},
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_the_service_gets_the_judged_request(behind: Behind, name: str) -> None:
    """Method, path and host are those of the decision, and the identity is the caller's."""
    behind.send(REQUESTS[name](behind))
    allowed = {(one.request.method, one.request.path) for one in behind.gateway.audit.audit_records if not one.code}
    heads = behind.heads()
    for head in heads:
        method, target, _ = head.splitlines()[0].split(b" ")
        assert (method.decode(), target.partition(b"?")[0]) in allowed
        assert b";" not in target
        values = values_of(head)
        assert values[b"host"] == [b"127.0.0.1:%d" % behind.port]
        assert {header for header in values if b"daypass" in header} == IDENTITY
        assert values[b"x-daypass-account"] == [ACCOUNT.encode()]
        values.pop(MARK, None)
        values.pop(b"x-a", None)  # a folded line is a part of the value
        assert not [found for found in values.values() if b"forged" in b"".join(found)]
        assert b"upgrade" not in values
    assert len(heads) <= 1
