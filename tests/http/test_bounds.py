"""Limits on the cost of requests and connections before authentication."""

import gc

import pytest
from tests.http.raw import WHO, signed
from tests.http.segments import Reply, connected, exchange, read_until_closed, send_segments
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from daypass.config import load_config
from daypass.http.framing import LARGEST_HEAD
from daypass.http.head import MOST_HEADERS
from daypass.testing.server import RunningServer, running_server

NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
API = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def head_of(size: int, headers: int = 2) -> bytes:
    """Return a complete head of that many bytes and headers."""
    start = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * (headers - 2) + b"X-Long: "
    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"


def is_refused(replies: list[Reply]) -> bool:
    """Return whether the last response refuses and closes the connection."""
    return [each.status for each in replies[-1:]] == [400] and replies[-1].closes


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("segment", [10_000, 65_536, 1_000_000])
def test_a_head_has_a_greatest_size(shared_server: RunningServer, before: int, segment: int) -> None:
    """Exactly the maximum is read, in one segment or many, alone or behind other requests."""
    for size, status in ((LARGEST_HEAD, 200), (LARGEST_HEAD + 1, 400)):
        data = NEXT * before + head_of(size) + LAST
        with connected(shared_server.url) as connection:
            send_segments(connection, [data[at : at + segment] for at in range(0, len(data), segment)])
            replies = read_until_closed(connection)
        assert [each.status for each in replies] == [200] * before + ([200, 200] if status == 200 else [400])


@pytest.mark.parametrize("segment", [400, 1_000_000])
def test_a_head_has_a_greatest_number_of_headers(shared_server: RunningServer, segment: int) -> None:
    """Exactly the maximum is read, with equal names or different ones."""
    for number, status in ((MOST_HEADERS, 200), (MOST_HEADERS + 1, 400)):
        alike = head_of(2_000, number) + LAST
        others = b"".join(b"%x:b\r\n" % n for n in range(number - 1))
        for data in (alike, NEXT[:-2] + others + b"\r\n" + LAST):
            replies = exchange(shared_server.url, [data[at : at + segment] for at in range(0, len(data), segment)])
            assert replies[0].status == status
            assert len(replies) == (2 if status == 200 else 1)


def test_a_head_of_many_headers_is_refused_before_it_ends(shared_server: RunningServer) -> None:
    """The headers of an unfinished head are limited too."""
    replies = exchange(shared_server.url, [b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * (MOST_HEADERS + 1)])
    assert is_refused(replies)


def test_empty_lines_are_not_endless(shared_server: RunningServer) -> None:
    """Empty lines before a request are ignored, up to the limit of its head (RFC 9112 section 2.2)."""
    assert is_refused(exchange(shared_server.url, [b"\r\n" * LARGEST_HEAD]))


def chunks(*sizes: int, extension: bytes = b"") -> bytes:
    """Return chunks of the given sizes."""
    return b"".join(b"%x%b\r\n%b\r\n" % (size, extension, b"a" * size) for size in sizes)


@pytest.mark.parametrize(
    "body",
    [
        chunks(5, extension=b";a=" + b"b" * 10_000),
        chunks(*[5] * 100, extension=b";a=" + b"b" * 100),
        chunks(5, extension=b";a" * 4_000),
        chunks(*[1] * 5_000),
        chunks(*[2] * 6_000),
        b"0\r\n" + b"a:b\r\n" * 65 + b"\r\n",
        b"0\r\nX-Long: " + b"a" * 10_000 + b"\r\n\r\n",
        b"5;a=" + b"b" * 200_000,
        b"0\r\n" + b"a:b\r\n" * 40_000,
    ],
    ids=[
        "a long extension",
        "many extensions",
        "an extension of many",
        "chunks of one byte",
        "chunks of two bytes",
        "many trailers",
        "a long trailer",
        "an extension without end",
        "trailers without end",
    ],
)
@pytest.mark.parametrize("page", [b"POST / ", b"POST /? "])
def test_what_a_body_is_wrapped_in_is_bounded(shared_server: RunningServer, body: bytes, page: bytes) -> None:
    """The overhead of a chunked body is limited.

    Chunk sizes, extensions and trailers are not part of a body, so the limit of bodies does not count them.
    """
    data = API.replace(b"POST / ", page) + body
    replies = exchange(shared_server.url, [data])
    assert [each.status for each in replies] == [400]
    assert replies[0].closes


@pytest.mark.parametrize(
    "body",
    [
        chunks(5, extension=b";a=" + b"b" * 3_000) + b"0\r\n\r\n",
        chunks(*[1] * 3_000) + b"0\r\n\r\n",
        chunks(*[17] * 20_000) + b"0\r\n\r\n",
        chunks(*[8_192] * 40) + b"0\r\n\r\n",
        chunks(5) + b"0\r\n" + b"a:b\r\n" * 64 + b"\r\n",
    ],
    ids=["an extension", "some tiny chunks", "many small chunks", "usual chunks", "some trailers"],
)
def test_usual_wrapping_is_read(shared_server: RunningServer, body: bytes) -> None:
    """The request behind it is answered."""
    assert [each.status for each in exchange(shared_server.url, [API + body + LAST])][1:] == [200]


def test_requests_that_wait_are_no_objects(shared_server: RunningServer) -> None:
    """Thousands of requests in one segment wait as bytes.

    All are answered in order.
    """
    with connected(shared_server.url) as connection:
        connection.sendall(NEXT * 3_000 + LAST)
        most = 0
        for _ in range(5):
            assert connection.recv(200)
            most = max(most, sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects()))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert most < 100
    assert received.endswith(b"ok\n")
    assert received.count(b"ok\n") > 2_900


TRAILERS = ("X-Forwarded-For: 10.9.8.7", "X-Forwarded-Proto: https", "User-Agent: forged", "X-Amz-Security-Token: t")


@pytest.mark.parametrize("waits", [False, True])
def test_trailers_are_no_headers(waits: bool) -> None:  # noqa: FBT001 - a case
    """Trailers affect neither the client's address nor the signature."""
    config = load_config({}, {"DAYPASS_TRUSTED_PROXIES": "127.0.0.0/8"})
    with running_server(config=config) as server:
        body, headers = signed(server, WHO)
        lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        lines += ["Transfer-Encoding: chunked", "X-Forwarded-For: 192.0.2.1", "Connection: close"]
        lines += ["Expect: 100-continue"] if waits else []
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        end = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, "\r\n".join(TRAILERS).encode())
        replies = exchange(server.url, [head, end[:30], end[30:]])
        assert [each.status for each in replies] == [200]
        request = server.audit.audit_records[-1].request
    assert (request.peer, request.secure) == ("192.0.2.1", False)
    assert not any(b"forged" in value or value in {b"10.9.8.7", b"https", b"t"} for _, value in request.headers)
