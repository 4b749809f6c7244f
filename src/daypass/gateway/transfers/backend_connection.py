"""One connection to a store, with one request at a time.

Owns the parsing of the store's answer. Leaves the meaning of the answer to the transfer that uses the connection, and
the choice of a connection to pool.py. A connection is used again only if its answer was read to its exact end.
"""

import asyncio
import fcntl
import termios
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from daypass.gateway.transfers.limits import WRITE_BUFFER
from daypass.gateway.transfers.read_buffer import ReadBuffer
from daypass.gateway.transfers.store_head import (
    CHUNKED,
    LARGEST_HEAD,
    TO_THE_END,
    StoreError,
    StoreHead,
    parse_store_head,
)
from daypass.verify.http_chunks import HttpChunkError, HttpChunkReader

if TYPE_CHECKING:
    from daypass.gateway.transfers.pool import BackendPool
    from daypass.gateway.transfers.transfer import Transfer

_MOST_INTERIM = 16  # answers such as 102 before the final one
_SWITCHING_PROTOCOLS = 101
_NO_BYTES = bytes(4)  # a number of the kernel
_IDLE, _HEAD, _BODY, _PARKED, _END = range(5)


class BackendConnection(asyncio.BufferedProtocol):
    """A connection to a store.

    It calls the methods `store_*` of the transfer that uses it.
    """

    __slots__ = (
        "_buffer",
        "_decoder",
        "_file",
        "_head",
        "_interim",
        "_is_head",
        "_left",
        "_pool",
        "_read_buffer",
        "_state",
        "_transfer",
        "has_answered",
        "idle_since",
        "is_paused",
        "is_reused",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, pool: "BackendPool", read_buffer: ReadBuffer) -> None:
        self._pool = pool
        self._read_buffer = read_buffer
        self._transfer: Transfer | None = None
        self._state = _IDLE
        self._buffer = b""
        self._left = 0
        self._decoder: HttpChunkReader | None = None
        self._head: StoreHead | None = None
        self._interim = 0
        self._is_head = False
        self.is_paused = False  # the store does not read as fast as the client sends
        self.is_reused = False
        self.has_answered = False  # a byte of the answer has arrived
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        self._file: int = transport.get_extra_info("socket").fileno()
        self._pool.opened(self)

    def begin(self, transfer: "Transfer", *, is_head: bool) -> None:
        """Begin a request. `is_head` is whether its method is HEAD."""
        self._transfer, self._is_head = transfer, is_head
        self._state, self._buffer, self._interim, self.has_answered = _HEAD, b"", 0, False

    def end(self, *, is_complete: bool) -> None:
        """End the use.

        The connection is kept if the exchange was complete in both directions.
        """
        is_usable = is_complete and self._state == _END and not self._buffer
        is_usable = is_usable and self._head is not None and not self._head.is_last
        is_usable = is_usable and not self.transport.get_write_buffer_size()
        self._transfer = self._head = self._decoder = None
        self._state = _IDLE
        if is_usable:
            self._pool.give_back(self)
        else:
            # Bytes that are not sent yet must not reach the store: they could complete a request that was refused.
            self.transport.abort()

    def resume(self) -> None:
        """Continue with an answer that came before the end of the request."""
        if self._state == _PARKED:
            head, self._state = self._head, _BODY
            self.resume_reading()
            data, self._buffer = self._buffer, b""
            if head is not None and self._transfer is not None:
                self._begin_body(head, data)

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send parts of a request, unless the connection ends already."""
        if self.transport.is_closing() or not parts:
            return
        if len(parts) == 1:
            self.transport.write(parts[0])
        else:
            self.transport.writelines(parts)

    def has_unread(self) -> bool:
        """Return whether bytes of the store wait in the kernel.

        The connection must be open.
        """
        size = fcntl.ioctl(self._file, termios.FIONREAD, _NO_BYTES)
        return size != _NO_BYTES

    def pause_reading(self) -> None:
        """Stop reading the answer."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read the answer again."""
        if not self.transport.is_closing() and self._state != _PARKED:
            self.transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the buffer has its own size
        """Return the buffer to read into."""
        return self._read_buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """Read a part of the answer."""
        data = self._read_buffer.view[:nbytes]
        if self._state == _BODY and self._decoder is None and nbytes > WRITE_BUFFER:
            self._read_body(data)
            if self._transfer is None or self._transfer.has_unsent():
                self._read_buffer.replace()
        else:
            self._read(bytes(data))

    def _read(self, data: bytes) -> None:
        if self._state == _BODY:
            self._read_body(data)
        elif self._state == _HEAD:
            if self._transfer is not None and self._transfer.is_unsent:
                # Some stores send 408 on a connection that was silent for too long.
                self._break("the store answered before the request")
                return
            self.has_answered = True
            self._read_head(self._buffer + data if self._buffer else data)
        elif self._state == _PARKED:
            self._buffer += data
        else:
            # An answer that no request asked for. The next request would take it for its own.
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the transfer."""
        self._pool.closed(self)
        transfer, self._transfer = self._transfer, None
        if transfer is None:
            return
        head = self._head
        if self._state == _BODY and head is not None and head.length == TO_THE_END and exc is None:
            self._state = _END
            transfer.store_end()
        elif self._state != _END:
            transfer.store_lost("the store closed the connection")

    def pause_writing(self) -> None:
        """Stop the client."""
        self.is_paused = True
        if self._transfer is not None:
            self._transfer.store_full()

    def resume_writing(self) -> None:
        """Let the client continue."""
        self.is_paused = False
        if self._transfer is not None:
            self._transfer.store_ready()

    def _read_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > LARGEST_HEAD:
            self._buffer = data
            if len(data) > LARGEST_HEAD:
                self._break("the head of the answer is too long")
            return
        try:
            head = parse_store_head(data[:end], is_head=self._is_head)
        except StoreError as error:
            self._break(str(error))
            return
        data = data[end + 4 :]
        if head.status < 200:  # noqa: PLR2004
            self._buffer = b""
            self._interim += 1
            if head.status == _SWITCHING_PROTOCOLS or self._interim > _MOST_INTERIM:
                self._break("the store sent an unexpected interim answer")
            elif data:
                self._read_head(data)
            return
        self._head, self._buffer = head, b""
        if self._transfer is not None and not self._transfer.takes_answer(head):
            self._state, self._buffer = _PARKED, data
            self.pause_reading()
            return
        self._state = _BODY
        self._begin_body(head, data)

    def _begin_body(self, head: StoreHead, data: bytes) -> None:
        transfer = self._transfer
        if transfer is None:
            return
        self._left = head.length
        self._decoder = HttpChunkReader() if head.length == CHUNKED else None
        transfer.store_head(head)
        if self._transfer is not transfer:
            return
        if head.length == 0:
            self._buffer = data
            self._state = _END
            transfer.store_end()
        elif data:
            self._read_body(data)
        else:
            transfer.store_flush()

    def _read_body(self, data: bytes | memoryview) -> None:
        transfer = self._transfer
        if transfer is None:
            return
        decoder = self._decoder
        if decoder is not None:
            try:
                pieces = decoder.feed(bytes(data))
            except HttpChunkError as error:
                self._break(str(error))
                return
            is_end = decoder.done
            if is_end:
                self._buffer = bytes(decoder.rest)
            data = b"".join(pieces)
        else:
            size = len(data)
            is_end = 0 <= self._left <= size
            if is_end and size > self._left:
                self._buffer = bytes(data[self._left :])
                data = data[: self._left]
            if self._left > 0:
                self._left -= len(data)
        if is_end:
            self._state = _END
        if data:
            transfer.store_data(data)
        if is_end and self._transfer is transfer:
            transfer.store_end()

    def _break(self, reason: str) -> None:
        transfer, self._transfer = self._transfer, None
        self.transport.abort()
        if transfer is not None:
            transfer.store_lost(reason)
