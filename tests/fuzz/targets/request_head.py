"""Heads of requests: llhttp, a parser of other people, reads an accepted head in the same way.

Owns the comparison. A head that daypass.verify accepts has the same target, headers and framing for that parser, and
does not contain a second request.
"""

import httptools
from tests.fuzz.choices import Choices, mutated

from daypass.verify import HeadError
from daypass.verify.head import RequestHead, parse_head

_PARTS = (
    b"GET /bucket/key?versionId=1 HTTP/1.1\r\nHost: s3.example",
    b"PUT /a%20b//c HTTP/1.1\r\nHost: [::1]:8080",
    b"\r\nContent-Length: 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nX-Amz-Date: 20130524T000000Z",
    b"\r\nx-amz-meta-user_id: \xc3\xa9",
    b"\r\nAccept: a\r\naccept: b",
    b"\r\nExpect: 100-continue",
    b"\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0",
    b"\r\nX-A:\t b  c ",
    b"\r\n",
    b"\r\n b",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\0",
    b"_",
)
_UPGRADES = frozenset({b"upgrade", b"http2-settings"})


class _Seen:
    """What llhttp reports about a request."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, list[bytes]] = {}
        self.heads = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.setdefault(name.lower(), []).append(value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        self.heads += 1


def fuzz_one(data: bytes) -> None:
    """Parse a head that is made of parts, and compare it."""
    choices = Choices(data)
    block = b"".join(choices.pick(_PARTS) if choices.below(6) else choices.chunk() for _ in range(choices.below(12)))
    if choices.below(3) == 0:
        block = mutated(block, choices)
    try:
        head = parse_head(block)
    except HeadError:
        return
    _compare(head, block)


def _compare(head: RequestHead, block: bytes) -> None:
    seen = _Seen()
    parser = httptools.HttpRequestParser(seen)
    try:
        parser.feed_data(block + b"\r\n\r\n")
    except httptools.HttpParserUpgrade:
        assert not _UPGRADES.isdisjoint(head.headers)
    except httptools.HttpParserInvalidMethodError:
        return  # llhttp has a list of methods.
    assert seen.heads == 1, "another parser does not find one request"
    assert seen.url == head.target
    assert set(seen.headers) == set(head.headers)
    for name, values in seen.headers.items():
        assert head.headers[name] in (b",".join(values), b"; ".join(values))
    announced = seen.headers.get(b"content-length")
    assert (announced is None) is (head.content_length is None)
    assert announced is None or [int(announced[0])] == [head.content_length]
    assert head.chunked is (b"transfer-encoding" in seen.headers)
