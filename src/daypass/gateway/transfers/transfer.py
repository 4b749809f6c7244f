"""One request on its way through the gateway.

Owns the order of events: the plan, the body of the request, the answer of the store. Leaves the limits and the end to
bounded_transfer.py, parsing to the connections, and every decision to the judge. The rules:

- The store sees no byte of a request before the judge allowed it, and before the transformation of its body returned
  the first bytes.
- The end of a body that took its time reaches the store after the judge confirmed its decision.
- A store may refuse a request before its end. That answer is passed on at once, and the rest of the body is dropped.
  Any other early answer waits for the end of the body, because the body may still turn out to be a forged one.
"""

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from daypass.gateway.plan import Body, Collect, EditAnswer, Forward, Plan, Respond
from daypass.gateway.transfers.answer_head import CONTINUE
from daypass.gateway.transfers.backend_connection import BackendConnection
from daypass.gateway.transfers.bounded_transfer import READING, BodyUse, BoundedTransfer, Pause
from daypass.gateway.transfers.limits import MOST_HELD
from daypass.gateway.transfers.outgoing_answer import AnswerError
from daypass.gateway.transfers.store_head import StoreHead
from daypass.verify.http_chunks import HttpChunkError
from daypass.verify.keys import NotLoadedError
from daypass.verify.s3.errors import S3Error, s3_error

_REPLAYABLE = frozenset({"GET", "HEAD"})


class Transfer(BoundedTransfer):
    """One request. The connections call it; it calls the judge."""

    __slots__ = ()

    # --- the plan ---------------------------------------------------------------------------------------------------

    def begin(self, rest: bytes) -> None:
        """Ask the judge. `rest` follows the head."""
        self._held = rest
        judge = self._path.judge
        try:
            plan = judge.judge(self._head, self._peer)
        except NotLoadedError:
            self._wait_for(partial(judge.judge_waiting, self._head, self._peer))
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
            self._planned_at = self._path.time()
            if self._is_over and not (plan.finishes_alone and self.body.is_done):
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
            self._mode = BodyUse.COLLECTED
            self._ask_for_body()

    # --- the body of the request ------------------------------------------------------------------------------------

    def client_data(self, data: bytes) -> None:
        """Take bytes of the client: the body, or the next requests."""
        if self.body.is_done or self._mode == BodyUse.HELD:
            self._hold(data)
        elif self._mode == BodyUse.DROPPED:
            self._client.drop(len(data))
        else:
            self._take(data)

    def client_eof(self) -> None:
        """Refuse a body that ends too early, once all of it was read."""
        self._has_eof = True
        if self._mode in READING and not self.body.is_done:
            self._fail(s3_error("IncompleteBody"))

    def _hold(self, data: bytes) -> None:
        self._held = self._held + data if self._held else data
        if len(self._held) > MOST_HELD:
            self._client.pause(Pause.HELD)

    def _ask_for_body(self) -> None:
        if self.body.is_done:
            self._use(())
            return
        data, self._held = self._held, b""
        self._client.resume(Pause.HELD)
        if data:
            self._take(data)
        elif self._expects:
            self._client.write(CONTINUE)
            self._expects = False
        if self._is_cut():
            self._fail(s3_error("IncompleteBody"))

    def _is_cut(self) -> bool:
        return self._has_eof and not self.body.is_done and not self._is_over

    def _take(self, data: bytes) -> None:
        body = self.body
        try:
            pieces = body.feed(data)
        except HttpChunkError as error:
            self._fail(s3_error("BadRequest", detail=str(error)))
            return
        if body.rest:
            self._hold(body.rest)
        self._use(pieces)

    def _use(self, pieces: Sequence[bytes | memoryview]) -> None:
        plan = self._plan
        if isinstance(plan, Forward):
            self._attempt(partial(self._upload, plan, pieces))
        elif plan is not None:
            self._attempt(partial(self._collect, plan, pieces))

    def _attempt(self, step: Callable[[], None]) -> None:
        """Take a step with the body, and refuse the request if that fails."""
        try:
            step()
        except S3Error as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a bug must not complete a request
            structlog.get_logger().error("body_failed", exc_info=error)
            self._fail(error)

    def _collect(self, plan: Collect, pieces: Sequence[bytes | memoryview]) -> None:
        out = list(plan.body.feed(_joined(pieces))) if pieces else []
        if self.body.is_done:
            out += plan.body.finish()
        self._collected += map(bytes, out)
        self._collected_size += sum(map(len, out))
        if self._collected_size > plan.limit:
            raise s3_error("MaxMessageLengthExceeded")
        if not self.body.is_done and (plan.is_enough is None or not plan.is_enough()):
            return
        self._mode = BodyUse.HELD
        body, self._collected = b"".join(self._collected), []
        try:
            following = plan.finish(body)
        except NotLoadedError:
            self._wait_for(partial(plan.finish_waiting, body))
        else:
            self._follow(following)

    def _upload(self, plan: Forward, pieces: Sequence[bytes | memoryview]) -> None:
        body, store = plan.body, self._store
        if body is None or store is None:
            return
        is_end = self.body.is_done
        if is_end and plan.before_end is not None and self._is_late():
            try:
                plan.before_end(False)  # noqa: FBT003 - it must not wait
            except NotLoadedError:
                self._confirm_waiting(plan.before_end, _joined(pieces))
                return
        self._send(plan, body, store, pieces)

    def _is_late(self) -> bool:
        # Small bodies arrive with their head.
        return self._path.time() - self._planned_at >= self._path.limits.confirm_seconds

    def _confirm_waiting(self, confirm: Callable[[bool], None], rest: bytes) -> None:
        """Confirm the decision on a thread. `rest` is the end of the body."""
        self._mode = BodyUse.HELD
        self._has_retried = True  # The body is not kept for another connection.
        if not self._path.threads.run(partial(confirm, True), partial(self._confirmed, rest)):  # noqa: FBT003
            raise s3_error("SlowDown")
        self._is_waiting = True

    def _confirmed(self, rest: bytes, _result: None, error: BaseException | None) -> None:
        self._is_waiting = False
        plan, store = self._plan, self._store
        if self._is_over and not self._is_alone:
            self._done()
        elif self._mode != BodyUse.HELD or not isinstance(plan, Forward) or plan.body is None or store is None:
            return  # The store has refused the request meanwhile, or is lost.
        elif error is not None:
            self._fail(error if isinstance(error, Exception) else s3_error("InternalError"))
        else:
            self._attempt(partial(self._send, plan, plan.body, store, (rest,) if rest else ()))

    def _send(self, plan: Forward, body: Body, store: BackendConnection, pieces: Sequence[bytes | memoryview]) -> None:
        is_end = self.body.is_done
        out = list(body.feed(_joined(pieces))) if pieces else []
        if is_end:
            out += body.finish()
        self._upload_left -= sum(map(len, out))
        if not plan.chunked and (self._upload_left < 0 or (is_end and self._upload_left)):
            raise AnswerError("the body for the store does not have the announced length")
        if self.is_unsent and (out or is_end):
            self.is_unsent = False
            out.insert(0, plan.head)
        if is_end:
            self._is_uploaded = True
            self._asked_at = self._path.time()
            self._mode = BodyUse.HELD
        store.write(out)
        if is_end and self._store is store:
            store.resume()

    # --- the store --------------------------------------------------------------------------------------------------

    def _forward(self, plan: Forward) -> None:
        pool = self._path.pool(plan.backend)
        store = pool.take(is_replayable=plan.body is None and self._head.method in _REPLAYABLE)
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
        if store is not None and store.transport.is_closing() and not self._has_retried:
            self._has_retried = True
            self._path.pool(plan.backend).connect(self._connected)
            return
        if store is None or store.transport.is_closing():
            self._fail(s3_error("ServiceUnavailable", detail="the store cannot be reached"))
            return
        self._store = store
        if plan.is_head != (self._head.method == "HEAD"):
            self._fail(AnswerError("the store and the client would disagree about the end of the answer"))
        elif plan.body is None and not self.body.is_done:
            self._fail(s3_error("UnexpectedContent"))
        elif plan.body is None:
            store.begin(self, is_head=plan.is_head)
            self._is_uploaded = True
            self._asked_at = self._path.time()
            store.write((plan.head,))
        else:
            store.begin(self, is_head=plan.is_head)
            self.is_unsent = True
            self._upload_left = plan.content_length
            self._mode = BodyUse.UPLOADED
            self._ask_for_body()

    def store_full(self) -> None:
        """Stop reading from the client: the store does not read as fast."""
        if not self.body.is_done:
            self._client.pause(Pause.STORE_FULL)

    def store_ready(self) -> None:
        """Read from the client again."""
        self._client.resume(Pause.STORE_FULL)

    def takes_answer(self, head: StoreHead) -> bool:
        """Return whether the answer may be passed on now.

        Otherwise it has to wait for the end of the body.
        """
        if self._is_uploaded:
            return True
        if head.status < 400:  # noqa: PLR2004
            return False
        # The store refuses the request. It does not need the rest of the body.
        self._keep = False
        self._mode = BodyUse.DROPPED
        self._client.resume(Pause.STORE_FULL)
        return True

    def store_head(self, head: StoreHead) -> None:
        """Take the head of the store's answer."""
        plan, exchange = self._plan, self._exchange
        if not isinstance(plan, Forward) or exchange is None:
            return
        if self._asked_at:  # else the store refuses the request before its end
            self._path.pool(plan.backend).times.answered(self._path.time() - self._asked_at)
        answer = plan.answer.begin(head.status, head.headers)
        if isinstance(answer, EditAnswer):
            self.answer.edit = answer
            return
        if self._is_alone:
            return
        try:
            self.answer.begin(answer, head, exchange.request_id, self._path.date, keep=self._decide_keep())
        except AnswerError as error:
            self._fail(error)

    def has_unsent(self) -> bool:
        """Return whether the client's transport still keeps bytes."""
        return self._client.transport.get_write_buffer_size() > 0

    def store_data(self, data: bytes | memoryview) -> None:
        """Take a part of the body of the store's answer.

        A view is valid until the next read, unless the transport keeps it.
        """
        if self._is_alone and self.answer.edit is None:
            return
        try:
            self.answer.write(data)
        except AnswerError as error:
            self._fail(error)

    def store_flush(self) -> None:
        """Send the head of an answer whose body has not begun to arrive."""
        self.answer.flush()

    def store_end(self) -> None:
        """Take the end of the store's answer."""
        self._leave_store(is_complete=self._is_uploaded)
        edit = self.answer.edit
        if edit is None:
            if not self._is_alone:
                self.answer.finish()
            self._end()
            return
        body = self.answer.take_collected()
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
        """Take the loss of the store's connection before the end of the answer."""
        store, self._store = self._store, None
        plan = self._plan
        if isinstance(plan, Forward) and store is not None and not self._has_retried and self._may_retry(plan, store):
            self._has_retried = True
            self._mode = BodyUse.HELD
            self._path.pool(plan.backend).connect(self._connected)
            return
        self._fail(s3_error("ServiceUnavailable", detail=reason))

    def _may_retry(self, plan: Forward, store: BackendConnection) -> bool:
        if self.is_unsent:
            return True
        is_replayable = plan.body is None and self._head.method in _REPLAYABLE
        return is_replayable and store.is_reused and not store.has_answered


def _joined(pieces: Sequence[bytes | memoryview]) -> bytes:
    """Return the content of one read.

    Chunks of one byte must not cost a step of the checks each.
    """
    return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
