"""Close a connection so that its client can read the last response.

A connection that is closed while its client still sends is reset, and the client loses the response: the 413 of a body,
the 400 of a head. Owns the moment between the last response and the end: what arrives is read and dropped until the
client closes, the announced body is complete, or a limit of time or bytes is reached. Over TLS the client sees the end
of the response by its length; otherwise the server ends its side at once.
"""

import asyncio
import fcntl
import socket
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_IDLE = 2.0  # seconds without a byte of the client
_MOST_TICKS = 15  # of `_IDLE`, in total
_MOST_WITHOUT_LENGTH = 16 * 2**20  # bytes; a head or chunked body may be endless


def has_unread_bytes(transport: asyncio.Transport) -> bool:
    """Return whether the kernel has unread bytes of the client."""
    own: socket.socket = transport.get_extra_info("socket")
    try:
        return any(fcntl.ioctl(own.fileno(), termios.FIONREAD, bytes(4)))
    except OSError:  # The client has gone.
        return False


class LingeringTransport:
    """A transport whose `close` waits for the client where it may still send.

    `count_unread` returns the number of bytes that the client may still send: 0 for none, None if that is not known.
    """

    def __init__(self, transport: asyncio.Transport, count_unread: Callable[[], int | None]) -> None:
        self._transport = transport
        self._count_unread = count_unread
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0
        self._dropped = self._ticks = 0
        self.is_lingering = False
        self.write = transport.write  # bound once: each response is one call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether the connection has had its last response."""
        return self.is_lingering or self._transport.is_closing()

    def close(self) -> None:
        """Close the connection, after the client has stopped sending."""
        if self.is_closing():
            return
        unread = self._count_unread()
        if unread == 0:
            self._transport.close()
            return
        self._left = _MOST_WITHOUT_LENGTH if unread is None else unread
        self.is_lingering = True
        try:
            self._transport.resume_reading()
            with suppress(NotImplementedError):  # TLS has no end of one side.
                self._transport.write_eof()
        except OSError:  # The client has gone already.
            self._transport.close()
        else:
            self._timer = self._loop.call_later(_IDLE, self._tick)

    def drop(self, data: bytes) -> None:
        """Drop bytes that came after the last response."""
        self._dropped += len(data)
        self._left -= len(data)
        if self._left <= 0:
            self.close_now()

    def close_now(self) -> None:
        """Close the connection without waiting for the client."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    def _tick(self) -> None:
        self._ticks += 1
        if not self._dropped or self._ticks == _MOST_TICKS:
            self.close_now()
            return
        self._dropped = 0
        self._timer = self._loop.call_later(_IDLE, self._tick)
