"""The end of a request is unambiguous, or the request is refused.

A refusal closes the connection.
"""

import socket

import pytest
from tests.http.raw import WHO, signed
from tests.http.segments import connected, exchange, read_until_closed, send_segments, splits
from tests.http.test_connections import read_answer

from daypass.testing.server import RunningServer

LAST = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


def post(
    *headers: bytes, body: bytes = b"", line: bytes = b"POST /healthz HTTP/1.1", host: bytes = b"Host: x"
) -> bytes:
    """Return a request with the given bytes."""
    return b"\r\n".join([line, *([host] if host else []), *headers]) + b"\r\n\r\n" + body


def call(body: bytes) -> bytes:
    """Return a call of the API. Its response needs the complete body."""
    return post(FORM.strip(), CHUNKED, body=body, line=b"POST / HTTP/1.1")


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "length and chunked": post(b"Content-Length: 5", CHUNKED, body=CHUNKS),
    "chunked and length": post(CHUNKED, b"Content-Length: 15", body=CHUNKS),
    "two lengths that differ": post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
    "two lengths alike": post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "a list of lengths": post(b"Content-Length: 5, 5", body=b"hello"),
    "a length with a plus": post(b"Content-Length: +5", body=b"hello"),
    "a length below zero": post(b"Content-Length: -5", body=b"hello"),
    "a length in hexadecimal": post(b"Content-Length: 0x5", body=b"hello"),
    "a length with an underscore": post(b"Content-Length: 0_5", body=b"hello"),
    "a length with a point": post(b"Content-Length: 5.0", body=b"hello"),
    "an empty length": post(b"Content-Length:", body=b"hello"),
    "a length of blanks": post(b"Content-Length:   ", body=b"hello"),
    "a length with a blank inside": post(b"Content-Length: 5 5", body=b"hello"),
    "a length too large": post(b"Content-Length: 18446744073709551621", body=b"hello"),
    "a length of many digits": post(b"Content-Length: " + b"9" * 5_000),
    "a length in letters": post(b"Content-Length: five", body=b"hello"),
    "another expectation": post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"),
    "another expectation behind": post(b"Expect: 100-continue, x", b"Content-Length: 5", body=b"hello"),
    "another expectation before": post(b"Expect: x ,100-Continue", b"Content-Length: 5", body=b"hello"),
    "another expectation without a comma": post(b"Expect: 100-continue x", b"Content-Length: 5", body=b"hello"),
    "another expectation in a line": post(b"Expect: 100-continue", b"Expect: x", b"Content-Length: 5", body=b"hello"),
    "xchunked": post(b"Transfer-Encoding: xchunked", body=CHUNKS),
    "identity": post(b"Transfer-Encoding: identity", body=b"hello"),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "identity, chunked": post(b"Transfer-Encoding: identity, chunked", body=CHUNKS),
    "gzip": post(b"Transfer-Encoding: gzip", body=b"hello"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "chunked, gzip": post(b"Transfer-Encoding: chunked, gzip", body=CHUNKS),
    "chunked twice in a line": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "chunked twice": post(CHUNKED, CHUNKED, body=CHUNKS),
    "gzip, then chunked": post(b"Transfer-Encoding: gzip", CHUNKED, body=CHUNKS),
    "chunked with a comma": post(b"Transfer-Encoding: chunked,", body=CHUNKS),
    "chunked after a comma": post(b"Transfer-Encoding: , chunked", body=CHUNKS),
    "chunked with a parameter": post(b"Transfer-Encoding: chunked;a=b", body=CHUNKS),
    "chunked in quotes": post(b'Transfer-Encoding: "chunked"', body=CHUNKS),
    "an empty coding": post(b"Transfer-Encoding:", body=CHUNKS),
    "chunked after a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "chunked before a form feed": post(b"Transfer-Encoding: chunked\x0c", body=CHUNKS),
    "a blank before the colon": post(b"Transfer-Encoding : chunked", body=CHUNKS),
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked", body=CHUNKS),
    "a blank before the name": post(b" Transfer-Encoding: chunked", body=CHUNKS),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "a folded header": post(b"X-Folded: a\r\n b"),
    "a folded header before all others": b"POST /healthz HTTP/1.1\r\n X: a\r\nHost: x\r\n\r\n",
    "chunked in HTTP/1.0": post(CHUNKED, body=CHUNKS, line=b"POST /healthz HTTP/1.0"),
    "a bare line feed after the line": b"POST /healthz HTTP/1.1\nHost: x\r\n\r\n",
    "a bare line feed after a header": b"POST /healthz HTTP/1.1\r\nHost: x\nX: a\r\n\r\n",
    "bare line feeds at the end": b"POST /healthz HTTP/1.1\r\nHost: x\n\n",
    "a bare carriage return in a header": post(b"X: a\rb"),
    "a bare carriage return after a header": b"POST /healthz HTTP/1.1\r\nHost: x\rX: a\r\n\r\n",
    "a carriage return too many": b"POST /healthz HTTP/1.1\r\r\nHost: x\r\n\r\n",
    "a NUL in a value": post(b"X: a\x00b"),
    "a NUL in a name": post(b"X\x00Y: a"),
    "a NUL in the target": post(line=b"GET /health\x00z HTTP/1.1"),
    "a control character": post(b"X: a\x01b"),
    "no name": post(b": a"),
    "no colon": post(b"X-Nothing"),
    "chunks with 0x": call(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunks with a sign": call(b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunks with a minus": call(b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk too large": call(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "an empty chunk size": call(b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk size after a blank": call(b" 5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size before a blank": call(b"5 \r\nhello\r\n0\r\n\r\n"),
    "a chunk size with a bare line feed": call(b"5\nhello\r\n0\r\n\r\n"),
    "a chunk size with a bare carriage return": call(b"5\rhello\r\n0\r\n\r\n"),
    "an extension with a line feed": call(b"5;a=b\nhello\r\n0\r\n\r\n"),
    "an extension with a carriage return": call(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than it says": call(b"3\r\nhello\r\n0\r\n\r\n"),
    "a chunk that ends with a line feed": call(b"5\r\nhello\n0\r\n\r\n"),
    "a chunk that ends with nothing": call(b"5\r\nhello0\r\n\r\n"),
    "a last chunk with bare line feeds": call(b"5\r\nhello\r\n0\n\n"),
    "a trailer without a colon": call(b"0\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a trailer that is folded": call(b"0\r\nX: a\r\n b\r\n\r\n"),
    "a length among the trailers": call(b"0\r\nContent-Length: 3\r\n\r\n"),
    "a coding among the trailers": call(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "HTTP/1.9": post(line=b"GET /healthz HTTP/1.9"),
    "HTTP/2.0": post(line=b"GET /healthz HTTP/2.0"),
    "HTTP/0.9": post(line=b"GET /healthz HTTP/0.9"),
    "HTTP/1.10": post(line=b"GET /healthz HTTP/1.10"),
    "HTTP/01.1": post(line=b"GET /healthz HTTP/01.1"),
    "http/1.1": post(line=b"GET /healthz http/1.1"),
    "no version": b"GET /healthz\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": post(line=b"OPTIONS rtsp://x/healthz RTSP/1.0"),
    "an unknown method": post(line=b"SMUGGLE /healthz HTTP/1.1"),
    "a method in lower case": post(line=b"get /healthz HTTP/1.1"),
    "a tab in the line": post(line=b"GET\t/healthz HTTP/1.1"),
    "a blank at the line's end": post(line=b"GET /healthz HTTP/1.1 "),
    "a target without a slash": post(line=b"GET healthz HTTP/1.1"),
    "a target of another scheme": post(line=b"GET ftp://x/healthz HTTP/1.1"),
    "a target that is to be secured": post(line=b"GET https://x/healthz HTTP/1.1"),
    "a target with a user": post(line=b"GET http://u@x/healthz HTTP/1.1"),
    "a target without a host": post(line=b"GET http:///healthz HTTP/1.1"),
    "a target with a fragment": post(line=b"GET /healthz#a HTTP/1.1"),
    "a target that is a fragment": post(line=b"GET /#ealthz HTTP/1.1"),
    "a query with a fragment": post(line=b"GET /healthz?a#b HTTP/1.1"),
    "a target in absolute form with a fragment": post(line=b"GET http://x/healthz#a HTTP/1.1"),
    "two hosts": post(b"Host: x"),
    "two hosts that differ": post(b"Host: y"),
    "two hosts far apart": post(*[b"X-%d: a" % n for n in range(50)], b"host: y"),
    "no host": post(host=b""),
    "an empty host": post(host=b"Host:"),
    "a host of blanks": post(host=b"Host: \t "),
    "an empty and a good host": post(b"Host:"),
    "a host with a blank": post(host=b"Host: x y"),
    "a list of hosts": post(host=b"Host: x, y"),
    "a host with a user": post(host=b"Host: u@x"),
    "a host with a path": post(host=b"Host: x/y"),
    "a host with a port too long": post(host=b"Host: x:123456"),
    "no host, but a target in absolute form": post(host=b"", line=b"GET http://x/healthz HTTP/1.1"),
    "no host in HTTP/1.0": post(host=b"", line=b"GET / HTTP/1.0"),
    "no host in HTTP/1.0, another page": post(host=b"", line=b"GET /login HTTP/1.0"),
    "two hosts in HTTP/1.0": post(b"Host: y", line=b"GET /healthz HTTP/1.0"),
}

# Valid requests are answered, and so is the request behind each of them.
SERVED = {
    "no body": (200, post(line=b"GET /healthz HTTP/1.1")),
    "a body": (404, post(b"Content-Length: 5", body=b"hello")),
    "a body that reads like a request": (404, post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED)),
    "a length with blanks around it": (404, post(b"Content-Length: \t 5 \t ", body=b"hello")),
    "a length with zeros": (404, post(b"Content-Length: 0000005", body=b"hello")),
    "a body of GET": (200, post(b"Content-Length: 5", body=b"hello", line=b"GET /healthz HTTP/1.1")),
    "chunks": (404, post(CHUNKED, body=CHUNKS)),
    "chunks that read like a request": (
        404,
        post(CHUNKED, body=b"%X\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
    ),
    "Chunked": (404, post(b"tRANSFER-eNCODING: \t CHUNKED", body=CHUNKS)),
    "chunks with zeros": (404, post(CHUNKED, body=b"0005\r\nhello\r\n000\r\n\r\n")),
    "chunks with extensions": (404, post(CHUNKED, body=b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n')),
    "trailers": (404, post(CHUNKED, body=b"5\r\nhello\r\n0\r\nX: a\r\nHost: y\r\nExpect: 100-continue\r\n\r\n")),
    "trailers that speak of the connection": (
        404,
        post(CHUNKED, body=b"0\r\nConnection: close\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"),
    ),
    "two blanks in the line": (200, post(line=b"GET  /healthz HTTP/1.1")),
    "an asterisk": (404, post(line=b"OPTIONS * HTTP/1.1")),
    "empty lines before it": (200, b"\r\n\r\n" + post(line=b"GET /healthz HTTP/1.1")),
    "a target in absolute form": (200, post(line=b"GET http://x/healthz HTTP/1.1")),
    "a target in absolute form, in capitals": (200, post(line=b"GET HTTP://X/healthz HTTP/1.1")),
    "a host with a port": (200, post(host=b"Host: [::1]:7878", line=b"GET /healthz HTTP/1.1")),
    "a host with a port that is empty": (200, post(host=b"Host: x_1.example:", line=b"GET /healthz HTTP/1.1")),
}


@pytest.mark.parametrize("case", [*REFUSED])
def test_what_has_no_clear_end_is_refused(shared_server: RunningServer, case: str) -> None:
    """It is answered with 400, and the data behind it is not read."""
    for how in ("whole", "behind the head"):
        replies = exchange(shared_server.url, splits(REFUSED[case] + LAST)[how])
        assert [each.status for each in replies] == [400], how
        assert replies[0].closes


@pytest.mark.parametrize("case", [*SERVED])
def test_what_has_a_clear_end_is_answered(shared_server: RunningServer, case: str) -> None:
    """It gets its response, and so does the next request."""
    status, data = SERVED[case]
    for how in ("whole", "behind the head", "before the head's end", "in odd pieces"):
        replies = exchange(shared_server.url, splits(data + LAST)[how])
        assert [each.status for each in replies] == [status, 200], how
        assert replies[1].body == b"ready\n"


def test_the_border_of_two_reads_may_be_anywhere(shared_server: RunningServer) -> None:
    """Two requests in a row are two requests, however their bytes are split."""
    chunked = call(b"9\r\nAction=\r\n\r\n0\r\nX: a\r\n\r\n")
    for pair in (chunked + post(b"Content-Length: 4", body=b"\r\n\r\n"), post(line=b"GET /healthz HTTP/1.1") + chunked):
        statuses = (400, 404) if pair.startswith(b"POST / ") else (200, 400)
        with connected(shared_server.url) as connection:
            for cut in sorted({end + more for end in _line_ends(pair) for more in range(-1, 6)} - {len(pair)}):
                send_segments(connection, [pair[:cut], pair[cut:]])
                left = b""
                for status in statuses:
                    got, _, _, left = read_answer(connection, left)
                    assert got == status, (pair, cut)
                assert left == b""


def _line_ends(data: bytes) -> list[int]:
    return [at for at in range(len(data) - 4) if data[at : at + 4] == b"\r\n\r\n"]


@pytest.mark.parametrize("page", [b"/healthz", b"/readyz", b"/healthz?from=haproxy"])
def test_health_checks_may_omit_the_host(shared_server: RunningServer, page: bytes) -> None:
    """Proxies send health checks with HTTP/1.0 and without Host."""
    replies = exchange(shared_server.url, [b"GET " + page + b" HTTP/1.0\r\n\r\n"])
    assert [each.status for each in replies] == [200]


@pytest.mark.parametrize("body", [CHUNKS[:5] + b"X", b"3\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\nX"])
def test_a_body_that_breaks_after_the_answer_has_no_second_answer(shared_server: RunningServer, body: bytes) -> None:
    """A page that answers before the body is complete answers only once.

    The client would read a second response, a 400, as the response to its next request.
    """
    head = post(CHUNKED, line=b"POST /nowhere HTTP/1.1")
    replies = exchange(shared_server.url, [head, b"5\r\nhello\r\n", body + LAST])
    assert [each.status for each in replies] == [404]


@pytest.mark.parametrize("target", [b"/", b"/?"])
def test_a_body_that_breaks_before_the_answer_is_refused(shared_server: RunningServer, target: bytes) -> None:
    """A malformed body is refused with 400 on both paths."""
    head = post(CHUNKED, FORM.strip(), line=b"POST " + target + b" HTTP/1.1")
    replies = exchange(shared_server.url, [head, b"5\r\nhello\r\n", b"zz\r\n" + LAST])
    assert [each.status for each in replies] == [400]
    assert replies[0].closes


@pytest.mark.parametrize(
    "value", [b"100-continue", b"100-Continue \t", b", 100-continue,", b"100-continue,100-continue"]
)
def test_an_answer_instead_of_the_body_ends_the_connection(shared_server: RunningServer, value: bytes) -> None:
    """A final response instead of 100-continue ends the connection.

    The client does not send the body then, and its next request is not the body.
    """
    head = post(b"Expect: " + value, b"Content-Length: 20", line=b"POST /nowhere HTTP/1.1")
    with connected(shared_server.url) as connection:
        connection.sendall(head)
        assert connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 404"
        send_segments(connection, [LAST])
        replies = read_until_closed(connection)
    assert [each.status for each in replies] == [404]
    assert replies[0].closes


@pytest.mark.parametrize("page", [b"/", b"/?", b"/nowhere"])
def test_a_client_that_did_not_wait_stays(shared_server: RunningServer, page: bytes) -> None:
    """The connection stays open if the body arrived with the head."""
    line = b"POST " + page + b" HTTP/1.1"
    request = post(b"Expect: 100-continue", b"Content-Length: 5", FORM.strip(), line=line, body=b"hello")
    assert [each.status for each in exchange(shared_server.url, [request + LAST])][1:] == [200]


def test_a_client_that_was_told_stays(shared_server: RunningServer) -> None:
    """The client receives 100-continue when the call is read.

    It may send another request afterwards.
    """
    head = post(b"Expect: 100-continue", b"Content-Length: 5", FORM.strip(), line=b"POST / HTTP/1.1")
    with connected(shared_server.url) as connection:
        connection.sendall(head)
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello" + LAST)
        assert [each.status for each in read_until_closed(connection)] == [400, 200]


def as_signed(server: RunningServer, first_line: str, *more: str, host: str = "") -> bytes:
    """Return a signed request with another first line.

    Additional headers follow the signed ones.
    """
    body, headers = signed(server, WHO)
    if host:
        headers["Host"] = host
    lines = [first_line, *(f"{name}: {value}" for name, value in headers.items()), *more, "Connection: close"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body


def test_the_host_of_an_absolute_target_counts(shared_server: RunningServer) -> None:
    """The Host header is ignored for a target in absolute form.

    The signature covers the host of the target (RFC 9112 section 3.2.2).
    """
    good = shared_server.url
    for target, host, status in (
        (f"{good}/", "", 200),
        (f"{good}/", "elsewhere.example", 200),
        ("http://elsewhere.example/", "", 403),
        (good, "elsewhere.example", 200),
        (f"{good}?", "", 200),
    ):
        data = as_signed(shared_server, f"POST {target} HTTP/1.1", host=host)
        assert [each.status for each in exchange(shared_server.url, [data])] == [status], (target, host)
