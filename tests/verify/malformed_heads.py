"""A corpus of heads that no strict server may accept: each could hide a request, or a value, from some other parser.

The gateway's tests send the same heads over a socket. A head ends before the empty line. Sources: RFC 9112; "HTTP
Desync Attacks" (James Kettle, 2019 and later); the differences between SeaweedFS, nginx, Caddy and Go's server.
"""

from collections.abc import Iterator

HOST = b"Host: s3.example"
LINE = b"PUT /bucket/key HTTP/1.1"


def _head(*lines: bytes, first: bytes = LINE) -> bytes:
    return b"\r\n".join((first, HOST, *lines))


def _first(line: bytes) -> bytes:
    return b"\r\n".join((line, HOST))


_LENGTHS = (
    b"", b"+5", b"-1", b"-0", b"05", b"00", b"0x5", b"5,5", b"5, 5", b"5 5", b"5;", b"5.0", b"5e0", b"1_0", b"0b1",
    b"\xd9\xa5", b"5\t5", b'"5"', b"five", b"9" * 19, b"18446744073709551616", b"5,", b",5", b"\xb2",
)  # fmt: skip
_CODINGS = (
    b"", b"Chunked", b"CHUNKED", b"chunked, chunked", b"chunked,", b",chunked", b"gzip, chunked", b"chunked, identity",
    b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunked;q=1", b'"chunked"', b"chun ked", b"chunked\x0b",
    b"\x0bchunked", b"cow", b"deflate", b"chunked\xa0", b"\xefchunked",
)  # fmt: skip
_TWICE = (
    (b"Host: s3.example", b"Host: other.example"),
    (b"Authorization: AWS4-HMAC-SHA256 a", b"Authorization: AWS4-HMAC-SHA256 b"),
    (b"X-Amz-Date: 20130524T000000Z", b"x-amz-date: 20130524T000000Z"),
    (b"X-Amz-Content-SHA256: UNSIGNED-PAYLOAD", b"X-Amz-Content-SHA256: UNSIGNED-PAYLOAD"),
    (b"X-Amz-Security-Token: a", b"X-Amz-Security-Token: b"),
    (b"X-Amz-Acl: private", b"X-Amz-Acl: public-read"),
    (b"X-Amz-Copy-Source: a/b", b"X-Amz-Copy-Source: c/d"),
    (b"X-Amz-Decoded-Content-Length: 5", b"X-Amz-Decoded-Content-Length: 6"),
    (b"X-Amz-Tagging: a=b", b"X-Amz-Tagging: c=d"),
    (b"Content-Type: text/plain", b"Content-Type: text/html"),
    (b"Content-MD5: a", b"Content-MD5: b"),
    (b"Content-Encoding: gzip", b"Content-Encoding: aws-chunked"),
    (b"Range: bytes=0-1", b"Range: bytes=2-3"),
    (b"Expect: 100-continue", b"Expect: 100-continue"),
    (b"Date: Fri, 24 May 2013 00:00:00 GMT", b"Date: Fri, 24 May 2013 00:00:01 GMT"),
    (b"If-Match: a", b"If-Match: b"),
    (b"Upgrade: h2c", b"Upgrade: websocket"),
    (b"X-Unknown: a", b"X-Unknown: b"),
)
_NAMES = (
    b"Content-Length ", b"Content-Length\t", b" Content-Length", b"\tContent-Length", b"Content Length",
    b"Content_Length", b"Transfer_Encoding", b"Transfer-Encoding ", b"X_Amz_Acl", b"X-Amz_Acl", b"x-amz-acl_",
    b"_x-amz-acl", b"X-Amz-Meta_a", b"X_Amz_Meta-a", b"Content-Length\x00", b"\x00Content-Length",
    b"Content-Length\x0b",
    b"", b"(Content-Length)", b"Content-Length\xa0", b"\xefContent-Length", b"[x]", b"a/b", b'"a"', b"a,b", b"a;b",
    b"a=b", b"a@b", b"a?b", b"a\\b", b"{a}",
)  # fmt: skip
_VALUES = (
    b"a\x00b", b"a\rb", b"a\nb", b"a\x0bb", b"a\x0cb", b"a\x7fb", b"a\x1bb", b"a\r\rb", b"a\n\nb", b"a\n b", b"a\r b",
    b"a\nX-Amz-Acl: public-read", b"a\rX-Amz-Acl: public-read", b"a\r\r\nX-Amz-Acl: b", b"a\n\rX-Amz-Acl: b",
)  # fmt: skip
_LINES = (
    b"", b" ", b"PUT", b"PUT /k", b"/k HTTP/1.1", b"PUT  /k HTTP/1.1", b"PUT /k  HTTP/1.1", b" PUT /k HTTP/1.1",
    b"PUT /k HTTP/1.1 ", b"PUT\t/k HTTP/1.1", b"PUT /k\tHTTP/1.1", b"PUT /k HTTP/1.0", b"PUT /k HTTP/0.9",
    b"PUT /k HTTP/1.2", b"PUT /k HTTP/2.0", b"PUT /k HTTP/1.10", b"PUT /k HTTP/01.1", b"PUT /k http/1.1",
    b"PUT /k HTTP/1", b"PUT /k HTTPS/1.1", b"PUT /k HTTP 1.1", b"PUT /k FTP/1.1", b"PUT /k HTTP/1.1\x00",
    b"PUT http://s3.example/k HTTP/1.1", b"PUT https://other.example/k HTTP/1.1", b"PUT //HTTP/1.1",
    b"PUT s3.example:80 HTTP/1.1", b"CONNECT s3.example:443 HTTP/1.1", b"CONNECT /k HTTP/1.1", b"OPTIONS * HTTP/1.1",
    b"PUT k HTTP/1.1", b"PUT ?k HTTP/1.1", b"PUT /k#f HTTP/1.1", b"PUT /k?a#f HTTP/1.1", b"PUT # HTTP/1.1",
    b"PUT /a b HTTP/1.1", b"PUT /a\x00b HTTP/1.1", b"PUT /a\x0bb HTTP/1.1", b"PUT /a\x7fb HTTP/1.1",
    b"PUT /a\xa0b HTTP/1.1", b"PUT /\xc3\xa9 HTTP/1.1", b"PUT /% HTTP/1.1", b"PUT /%2 HTTP/1.1", b"PUT /%zz HTTP/1.1",
    b"PUT /%u002f HTTP/1.1", b"PUT /k?a=% HTTP/1.1", b"PUT /%2%66 HTTP/1.1", b"put /k HTTP/1.1", b"Put /k HTTP/1.1",
    b"PU\x00T /k HTTP/1.1", b"PU(T /k HTTP/1.1", b"GET;PUT /k HTTP/1.1", b"P\xdcT /k HTTP/1.1",
    b"A" * 30 + b" /k HTTP/1.1",
    b"PUT /k\r HTTP/1.1", b"PUT /k\n HTTP/1.1", b"\r\nPUT /k HTTP/1.1", b"\nPUT /k HTTP/1.1", b"PRI * HTTP/2.0",
)  # fmt: skip
_HOSTS = (
    b"", b"a b", b"a,b", b"a/b", b"user@s3.example", b"s3.example:", b"s3.example:80:80", b"s3.example:x", b"[::1",
    b"::1",
    b"s3.example:-1", b"s3.example:999999", b"s3.\x00example", b"a" * 301, b"<s3>", b'"s3"', b"s3.example\xa0",
    b"[::1]x",
)  # fmt: skip
_WHOLE = {
    "no Host": LINE,
    "no Host but a folded one": LINE + b"\r\nX-A: b\r\n Host: s3.example",
    "a folded header": _head(b"X-Amz-Acl: private", b" public-read"),
    "a header folded with a tab": _head(b"X-Amz-Acl: private", b"\tpublic-read"),
    "a folded first header": LINE + b"\r\n Host: s3.example",
    "a line without a colon": _head(b"Content-Length 5"),
    "an empty line within": _head(b"", b"Content-Length: 5"),
    "a line of spaces": _head(b"   ", b"Content-Length: 5"),
    "lines that end with LF": (LINE + b"\r\n" + HOST + b"\r\nContent-Length: 5").replace(b"\r\n", b"\n"),
    "lines that end with CR": (LINE + b"\r\n" + HOST + b"\r\nContent-Length: 5").replace(b"\r\n", b"\r"),
    "one line that ends with LF": LINE + b"\n" + HOST,
    "a lone CR and one more control character": LINE + b"\r\n" + HOST + b"\rX-A: \x00",
    "a lone LF and one more control character": LINE + b"\r\n" + HOST + b"\nX-A: \x1b",
    "as many CR as LF, but not in pairs": LINE + b"\r\n" + HOST + b"\rX-A: b\nX-B: c",
    "LF CR": LINE + b"\n\r" + HOST,
    "CR CR LF": LINE + b"\r\r\n" + HOST,
    "a lone CR, and an LF at the end": LINE + b"\r\n" + HOST + b"\rX-A: b\n",
    "a lone CR before a coding, and an LF at the end": LINE + b"\r\n" + HOST + b"\rTransfer-Encoding: chunked\n",
    "a lone LF, and a CR at the end": LINE + b"\r\n" + HOST + b"\nX-A: b\r",
    "a CR at the end": _head() + b"\r",
    "an LF at the end": _head() + b"\n",
    "a CR LF at the end": _head() + b"\r\n",
    "a byte order mark": b"\xef\xbb\xbf" + _head(),
    "a tab behind a coding": _head(b"Transfer-Encoding: chunked\t"),
    "a tab and a space behind a coding": _head(b"Transfer-Encoding: chunked\t "),
    "a tab before a coding": _head(b"Transfer-Encoding:\tchunked"),
    "a tab behind a length": _head(b"Content-Length: 5\t"),
    "a tab before a length": _head(b"content-length: \t5"),
    "a tab behind a host": LINE + b"\r\n" + HOST + b"\t",
    "a tab before a host": LINE + b"\r\nHost:\ts3.example",
    "two lengths": _head(b"Content-Length: 5", b"Content-Length: 6"),
    "two equal lengths": _head(b"Content-Length: 5", b"Content-Length: 5"),
    "two lengths in other letters": _head(b"Content-Length: 5", b"content-length: 5"),
    "a length and a coding": _head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "a coding and a length": _head(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "a coding and an empty length": _head(b"Transfer-Encoding: chunked", b"Content-Length: 0"),
    "two codings": _head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "two equal codings": _head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "an identity and chunked": _head(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
    "another expectation": _head(b"Expect: 100-continue, x"),
    "an unknown expectation": _head(b"Expect: the-unexpected"),
    "an empty expectation": _head(b"Expect:"),
    "too many headers": _head(*(b"X-A%d: b" % at for at in range(300))),
    "a head that is too large": _head(b"X-A: " + b"b" * 70_000),
    "nothing": b"",
}


def malformed_heads() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each head."""
    yield from _WHOLE.items()
    for value in _LENGTHS:
        yield f"Content-Length: {value!r}", _head(b"Content-Length: " + value)
    for value in _CODINGS:
        yield f"Transfer-Encoding: {value!r}", _head(b"Transfer-Encoding: " + value)
    for one, other in _TWICE:
        yield f"twice {one!r}", _head(one, other)
    for name in _NAMES:
        yield f"name {name!r}", _head(name + b": 5")
    for value in _VALUES:
        yield f"value {value!r}", _head(b"X-A: " + value)
    for line in _LINES:
        yield f"line {line!r}", _first(line)
    for value in _HOSTS:
        yield f"Host: {value!r}", LINE + b"\r\nHost: " + value
