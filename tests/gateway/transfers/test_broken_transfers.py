"""Requests and answers that fail on their way: neither of them is ever completed."""

import threading
from collections.abc import Sequence

import pytest
from tests.gateway.transfers.data_path_fixtures import MakePath, PathSetup
from tests.gateway.transfers.passing_judge import DoneRecord, HeldBackBody, RecordedExchange
from tests.gateway.transfers.running_data_path import LONG, chunked_head, put_head
from tests.gateway.transfers.scripted_store import OK, StoreSide, answer_all

from daypass.gateway.plan import Forward, Plan
from daypass.verify.head import RequestHead


def assert_not_completed(path: PathSetup) -> None:
    """Assert that the store did not get the end of the only request."""
    side = path.store.wait_ended()
    assert [request.is_complete for request in side.requests] in ([], [False])


@pytest.mark.parametrize("part", [300_000, 999_999])
def test_a_client_that_goes_leaves_the_request_incomplete(make_path: MakePath, part: int) -> None:
    """The store sees the connection end before the end of the body."""
    path = make_path()
    client = path.connect().send(put_head(1_000_000) + b"x" * part)
    path.store.heads.get(timeout=LONG)
    client.reset()
    assert path.judge.ended.get(timeout=LONG).status == 0
    assert_not_completed(path)


def test_a_client_that_goes_at_once_leaves_nothing(make_path: MakePath) -> None:
    """The store does not see the request."""
    path = make_path()
    path.connect().send(put_head(100_000)).reset()
    assert path.judge.ended.get(timeout=LONG).status == 0
    assert not path.store.requests


def test_a_client_that_ends_its_side_is_told(make_path: MakePath) -> None:
    """The body is incomplete, and the client still reads."""
    path = make_path()
    client = path.connect().send(put_head(1_000_000) + b"x" * 500_000)
    path.store.heads.get(timeout=LONG)
    client.socket.shutdown(1)
    answer = client.read()
    assert answer.status == 400
    assert b"<Code>IncompleteBody</Code>" in answer.body
    assert client.is_closed()
    assert_not_completed(path)


def test_a_client_that_ends_its_side_after_a_request_is_answered(make_path: MakePath) -> None:
    """Half-closed connections are legal."""
    path = make_path()
    client = path.connect().send(put_head(3) + b"abc")
    client.socket.shutdown(1)
    assert client.read().status == 200
    assert client.is_closed()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 5_000, 1_000_000])
def test_a_body_that_is_refused_at_its_end_is_not_completed(make_path: MakePath, size: int, *, chunked: bool) -> None:
    """The transformation held the end back."""
    path = make_path(body=lambda head: HeldBackBody(chunked=head.chunked, wrong=True))
    client = path.connect()
    if chunked:
        client.send(chunked_head() + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size))
    else:
        client.send(put_head(size) + b"x" * size)
    answer = client.read()
    assert (answer.status, b"<Code>XAmzContentSHA256Mismatch</Code>" in answer.body) == (400, True)
    if path.store.sides:
        assert_not_completed(path)


def test_a_body_that_is_refused_in_the_middle_is_not_completed(make_path: MakePath) -> None:
    """The client gets the error and the connection ends."""
    path = make_path(body=lambda head: HeldBackBody(chunked=head.chunked, forbidden=b"!"))
    client = path.connect().send(put_head(1_000_000) + b"x" * 300_000 + b"!" + b"x" * 200_000)
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert client.is_closed()
    assert_not_completed(path)


def test_the_store_does_not_see_a_body_that_is_refused_at_once(make_path: MakePath) -> None:
    """The head waits for the first bytes of the body: alone it could change an object."""
    path = make_path(body=lambda head: HeldBackBody(chunked=head.chunked, forbidden=b"!"))
    assert path.connect().put(b"!").status == 400
    assert path.store.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"5;name=value\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nName: value\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"-1\r\nhello\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_malformed_chunks_are_refused(make_path: MakePath, body: bytes) -> None:
    """The bytes behind them are never read as a request."""
    path = make_path()
    client = path.connect().send(chunked_head() + body + b"GET /hidden HTTP/1.1\r\nHost: s3\r\n\r\n")
    assert client.read().status == 400
    assert client.is_closed()
    assert not [request for request in path.store.requests if request.is_complete or b"hidden" in request.head]


class WrongLengthBody:
    """A transformation with a fault: it returns more or fewer bytes than announced."""

    def __init__(self, out: bytes) -> None:
        self._out = out

    def feed(self, _data: bytes) -> Sequence[bytes | memoryview]:
        """Return nothing yet."""
        return []

    def finish(self) -> Sequence[bytes | memoryview]:
        """Return the wrong bytes."""
        return [self._out]


@pytest.mark.parametrize("out", [b"", b"1234", b"123456"])
def test_a_body_of_the_wrong_length_is_not_sent(make_path: MakePath, out: bytes) -> None:
    """The rest would be read as the next request, or the next request as the rest."""
    path = make_path(body=lambda _head: WrongLengthBody(out))
    assert path.connect().put(b"12345").status == 500
    assert not [request for request in path.store.requests if request.is_complete]


@pytest.mark.parametrize("announced", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_an_answer_that_breaks_is_not_completed(make_path: MakePath, announced: bytes) -> None:
    """The client sees that the answer is too short."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\n" + announced + b"\r\n\r\n3\r\nabc\r\n")

    path = make_path(script)
    answer = path.connect().get()
    assert (answer.status, answer.is_complete) == (200, False)
    assert path.judge.ended.get(timeout=LONG).status == 200


def test_an_answer_with_malformed_chunks_is_not_completed(make_path: MakePath) -> None:
    """The framing is part of the answer."""
    ready = threading.Event()

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        ready.wait(LONG)
        side.send(b"X\r\n\r\n")
        side.wait_closed()

    client = make_path(script).connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    while b"abc" not in client._rest:
        client._more()
    ready.set()
    assert not client.read().is_complete


def test_an_answer_to_the_end_that_is_reset_is_not_completed(make_path: MakePath) -> None:
    """A reset is not the end of an answer without a length."""
    ready = threading.Event()

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        ready.wait(LONG)
        side.reset()

    client = make_path(script).connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    while b"abc" not in client._rest:
        client._more()
    ready.set()
    assert not client.read().is_complete


def test_a_client_that_goes_ends_the_answer(make_path: MakePath) -> None:
    """The connection to the store is closed, and is not used again."""
    began = threading.Event()

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        began.wait(LONG)
        while True:
            side.send(b"x" * 65_536)

    path = make_path(script)
    client = path.connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    path.store.heads.get(timeout=LONG)
    client.reset()
    began.set()
    path.store.wait_ended()
    assert path.judge.ended.get(timeout=LONG).bytes_out < 1_000_000_000


def refuse_early(side: StoreSide) -> None:
    """Refuse a request after its head."""
    side.read_head()
    document = b"<Error><Code>EntityTooLarge</Code><Message>m</Message></Error>"
    side.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(document), document))
    side.wait_closed()


def test_an_early_refusal_of_the_store_is_passed_on(make_path: MakePath) -> None:
    """The client gets it before the end of its body, and the connections end."""
    path = make_path(refuse_early)
    client = path.connect().send(put_head(10_000_000) + b"x" * 500_000)
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert b"<Code>EntityTooLarge</Code>" in answer.body
    assert client.is_closed()
    assert_not_completed(path)


def test_an_early_success_waits_for_the_end_of_the_body(make_path: MakePath) -> None:
    """The body may still turn out to be wrong."""
    answered = threading.Event()

    def script(side: StoreSide) -> None:
        request = side.read_head()
        side.send(OK)
        answered.set()
        side.read_body(request)
        answer_all(side)

    path = make_path(script)
    client = path.connect().send(put_head(400_000) + b"x" * 300_000)
    assert answered.wait(LONG)
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.read()
    client.socket.settimeout(LONG)
    client.send(b"x" * 100_000)
    assert client.read().body == b"ok"
    assert client.get().body == b"ok"
    assert len(path.store.sides) == 1


def test_an_early_success_of_a_wrong_body_is_not_passed_on(make_path: MakePath) -> None:
    """The error is the only answer."""

    def script(side: StoreSide) -> None:
        side.read_head()
        side.send(OK)
        side.wait_closed()

    path = make_path(script, body=lambda head: HeldBackBody(chunked=head.chunked, wrong=True))
    assert path.connect().put(b"x" * 300_000).status == 400


def test_a_store_that_ends_early_is_unavailable(make_path: MakePath) -> None:
    """The client does not see a lost connection."""

    def script(side: StoreSide) -> None:
        side.read_head()
        side.reset()

    path = make_path(script)
    client = path.connect().send(put_head(10_000_000) + b"x" * 500_000)
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (503, "close")


def test_a_request_that_finishes_alone_does(make_path: MakePath) -> None:
    """Its answer is awaited and its edit is called, though the client has gone."""
    received, release = threading.Event(), threading.Event()

    def script(side: StoreSide) -> None:
        side.read_request()
        received.set()
        release.wait(LONG)
        side.send(OK)
        side.wait_closed()

    path = make_path(script, finishes_alone=True)
    client = path.connect().send(put_head(3) + b"abc")
    assert received.wait(LONG)
    client.reset()
    path.gateway.wait_for_no_client()
    release.set()
    assert path.judge.ended.get(timeout=LONG) == DoneRecord(0, 3, 0)


def test_a_store_and_a_client_that_disagree_about_head_are_kept_apart(make_path: MakePath) -> None:
    """The body of a GET would follow the answer to HEAD."""

    def decide(head: RequestHead, exchange: RecordedExchange) -> Plan:
        plan = path.judge.forward(head, exchange)
        return Forward(exchange, plan.operation, plan.backend, plan.head, plan.answer, is_head=False)

    path = make_path(decide=decide)
    assert path.connect().get(method="HEAD").status == 500


def test_a_store_that_gives_up_before_an_upload_begins_is_asked_again(make_path: MakePath) -> None:
    """Some stores send 408 on a connection that is silent. The client must not take it for its own answer."""
    gave_up = threading.Event()

    def script(side: StoreSide) -> None:
        if side.number == 1:
            side.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            side.wait_closed()
            gave_up.set()
            return
        answer_all(side)

    path = make_path(script)
    client = path.connect().send(put_head(5, headers="Expect: 100-continue\r\n"))
    assert client.read().status == 100
    assert gave_up.wait(LONG)
    assert client.send(b"hello").read().status == 200
    assert path.store.requests[0].body == b"hello"
