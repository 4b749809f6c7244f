"""Heads of a store's answers that are refused, and what a client sees of the others."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.gateway.transfers.data_path_fixtures import MakePath
from tests.gateway.transfers.scripted_store import always

from daypass.gateway.stores.store_answers import StoreAnswers
from daypass.gateway.transfers import store_head
from daypass.gateway.transfers.store_head import CHUNKED, TO_THE_END, StoreError, StoreHead, parse_store_head
from daypass.verify.s3.errors import s3_error

MALFORMED = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x2",
    b"HTTP/1.1 200 OK\r\nContent-Length: ",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456789",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity",
    b"HTTP/1.1 200 OK\r\nContent-Length : 2",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: a\rInjected: b",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: a\nInjected: b",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: a\x00b",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: a\r\n folded: b",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n: no name",
    b"HTTP/2 200\r\nContent-Length: 2",
    b"HTTP/1.1 20 OK\r\nContent-Length: 2",
    b"HTTP/1.1 999 OK\r\nContent-Length: 2",
    b"ICY 200 OK\r\nContent-Length: 2",
    b"HTTP/1.1 200 O\rK\r\nContent-Length: 2",
]


@pytest.mark.parametrize("block", MALFORMED)
def test_a_malformed_head_is_refused(block: bytes) -> None:
    """Each of them has more than one meaning."""
    with pytest.raises(StoreError):
        parse_store_head(block, is_head=False)


_LENGTHS = (b"2", b" 2 ", b" 02", b" +2", b"", b" 1234567890123456789")
_OTHERS = (b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive", b"Trailer: a", b"ETag: a")
_LINES = st.sampled_from(
    [
        *(b"Content-Length:" + value for value in _LENGTHS),
        *_OTHERS,
        *(b"content-length: 2", b"etag:b", b"X-Empty:", b"X-Long: " + b"a" * 128, b"X-Amz-Meta-A:\tb c\t"),
    ]
)


@given(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 206", b"HTTP/1.1 204 -", b"HTTP/1.1 404 -"]),
    st.lists(_LINES, max_size=4),
    st.booleans(),
)
def test_the_usual_head_is_read_like_every_other(first: bytes, lines: list[bytes], is_head: bool) -> None:  # noqa: FBT001
    """The fast way has the result of the loop over the lines, or steps aside."""
    every = [first, *lines]

    def read(way: Callable[[], StoreHead]) -> StoreHead | str:
        try:
            return way()
        except StoreError as error:
            return str(error)

    block, status = b"\r\n".join(every), int(first[9:12])
    expected = read(lambda: store_head._read_lines(every, status, is_head=is_head))
    assert read(lambda: parse_store_head(block, is_head=is_head)) == expected


@pytest.mark.parametrize(
    "block", [MALFORMED[0], MALFORMED[8], MALFORMED[13], b"HTTP/1.1 101 Switching Protocols\r\na: b"]
)
def test_a_malformed_answer_makes_the_store_unavailable(make_path: MakePath, block: bytes) -> None:
    """The client sees nothing of it."""
    path = make_path(always(block + b"\r\n\r\nok"))
    answer = path.connect().get()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "injected" not in answer.headers


def test_an_endless_head_makes_the_store_unavailable(make_path: MakePath) -> None:
    """The head of an answer has at most 64 KiB."""
    path = make_path(always(b"HTTP/1.1 200 OK\r\n" + b"x-header: value\r\n" * 5_000))
    assert path.connect().get().status == 503


@pytest.mark.parametrize(
    ("block", "is_head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2", False, 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2", True, 0),
        (b"HTTP/1.1 200\r\nTransfer-Encoding: Chunked", False, CHUNKED),
        (b"HTTP/1.1 200 OK\r\nETag: x", False, TO_THE_END),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2", False, 0),
        (b"HTTP/1.1 204 No Content", False, 0),
    ],
)
def test_the_length_of_an_answer(block: bytes, *, is_head: bool, length: int) -> None:
    """RFC 9112 section 6.3."""
    assert parse_store_head(block, is_head=is_head).length == length


def error(status: bytes, code: bytes, extra: bytes = b"") -> bytes:
    """Return an error of a store."""
    document = (
        b'<?xml version="1.0"?><Error><Code>%b</Code><Message>a &amp; b</Message>%b<RequestId>theirs</RequestId>'
        b"<HostId>host</HostId></Error>" % (code, extra)
    )
    return b"HTTP/1.1 %b\r\nServer: s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(document),
        document,
    )


def test_only_allowed_headers_reach_the_client(make_path: MakePath) -> None:
    """The others describe the store."""
    names = ["ETag", "Content-Type", "x-amz-meta-a_b", "x-amz-version-id", "Last-Modified"]
    dropped = ["Server", "Via", "Set-Cookie", "x-amz-id-2", "x-amz-request-id", "Location", "X-Powered-By", "Date"]
    lines = b"".join(f"{name}: theirs\r\n".encode() for name in (*names, *dropped))
    path = make_path(always(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n"))
    headers = path.connect().get().headers
    assert [name for name, value in headers.items() if value == "theirs"] == [
        name.lower() for name in sorted(names, key=names.index)
    ]
    assert set(headers) == {name.lower() for name in names} | {"content-length", "date", "x-amz-request-id"}


def test_the_log_says_what_to_do_about_a_refused_key(make_path: MakePath) -> None:
    """A wrong key file is the most likely reason."""
    path = make_path(always(error(b"403 Forbidden", b"SignatureDoesNotMatch")))
    with capture_logs() as logged:
        assert path.connect().get().status == 500
    refused = next(each for each in logged if each["event"] == "store_answer_refused")
    assert "--backend-key-file" in refused["remedy"]


def test_an_error_of_the_store_has_our_request_id(make_path: MakePath) -> None:
    """Its code and message stay, its host does not."""
    path = make_path(always(error(b"409 Conflict", b"BucketNotEmpty", b"<BucketName>b</BucketName>")))
    answer = path.connect().get()
    request_id = path.judge.exchanges[0].request_id
    assert answer.status == 409
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>BucketNotEmpty</Code><Message>a &amp; b</Message>'
        b"<BucketName>b</BucketName><RequestId>%b</RequestId></Error>" % request_id.encode()
    )
    assert answer.headers["x-amz-request-id"] == request_id


@pytest.mark.parametrize(
    "answer",
    [
        error(b"403 Forbidden", b"SignatureDoesNotMatch", b"<StringToSign>secret</StringToSign>"),
        error(b"403 Forbidden", b"InvalidAccessKeyId", b"<AWSAccessKeyId>secret</AWSAccessKeyId>"),
        error(b"400 Bad Request", b"AuthorizationHeaderMalformed"),
        error(b"403 Forbidden", b"RequestTimeTooSkewed"),
        error(b"401 Unauthorized", b"secret"),
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://secret/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad\r\nContent-Type: text/html\r\nContent-Length: 19\r\n\r\n<html>secret</html>",
        b"HTTP/1.1 418 Teapot\r\nContent-Length: 6\r\n\r\nsecret",
    ],
)
def test_answers_about_the_gateway_itself_become_an_internal_error(make_path: MakePath, answer: bytes) -> None:
    """The client learns nothing about the store or the request that the gateway signed."""
    alarms: list[str] = []
    path = make_path(always(answer), answer=lambda _head, exchange: StoreAnswers(exchange, on_alarm=alarms.append))
    got = path.connect().get()
    assert (got.status, b"<Code>InternalError</Code>" in got.body, len(alarms)) == (500, True, 1)
    assert b"secret" not in got.body
    assert "location" not in got.headers


def test_head_does_not_say_why_the_store_refuses_the_gateway(make_path: MakePath) -> None:
    """An answer to HEAD has no code, so every 403 counts as a refusal of the gateway."""
    path = make_path(always(b"HTTP/1.1 403 Forbidden\r\n\r\n"))
    assert path.connect().get(method="HEAD").status == 500


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b"403 Forbidden", b"AccessDenied"),
        (b"404 Not Found", b"NoSuchKey"),
        (b"412 Precondition Failed", b"PreconditionFailed"),
        (b"416 Range Not Satisfiable", b"InvalidRange"),
        (b"503 Service Unavailable", b"ServiceUnavailable"),
    ],
)
def test_an_error_without_a_document_gets_one(make_path: MakePath, status: bytes, code: bytes) -> None:
    """Clients read the code."""
    path = make_path(always(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"))
    answer = path.connect().get()
    assert (answer.status, b"<Code>%b</Code>" % code in answer.body) == (int(status[:3]), True)


def test_the_user_of_the_gateway_is_not_named(make_path: MakePath) -> None:
    """The store's message may describe it."""
    path = make_path(always(error(b"403 Forbidden", b"AccessDenied").replace(b"a &amp; b", b"root is not allowed")))
    answer = path.connect().get()
    assert (answer.status, b"<Message>Access Denied</Message>" in answer.body) == (403, True)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_missing_object_is_hidden(make_path: MakePath, method: str) -> None:
    """Without ListBucket, a caller must not learn that the object does not exist."""
    missing = error(b"404 Not Found", b"NoSuchKey", b"<Key>k</Key>")
    if method == "HEAD":
        missing = missing.partition(b"\r\n\r\n")[0] + b"\r\nx-amz-delete-marker: true\r\n\r\n"

    def rule(head: object, exchange: object) -> StoreAnswers:
        return StoreAnswers(exchange, is_head=method == "HEAD", missing=s3_error("AccessDenied"))  # type: ignore[arg-type]

    path = make_path(always(missing), answer=rule)
    client = path.connect()
    for _ in range(2):
        answer = client.get(method=method)
        assert answer.status == 403
        assert "x-amz-delete-marker" not in answer.headers
        assert b"NoSuchKey" not in answer.body
    assert len(path.store.sides) == 1


def test_the_location_is_the_gateways(make_path: MakePath) -> None:
    """The store's own would name the store's host."""
    path = make_path(
        always(b"HTTP/1.1 200 OK\r\nLocation: http://store/b\r\nContent-Length: 0\r\n\r\n"),
        answer=lambda _head, exchange: StoreAnswers(exchange, location=b"/bucket"),
    )
    assert path.connect().get().headers["location"] == "/bucket"


def test_a_header_with_a_line_break_is_not_sent(make_path: MakePath) -> None:
    """It would split the answer."""
    path = make_path(
        always(b"HTTP/1.1 200 OK\r\nLocation: x\r\nContent-Length: 5\r\n\r\nhello"),
        answer=lambda _head, exchange: StoreAnswers(exchange, location=b"/a\r\nInjected: b"),
    )
    answer = path.connect().get()
    assert answer.status == 500
    assert "injected" not in answer.headers
    assert answer.body != b"hello"
