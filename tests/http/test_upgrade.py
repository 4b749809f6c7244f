"""A request for another protocol is answered once, in HTTP/1.1.

The response ends the connection.
RFC 9110 section 7.8: a server may ignore Upgrade. RFC 9112 section 6.3: the body is still the body.
"""

import itertools
import socket

import pytest
from tests.http.raw import WHO, signed
from tests.http.segments import Reply, connected, exchange, read_until_closed, send_segments, splits

from daypass.testing.server import RunningServer

NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH")
PATHS = ("/", "/healthz", "/readyz", "/saml", "/handover", "/nowhere", "/?Action=GetCallerIdentity")
UPGRADES = {
    "plain": ["Connection: Upgrade", "Upgrade: foo"],
    "websocket": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a2V5", "Sec-WebSocket-Version: 13"],
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
    "lower case": ["connection: upgrade", "upgrade: FOO/2"],
    "last in the list": ["Connection: keep-alive, x-other , uPgRaDe", "Upgrade: foo, bar"],
    "two lines": ["Connection: keep-alive", "Connection: upgrade", "Upgrade: foo"],
    "after Upgrade": ["Upgrade: foo", "Connection: Upgrade"],
    "without Upgrade": ["Connection: Upgrade"],
    "without Connection": ["Upgrade: foo"],
    "with tabs": ["Connection:\tUpgrade\t", "Upgrade:\tfoo"],
    "TLS": ["Connection: Upgrade", "Upgrade: TLS/1.2"],
    "HTTP2-Settings alone": ["HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
    "with close": ["Connection: close, Upgrade", "Upgrade: foo"],
    "repeated": ["Connection: Upgrade", "Upgrade: foo", "Upgrade: bar"],
}
_STEP = 173  # prime to the number of values of each kind, so that each value is combined with many of the others
BODIES = ("none", "length", "chunked", "no length, but bytes", "length, waiting to be told", "zero")


def request_of(method: str, path: str, upgrade: list[str], body: str, version: str = "1.1") -> bytes:
    """Return a request for another protocol whose body looks like a request."""
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *upgrade]
    after = NEXT
    if body.startswith("length"):
        lines.append(f"Content-Length: {len(NEXT)}")
    if body == "chunked":
        lines.append("Transfer-Encoding: chunked")
        after = b"%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT)
    if body == "length, waiting to be told":
        lines.append("Expect: 100-continue")
    if body == "zero":
        lines.append("Content-Length: 0")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head if body == "none" else head + after


def assert_one_answer(replies: list[Reply], case: object) -> None:
    """Check that there is one response, which ends the connection."""
    assert len(replies) == 1, (case, replies)
    assert replies[0].closes, (case, replies)


@pytest.mark.parametrize("how", [*splits(NEXT)])
def test_nothing_behind_it_is_read(shared_server: RunningServer, how: str) -> None:
    """Each method, path, spelling and body has one response for any segments."""
    # A different sample for each way of splitting: all combinations would be four thousand connections.
    cases = itertools.product(METHODS, PATHS, UPGRADES, BODIES)
    for method, path, upgrade, body in itertools.islice(cases, [*splits(NEXT)].index(how), None, _STEP):
        data = request_of(method, path, UPGRADES[upgrade], body) + NEXT
        replies = exchange(shared_server.url, splits(data)[how], head_only=method == "HEAD")
        assert_one_answer(replies, (method, path, upgrade, body))


@pytest.mark.parametrize("body", BODIES)
def test_every_spelling_ends_the_connection(shared_server: RunningServer, body: str) -> None:
    """The body is in a separate segment, and is not read as a request."""
    for upgrade in UPGRADES.values():
        data = request_of("POST", "/healthz", upgrade, body) + NEXT
        assert_one_answer(exchange(shared_server.url, splits(data)["behind the head"]), upgrade)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_byte_by_byte(shared_server: RunningServer, version: str) -> None:
    """Every border between two reads is tested."""
    data = request_of("POST", "/healthz", UPGRADES["plain"], "chunked" if version == "1.1" else "length", version)
    replies = exchange(shared_server.url, [data[at : at + 1] for at in range(len(data))] + [NEXT])
    assert_one_answer(replies, version)


@pytest.mark.parametrize("how", ["whole", "behind the head", "in odd pieces"])
def test_requests_before_it_are_answered(shared_server: RunningServer, how: str) -> None:
    """In a pipeline it is the last request.

    Requests before it are answered, those behind it are not.
    """
    data = NEXT * 2 + request_of("POST", "/", UPGRADES["h2c"], "length") + NEXT * 2
    replies = exchange(shared_server.url, splits(data)[how])
    assert [each.status for each in replies[:2]] == [200, 200]
    assert_one_answer(replies[2:], how)


@pytest.mark.parametrize("body", ["length", "chunked"])
@pytest.mark.parametrize("how", ["whole", "behind the head", "before the head's end", "behind one byte of the body"])
def test_its_body_is_the_body(shared_server: RunningServer, body: str, how: str) -> None:
    """A signed call is answered as if it had not asked for HTTP/2, as Java clients do in their first request."""
    form, headers = signed(shared_server, WHO)
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), *UPGRADES["h2c"]]
    if body == "chunked":
        lines.append("Transfer-Encoding: chunked")
        form = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\nX-Trailer: a\r\n\r\n" % (9, form[:9], len(form) - 9, form[9:])
    else:
        lines.append(f"Content-Length: {len(form)}")
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + form
    replies = exchange(shared_server.url, splits(data + NEXT)[how])
    assert_one_answer(replies, how)
    assert replies[0].status == 200
    assert b"GetCallerIdentityResponse" in replies[0].body


@pytest.mark.parametrize(
    "line",
    ["CONNECT / HTTP/1.1", "CONNECT x:80 HTTP/1.1", "CONNECT http://x/ HTTP/1.1", "CONNECT /healthz HTTP/1.0"],
)
@pytest.mark.parametrize("how", ["whole", "behind the head"])
def test_connect_is_refused(shared_server: RunningServer, line: str, how: str) -> None:
    """CONNECT is refused, and data for the tunnel is not read as a request."""
    data = f"{line}\r\nHost: x\r\nContent-Length: {len(NEXT)}\r\n\r\n".encode() + NEXT * 2
    replies = exchange(shared_server.url, splits(data)[how])
    assert_one_answer(replies, line)
    assert replies[0].status == 400


@pytest.mark.parametrize("ending", ["Connection: close", "Connection: CLOSE", "Connection: keep-alive, close"])
@pytest.mark.parametrize("how", ["whole", "behind the head", "in odd pieces"])
def test_nothing_is_read_behind_a_client_that_closes(shared_server: RunningServer, ending: str, how: str) -> None:
    """Requests behind one with `close` are not processed.

    Source: RFC 9112 section 9.6.
    """
    data = f"POST /healthz HTTP/1.1\r\nHost: x\r\n{ending}\r\nContent-Length: {len(NEXT)}\r\n\r\n".encode()
    assert_one_answer(exchange(shared_server.url, splits(data + NEXT * 2)[how]), how)
    assert_one_answer(exchange(shared_server.url, splits(data.replace(b"/1.1", b"/1.0") + NEXT * 2)[how]), how)


def test_the_body_may_come_after_the_answer(shared_server: RunningServer) -> None:
    """A body that arrives after the response is not read as a request."""
    data = request_of("POST", "/nowhere", UPGRADES["plain"], "length")
    head, body = splits(data)["behind the head"]
    with connected(shared_server.url) as connection:
        send_segments(connection, [head])
        assert connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 404"
        send_segments(connection, [body, NEXT])
        assert_one_answer(read_until_closed(connection), data)
