"""A judge for tests of the data path: it forwards everything, unless a test says otherwise."""

import itertools
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from daypass.gateway.plan import AnswerRule, Backend, Body, Forward, Peer, Plan, Respond
from daypass.gateway.stores.store_answers import StoreAnswers
from daypass.verify.head import HeadError, RequestHead
from daypass.verify.http_chunks import LAST_CHUNK, encode_http_chunk
from daypass.verify.s3.errors import S3Error, render_error, s3_error

XML = ((b"content-type", b"application/xml"),)


@dataclass(frozen=True)
class DoneRecord:
    """The facts of an exchange that has ended."""

    status: int
    bytes_in: int
    bytes_out: int


@dataclass
class RecordedExchange:
    """An exchange that writes its end into a queue."""

    request_id: str
    ended: "queue.Queue[DoneRecord]"
    ends: int = 0
    operation: str = "Test"

    def refuse(self, error: Exception) -> Respond:
        """Return S3's error document."""
        if not isinstance(error, S3Error):
            error = s3_error("BadRequest" if isinstance(error, HeadError) else "InternalError")
        body = render_error(error, resource="/", request_id=self.request_id)
        return Respond(self, error.status, XML, body)

    def done(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        """Record the end."""
        self.ends += 1
        self.ended.put(DoneRecord(status, bytes_in, bytes_out))


class HeldBackBody:
    """Passes a body on, but for its last bytes, until its end. It may refuse the body at its end, or a byte in it."""

    def __init__(self, *, chunked: bool, forbidden: bytes = b"", wrong: bool = False) -> None:
        self._chunked = chunked
        self._forbidden = forbidden
        self._wrong = wrong
        self._held = b""

    def feed(self, data: bytes) -> Sequence[bytes | memoryview]:
        """Return what came before."""
        if self._forbidden and self._forbidden in data:
            raise s3_error("BadDigest")
        out, self._held = self._held, bytes(data)
        return self._framed(out)

    def finish(self) -> Sequence[bytes | memoryview]:
        """Return the rest."""
        if self._wrong:
            raise s3_error("XAmzContentSHA256Mismatch")
        out = self._framed(self._held)
        return [*out, LAST_CHUNK] if self._chunked else out

    def _framed(self, out: bytes) -> Sequence[bytes | memoryview]:
        if not out:
            return []
        return encode_http_chunk([out]) if self._chunked else [out]


@dataclass
class PassingJudge:
    """Forwards every request to `backend`. `decide` may return another plan; None forwards."""

    backend: Backend
    decide: Callable[[RequestHead, RecordedExchange], Plan | None] = lambda _head, _exchange: None
    decide_waiting: Callable[[RequestHead, RecordedExchange], Plan | None] = lambda _head, _exchange: None
    body: Callable[[RequestHead], Body] = lambda head: HeldBackBody(chunked=head.chunked)
    answer: Callable[[RequestHead, RecordedExchange], AnswerRule] = lambda head, exchange: StoreAnswers(
        exchange, is_head=head.method == "HEAD"
    )
    finishes_alone: bool = False
    ended: "queue.Queue[DoneRecord]" = field(default_factory=queue.Queue)
    exchanges: list[RecordedExchange] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def judge(self, head: RequestHead, peer: Peer) -> Plan:
        """Forward, or follow `decide`."""
        self.peers.append(peer)
        exchange = self.exchange()
        return self.decide(head, exchange) or self.forward(head, exchange)

    def judge_waiting(self, head: RequestHead, peer: Peer) -> Plan:  # noqa: ARG002 - the protocol's
        """Forward, or follow `decide_waiting`."""
        exchange = self.exchange()
        return self.decide_waiting(head, exchange) or self.forward(head, exchange)

    def refuse(self, error: Exception, peer: Peer) -> Respond:  # noqa: ARG002 - the protocol's
        """Refuse a head."""
        return self.exchange().refuse(error)

    def exchange(self) -> RecordedExchange:
        """Return a new exchange."""
        exchange = RecordedExchange(f"{next(self._ids):016X}", self.ended)
        self.exchanges.append(exchange)
        return exchange

    def forward(self, head: RequestHead, exchange: RecordedExchange, body: Body | None = None) -> Forward:
        """Return the plan that passes a request on."""
        length = head.content_length or 0
        framing = b"transfer-encoding: chunked\r\n" if head.chunked else b"content-length: %d\r\n" % length
        lines = b"%b %b HTTP/1.1\r\nhost: store\r\n" % (head.method.encode(), head.target)
        has_body = head.chunked or length > 0
        return Forward(
            exchange=exchange,
            operation="Test",
            backend=self.backend,
            head=lines + framing + b"\r\n",
            answer=self.answer(head, exchange),
            body=(body or self.body(head)) if has_body else None,
            chunked=head.chunked,
            content_length=length,
            is_head=head.method == "HEAD",
            finishes_alone=self.finishes_alone,
        )
