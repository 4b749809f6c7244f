"""Requests that wait for a key, a bucket or their whole body."""

import threading
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.gateway.transfers.data_path_fixtures import MakePath, PathSetup
from tests.gateway.transfers.passing_judge import HeldBackBody, RecordedExchange
from tests.gateway.transfers.running_data_path import LONG, put_head
from tests.gateway.transfers.scripted_store import always

from daypass.gateway.plan import Collect, EditAnswer, Forward, HeaderPairs, PassAnswer, Plan, Respond
from daypass.gateway.transfers.limits import TransferLimits
from daypass.verify.head import RequestHead
from daypass.verify.keys import NotLoadedError
from daypass.verify.s3.errors import s3_error


def not_loaded(_head: RequestHead, _exchange: RecordedExchange) -> Plan:
    """Ask for a thread."""
    raise NotLoadedError(lambda: None)


def test_a_request_waits_on_a_thread(make_path: MakePath) -> None:
    """The event loop serves other requests meanwhile."""
    release = threading.Event()

    def decide(head: RequestHead, exchange: RecordedExchange) -> Plan | None:
        return not_loaded(head, exchange) if head.path == b"/slow" else None

    def wait(_head: RequestHead, _exchange: RecordedExchange) -> None:
        release.wait(LONG)

    path = make_path(decide=decide, decide_waiting=wait)
    slow = path.connect().send(put_head(300_000, "/slow") + b"x" * 300_000)
    assert path.connect().get().status == 200
    release.set()
    assert slow.read().status == 200
    assert len(path.store.requests[-1].body) == 300_000


def test_too_many_waiting_requests_are_refused(make_path: MakePath) -> None:
    """A flood of unknown keys does not fill the memory."""
    release, entered = threading.Event(), threading.Semaphore(0)

    def wait(_head: RequestHead, _exchange: RecordedExchange) -> None:
        entered.release()
        release.wait(LONG)

    limits = TransferLimits(threads=1, most_waiting=1)
    path = make_path(decide=not_loaded, decide_waiting=wait, gateway={"limits": limits})
    clients = [path.connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n") for _ in range(3)]
    assert entered.acquire(timeout=LONG)
    statuses = []
    for client in clients:
        client.socket.settimeout(0.3)
        try:
            statuses.append(client.read().status)
        except TimeoutError:
            statuses.append(0)
    release.set()
    assert sorted(statuses) == [0, 0, 503]
    for client, status in zip(clients, statuses, strict=True):
        client.socket.settimeout(LONG)
        assert status or client.read().status == 200


def test_a_fault_of_the_judge_refuses_the_request(make_path: MakePath) -> None:
    """A bug must not become an allowed request."""

    def fail(_head: RequestHead, _exchange: RecordedExchange) -> Plan:
        raise RuntimeError("a bug")

    path = make_path(decide=fail)
    assert path.connect().get().status == 500
    path = make_path(decide=not_loaded, decide_waiting=fail)
    assert path.connect().get().status == 500
    assert not path.store.sides


def test_a_client_that_goes_while_it_waits_is_recorded(make_path: MakePath) -> None:
    """The record is written when the thread returns, and the store sees nothing."""
    entered, release = threading.Event(), threading.Event()

    def wait(_head: RequestHead, _exchange: RecordedExchange) -> None:
        entered.set()
        release.wait(LONG)

    path = make_path(decide=not_loaded, decide_waiting=wait)
    client = path.connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    assert entered.wait(LONG)
    client.reset()
    path.gateway.wait_for_no_client()
    release.set()
    assert path.judge.ended.get(timeout=LONG).status == 0
    assert not path.store.sides


@pytest.mark.parametrize("size", [0, 1, 1_000, 200_000])
def test_a_collected_body_decides_the_request(make_path: MakePath, size: int) -> None:
    """The judge gets all of it."""

    def decide(_head: RequestHead, exchange: RecordedExchange) -> Plan:
        def finish(body: bytes) -> Respond:
            return Respond(exchange, 200, (), b"%d" % len(body))

        return Collect(exchange, 200_000, HeldBackBody(chunked=False), finish, finish)

    client = make_path(decide=decide).connect()
    for _ in range(2):
        assert client.put(b"x" * size).body == b"%d" % size


def test_a_collected_body_may_be_replaced(make_path: MakePath) -> None:
    """DeleteObjects is forwarded with the allowed keys only."""

    def decide(head: RequestHead, exchange: RecordedExchange) -> Plan:
        def finish(body: bytes) -> Forward:
            replaced = HeldBackBody(chunked=False)
            replaced.feed(body.upper())
            plan: Forward = path.judge.forward(head, exchange, replaced)
            return plan

        return Collect(exchange, 100, HeldBackBody(chunked=False), finish, finish)

    path = make_path(decide=decide)
    client = path.connect().send(put_head(5, headers="Expect: 100-continue\r\n"))
    assert client.read().status == 100
    assert client.send(b"hello").read().status == 200
    assert path.store.requests[0].body == b"HELLO"


def test_a_body_that_is_too_long_is_not_collected(make_path: MakePath) -> None:
    """The limit is the last accepted size."""

    def decide(_head: RequestHead, exchange: RecordedExchange) -> Plan:
        def finish(body: bytes) -> Respond:
            return Respond(exchange, 200, (), b"%d" % len(body))

        return Collect(exchange, 100, HeldBackBody(chunked=False), finish, finish)

    path = make_path(decide=decide)
    assert path.connect().put(b"x" * 100).status == 200
    answer = path.connect().put(b"x" * 101)
    assert (answer.status, b"<Code>MaxMessageLengthExceeded</Code>" in answer.body) == (400, True)


class EditedAnswers:
    """Edits every answer."""

    def __init__(self, exchange: RecordedExchange, limit: int, *, waits: bool) -> None:
        self._exchange = exchange
        self._limit = limit
        self._waits = waits
        self.threads: list[str] = []

    def begin(self, status: int, _headers: HeaderPairs) -> PassAnswer | EditAnswer:
        """Edit."""

        def finish(body: bytes) -> Respond:
            self.threads.append(threading.current_thread().name)
            return Respond(self._exchange, status, (), body.upper())

        return EditAnswer(self._limit, finish, waits=self._waits)


@pytest.mark.parametrize("waits", [False, True])
def test_an_answer_is_edited(make_path: MakePath, *, waits: bool) -> None:
    """An edit that may block runs on a thread."""
    rules: list[EditedAnswers] = []

    def rule(_head: RequestHead, exchange: RecordedExchange) -> EditedAnswers:
        rules.append(EditedAnswers(exchange, 100, waits=waits))
        return rules[-1]

    path = make_path(answer=rule)
    client = path.connect()
    for _ in range(2):
        assert client.get().body == b"OK"
    assert [name.startswith("gateway") for each in rules for name in each.threads] == [waits, waits]


def test_an_answer_that_is_too_long_is_not_edited(make_path: MakePath) -> None:
    """The limit is the last accepted size."""
    for size, status in ((100, 200), (101, 500)):
        path = make_path(
            always(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)),
            answer=lambda _head, exchange: EditedAnswers(exchange, 100, waits=False),
        )
        assert path.connect().get().status == status


# --- a decision that is confirmed before the end of the body --------------------------------------------------------


Confirm = Callable[[bool], None]


def confirmed_by(path: list[PathSetup], confirm: Confirm) -> Callable[[RequestHead, RecordedExchange], Plan]:
    """Return a judge's `decide` that forwards, and confirms before the end."""
    return lambda head, exchange: replace(path[0].judge.forward(head, exchange), before_end=confirm)


def confirming(make_path: MakePath, confirm: Confirm) -> PathSetup:
    """Return a data path whose judge confirms each decision with `confirm`."""
    made: list[PathSetup] = []
    made.append(make_path(decide=confirmed_by(made, confirm)))
    return made[0]


def on_a_thread(waiting: Callable[[], object]) -> Confirm:
    """Return a confirmation that runs on a thread only."""

    def confirm(may_wait: bool) -> None:  # noqa: FBT001 - a callback
        if not may_wait:
            raise NotLoadedError(lambda: None)
        waiting()

    return confirm


def refuse_bucket(*_: object) -> None:
    """Refuse the request."""
    raise s3_error("NoSuchBucket")


@pytest.mark.parametrize("size", [1, 1_000, 300_000])
def test_a_body_ends_after_its_decision_is_confirmed(make_path: MakePath, size: int) -> None:
    """All of it arrives, whether or not the confirmation has to wait."""
    for confirm in (lambda _may_wait: None, on_a_thread(lambda: None)):
        path = confirming(make_path, confirm)
        client = path.connect()
        for _ in range(2):
            assert client.put(b"x" * size).status == 200
        assert [len(request.body) for request in path.store.requests] == [size, size]


@pytest.mark.parametrize("confirm", [refuse_bucket, on_a_thread(refuse_bucket)])
def test_a_decision_that_is_not_confirmed_ends_the_request(make_path: MakePath, confirm: Confirm) -> None:
    """The store never gets the end."""
    path = confirming(make_path, confirm)
    client = path.connect().send(put_head(300_000) + b"x" * 300_000)
    assert client.read().status == 404
    assert path.judge.ended.get(timeout=LONG).status == 404
    path.store.wait_ended()
    assert not [request for request in path.store.requests if len(request.body) == 300_000]


def test_a_client_that_goes_before_the_confirmation_is_recorded(make_path: MakePath) -> None:
    """The store does not get the end."""
    entered, release = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        release.wait(LONG)

    path = confirming(make_path, on_a_thread(wait))
    client = path.connect().send(put_head(300_000) + b"x" * 300_000)
    assert entered.wait(LONG)
    client.reset()
    path.gateway.wait_for_no_client()
    release.set()
    assert path.judge.ended.get(timeout=LONG).status == 0
    path.store.wait_ended()
    assert not [request for request in path.store.requests if len(request.body) == 300_000]
