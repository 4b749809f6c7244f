"""The fast path and uvicorn's path give the same responses, for any segments of a request."""

import socket
from collections.abc import Iterator

import pytest
from tests.http.raw import signed

from daypass.testing.server import RunningServer

WHO = b"Action=GetCallerIdentity&Version=2011-06-15"
NOBODY = b"Action=GetCallerIdentity&Version=2011-06-15&X=y"


@pytest.fixture
def line(daypass_server: RunningServer) -> Iterator[socket.socket]:
    """Connect to the server."""
    host, _, port = daypass_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def as_bytes(server: RunningServer, body: bytes = WHO, *more: str, target: str = "/", version: str = "1.1") -> bytes:
    """Return a signed request as sent on the wire."""
    body, headers = signed(server, body)
    lines = [f"POST {target} HTTP/{version}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_answer(connection: socket.socket, left: bytes = b"") -> tuple[int, dict[str, str], bytes, bytes]:
    """Return status, headers and body of a response, and the data after it."""
    while b"\r\n\r\n" not in left:
        piece = connection.recv(65_536)
        assert piece, f"the connection ended after {left!r}"
        left += piece
    head, _, left = left.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    length = int(headers["content-length"])
    while len(left) < length:
        piece = connection.recv(65_536)
        assert piece, "the connection ended in a body"
        left += piece
    return int(first.split()[1]), headers, left[:length], left[length:]


def test_every_answer_says_the_same_of_itself(daypass_server: RunningServer, line: socket.socket) -> None:
    """Both paths send the same headers: date, length and type.

    A second slash in the target selects uvicorn's path.
    """
    line.sendall(as_bytes(daypass_server))
    status, short, body, left = read_answer(line)
    assert (status, left) == (200, b"")
    assert daypass_server.root.account.encode() in body
    line.sendall(as_bytes(daypass_server, WHO, target="/?"))
    status, usual, again, _ = read_answer(line)
    assert status == 200
    assert short.keys() == usual.keys()
    assert set(short) >= {"date", "content-length", "content-type", "x-amzn-requestid", "cache-control"}
    assert len(body) == len(again)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_request_in_pieces_is_one_request(daypass_server: RunningServer, line: socket.socket, size: int) -> None:
    """The split makes no difference: in the head, at its end, in the body."""
    whole = as_bytes(daypass_server)
    for _ in range(2):
        for start in range(0, len(whole), size):
            line.sendall(whole[start : start + size])
        assert read_answer(line)[0] == 200


def test_requests_sent_at_once_are_answered_in_their_order(daypass_server: RunningServer, line: socket.socket) -> None:
    """Each request in a pipeline gets its own response.

    Some need the store, some do not, and some are refused.
    """
    bodies = [
        (WHO, 200, b"GetCallerIdentityResponse"),
        (b"Action=ListUsers&Version=2010-05-08", 403, b"SignatureDoesNotMatch"),
        (WHO, 200, b"GetCallerIdentityResponse"),
        (b"Action=Nothing&Version=2011-06-15", 400, b"InvalidAction"),
        (b"Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Pad=" + b"x" * 70_000, 200, b"GetCallerIdentityResponse"),
        (WHO, 200, b"GetCallerIdentityResponse"),
    ] * 5
    line.sendall(b"".join(as_bytes(daypass_server, body) for body, _, _ in bodies))
    left = b""
    for _, wanted, words in bodies:
        status, _, body, left = read_answer(line, left)
        assert status == wanted
        assert words in body
    assert left == b""


def test_a_body_in_chunks_is_read(daypass_server: RunningServer, line: socket.socket) -> None:
    """Without a Content-Length the signature covers the same bytes."""
    body, headers = signed(daypass_server, WHO)
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Transfer-Encoding: chunked"]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (body[:10], body[10:]))
    line.sendall(head + chunks)
    line.sendall(b"0\r\n\r\n")
    assert read_answer(line)[0] == 200


def test_a_client_that_waits_to_be_told_is_told(daypass_server: RunningServer, line: socket.socket) -> None:
    """Expect: 100-continue is answered before the body is sent."""
    head, _, body = as_bytes(daypass_server, WHO, "Expect: 100-continue").partition(b"\r\n\r\n")
    line.sendall(head + b"\r\n\r\n")
    assert line.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.sendall(body)
    assert read_answer(line)[0] == 200


@pytest.mark.parametrize(("more", "version"), [(("Connection: close",), "1.1"), ((), "1.0")])
def test_the_connection_ends_where_the_client_wants_it(
    daypass_server: RunningServer, line: socket.socket, more: tuple[str, ...], version: str
) -> None:
    """The response says `close`, and the connection is closed after it."""
    line.sendall(as_bytes(daypass_server, WHO, *more, version=version))
    status, headers, _, left = read_answer(line)
    assert (status, headers["connection"], left) == (200, "close", b"")
    assert line.recv(1) == b""


def test_what_comes_after_a_broken_request_is_not_read(daypass_server: RunningServer, line: socket.socket) -> None:
    """A malformed request ends the connection after the pending responses."""
    line.sendall(as_bytes(daypass_server))
    assert read_answer(line)[0] == 200
    line.sendall(as_bytes(daypass_server) + b"\x00broken\r\n\r\n" + as_bytes(daypass_server))
    status, _, _, left = read_answer(line)
    assert status == 200
    while piece := line.recv(65_536):
        left += piece
    assert left.startswith(b"HTTP/1.1 400 ")
    assert b"GetCallerIdentityResponse" not in left


def test_an_answer_that_must_wait_is_given_when_it_is_there(daypass_server: RunningServer, line: socket.socket) -> None:
    """A value that is not cached is read from the store once.

    The connection continues.
    """
    daypass_server.audit.audit_records.clear()
    line.sendall(as_bytes(daypass_server))
    assert read_answer(line)[0] == 200
    line.sendall(as_bytes(daypass_server))
    assert read_answer(line)[0] == 200
    assert len(daypass_server.audit.audit_records) == 2


def test_a_client_that_reads_nothing_does_not_fill_the_memory(
    daypass_server: RunningServer, line: socket.socket
) -> None:
    """The server stops reading requests while a client reads no responses."""
    line.settimeout(1)
    with pytest.raises(TimeoutError):
        pour(line, as_bytes(daypass_server) * 50)
    line.settimeout(20)
    assert read_answer(line)[0] == 200


def pour(connection: socket.socket, piece: bytes) -> None:
    """Send data repeatedly until the socket accepts no more."""
    sent, left = 0, b""
    while sent < 64 * 2**20:
        left = left or piece
        taken = connection.send(left)
        sent, left = sent + taken, left[taken:]
