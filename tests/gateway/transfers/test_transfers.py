"""One request after the other through the data path."""

import contextlib
import socket
import threading
from collections.abc import Sequence

import pytest
from tests.gateway.transfers.data_path_fixtures import MakePath
from tests.gateway.transfers.passing_judge import DoneRecord, HeldBackBody, RecordedExchange
from tests.gateway.transfers.running_data_path import LONG, chunked_head, put_head
from tests.gateway.transfers.scripted_store import OK, StoreSide, always, answer_all

from daypass.gateway.plan import Plan
from daypass.verify.head import RequestHead
from daypass.verify.s3.errors import s3_error


class CountedBody(HeldBackBody):
    """Counts the pieces of a body."""

    pieces = 0

    def feed(self, data: bytes) -> Sequence[bytes | memoryview]:
        """Pass a piece on."""
        self.pieces += 1
        return super().feed(data)


def test_get_passes_through(make_path: MakePath) -> None:
    """The answer of the store reaches the client."""
    path = make_path()
    answer = path.connect().get()
    assert (answer.status, answer.body) == (200, b"ok")
    assert path.store.requests[0].line == b"GET /bucket/key HTTP/1.1"


def test_put_passes_through(make_path: MakePath) -> None:
    """The body of a request reaches the store."""
    path = make_path()
    assert path.connect().put(b"content").status == 200
    assert path.store.requests[0].body == b"content"


def test_chunked_put_passes_through(make_path: MakePath) -> None:
    """HTTP chunks are decoded and written again."""
    path = make_path()
    client = path.connect().send(chunked_head() + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert client.read().status == 200
    assert path.store.requests[0].body == b"abcde"


def test_a_body_in_chunks_of_one_byte_is_read_in_large_pieces(make_path: MakePath) -> None:
    """Small chunks would cost the gateway and the store much more than their sender."""
    counted = CountedBody(chunked=True)
    path = make_path(body=lambda _head: counted)
    client = path.connect().send(chunked_head() + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n")
    assert client.read().status == 200
    assert path.store.requests[0].body == b"a" * 20_000
    assert counted.pieces < 500


def test_connections_are_used_again(make_path: MakePath) -> None:
    """Requests of one client take one connection to the store."""
    path = make_path()
    client = path.connect()
    for _ in range(5):
        assert client.get().status == 200
        assert client.put(b"x" * 100_000).status == 200
    assert len(path.store.sides) == 1


def test_pipelined_requests_are_answered_in_order(make_path: MakePath) -> None:
    """Requests that come early wait for their turn."""
    path = make_path(always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    client = path.connect()
    client.send(b"PUT /a HTTP/1.1\r\nHost: s3\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: s3\r\n\r\n" * 3)
    assert [client.read().status for _ in range(6)] == [200] * 6
    assert [request.line.split(b" ")[1] for request in path.store.requests] == [b"/a", b"/b"] * 3


def test_a_held_back_request_is_bounded(make_path: MakePath) -> None:
    """A client that sends requests without an end is read only as far as the gateway keeps bytes."""
    release = threading.Event()

    def script(side: StoreSide) -> None:
        side.read_request()
        release.wait(LONG)
        side.send(OK)
        answer_all(side)

    path = make_path(script)
    client = path.connect()
    request = b"GET /bucket/key HTTP/1.1\r\nHost: s3\r\nX-Padding: " + b"p" * 4_000 + b"\r\n\r\n"
    client.socket.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 64 * 1024 * 1024:
            sent += client.socket.send((request * 64)[sent % len(request) :])
    assert sent < 64 * 1024 * 1024
    release.set()
    client.socket.setblocking(True)
    client.socket.settimeout(LONG)
    for _ in range(sent // len(request)):
        assert client.read().status == 200


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n", b""),
    ],
)
def test_answers_of_every_framing_keep_the_connections(make_path: MakePath, answer: bytes, body: bytes) -> None:
    """The next request on the same two connections gets the next answer."""
    path = make_path(always(answer))
    client = path.connect()
    for _ in range(3):
        got = client.get()
        assert (got.status, got.body, got.is_complete) == (int(answer.rpartition(b"HTTP/1.1 ")[2][:3]), body, True)
    assert len(path.store.sides) == 1


def test_an_answer_that_comes_byte_by_byte_is_the_same(make_path: MakePath) -> None:
    """The parts of an answer may be of any size."""

    def script(side: StoreSide) -> None:
        side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            side.read_request()
            for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n":
                side.send(bytes([byte]))

    path = make_path(script)
    client = path.connect()
    assert [client.get().body for _ in range(3)] == [b"hello"] * 3


def test_an_answer_to_the_end_of_the_connection_gets_chunks(make_path: MakePath) -> None:
    """The client can tell the end of such an answer from a lost connection."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")

    path = make_path(script)
    client = path.connect()
    for _ in range(2):
        answer = client.get()
        assert (answer.body, answer.is_complete) == (b"hello", True)
    assert len(path.store.sides) == 2


def test_head_has_the_length_and_no_body(make_path: MakePath) -> None:
    """The answer to HEAD does not have a body, whatever its headers say."""
    path = make_path(always(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nETag: x\r\n\r\n"))
    client = path.connect()
    for _ in range(2):
        answer = client.get(method="HEAD")
        assert (answer.status, answer.headers["content-length"], answer.headers["etag"]) == (200, "500", "x")


def test_bytes_after_an_answer_end_the_store_connection(make_path: MakePath) -> None:
    """The next request must not get them as its answer."""
    path = make_path(always(OK + OK))
    client = path.connect()
    assert [client.get().body for _ in range(3)] == [b"ok"] * 3
    assert len(path.store.sides) == 3


def test_connection_close_of_the_client_is_obeyed(make_path: MakePath) -> None:
    """The answer is the last one."""
    path = make_path()
    client = path.connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\nConnection: close\r\n\r\n")
    assert client.read().headers["connection"] == "close"
    assert client.is_closed()


def test_connection_close_of_the_store_is_obeyed(make_path: MakePath) -> None:
    """The next request takes another connection, and the client does not notice."""
    path = make_path(always(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"))
    client = path.connect()
    answers = [client.get() for _ in range(2)]
    assert [answer.headers.get("connection") for answer in answers] == [None, None]
    assert len(path.store.sides) == 2


def test_continue_is_sent_after_the_decision(make_path: MakePath) -> None:
    """A client that waits is asked for its body once the request is allowed."""
    path = make_path()
    client = path.connect().send(put_head(5, headers="Expect: 100-continue\r\n"))
    assert client.read().status == 100
    client.send(b"hello")
    assert client.read().status == 200
    assert path.store.requests[0].body == b"hello"
    assert client.get().status == 200


def test_a_refused_client_is_not_asked_for_its_body(make_path: MakePath) -> None:
    """The refusal is the first answer, and the connection ends."""

    def refuse(_head: RequestHead, exchange: RecordedExchange) -> Plan:
        return exchange.refuse(s3_error("AccessDenied"))

    path = make_path(decide=refuse)
    client = path.connect().send(put_head(5, headers="Expect: 100-continue\r\n"))
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (403, "close")
    assert b"<Code>AccessDenied</Code>" in answer.body
    assert client.is_closed()
    assert not path.store.sides


def test_a_refusal_keeps_the_connection_of_a_request_without_a_body(make_path: MakePath) -> None:
    """So it does if the body was received with the head."""

    def refuse(_head: RequestHead, exchange: RecordedExchange) -> Plan:
        return exchange.refuse(s3_error("AccessDenied"))

    path = make_path(decide=refuse)
    client = path.connect()
    assert [client.get().status for _ in range(2)] == [403, 403]
    assert [client.put(b"small").status for _ in range(2)] == [403, 403]


def test_a_large_refused_upload_gets_its_answer(make_path: MakePath) -> None:
    """The rest of the body is dropped, so that the client is not reset before it reads the answer."""

    def refuse(_head: RequestHead, exchange: RecordedExchange) -> Plan:
        return exchange.refuse(s3_error("AccessDenied"))

    path = make_path(decide=refuse)
    client = path.connect().send(put_head(900_000) + b"x" * 900_000)
    assert client.read().status == 403
    assert client.is_closed()


def test_every_answer_has_one_request_id_and_a_date(make_path: MakePath) -> None:
    """The id is the gateway's own, as in the audit event."""
    path = make_path(always(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-amz-request-id: theirs\r\nDate: x\r\n\r\n"))
    answer = path.connect().get()
    assert answer.headers["x-amz-request-id"] == path.judge.exchanges[0].request_id
    assert answer.headers["date"].endswith("GMT")


def test_each_exchange_ends_once(make_path: MakePath) -> None:
    """The record has the status and the sizes of the bodies."""
    path = make_path()
    path.connect().put(b"content")
    assert path.judge.ended.get(timeout=LONG) == DoneRecord(200, 7, 2)
    assert path.judge.exchanges[0].ends == 1


def test_a_get_is_repeated_if_a_kept_connection_ends(make_path: MakePath) -> None:
    """A store may close an unused connection at the moment when a request is sent."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(OK)
        side.read_head()
        if side.number == 1:
            side.reset()
        else:
            side.send(OK)

    path = make_path(script)
    client = path.connect()
    assert client.get().status == 200
    answer = client.get()
    assert (answer.status, len(path.store.sides)) == (200, 2)


def test_a_put_is_not_repeated(make_path: MakePath) -> None:
    """The store may have stored the object. The client decides whether it tries again."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(OK)
        side.read_request()
        side.reset()

    path = make_path(script)
    client = path.connect()
    assert client.get().status == 200
    answer = client.put(b"content")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b"<Code>ServiceUnavailable</Code>" in answer.body
    assert len(path.store.requests) == 2


def test_a_get_is_repeated_only_once(make_path: MakePath) -> None:
    """A store that is broken is not asked for ever."""

    def script(side: StoreSide) -> None:
        if side.number == 1:
            side.read_request()
            side.send(OK)
        side.read_head()
        side.reset()

    path = make_path(script)
    client = path.connect()
    assert client.get().status == 200
    assert client.get().status == 503
    assert len(path.store.sides) == 2


def test_a_store_that_is_down_is_unavailable(make_path: MakePath) -> None:
    """The answer says when to try again."""
    path = make_path()
    path.store.close()
    answer = path.connect().get()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_a_connection_to_the_store_is_read_after_a_slow_client(make_path: MakePath) -> None:
    """The end of an answer may find the client's buffers full. The next request on that connection is answered."""
    path = make_path()

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not path.gateway.unsent():
            side.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        # One read crosses the limit of the buffer, and has the end of the answer.
        side.send(b"13000\r\n" + b"y" * 0x13000 + b"\r\n0\r\n\r\n")
        answer_all(side)

    path.store.script = script
    client = path.connect()
    client.send(b"GET /bucket/key HTTP/1.1\r\nHost: s3\r\n\r\n")
    path.store.heads.get(timeout=LONG)
    while not path.gateway.idle_store_connections():
        pass
    answer = client.read()
    assert answer.body.endswith(b"y")
    assert client.get().body == b"ok"
    assert len(path.store.sides) == 1
