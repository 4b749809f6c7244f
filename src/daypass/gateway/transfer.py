"""One request on its way through the gateway.

Owns the order of events: the plan, the body of the request, the answer of the store, the end. Leaves parsing to the
connections and every decision to the judge. The rules:

- The store sees no byte of a request before the judge allowed it, and before the transformation of its body returned
  the first bytes.
- A request that fails on its way is never completed at the store: the connection to the store is aborted.
- An answer that fails on its way is never completed at the client: the connection to the client is aborted.
- A store may refuse a request before its end. That answer is passed on at once, and the rest of the body is dropped.
  Any other early answer waits for the end of the body, because the body may still turn out to be a forged one.
- Exactly one `Exchange.done` for each exchange.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

import structlog

from daypass.gateway.answer_head import CHUNKED as CHUNKED_LINE
from daypass.gateway.answer_head import CLOSE, CONTINUE, HeaderError, render_head
from daypass.gateway.backend_connection import BackendConnection
from daypass.gateway.limits import MOST_HELD
from daypass.gateway.plan import Collect, EditAnswer, Exchange, Forward, PassAnswer, Peer, Plan, Respond
from daypass.gateway.store_head import StoreHead
from daypass.verify.head import RequestHead
from daypass.verify.http_chunks import LAST_CHUNK, HttpChunkError, HttpChunkReader
from daypass.verify.keys import NotLoadedError
from daypass.verify.s3.errors import s3_error

if TYPE_CHECKING:
    from daypass.gateway.client_connection import ClientConnection
    from daypass.gateway.data_path import DataPath

_REPLAYABLE = frozenset({"GET", "HEAD"})
_SMALL = 16_384  # bytes; joining them costs less than a second buffer
_RETRY_AFTER = (b"retry-after", b"5")
_BODILESS = frozenset({204, 304})


class _Body(IntEnum):
    """What happens to the bytes of the request's body."""

    HELD = 0
    COLLECTED = 1
    UPLOADED = 2
    DROPPED = 3


_READING = frozenset({_Body.COLLECTED, _Body.UPLOADED})


class Pause(IntEnum):
    """Reasons not to read from the client."""

    HELD = 1
    STORE_FULL = 2


class Transfer:
    """One request. The connections call it; it calls the judge."""

    __slots__ = (
        "_answer_paused",
        "_client",
        "_collected",
        "_collected_size",
        "_decoder",
        "_edit",
        "_exchange",
        "_expects",
        "_has_eof",
        "_has_retried",
        "_head_is_pending",
        "_is_alone",
        "_is_chunked_out",
        "_is_over",
        "_is_waiting",
        "_keep",
        "_left",
        "_marks",
        "_mode",
        "_out",
        "_path",
        "_peer",
        "_plan",
        "_quiet",
        "_rate_mark",
        "_rate_ticks",
        "_started",
        "_store",
        "_upload_left",
        "body_done",
        "head",
        "held",
        "received",
        "sent",
        "status",
        "upload_done",
    )

    def __init__(self, path: "DataPath", client: "ClientConnection", head: RequestHead, peer: Peer) -> None:
        self._path = path
        self._client = client
        self.head = head
        self._peer = peer
        self._started = path.time()
        path.read_buffer.began()
        headers = head.headers
        self._keep = b"connection" not in headers or b"close" not in headers[b"connection"].lower()
        self._expects = b"expect" in headers
        self._left = head.content_length or 0
        self._decoder = HttpChunkReader() if head.chunked else None
        self.body_done = self._decoder is None and not self._left
        self.upload_done = False
        self.held = b""
        self.received = self.sent = self.status = 0
        self._mode = _Body.HELD
        self._exchange: Exchange | None = None
        self._plan: Forward | Collect | None = None
        self._store: BackendConnection | None = None
        self._edit: EditAnswer | None = None
        self._collected: list[bytes] = []
        self._collected_size = 0
        self._out = b""  # the head of an answer, until it is sent with the first bytes of the body
        self._is_chunked_out = False
        self._upload_left = 0
        self._head_is_pending = False
        self._has_retried = False
        self._is_alone = False  # the client has gone, and the exchange goes on
        self._is_over = False
        self._is_waiting = False  # for a worker thread
        self._has_eof = False  # the client does not send more
        self._answer_paused = False
        self._marks = (0, 0, 0)
        self._quiet = self._rate_ticks = self._rate_mark = 0

    # --- the plan ---------------------------------------------------------------------------------------------------

    def begin(self, rest: bytes) -> None:
        """Ask the judge. `rest` follows the head."""
        self.held = rest
        judge = self._path.judge
        try:
            plan = judge.judge(self.head, self._peer)
        except NotLoadedError:
            self._wait_for(partial(judge.judge_waiting, self.head, self._peer))
        except Exception as error:  # noqa: BLE001 - a bug of the judge refuses the request
            self._follow_refusal(error)
        else:
            self._follow(plan)

    def _wait_for(self, call: Callable[[], Plan]) -> None:
        if self._path.threads.run(call, self._planned):
            self._is_waiting = True
        else:
            self._follow(self._path.judge.refuse(s3_error("SlowDown"), self._peer))

    def _planned(self, plan: Plan | None, error: BaseException | None) -> None:
        self._is_waiting = False
        if plan is not None:
            self._follow(plan)
        elif isinstance(error, Exception):
            self._follow_refusal(error)

    def _follow_refusal(self, error: Exception) -> None:
        structlog.get_logger().error("judge_failed", exc_info=error)
        exchange = self._exchange
        self._follow(self._path.judge.refuse(error, self._peer) if exchange is None else exchange.refuse(error))

    def _follow(self, plan: Plan) -> None:
        self._exchange = plan.exchange
        if isinstance(plan, Forward):
            self._plan = plan
            if self._is_over and not (plan.finishes_alone and self.body_done):
                self._done()
                return
            self._is_alone = self._is_over
            self._forward(plan)
        elif self._is_over:
            self._done()
        elif isinstance(plan, Respond):
            self._respond(plan)
        else:
            self._plan = plan
            self._mode = _Body.COLLECTED
            self._ask_for_body()

    # --- the body of the request ------------------------------------------------------------------------------------

    def client_data(self, data: bytes) -> None:
        """Take bytes of the client: the body, or the next requests."""
        if self.body_done or self._mode == _Body.HELD:
            self._hold(data)
        elif self._mode == _Body.DROPPED:
            self._client.drop(len(data))
        else:
            self._take(data)

    def _hold(self, data: bytes) -> None:
        self.held = self.held + data if self.held else data
        if len(self.held) > MOST_HELD:
            self._client.pause(Pause.HELD)

    def _ask_for_body(self) -> None:
        if self.body_done:
            self._take_end()
            return
        data, self.held = self.held, b""
        self._client.resume(Pause.HELD)
        if data:
            self._take(data)
        if self._is_cut():
            self._fail(s3_error("IncompleteBody"))
        elif self._expects and not data:
            self._client.write(CONTINUE)
            self._expects = False

    def _is_cut(self) -> bool:
        return self._has_eof and not self.body_done and not self._is_over

    def _take(self, data: bytes) -> None:
        decoder = self._decoder
        pieces: Sequence[bytes | memoryview] = (data,)
        if decoder is None:
            size = len(data)
            if size >= self._left:
                if size > self._left:
                    self._hold(data[self._left :])
                    data = data[: self._left]
                    pieces, size = (data,), self._left
                self.body_done = True
            self._left -= size
        else:
            try:
                pieces = decoder.feed(data)
            except HttpChunkError as error:
                self._fail(s3_error("BadRequest", detail=str(error)))
                return
            size = sum(map(len, pieces))
            if decoder.done:
                self.body_done = True
                if decoder.rest:
                    self._hold(bytes(decoder.rest))
        self.received += size
        plan = self._plan
        if isinstance(plan, Forward):
            self._upload(plan, pieces)
        elif plan is not None:
            self._collect(plan, pieces)

    def _take_end(self) -> None:
        plan = self._plan
        if isinstance(plan, Forward):
            self._upload(plan, ())
        elif plan is not None:
            self._collect(plan, ())

    def _collect(self, plan: Collect, pieces: Sequence[bytes | memoryview]) -> None:
        try:
            for piece in pieces:
                self._gather(plan.body.feed(bytes(piece)))
            if self.body_done:
                self._gather(plan.body.finish())
        except Exception as error:  # noqa: BLE001 - the exchange tells an S3Error from a bug
            self._fail(error)
            return
        if self._collected_size > plan.limit:
            self._fail(s3_error("MaxMessageLengthExceeded"))
            return
        if not self.body_done:
            return
        self._mode = _Body.HELD
        body, self._collected = b"".join(self._collected), []
        try:
            following = plan.finish(body)
        except NotLoadedError:
            self._wait_for(partial(plan.finish_waiting, body))
        except Exception as error:  # noqa: BLE001 - a bug of the judge refuses the request
            self._follow_refusal(error)
        else:
            self._follow(following)

    def _gather(self, pieces: Sequence[bytes | memoryview]) -> None:
        for piece in pieces:
            self._collected.append(bytes(piece))
            self._collected_size += len(piece)

    def _upload(self, plan: Forward, pieces: Sequence[bytes | memoryview]) -> None:
        body, store = plan.body, self._store
        if body is None or store is None:
            return
        try:
            out = [part for piece in pieces for part in body.feed(bytes(piece))]
            if self.body_done:
                out += body.finish()
        except Exception as error:  # noqa: BLE001 - the exchange tells an S3Error from a bug
            self._fail(error)
            return
        size = sum(map(len, out))
        self._upload_left -= size
        if not plan.chunked and (self._upload_left < 0 or (self.body_done and self._upload_left)):
            self._fail(RuntimeError("the body for the store does not have the announced length"))
            return
        if self._head_is_pending and (out or self.body_done):
            self._head_is_pending = False
            out = [plan.head, *out]
        if self.body_done:
            self.upload_done = True
            self._mode = _Body.HELD
        store.write(out)
        if self.upload_done and self._store is store:
            store.resume()

    # --- the store --------------------------------------------------------------------------------------------------

    def _forward(self, plan: Forward) -> None:
        pool = self._path.pool(plan.backend)
        store = pool.take(is_replayable=plan.body is None and self.head.method in _REPLAYABLE)
        if store is not None:
            self._connected(store)
        else:
            pool.connect(self._connected)

    def _connected(self, store: BackendConnection | None) -> None:
        plan = self._plan
        if not isinstance(plan, Forward):
            return
        if self._is_over and not self._is_alone:
            if store is not None:
                self._path.pool(plan.backend).give_back(store)
            self._done()
            return
        if store is None or store.transport.is_closing():
            self._fail(s3_error("ServiceUnavailable", detail="the store cannot be reached"))
            return
        self._store = store
        if plan.is_head != (self.head.method == "HEAD"):
            self._fail(RuntimeError("the store and the client would disagree about the end of the answer"))
            return
        store.begin(self, is_head=plan.is_head)
        if plan.body is None:
            if not self.body_done:
                self._fail(s3_error("UnexpectedContent"))
                return
            self.upload_done = True
            store.write((plan.head,))
            return
        self._head_is_pending = True
        self._upload_left = plan.content_length
        self._mode = _Body.UPLOADED
        self._ask_for_body()

    def store_full(self) -> None:
        """Stop reading from the client: the store does not read as fast."""
        if not self.body_done:
            self._client.pause(Pause.STORE_FULL)

    def store_ready(self) -> None:
        """Read from the client again."""
        self._client.resume(Pause.STORE_FULL)

    def takes_answer(self, head: StoreHead) -> bool:
        """Return whether the answer may be passed on now, or has to wait for the end of the body."""
        if self.upload_done:
            return True
        if head.status < 400:  # noqa: PLR2004
            return False
        # The store refuses the request. It does not need the rest of the body.
        self._keep = False
        self._mode = _Body.DROPPED
        self._client.resume(Pause.STORE_FULL)
        return True

    def store_head(self, head: StoreHead) -> None:
        """Take the head of the store's answer."""
        plan = self._plan
        if not isinstance(plan, Forward):
            return
        answer = plan.answer.begin(head.status, head.headers)
        if isinstance(answer, EditAnswer):
            self._edit, self._collected, self._collected_size = answer, [], 0
            return
        if answer.status in _BODILESS and head.length:
            self._fail(RuntimeError("an answer without a body would be followed by one"))
        elif not self._is_alone:
            self._out = self._head_of(answer, head, is_head=plan.is_head)

    def _head_of(self, answer: PassAnswer, head: StoreHead, *, is_head: bool) -> bytes:
        if is_head:
            framing = b"" if head.announced is None else b"content-length: %b\r\n" % head.announced
        elif answer.status in _BODILESS:
            framing = b""
        elif head.length >= 0:
            framing = b"content-length: %d\r\n" % head.length
        else:
            framing, self._is_chunked_out = CHUNKED_LINE, True
        return self._rendered(answer.status, answer.headers, framing)

    def _rendered(self, status: int, headers: tuple[tuple[bytes, bytes], ...], framing: bytes) -> bytes:
        self._keep = self._keep and not self._path.is_draining and self._body_is_at_hand()
        if not self._keep:
            framing += CLOSE
        self.status = status
        exchange = self._exchange
        request_id = "" if exchange is None else exchange.request_id
        try:
            return render_head(status, headers, framing, request_id, self._path.date)
        except HeaderError as error:
            structlog.get_logger().error("answer_refused", reason=str(error))
            self._keep = False
            self.status = 500
            return render_head(500, (), b"content-length: 0\r\n" + CLOSE, request_id, self._path.date)

    def _body_is_at_hand(self) -> bool:
        """Return whether the next request can be found: the rest of the body is here or not needed."""
        if self.body_done:
            return True
        return self._decoder is None and self._left <= len(self.held)

    def has_unsent(self) -> bool:
        """Return whether the client's transport still keeps bytes."""
        return self._client.transport.get_write_buffer_size() > 0

    def store_data(self, data: bytes | memoryview) -> None:
        """Take a part of the body of the store's answer.

        A view is valid until the next read, unless the transport keeps it.
        """
        edit = self._edit
        if edit is not None:
            self._collected.append(bytes(data))
            self._collected_size += len(data)
            if self._collected_size > edit.limit:
                self._fail(s3_error("InternalError", detail="the store's answer is too long to be edited"))
            return
        if self._is_alone:
            return
        self.sent += len(data)
        if self._is_chunked_out:
            data = b"%x\r\n%b\r\n" % (len(data), bytes(data))
        out, self._out = self._out, b""
        if not out:
            self._client.write(data)
        elif len(data) <= _SMALL:
            self._client.write(out + bytes(data))
        else:
            self._client.write(out)
            self._client.write(data)

    def store_flush(self) -> None:
        """Send the head of an answer whose body has not begun to arrive."""
        out, self._out = self._out, b""
        if out:
            self._client.write(out)

    def store_end(self) -> None:
        """Take the end of the store's answer."""
        self._leave_store(is_complete=self.upload_done)
        edit, self._edit = self._edit, None
        if edit is None:
            out, self._out = self._out, b""
            if self._is_chunked_out:
                out += LAST_CHUNK
            if out and not self._is_alone:
                self._client.write(out)
            self._end()
            return
        body, self._collected = b"".join(self._collected), []
        if edit.waits:
            self._is_waiting = True
            self._path.threads.run(partial(edit.finish, body), self._planned, must_run=True)
            return
        try:
            answer = edit.finish(body)
        except Exception as error:  # noqa: BLE001 - a bug of the judge refuses the request
            self._follow_refusal(error)
        else:
            self._follow(answer)

    def store_lost(self, reason: str) -> None:
        """Take the end of a connection to the store that is not the end of the answer."""
        store, self._store = self._store, None
        plan = self._plan
        if isinstance(plan, Forward) and store is not None and not self._has_retried and self._is_unsent(plan, store):
            self._has_retried = True
            self._head_is_pending = False
            self._mode = _Body.HELD if not self.body_done else self._mode
            self._path.pool(plan.backend).connect(self._connected)
            return
        self._fail(s3_error("ServiceUnavailable", detail=reason))

    def _is_unsent(self, plan: Forward, store: BackendConnection) -> bool:
        if self._head_is_pending:
            return True
        is_replayable = plan.body is None and self.head.method in _REPLAYABLE
        return is_replayable and store.is_reused and not store.has_answered

    def _leave_store(self, *, is_complete: bool) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.end(is_complete=is_complete)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """Answer an error, or abort an answer that has begun."""
        self._leave_store(is_complete=False)
        self._edit = None
        if self._is_over:
            self._done()
        elif self.status and not self._out:
            self._client.abort()  # which ends this transfer
        elif self._exchange is not None:
            self._out, self._is_chunked_out = b"", False
            self._respond(self._exchange.refuse(error))

    def client_eof(self) -> None:
        """Refuse a body that ends too early, once all of it was read."""
        self._has_eof = True
        if self._mode in _READING and not self.body_done:
            self._fail(s3_error("IncompleteBody"))

    def _respond(self, answer: Respond) -> None:
        headers = answer.headers
        if answer.status == 503 and all(name != b"retry-after" for name, _ in headers):  # noqa: PLR2004
            headers = (*headers, _RETRY_AFTER)
        framing = b"" if answer.status in _BODILESS else b"content-length: %d\r\n" % len(answer.body)
        out = self._rendered(answer.status, headers, framing)
        if self.head.method != "HEAD" and answer.status not in _BODILESS and self.status == answer.status:
            out += answer.body
            self.sent += len(answer.body)
        self._client.write(out)
        self._end()

    def _end(self) -> None:
        if self._is_alone:
            self._done()
            return
        self._is_over = True
        keep = self._keep
        if keep and not self.body_done:
            self.held = self.held[self._left :]
        self._done()
        self._client.transfer_ended(self.held, keep=keep, is_unread=not self.body_done or bool(self.held))

    def _done(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        operation = self._plan.operation if isinstance(self._plan, Forward) else ""
        self._path.ended(operation, self, self._path.time() - self._started)
        try:
            exchange.done(status=self.status, bytes_in=self.received, bytes_out=self.sent)
        except Exception:  # noqa: BLE001 - an audit event must not break the connection
            structlog.get_logger().exception("exchange_not_recorded")

    def client_lost(self) -> None:
        """End the exchange: the client has gone."""
        if self._is_over:
            return
        self._is_over = True
        plan = self._plan
        if isinstance(plan, Forward) and plan.finishes_alone and self.body_done and self._exchange is not None:
            self._is_alone = True
            self.client_ready()
            return
        self._leave_store(is_complete=False)
        if not self._is_waiting:  # The thread may change a bucket, and the record says so afterwards.
            self._done()

    def client_full(self) -> None:
        """Stop reading from the store: the client does not read as fast."""
        if self._store is not None:
            self._answer_paused = True
            self._store.pause_reading()

    def client_ready(self) -> None:
        """Read from the store again."""
        if self._store is not None and self._answer_paused:
            self._answer_paused = False
            self._store.resume_reading()

    # --- limits of time ---------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Check the progress. The data path calls this once in `limits.tick` seconds."""
        limits = self._path.limits
        store = self._store
        waiting = 0 if store is None else store.transport.get_write_buffer_size()
        marks = (self.received, self.sent + self._collected_size, waiting)
        # While a client reads slowly, the store has to wait.
        self._quiet = self._quiet + 1 if marks == self._marks and not self._client.is_full else 0
        self._marks = marks
        quiet = self._quiet * limits.tick
        is_reading = self._mode in _READING and not self.body_done
        if is_reading and (store is None or not store.is_paused):
            self._check_rate()
        elif store is None or self._client.is_full:
            return  # Opening a connection has a limit of its own, and so has a client that reads slowly.
        elif quiet >= (limits.first_byte_seconds if self._is_unanswered() else limits.stall_seconds):
            self._fail(s3_error("ServiceUnavailable", detail="the store does not answer"))

    def _is_unanswered(self) -> bool:
        return self.upload_done and not self.status and self._edit is None

    def _check_rate(self) -> None:
        limits = self._path.limits
        self._rate_ticks += 1
        if self._rate_ticks * limits.tick < limits.rate_seconds:
            return
        if self.received - self._rate_mark < limits.least_rate * limits.rate_seconds:
            self._fail(s3_error("RequestTimeout"))
        self._rate_ticks, self._rate_mark = 0, self.received


def write_refusal(path: "DataPath", client: "ClientConnection", answer: Respond) -> None:
    """Answer a request without a valid head. The connection must end afterwards."""
    framing = b"content-length: %d\r\n" % len(answer.body) + CLOSE
    head = render_head(answer.status, answer.headers, framing, answer.exchange.request_id, path.date)
    client.write(head + answer.body)
    path.metrics.answered("", answer.status, 0.0, received=0, sent=len(answer.body))
    answer.exchange.done(status=answer.status, bytes_in=0, bytes_out=len(answer.body))
