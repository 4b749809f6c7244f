"""One request: its state, its limits of time, and its end.

Owns the back-pressure between the two connections, the checks of the progress, and every way in which a request ends.
Leaves the order of events until then to transfer.py. The rules:

- A request that fails on its way is never completed at the store: the connection to the store is aborted.
- An answer that fails on its way is never completed at the client: the connection to the client is aborted.
- Exactly one `Exchange.done` for each exchange.
"""

from enum import IntEnum
from typing import TYPE_CHECKING

import structlog

from daypass.gateway.plan import Collect, Exchange, Forward, Peer, Respond
from daypass.gateway.transfers.backend_connection import BackendConnection
from daypass.gateway.transfers.incoming_body import IncomingBody
from daypass.gateway.transfers.outgoing_answer import OutgoingAnswer
from daypass.gateway.transfers.progress import TransferProgress
from daypass.verify.head import RequestHead
from daypass.verify.s3.errors import s3_error

if TYPE_CHECKING:
    from daypass.gateway.transfers.client_connection import ClientConnection
    from daypass.gateway.transfers.data_path import DataPath


class BodyUse(IntEnum):
    """The use of the bytes of the request's body."""

    HELD = 0
    COLLECTED = 1
    UPLOADED = 2
    DROPPED = 3


READING = frozenset({BodyUse.COLLECTED, BodyUse.UPLOADED})


class Pause(IntEnum):
    """Reasons not to read from the client."""

    HELD = 1
    STORE_FULL = 2


class BoundedTransfer:
    """One request, with the limits of its time, from its head to its end."""

    __slots__ = (
        "_asked_at",
        "_client",
        "_collected",
        "_collected_size",
        "_exchange",
        "_expects",
        "_has_eof",
        "_has_retried",
        "_head",
        "_held",
        "_is_alone",
        "_is_answer_paused",
        "_is_over",
        "_is_uploaded",
        "_is_waiting",
        "_keep",
        "_mode",
        "_path",
        "_peer",
        "_plan",
        "_planned_at",
        "_progress",
        "_started",
        "_store",
        "_upload_left",
        "answer",
        "body",
        "is_unsent",
    )

    def __init__(self, path: "DataPath", client: "ClientConnection", head: RequestHead, peer: Peer) -> None:
        path.read_buffer.began()
        self._path = path
        self._client = client
        self._head = head
        self._peer = peer
        self._started = path.time()
        self._keep = b"close" not in head.headers.get(b"connection", b"").lower()
        self._expects = b"expect" in head.headers
        self.body = IncomingBody(head)
        self.answer = OutgoingAnswer(client, is_head=head.method == "HEAD")
        self._progress: TransferProgress | None = None  # most transfers end before the first tick
        self._held = b""  # bytes whose turn has not come: of the body, or of the next requests
        self._mode = BodyUse.HELD
        self._exchange: Exchange | None = None
        self._plan: Forward | Collect | None = None
        self._planned_at = 0.0
        self._asked_at = 0.0  # when the store had the whole request
        self._collected: list[bytes] = []
        self._collected_size = 0
        self._store: BackendConnection | None = None
        self.is_unsent = False  # the store has not seen the head yet
        self._upload_left = 0
        self._is_uploaded = False
        self._has_retried = False
        self._has_eof = False  # the client does not send more
        self._is_waiting = False  # for a worker thread
        self._is_answer_paused = False
        self._is_over = False
        self._is_alone = False  # the client has gone, and the exchange goes on

    @property
    def head(self) -> RequestHead:
        """The head of the request."""
        return self._head

    @property
    def forwarded(self) -> tuple[str, float] | None:
        """The method of the request to a store and the time of its plan."""
        plan = self._plan
        return (plan.head.partition(b" ")[0].decode(), self._planned_at) if isinstance(plan, Forward) else None

    # --- back-pressure and limits of time ---------------------------------------------------------------------------

    def client_full(self) -> None:
        """Stop reading from the store: the client does not read as fast."""
        if self._store is not None:
            self._is_answer_paused = True
            self._store.pause_reading()

    def client_ready(self) -> None:
        """Read from the store again."""
        if self._store is not None and self._is_answer_paused:
            self._is_answer_paused = False
            self._store.resume_reading()

    def tick(self) -> None:
        """Check the progress, once in `limits.tick` seconds."""
        limits, store, answer = self._path.limits, self._store, self.answer
        progress = self._progress
        if progress is None:
            progress = self._progress = TransferProgress(limits)
        waiting = 0 if store is None else store.transport.get_write_buffer_size()
        marks = (self.body.received, answer.sent + answer.collected, waiting)
        # While a client reads slowly, the store has to wait.
        quiet = progress.count_quiet(marks, is_excused=self._client.is_full)
        is_reading = self._mode in READING and not self.body.is_done
        if is_reading and (store is None or not store.is_paused):
            if progress.is_too_slow(self.body.received):
                self._fail(s3_error("RequestTimeout"))
        elif store is None or self._client.is_full:
            return  # Opening a connection has a limit of its own, and so has a client that reads slowly.
        else:
            is_unanswered = self._is_uploaded and not answer.status and answer.edit is None
            if quiet >= (limits.first_byte_seconds if is_unanswered else limits.stall_seconds):
                self._fail(s3_error("ServiceUnavailable", detail="the store does not answer"))

    # --- the end ----------------------------------------------------------------------------------------------------

    def _decide_keep(self) -> bool:
        self._keep = self._keep and not self._path.is_draining and self.body.is_within(self._held)
        return self._keep

    def _leave_store(self, *, is_complete: bool) -> None:
        if self._is_answer_paused:  # The next request on the connection is read at the speed of its own client.
            self.client_ready()
        store, self._store = self._store, None
        if store is not None:
            store.end(is_complete=is_complete)

    def _fail(self, error: Exception) -> None:
        """Answer an error, or abort an answer that has begun."""
        self._leave_store(is_complete=False)
        if self._is_over:
            self._done()
        elif self.answer.has_begun:
            self._client.abort()  # which ends this transfer
        elif self._exchange is not None:
            self._respond(self._exchange.refuse(error))

    def _respond(self, answer: Respond) -> None:
        if not self.answer.respond(answer, self._path.date, keep=self._decide_keep()):
            structlog.get_logger().error("answer_refused", reason="a header contains a line break")
            self._keep = False
        self._end()

    def _end(self) -> None:
        if self._is_alone:
            self._done()
            return
        self._is_over = True
        self._done()
        rest = self.body.skip(self._held) if self._keep else self._held
        is_unread = not self.body.is_done or bool(rest)
        self._client.transfer_ended(rest, keep=self._keep, is_unread=is_unread)

    def _done(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        self._path.ended(exchange.operation, self, self._path.time() - self._started, exchange)
        try:
            exchange.done(status=self.answer.status, bytes_in=self.body.received, bytes_out=self.answer.sent)
        except Exception:  # noqa: BLE001 - an audit event must not break the connection
            structlog.get_logger().exception("exchange_not_recorded")

    def client_lost(self) -> None:
        """End the exchange: the client has gone."""
        if self._is_over:
            return
        self._is_over = True
        plan = self._plan
        if isinstance(plan, Forward) and plan.finishes_alone and self.body.is_done and self._exchange is not None:
            self._is_alone = True
            self.client_ready()
            return
        self._leave_store(is_complete=False)
        if not self._is_waiting:  # The thread may change a bucket, and the record says so afterwards.
            self._done()
