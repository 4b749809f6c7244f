"""A plain call means the same as for the parser, and any other bytes are left to the parser."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.costs.loop import Wire, loop_server
from tests.http import test_framing as framing
from tests.http.raw import signed
from tests.http.segments import connected
from tests.http.test_connections import read_answer
from uvicorn.server import ServerState

from daypass.http.connection import Connection
from daypass.http.plain_calls import LONGEST, read_plain_call
from daypass.testing.server import RunningServer
from daypass.wire.http import Headers, HttpResponse

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
LINE = b"POST / HTTP/1.1"
LINES = (
    b"Host: sts.example.com:7777",
    b"User-Agent: aws-cli/2.1 (a; b) md/x#1",
    b"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
    b"X-Amz-Date: 20261130T120000Z",
    b"Authorization: AWS4-HMAC-SHA256 Credential=A/20261130/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=",
    b"Content-Length: %d" % len(BODY),
)


def call(*more: bytes, line: bytes = LINE, lines: tuple[bytes, ...] = LINES, body: bytes = BODY) -> bytes:
    """Return the bytes of a call. It is plain unless an argument says otherwise."""
    return b"\r\n".join((line, *lines, *more)) + b"\r\n\r\n" + body


GET = b"GET /federation/credentials?role_name=admin&account_id=111122223333 HTTP/1.1"
GET_LINES = (
    b"Host: sts.example.com:7777",
    b"Accept-Encoding: identity",
    b"User-Agent: aws-cli/2.36.7 md/awscrt#0.36.0 ua/2.1",
    b"x-amz-sso_bearer_token: aoaAAAAAGd",
)


def get(*more: bytes, line: bytes = GET, lines: tuple[bytes, ...] = GET_LINES, body: bytes = b"") -> bytes:
    """Return the bytes of a call of GetRoleCredentials."""
    return call(*more, line=line, lines=lines, body=body)


def without(name: bytes, *instead: bytes) -> bytes:
    """Return a call that has other lines in place of a header."""
    return call(*instead, lines=tuple(line for line in LINES if not line.startswith(name)))


@dataclass
class Seen:
    """One call, as an application got it."""

    headers: Headers
    body: bytes
    peer: str
    secure: bool
    query: bytes | None = None


@dataclass
class Application:
    """An application that keeps the calls which the parser read."""

    seen: list[Seen] = field(default_factory=list)
    plain: int = 0

    def at_once(self, scope: Any, body: bytes) -> HttpResponse:
        """Keep a call that the parser read."""
        query = scope["query_string"] if scope["method"] == "GET" else None
        assert scope["method"] == ("POST" if query is None else "GET")
        assert scope["raw_path"] == (b"/" if query is None else b"/federation/credentials")
        assert query is not None or scope["query_string"] == b""
        secure = scope["scheme"] == "https"
        self.seen.append(Seen(tuple(scope["headers"]), body, scope["client"][0], secure, query))
        return HttpResponse(200, ((b"x-id", b"1"),), b"ok")

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Answer any other request."""
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class PlainApplication(Application):
    """An application that has plain calls too."""

    def call(
        self,
        headers: Headers,
        by_name: Mapping[bytes, bytes],
        body: bytes,
        peer: str,
        *,
        secure: bool,
        query: bytes | None,
    ) -> HttpResponse:
        """Keep a plain call."""
        self.plain += 1
        assert by_name == dict(headers)
        self.seen.append(Seen(headers, body, peer, secure, query))
        return HttpResponse(200, ((b"x-id", b"1"),), b"ok")


_LOOP = asyncio.new_event_loop()


class TlsWire(Wire):
    """A transport that says that it is encrypted."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return a property of the transport."""
        return True if name == "sslcontext" else super().get_extra_info(name, default)


def feed(application: Application, pieces: Iterable[bytes], make_wire: Callable[[], Wire] = Wire) -> tuple[bytes, bool]:
    """Return what a connection writes for pieces of bytes, and whether it closes."""
    config = uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
    )
    config.load()

    async def run() -> tuple[bytes, bool]:
        wire = make_wire()
        connection = Connection(config=config, server_state=ServerState(), app_state={}, _loop=_LOOP)
        connection.connection_made(wire)
        for piece in pieces:
            if not wire.closing:
                connection.data_received(piece)
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        closes = wire.closing or connection.transport.is_closing()
        connection.connection_lost(None)
        return b"".join(wire.written), closes

    return _LOOP.run_until_complete(run())


def check_alike(*pieces: bytes) -> PlainApplication:
    """Feed bytes to both ways, which must not differ in any call, response or close."""
    parsed, plain = Application(), PlainApplication()
    assert feed(plain, pieces) == feed(parsed, pieces)
    assert plain.seen == parsed.seen
    for piece in pieces[:1]:
        found = read_plain_call(piece)
        assert plain.plain >= (found is not None)
        if found is not None:
            headers, by_name, body, query = found
            assert (headers, body, query) == (parsed.seen[0].headers, parsed.seen[0].body, parsed.seen[0].query)
            assert headers == tuple(by_name.items())
            assert all(b" ".join(value.split()) == value and value.isascii() for _, value in headers)
    return plain


PLAIN = {
    "usual": call(),
    "names in lower case": call(lines=tuple(b": ".join((n.lower(), v)) for n, v in (x.split(b": ", 1) for x in LINES))),
    "an empty body": without(b"Content-Length", b"Content-Length: 0").removesuffix(BODY),
    "an address of IPv6": without(b"Host", b"host: [::1]:80"),
    "kept alive": call(b"connection: keep-alive"),
    "kept alive, in another spelling": call(b"Connection: Keep-Alive"),
    "a proxy's headers": call(b"X-Forwarded-For: 10.0.0.1, 10.0.0.2", b"X-Forwarded-Proto: https", b"Via: 1.1 a"),
    "a colon and a space in the value": call(b"Accept: a: b"),
    "two headers in a value": without(b"User-Agent", b"User-Agent: a: Accept: b: Origin: c"),
    "a token": call(b"X-Amz-Security-Token: " + b"A/+=" * 2_000),
    "a body of bytes": without(b"Content-Length", b"Content-Length: 8").removesuffix(BODY) + b"\r\n\r\n\0\xff: ",
    "credentials of a role": get(),
    "credentials of a role with escapes": get(
        line=b"GET /federation/credentials?role_name=a%2Bb+c%3D&account_id= HTTP/1.1"
    ),
    "credentials of a role, asked by a proxy": get(b"Connection: keep-alive", b"X-Forwarded-For: 10.0.0.1"),
    "another request as its body": call(
        lines=(b"Host: a", b"Content-Length: %d" % len(framing.SMUGGLED)), body=framing.SMUGGLED
    ),
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_a_plain_call_is_what_the_parser_reads(data: bytes) -> None:
    """The application gets the same headers and body, and the client the same response."""
    assert check_alike(data).plain == 1


@pytest.mark.parametrize("make_wire", [Wire, TlsWire])
def test_both_ways_know_the_peer_and_its_connection(make_wire: Callable[[], Wire]) -> None:
    """A condition such as aws:SecureTransport has the same value."""
    parsed, plain = Application(), PlainApplication()
    assert feed(plain, [call()], make_wire) == feed(parsed, [call()], make_wire)
    assert plain.seen == parsed.seen
    assert (plain.plain, plain.seen[0].peer, plain.seen[0].secure) == (1, "127.0.0.1", make_wire is TlsWire)


def test_calls_after_each_other_are_read_in_both_ways() -> None:
    """Neither way leaves a state behind that changes the meaning of the next bytes."""
    chunked = without(b"Content-Length", b"Transfer-Encoding: chunked").removesuffix(BODY)
    trailers = chunked + b"0\r\nConnection: close\r\n\r\n"
    plain = check_alike(call(), trailers, call(), call()[:30], call()[30:], call(), b"\r\n", call(), call(), b"\n")
    assert (plain.plain, len(plain.seen)) == (4, 7)
    assert check_alike(call(b"Connection: close"), call()).plain == 0
    assert check_alike(call(), b"GET / HTTP/0.9\r\n\r\n", call()).plain == 1
    assert len(check_alike(call() + call(), call()).seen) == 3


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_a_call_in_pieces_is_left_to_the_parser(data: bytes) -> None:
    """A plain call is complete in one piece."""
    for place in (1, 16, 17, 18, len(data) // 2, len(data) - 1):
        assert check_alike(data[:place], data[place:]).plain == 0


NOT_PLAIN = {
    "another method": call(line=b"PUT / HTTP/1.1"),
    "a method in lower case": call(line=b"post / HTTP/1.1"),
    "a query": call(line=b"POST /?a HTTP/1.1"),
    "an empty query": call(line=b"POST /? HTTP/1.1"),
    "another path": call(line=b"POST // HTTP/1.1"),
    "an absolute target": call(line=b"POST http://sts.example.com:7777/ HTTP/1.1"),
    "a fragment": call(line=b"POST /# HTTP/1.1"),
    "HTTP/1.0": call(line=b"POST / HTTP/1.0"),
    "two spaces in the line": call(line=b"POST  / HTTP/1.1"),
    "a space at the line's end": call(line=b"POST / HTTP/1.1 "),
    "an empty line before it": b"\r\n" + call(),
    "a line feed before it": b"\n" + call(),
    "two lengths": call(b"Content-Length: %d" % len(BODY)),
    "two lengths, one in lower case": call(b"content-length: %d" % len(BODY)),
    "no length": without(b"Content-Length"),
    "no length and no body": without(b"Content-Length").removesuffix(BODY),
    "a length with a zero in front": without(b"Content-Length", b"Content-Length: 0%d" % len(BODY)),
    "a length with a plus": without(b"Content-Length", b"Content-Length: +%d" % len(BODY)),
    "a list of lengths": without(b"Content-Length", b"Content-Length: %d, %d" % (len(BODY), len(BODY))),
    "a body too long": call() + b"x",
    "a body too short": call()[:-1],
    "a second request": call() + framing.SMUGGLED,
    "a second call": call() + call(),
    "chunked": without(b"Content-Length", b"Transfer-Encoding: chunked").removesuffix(BODY) + framing.CHUNKS,
    "chunked and a length": call(b"Transfer-Encoding: chunked"),
    "chunked in lower case and a length": call(b"transfer-encoding: chunked"),
    "an expectation": call(b"Expect: 100-continue"),
    "another expectation": call(b"Expect: x"),
    "an upgrade": call(b"Upgrade: h2c", b"Connection: Upgrade"),
    "settings of HTTP/2": call(b"HTTP2-Settings: AAMAAABkAAQ"),
    "the last request": call(b"Connection: close"),
    "a list of options": call(b"Connection: keep-alive, close"),
    "options in two lines": call(b"Connection: keep-alive", b"connection: close"),
    "an option in another spelling": call(b"Connection: KEEP-ALIVE"),
    "two hosts": call(b"Host: b"),
    "two hosts alike": call(b"host: sts.example.com:7777"),
    "no host": without(b"Host"),
    "a list of hosts": without(b"Host", b"Host: a,b"),
    "a host with a user": without(b"Host", b"Host: u@a"),
    "a host with a path": without(b"Host", b"Host: a/b"),
    "a long host": without(b"Host", b"Host: " + b"a" * 301),
    "two tokens": call(b"X-Amz-Security-Token: a", b"x-amz-security-token: b"),
    "two dates": call(b"X-Amz-Date: 20261130T120001Z"),
    "an unknown header": call(b"X-Other: a"),
    "a known name with an underscore": call(b"X_Amz_Security_Token: a"),
    "a known name with odd letters": call(b"x-aMZ-Security-Token: a"),
    "an empty name": call(b": a"),
    "no colon": call(b"Accept"),
    "no space after the colon": call(b"Accept:a"),
    "two spaces after the colon": call(b"Accept:  a"),
    "a tab after the colon": call(b"Accept:\ta"),
    "a space before the colon": call(b"Accept : a"),
    "a tab before the colon": call(b"Accept\t: a"),
    "a space before the name": call(b" Accept: a"),
    "a folded header": call(b"Accept: a\r\n b"),
    "a header folded by a tab": call(b"Accept: a\r\n\tb"),
    "an empty value": call(b"Accept: "),
    "an empty value without a space": call(b"Accept:"),
    "a space behind the value": call(b"Accept: a "),
    "two spaces in the value": call(b"Accept: a  b"),
    "a tab in the value": call(b"Accept: a\tb"),
    "a header in a value": call(b"User-Agent: a: Host: b"),
    "a line feed in the value": call(b"Accept: a\nHost: b"),
    "a carriage return in the value": call(b"Accept: a\rHost: b"),
    "a NUL in the value": call(b"Accept: a\0b"),
    "a DEL in the value": call(b"Accept: a\x7fb"),
    "a byte beyond ASCII": call(b"Accept: \xe9"),
    "line feeds alone": call().replace(b"\r\n", b"\n"),
    "one line feed alone": call().replace(b"\r\nUser", b"\nUser"),
    "a carriage return too many": call().replace(b"\r\nUser", b"\r\r\nUser"),
    "headers ended by line feeds": call().replace(b"\r\n\r\n", b"\r\n\n"),
    "no headers": LINE + b"\r\n\r\n",
    "longer than a plain call": call(
        lines=(b"Host: a", b"Content-Length: %d" % LONGEST), body=b"x" * LONGEST
    ),
    "more headers than are allowed": call(*[b"X-%d: a" % number for number in range(257)]),
    "nothing": b"",
    "a part of the line": LINE,
    "credentials in capitals": get(line=GET.replace(b"federation", b"Federation")),
    "credentials without a query": get(line=b"GET /federation/credentials HTTP/1.1"),
    "credentials with an empty query": get(line=b"GET /federation/credentials? HTTP/1.1"),
    "credentials with two question marks": get(line=GET.replace(b"?", b"??")),
    "credentials with a fragment": get(line=GET.replace(b"333 ", b"333# ")),
    "credentials with a slash in the query": get(line=GET.replace(b"admin", b"a/b")),
    "credentials with a byte beyond ASCII": get(line=GET.replace(b"admin", b"\xe9")),
    "credentials with a longer path": get(line=GET.replace(b"credentials?", b"credentials/?")),
    "credentials with an escaped path": get(line=GET.replace(b"federation", b"federatio%6e")),
    "credentials at an absolute target": get(line=GET.replace(b"GET ", b"GET http://sts.example.com:7777")),
    "credentials by HEAD": get(line=GET.replace(b"GET ", b"HEAD ")),
    "credentials by POST": get(b"Content-Length: 0", line=GET.replace(b"GET ", b"POST ")),
    "credentials with a body": get(b"Content-Length: 1", body=b"x"),
    "credentials with an empty body": get(b"Content-Length: 0"),
    "credentials with bytes behind them": get(body=b"x"),
    "credentials twice": get() + get(),
    "credentials with two tokens": get(b"x-amz-sso_bearer_token: b"),
    "credentials with two tokens in two spellings": get(b"X-Amz-Sso_Bearer_Token: b"),
    "credentials with an expectation": get(b"Expect: 100-continue"),
    "credentials in chunks": get(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("data", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_an_unusual_call_is_left_to_the_parser(data: bytes) -> None:
    """Each condition of a plain call is needed. The parser accepts or refuses the others."""
    assert read_plain_call(data) is None
    assert check_alike(data).plain == 0


@pytest.mark.parametrize("data", framing.REFUSED.values(), ids=framing.REFUSED)
def test_a_request_that_the_parser_refuses_is_not_plain(data: bytes) -> None:
    """It is refused for the page of the API as well."""
    there = data.replace(b"/healthz HTTP", b"/ HTTP").replace(b"GET /", b"POST /", 1)
    assert read_plain_call(there) is None
    assert check_alike(there).plain == 0


_NAMES = st.sampled_from(
    [line.partition(b":")[0] for line in LINES]
    + [b"host", b"HOST", b"Accept", b"Expect", b"Connection", b"Transfer-Encoding", b"Upgrade", b"X-Other", b"", b"a b"]
)
_VALUES = st.sampled_from(
    (
        b"a", b"a b", b"a: b", b"a: Host: b", b" a", b"a ", b"a  b", b"a\tb", b"", b"43", b"0", b"3", b"close",
        b"chunked", b"keep-alive", b"100-continue", b"\xe9", b"\x0b", b"a\r\n b", b"a\nb", b"\0",
    )
)  # fmt: skip
_MOSTLY = {
    "separator": st.sampled_from([b": "] * 20 + [b":", b" : ", b":\t", b":  "]),
    "end": st.sampled_from([b"\r\n"] * 40 + [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\r\n\r\n"]),
}
_HEADER = st.one_of(
    st.sampled_from(LINES).map(lambda line: line + b"\r\n"),
    st.sampled_from(LINES).map(lambda line: line + b"\r\n"),
    st.tuples(_NAMES, _MOSTLY["separator"], _VALUES, _MOSTLY["end"]).map(b"".join),
)
_BODIES = st.sampled_from([BODY, BODY, b"abc", b"", BODY + framing.SMUGGLED, BODY + call(), framing.CHUNKS])
_LINES = st.sampled_from([LINE] * 10 + [b"GET / HTTP/1.1", b"POST /? HTTP/1.1", b"POST / HTTP/1.0", b"\r\n" + LINE])
_BUILT = st.builds(
    lambda line, headers, body: line + b"\r\n" + b"".join(headers) + b"\r\n" + body,
    _LINES,
    st.one_of(st.lists(_HEADER, max_size=8), st.permutations([line + b"\r\n" for line in LINES])),
    _BODIES,
)


@st.composite
def _edited(draw: st.DrawFn) -> bytes:
    """Return a plain call with a few bytes replaced, added or removed."""
    data = bytearray(draw(st.sampled_from(list(PLAIN.values())[:6])))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1))
        piece = draw(st.sampled_from([b"", b" ", b":", b"\r", b"\n", b"\r\n", b"\t", b"\0", b"0", b"a", b": ", b"-"]))
        data[at : at + draw(st.integers(0, 2))] = piece
    return bytes(data)


@settings(max_examples=150, deadline=None)
@given(st.one_of(_BUILT, _edited()))
def test_every_stream_means_the_same_in_both_ways(data: bytes) -> None:
    """Both ways find the same calls, send the same responses and close alike."""
    check_alike(data)


@dataclass
class LateApplication(PlainApplication):
    """An application whose responses have to wait."""

    def call(self, *values: Any, **more: Any) -> Any:
        """Return an awaitable of the response."""
        return self._late(super().call(*values, **more))

    def at_once(self, *values: Any) -> Any:
        """Return an awaitable of the response."""
        return self._late(super().at_once(*values))

    async def _late(self, response: HttpResponse) -> HttpResponse:
        for _ in range(3):
            await asyncio.sleep(0)
        return response


def test_a_plain_call_that_has_to_wait_is_answered_once() -> None:
    """Its response comes before that of the next call, which waits."""
    application = LateApplication()
    written, closes = feed(application, [call(), call() + call(), call()])
    assert written.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert len(application.seen) == 4
    assert application.plain == 1  # The others came while a call waited.
    assert not closes


@dataclass
class BrokenApplication(PlainApplication):
    """An application that fails."""

    def call(self, *_values: Any, **_more: Any) -> Any:
        """Fail."""
        raise ValueError("as in a test")


def test_a_failure_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """The client does not take another response for that of the call, and the log has the failure."""
    assert feed(BrokenApplication(), [call(), call()]) == (b"", True)
    assert [record.message for record in caplog.records] == ["the response could not be created"]


def test_the_calls_of_the_sdk_are_plain(shared_server: RunningServer) -> None:
    """The usual client has the fast way, and its signature is compared there."""
    body, headers = signed(shared_server)
    lines = tuple(b"%b: %b" % (name.encode(), value.encode()) for name, value in headers.items())
    data = call(b"Content-Length: %d" % len(body), lines=lines, body=body)
    assert read_plain_call(data) is not None
    changed = data.replace(body, b"&".join(reversed(body.split(b"&"))))  # the same call in other bytes
    moved = data.replace(b"Host: ", b"Host: x")
    with connected(shared_server.url) as connection:
        for number, (each, status) in enumerate([(data, 200), (changed, 403), (moved, 403), (data, 200)] * 2):
            connection.sendall(each)
            assert read_answer(connection)[0] == status, number


def test_both_ways_have_one_response_and_one_audit_event(tmp_path: Path) -> None:
    """A proxy's client has its own address, and a refusal its own reason."""

    async def run() -> None:
        proxies = (ip_network("127.0.0.0/8"),)
        async with loop_server(tmp_path, {"trusted_proxies": proxies}) as server:
            usual = server.sign(server.root, "sts", {"Action": "GetCallerIdentity"})
            session = server.sign(server.root, "sts", {"Action": "GetSessionToken"})
            proxied = usual.replace(
                b"Host: ", b"X-Forwarded-For: 10.1.1.1, 10.9.8.7\r\nX-Forwarded-Proto: https\r\nHost: "
            )
            forged, stale = usual.replace(b"Date: 2", b"Date: 3"), usual.replace(b"Date: 20", b"Date: 19")
            unsigned = usual.replace(b"Authorization: ", b"Referer: ")
            for plain in (usual, usual, session, proxied, forged, stale, unsigned):
                assert read_plain_call(plain) is not None
                other = plain.replace(b"Host: ", b"X-Other: a\r\nHost: ")
                one, two = [await server.send(each) for each in (plain, other)]
                assert _without_ids(one) == _without_ids(two), plain

    asyncio.run(run())
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    own = {"eventID", "requestID", "eventTime", "responseElements", "chain"}
    # The log counts refusals of the same kind instead of writing them.
    served = [event for event in events if "errorCode" not in event]
    told = [{name: value for name, value in event.items() if name not in own} for event in served]
    assert len(told) == 8
    assert told[::2] == told[1::2]
    assert [event["sourceIPAddress"] for event in told].count("10.9.8.7") == 2


def _without_ids(response: bytes) -> set[bytes]:
    """Return the lines of a response without the values that differ between two equal calls."""
    response = re.sub(rb"(?i)(x-amzn-requestid: |<RequestId>)[0-9a-f-]+", rb"\1", response)
    response = re.sub(rb"(<(?:AccessKeyId|SecretAccessKey|SessionToken|Expiration)>)[^<]+", rb"\1", response)
    lines = response.split(b"\r\n")
    return {line for line in lines if not line.lower().startswith((b"date:", b"content-length:"))}
