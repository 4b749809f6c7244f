"""One connection of a client, with one request at a time.

Owns the heads of requests, the order of pipelined requests, the end of the connection, and its limits of time. Leaves
each request to a transfer.

- Bytes that arrive before their turn are kept, within a limit, and then the connection is not read.
- After an answer that is the last one, the rest of the request is read and dropped for a moment. A connection that is
  closed with unread bytes is reset, and the client might lose the answer.
"""

import asyncio
import fcntl
import socket
import ssl
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from daypass.gateway.plan import Peer, Respond
from daypass.gateway.transfers.bounded_transfer import Pause
from daypass.gateway.transfers.limits import MOST_HELD, TLS_READ_BUFFER, WRITE_BUFFER
from daypass.gateway.transfers.outgoing_answer import OutgoingAnswer
from daypass.gateway.transfers.transfer import Transfer
from daypass.http.connection_limits import ConnectionSlot
from daypass.http.lingering import has_unread_bytes
from daypass.http.peer import plain_address
from daypass.verify.head import LONGEST_HEAD, HeadError, parse_head
from daypass.verify.refusals import VerifyReason
from daypass.verify.s3.errors import s3_error

if TYPE_CHECKING:
    from daypass.gateway.transfers.data_path import DataPath


class ClientConnection(asyncio.BufferedProtocol):
    """A connection of a client."""

    __slots__ = (
        "_address",
        "_buffer",
        "_cipher",
        "_dropped",
        "_has_eof",
        "_is_ending",
        "_path",
        "_pauses",
        "_peer",
        "_progress",
        "_resolves",
        "_searched",
        "_stall_ticks",
        "_ticks",
        "_tls",
        "_transfer",
        "_was_used",
        "_written",
        "is_full",
        "place",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, path: "DataPath", place: ConnectionSlot | None) -> None:
        self._path = path
        self.place = place  # among the connections of its peer
        self._transfer: Transfer | None = None
        self._buffer = b""  # of a head
        self._searched = 0
        self._pauses = 0
        self._is_ending = self._has_eof = False
        self._dropped = 0
        self._ticks = 0  # since the last event that a limit of time counts from
        self._was_used = False
        self._written = self._progress = self._stall_ticks = 0
        self.is_full = False  # the client does not read as fast as the store sends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who the peer is."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        self._path.opened(self)
        address = transport.get_extra_info("peername")
        self._address = plain_address(address[0]) if address else ""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self._tls = tls is not None
        # A transport with TLS keeps bytes that it has received, too. asyncio does not document how many.
        limit_reading = getattr(transport, "set_read_buffer_limits", None)
        if limit_reading is not None:
            limit_reading(TLS_READ_BUFFER)
        version = (tls.version() or "") if tls is not None else ""
        cipher = tls.cipher() if tls is not None else None
        self._cipher = cipher[0] if cipher is not None else ""
        self._peer = Peer(self._address, tls is not None, version, self._cipher)
        self._resolves = self._path.peers.is_trusted(self._address)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason does not matter
        """End the request."""
        self._path.forget(self)
        if self.place is not None:
            self.place.leave()
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            transfer.client_lost()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the buffer has its own size
        """Return the buffer to read into."""
        return self._path.read_buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes for the current request, or for the next one."""
        data = bytes(self._path.read_buffer.view[:nbytes])
        transfer = self._transfer
        if transfer is not None:
            transfer.client_data(data)
        elif self._is_ending:
            self.drop(len(data))
        else:
            self._buffer = self._buffer + data if self._buffer else data
            self._read_head()

    def eof_received(self) -> bool:
        """Let a request finish whose body is complete."""
        transfer = self._transfer
        self._has_eof = True
        if transfer is None or self._tls:
            return False
        transfer.client_eof()
        return not self._is_ending

    def pause_writing(self) -> None:
        """Stop the store."""
        self.is_full = True
        self._stall_ticks, self._progress = 0, self._read_by_client()
        if self._transfer is not None:
            self._transfer.client_full()

    def resume_writing(self) -> None:
        """Let the store continue, or read the next request."""
        self.is_full = False
        if self._transfer is not None:
            self._transfer.client_ready()
        elif self._buffer and not self._is_ending:
            self._read_head()

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes of an answer, unless the connection ends already."""
        if not self.transport.is_closing():
            self._written += len(data)
            self.transport.write(data)

    def abort(self) -> None:
        """End the connection in the middle of an answer."""
        self.transport.abort()
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            transfer.client_lost()

    def pause(self, reason: Pause) -> None:
        """Stop reading."""
        if not self._pauses and not self.transport.is_closing():
            self.transport.pause_reading()
        self._pauses |= reason

    def resume(self, reason: Pause) -> None:
        """Read again, unless there is another reason not to."""
        if self._pauses & reason:
            self._pauses &= ~reason
            if not self._pauses and not self.transport.is_closing():
                self.transport.resume_reading()

    def drop(self, size: int) -> None:
        """Drop bytes of a refused request, within a limit."""
        self._dropped += size
        if self._dropped > self._path.limits.most_discarded:
            if self._is_ending:
                self.transport.close()
            else:
                self.pause(Pause.HELD)

    def transfer_ended(self, rest: bytes, *, keep: bool, is_unread: bool) -> None:
        """Take the next request, or end the connection.

        `rest` was not used by the last request. `is_unread` is whether a part of its body may still come.
        """
        self._transfer = None
        self._was_used = True
        self._ticks = 0
        if not keep or self._has_eof:
            self._end(is_unread=is_unread)
            return
        if self._pauses:
            self.resume(Pause.STORE_FULL)
            self.resume(Pause.HELD)
        if rest:
            self._buffer = rest
            # In another turn: other connections come before a second request.
            self._path.loop.call_soon(self._read_head)

    def finish(self) -> None:
        """End the connection, after the request that runs or is on its way.

        A new connection has a request on its way, and so has one with unread bytes.
        """
        if self._transfer is not None or self._is_ending:
            return
        self._ticks = 0
        if self._was_used and not self._buffer and not has_unread_bytes(self.transport):
            self._end(is_unread=False)

    def tick(self) -> None:
        """Check the limits of time."""
        limits = self._path.limits
        self._ticks += 1
        if self.is_full:
            self._check_reading()
        transfer = self._transfer
        if transfer is not None:
            transfer.tick()
            return
        passed = self._ticks * limits.tick
        if self._is_ending:
            if passed >= limits.end_seconds and not self.is_full:
                self.transport.abort()
        elif self._buffer and not self.is_full and passed >= limits.head_seconds:
            self._refuse(s3_error("RequestTimeout"))
        elif passed >= self._patience():
            self.transport.close()

    def _patience(self) -> float:
        """Return the seconds that the connection may wait for a request."""
        limits = self._path.limits
        if self._path.is_finishing:
            return limits.last_head_seconds
        return limits.idle_seconds if self._was_used else limits.head_seconds

    def _check_reading(self) -> None:
        limits = self._path.limits
        self._stall_ticks += 1
        if self._stall_ticks * limits.tick < limits.stall_seconds:
            return
        progress = self._read_by_client()
        if progress - self._progress < limits.least_read:
            self.abort()
        self._progress, self._stall_ticks = progress, 0

    def _read_by_client(self) -> int:
        """Return the bytes that the client has acknowledged."""
        waiting = self.transport.get_write_buffer_size()
        own: socket.socket = self.transport.get_extra_info("socket")
        with suppress(
            OSError
        ):  # The kernel keeps megabytes for a client, and reports only when a third of it has gone.
            waiting += int.from_bytes(fcntl.ioctl(own.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return self._written - waiting

    def _read_head(self) -> None:
        if self._transfer is not None or self._is_ending or self.transport.is_closing():
            return
        buffer = self._buffer
        if self.is_full:  # An unread answer takes memory. The next request waits for the client to read it.
            if len(buffer) > MOST_HELD:
                self.pause(Pause.HELD)
            return
        end = buffer.find(b"\r\n\r\n", self._searched)
        if (end if end >= 0 else len(buffer)) > LONGEST_HEAD:
            message = "The head of the request is too large."
            self._refuse(HeadError(message, VerifyReason.HEAD_TOO_LARGE))
            return
        if end < 0:
            if not self._searched:
                self._ticks = 0
            self._searched = max(len(buffer) - 3, 1)
            return
        self._buffer, self._searched = b"", 0
        self.resume(Pause.HELD)
        try:
            head = parse_head(buffer[:end])
        except HeadError as error:
            self._refuse(error)
            return
        peer = self._peer
        if self._resolves:
            peer = self._resolved(head.headers.get(b"x-forwarded-for"), head.headers.get(b"x-forwarded-proto"))
        self._transfer = Transfer(self._path, self, head, peer)
        self._transfer.begin(buffer[end + 4 :])

    def _resolved(self, chain: bytes | None, scheme: bytes | None) -> Peer:
        headers = []
        if chain is not None:
            headers.append((b"x-forwarded-for", chain))
        if scheme is not None:
            headers.append((b"x-forwarded-proto", scheme))
        address, secure = self._path.peers.resolve(self._address, secure=self._tls, headers=headers)
        if headers:
            return Peer(address, secure)  # The version of TLS between the client and the proxy is not known.
        return Peer(address, secure, self._peer.tls_version, self._cipher)

    def _refuse(self, error: Exception) -> None:
        answer: Respond = self._path.judge.refuse(error, self._peer)
        self._write_refusal(answer)
        self._end(is_unread=True)

    def _write_refusal(self, refusal: Respond) -> None:
        answer = OutgoingAnswer(self, is_head=False)
        answer.respond(refusal, self._path.date, keep=False)
        self._path.metrics.answered("", answer.status, 0.0, received=0, sent=answer.sent)
        refusal.exchange.done(status=answer.status, bytes_in=0, bytes_out=answer.sent)

    def _end(self, *, is_unread: bool) -> None:
        """Close, but let the client read the last answer first."""
        self._is_ending = True
        self._ticks = self._dropped = 0
        self._buffer = b""
        transport = self.transport
        if transport.is_closing():
            return
        if self._has_eof or not is_unread:
            transport.close()
            return
        self.resume(Pause.STORE_FULL)
        self.resume(Pause.HELD)
        if not self._tls:  # A client over TLS sees the end by the length of the answer.
            transport.write_eof()
