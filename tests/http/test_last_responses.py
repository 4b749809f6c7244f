"""A client that sends its whole request before it reads gets the response, also to a request that is refused early."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import trustme
from tests.http.segments import Reply, read_until_closed
from tests.http.test_slow_clients import serving
from tests.sockets import connect

from daypass.config import Config
from daypass.http import lingering
from daypass.http.connection import Connection
from daypass.testing.server import RunningServer, running_server

BODY = b"a" * 12_000_000
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CLOSE = b"Connection: close\r\n"
S3 = b"Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261130/us-east-1/s3/aws4_request, SignedHeaders=host\r\n"


def request(line: bytes, headers: bytes = b"", body: bytes = BODY) -> bytes:
    """Return a request with a length."""
    return line + b"\r\nHost: sts\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    """Return a body in chunks of a megabyte."""
    pieces = [body[at : at + 1_000_000] for at in range(0, len(body), 1_000_000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CASES = {
    "a large body": (413, request(b"POST / HTTP/1.1", FORM + CLOSE)),
    "a large body in HTTP/1.0": (413, request(b"POST / HTTP/1.0", FORM)),
    "a large body in chunks": (
        413,
        b"POST / HTTP/1.1\r\nHost: sts\r\n" + FORM + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY),
    ),
    "a large body that was not asked for": (413, request(b"POST / HTTP/1.1", FORM + b"Expect: 100-continue\r\n")),
    "another method": (405, request(b"PUT / HTTP/1.1", CLOSE)),
    "an upload for S3": (400, request(b"PUT /bucket/key HTTP/1.1", S3 + CLOSE)),
    "an unknown page": (404, request(b"POST /no/page HTTP/1.1", CLOSE)),
    "a large form of a page": (413, request(b"POST /saml HTTP/1.1", FORM + CLOSE)),
    "a large call of sso-oidc": (400, request(b"POST /token HTTP/1.1", b"Content-Type: application/json\r\n" + CLOSE)),
    "a malformed head": (400, request(b"POST / HTTP/1.1", b"Content-Length: 1\r\n")),
    "a large head": (400, b"GET / HTTP/1.1\r\nHost: sts\r\nX: " + BODY),
    "too many headers": (400, request(b"GET / HTTP/1.1", b"X: y\r\n" * 300)),
    "another version": (400, request(b"POST / HTTP/1.2")),
    "chunks that are too small": (
        400,
        b"POST / HTTP/1.1\r\nHost: sts\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 200_000,
    ),
}
Connect = Callable[[], AbstractContextManager[socket.socket]]


@pytest.fixture(scope="module", params=["plain", "tls"])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """Run a server, and connect to it."""
    config, context = Config(), ssl.create_default_context()
    if request.param == "tls":
        authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
        authority.configure_trust(context)
        cert, key = folder / "cert.pem", folder / "key.pem"
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(cert)
        issued.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        config = Config(tls_cert=str(cert), tls_key=str(key))
    with running_server(config=config) as server:

        @contextmanager
        def connected() -> Iterator[socket.socket]:
            with connect(server.url) as plain:
                if request.param == "plain":
                    yield plain
                else:
                    with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                        yield tls

        yield connected


def read_one(connection: socket.socket) -> Reply:
    """Read one response by its length, as a client does that does not wait for the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536) or pytest.fail("the connection ended without a response")
    head, _, body = received.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += connection.recv(65_536) or pytest.fail("the connection ended within a response")
    return Reply(int(head.split()[1]), head, body)


@pytest.mark.parametrize("kind", CASES)
def test_the_response_arrives_after_the_whole_request_was_sent(line: Connect, kind: str) -> None:
    """The server reads on, and resets no connection before the client has read the response."""
    status, sent = CASES[kind]
    with line() as connection:
        connection.sendall(sent)
        assert read_one(connection).status == status


def test_the_end_is_seen_at_once_without_tls(shared_server: RunningServer) -> None:
    """A client that waits for the end of the connection does not wait for a timeout of the server."""
    with connect(shared_server.url, timeout=30) as connection:
        connection.sendall(CASES["a malformed head"][1])
        assert [each.status for each in read_until_closed(connection)] == [400]


def test_a_client_that_waits_is_not_asked_for_a_body_that_is_too_large(shared_server: RunningServer) -> None:
    """It gets 413 without a 100 before."""
    with connect(shared_server.url, timeout=30) as connection:
        connection.sendall(CASES["a large body that was not asked for"][1].removesuffix(BODY))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")


def test_bytes_after_the_last_response_are_no_request(shared_server: RunningServer) -> None:
    """They belong to a body, or to a request that was refused."""
    again = request(b"GET /healthz HTTP/1.1", body=b"")
    for kind in ("a malformed head", "a large body"):
        with connect(shared_server.url, timeout=30) as connection:
            connection.sendall(CASES[kind][1] + again * 3)
            assert len(read_until_closed(connection)) == 1


@pytest.mark.parametrize("sends", [True, False])
def test_a_client_that_never_closes_is_given_up(monkeypatch: pytest.MonkeyPatch, *, sends: bool) -> None:
    """Neither by silence nor with endless bytes does it keep the connection."""
    monkeypatch.setattr(lingering, "_IDLE", 0.1)
    with serving(Connection) as (server, url), connect(url) as connection:
        connection.sendall(b"BAD\r\n\r\n")
        ended = threading.Event()

        def send_on() -> None:
            try:
                while sends and not ended.is_set():
                    connection.sendall(b"a")
            except OSError:
                return

        sender = threading.Thread(target=send_on, daemon=True)
        sender.start()
        end = time.monotonic() + 30
        while server.server_state.connections:
            assert time.monotonic() < end
            time.sleep(0.01)  # the server does not announce it
        ended.set()
        sender.join()


def test_a_stop_does_not_wait_for_such_a_client(shared_server: RunningServer) -> None:
    """The server that stops closes the connection at once."""
    with serving(Connection) as (server, url), connect(url) as connection:
        connection.sendall(b"BAD\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"
        assert server.server_state.connections
        server.should_exit = True
        end = time.monotonic() + 3
        while server.server_state.connections:
            assert time.monotonic() < end
            time.sleep(0.01)
