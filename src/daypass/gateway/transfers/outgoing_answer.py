"""The answer to a client: its head, its framing and its body.

Owns the writing of one answer, and the collection of a store's answer that is edited first. Leaves the choice of the
answer to the plan, and the end of the connection to the transfer.
"""

from typing import TYPE_CHECKING

from daypass.gateway.plan import EditAnswer, HeaderPairs, PassAnswer, Respond
from daypass.gateway.transfers.answer_head import CHUNKED as CHUNKED_LINE
from daypass.gateway.transfers.answer_head import CLOSE, HeaderError, render_head
from daypass.gateway.transfers.store_head import StoreHead
from daypass.verify.http_chunks import LAST_CHUNK

if TYPE_CHECKING:
    from daypass.gateway.transfers.client_connection import ClientConnection

_SMALL = 16_384  # bytes; joining them costs less than a second buffer
_RETRY_AFTER = (b"retry-after", b"5")
_BODILESS = frozenset({204, 304})


class AnswerError(Exception):
    """The answer cannot be sent.

    It has two ends or a header with a line break, or it is too long to be edited.
    """


class OutgoingAnswer:
    """One answer.

    `status` is 0 until its head was rendered, and `sent` counts the bytes of its body.
    """

    __slots__ = ("_client", "_collected", "_is_chunked", "_is_head", "_pending", "collected", "edit", "sent", "status")

    def __init__(self, client: "ClientConnection", *, is_head: bool) -> None:
        self._client = client
        self._is_head = is_head
        self.status = self.sent = 0
        self.edit: EditAnswer | None = None
        self._collected: list[bytes] = []
        self.collected = 0  # bytes
        self._pending = b""  # the head, until it is sent with the first bytes of the body
        self._is_chunked = False

    @property
    def has_begun(self) -> bool:
        """Return whether the client got a byte of it."""
        return self.status > 0 and not self._pending

    def begin(self, answer: PassAnswer, head: StoreHead, request_id: str, date: bytes, *, keep: bool) -> None:
        """Render the head. Raises AnswerError."""
        if answer.status in _BODILESS and head.length:
            raise AnswerError("an answer without a body would be followed by one")
        framing = b""
        if self._is_head:
            if head.announced is not None:
                framing = b"content-length: %b\r\n" % head.announced
        elif answer.status not in _BODILESS:
            self._is_chunked = head.length < 0
            framing = CHUNKED_LINE if self._is_chunked else b"content-length: %d\r\n" % head.length
        self._pending = _rendered(answer.status, answer.headers, framing, request_id, date, keep=keep)
        self.status = answer.status

    def write(self, data: bytes | memoryview) -> None:
        """Send a part of the body, or collect it. Raises AnswerError."""
        if self.edit is not None:
            self._collected.append(bytes(data))
            self.collected += len(data)
            if self.collected > self.edit.limit:
                raise AnswerError("the store's answer is too long to be edited")
            return
        self.sent += len(data)
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), bytes(data))
        head, self._pending = self._pending, b""
        if not head:
            self._client.write(data)
        elif len(data) <= _SMALL:
            self._client.write(head + bytes(data))
        else:
            self._client.write(head)
            self._client.write(data)

    def flush(self) -> None:
        """Send the head, if its body has not begun to arrive."""
        head, self._pending = self._pending, b""
        if head:
            self._client.write(head)

    def finish(self) -> None:
        """Send the end."""
        out, self._pending = self._pending, b""
        if self._is_chunked:
            out += LAST_CHUNK
        if out:
            self._client.write(out)

    def take_collected(self) -> bytes:
        """Return the body that was collected."""
        body, self._collected, self.edit = b"".join(self._collected), [], None
        return body

    def respond(self, answer: Respond, date: bytes, *, keep: bool) -> bool:
        """Send a whole answer. Return whether its headers were valid."""
        self.edit, self._pending, self._is_chunked = None, b"", False
        headers = answer.headers
        if answer.status == 503 and all(name != b"retry-after" for name, _ in headers):  # noqa: PLR2004
            headers = (*headers, _RETRY_AFTER)
        framing = b"" if answer.status in _BODILESS else b"content-length: %d\r\n" % len(answer.body)
        request_id = answer.exchange.request_id
        try:
            out = _rendered(answer.status, headers, framing, request_id, date, keep=keep)
        except AnswerError:
            self.status = 500
            self._client.write(_rendered(500, (), b"content-length: 0\r\n", request_id, date, keep=False))
            return False
        self.status = answer.status
        if not self._is_head and answer.status not in _BODILESS:
            out += answer.body
            self.sent += len(answer.body)
        self._client.write(out)
        return True


def _rendered(status: int, headers: HeaderPairs, framing: bytes, request_id: str, date: bytes, *, keep: bool) -> bytes:
    try:
        return render_head(status, headers, framing if keep else framing + CLOSE, request_id, date)
    except HeaderError as error:
        raise AnswerError(str(error)) from error
