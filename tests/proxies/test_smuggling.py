"""Clients of a proxy with shared connections get only their own responses."""

import re
import socket
import time
from itertools import cycle

import pytest
from tests.process.daypass import Running
from tests.proxies.conftest import CLIENT, Behind

ROUNDS = 200
# Half a request: the next data on the connection would complete it.
PREFIX = b"GET /nobody-asked-for-this HTTP/1.1\r\nHost: x\r\nX-Eat: "
WHOLE = b"GET /nobody-asked-for-this HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
READY = HEALTH.replace(b"healthz", b"readyz")


def post(page: str, *headers: str) -> bytes:
    """Return the head of a request."""
    return "\r\n".join([f"POST {page} HTTP/1.1", "Host: x", *headers]).encode() + b"\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """Return a body of one chunk."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


LENGTH = f"Content-Length: {len(PREFIX)}"
UPGRADE = ("Connection: Upgrade", "Upgrade: foo")
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")

# A head, and the data that follows once the server has read the head.
ATTACKS: dict[str, tuple[bytes, bytes]] = {
    "a body behind Upgrade": (post("/healthz", *UPGRADE, LENGTH), PREFIX),
    "a body behind the Upgrade of a call": (post("/", *UPGRADE, LENGTH), PREFIX),
    "chunks behind Upgrade": (post("/healthz", *H2C, "Transfer-Encoding: chunked"), chunked(WHOLE)),
    "bytes behind Upgrade": (post("/healthz", *UPGRADE), PREFIX),
    "a body that comes after the answer": (post("/nowhere", LENGTH), PREFIX),
    "a body that waits to be asked for": (post("/nowhere", LENGTH, "Expect: 100-continue"), PREFIX),
    "a length and chunks": (
        post("/", f"Content-Length: {5 + len(PREFIX)}", "Transfer-Encoding: chunked"),
        b"0\r\n\r\n" + PREFIX,
    ),
    "chunks that are spelled oddly": (
        post("/", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", LENGTH),
        b"0\r\n\r\n" + PREFIX,
    ),
    "a request among the trailers": (
        post("/", "Transfer-Encoding: chunked"),
        b"0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" + PREFIX,
    ),
}


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return status and body of the next response."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65_536)
        assert piece, f"closed after {received!r}"
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65_536)
    return int(head.split(b" ", 2)[1]), body


def glimpse(connection: socket.socket) -> None:
    """Wait for the server to read, or to answer before the body arrives."""
    connection.settimeout(0.01)
    try:
        connection.recv(65_536)
    except OSError:
        return


def attack(behind: Behind, head: bytes, after: bytes) -> None:
    """Try to leave bytes behind a request on the proxy's connection."""
    with behind.connect() as connection:
        connection.sendall(HEALTH)
        answer(connection)
        connection.sendall(head)
        glimpse(connection)
        try:
            connection.sendall(after)
        except OSError:
            return
        glimpse(connection)


def test_nobody_gets_the_answer_of_another(behind: Behind) -> None:
    """A victim never gets the response to an attacker's request.

    Two hundred attempts use every kind of smuggling.
    """
    for number, (kind, (head, after)) in zip(range(ROUNDS), cycle(ATTACKS.items()), strict=False):
        with behind.connect() as victim:
            victim.sendall(HEALTH)
            assert answer(victim) == (200, b"ok\n")
            attack(behind, head, after)
            for _ in range(2):
                victim.sendall(READY)
                assert answer(victim) == (200, b"ready\n"), (kind, number)


@pytest.mark.parametrize("kind", [*ATTACKS])
def test_nothing_that_was_smuggled_arrives(behind: Behind, daypass_behind_proxies: Running, kind: str) -> None:
    """A smuggled call does not reach the server.

    It would bypass the proxy, which adds the address of its client.
    """
    head, _ = ATTACKS[kind]
    call = (
        b"POST /?Action=GetAccessKeyInfo&Version=2011-06-15 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.66.66.66\r\n\r\n"
    )
    head = head.replace(b"Content-Length: %d" % len(PREFIX), b"Content-Length: %d" % len(call))
    attack(behind, head, call)
    with behind.connect() as client:
        client.sendall(READY)
        answer(client)
    # Events are written in order, with a short delay. Events of an authenticated caller are never grouped.
    before = len(behind.events("ListUsers"))
    daypass_behind_proxies.client("iam").list_users()
    deadline = time.monotonic() + 60
    while len(behind.events("ListUsers")) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)  # the log does not announce it
    # Without an announced body, the call is one of the client's own, and has the client's address.
    assert {each["sourceIPAddress"] for each in behind.events("GetAccessKeyInfo")} <= {CLIENT}
