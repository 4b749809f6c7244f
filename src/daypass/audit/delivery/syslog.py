"""The sink `syslog`: one message for each event, over TLS.

Owns the messages (RFC 5424) and their framing by octet counting (RFC 5425 section 4.3, RFC 6587 section 3.4.1).

- The message is the event as JSON. MSGID is the eventName, and the severity says whether the call was refused.
- A message that is too long for the receiver loses members, never its end: it stays valid JSON.
- Syslog has no acknowledgements. A batch counts as accepted when the receiver's system has acknowledged all its bytes,
  and the connection is still open then.
"""

import contextlib
import fcntl
import os
import re
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from daypass.audit.bounds import CUT, encode_json
from daypass.audit.delivery.destination import DeliveryError, Format
from daypass.audit.delivery.sink_settings import FACILITIES, TLS_SCHEME, AuditSinkSetting, split_url
from daypass.audit.delivery.tls import describe_failure, sink_context

_TLS_PORT = 6514  # RFC 5425 section 4.1
_INFO, _WARNING = 6, 4
_SENT_AT_ONCE = 65_536
_LONGEST_PAUSE = 0.05
_TICKET_PATIENCE = 0.5  # seconds
_NOT_IN_HEADER = re.compile(r"[^!-~]")
# The order in which members leave a message that is too long: the longest and the least needed first.
_LESS_NEEDED = (
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
    "errorMessage",
    "userAgent",
    # of OCSF
    "unmapped",
    "api",
    "http_request",
    # last, because they say who it was
    "userIdentity",
    "actor",
)


class _Heading(msgspec.Struct, rename="camel"):
    event_time: str = "-"
    event_name: str = ""
    error_code: str = ""


_read_heading = msgspec.json.Decoder(_Heading).decode


class SyslogSink:
    """Sends messages over one connection, which stays open."""

    def __init__(self, sink: AuditSinkSetting, change: Format) -> None:
        url = split_url(sink.url)
        if url is None:
            raise ValueError(f"the audit sink {sink.name}: url is not valid")
        self._host, self._port = url.hostname or "", url.port or _TLS_PORT
        self._context = sink_context(sink) if url.scheme == TLS_SCHEME else None
        self._change = change
        self._most_bytes = sink.message_bytes
        self._timeout = sink.timeout_seconds
        self._facility = FACILITIES[sink.facility]
        self._origin = f"{_header_text(socket.gethostname(), 255)} daypass {os.getpid()}"
        self._socket: socket.socket | None = None

    def send(self, lines: Sequence[bytes]) -> None:
        """Send a message for each line, and wait for the acknowledgement."""
        ends = time.monotonic() + self._timeout
        try:
            connection = self._socket = self._usable_connection() or self._connect(ends)
            data = memoryview(b"".join(map(self.frame, lines)))
            for place in range(0, len(data), _SENT_AT_ONCE):
                connection.settimeout(_left(ends))
                connection.sendall(data[place : place + _SENT_AT_ONCE])
            _wait_until_received(connection, ends)
        except OSError as error:
            self.close()
            raise DeliveryError(describe_failure(error)) from error

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def frame(self, line: bytes) -> bytes:
        """Return the message of a line, with its length before it."""
        heading = _read_heading(line)
        severity = _WARNING if heading.error_code else _INFO
        msgid = _header_text(heading.event_name, 32)
        header = f"<{self._facility * 8 + severity}>1 {heading.event_time} {self._origin} {msgid} - ".encode()
        message = header + fit(self._change(line), self._most_bytes - len(header))
        return b"%d %b" % (len(message), message)

    def _usable_connection(self) -> socket.socket | None:
        """Return the open connection, or None if the receiver has closed it meanwhile."""
        if self._socket is None:
            return None
        try:
            _require_open(self._socket)
        except OSError:
            self.close()
        return self._socket

    def _connect(self, ends: float) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), timeout=_left(ends))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._context is None:
            return plain
        try:
            plain.settimeout(_left(ends))
            wrapped = self._context.wrap_socket(plain, server_hostname=self._host)
            # With TLS 1.3 the refusal of a client certificate comes after the handshake, and otherwise a ticket.
            select.select([wrapped], [], [], _TICKET_PATIENCE)
            _require_open(wrapped)
        except BaseException:
            plain.close()
            raise
        return wrapped


def fit(message: bytes, most_bytes: int) -> bytes:
    """Return JSON of at most `most_bytes`, without members that do not fit.

    A mark replaces each of them.
    """
    if len(message) <= most_bytes:
        return message
    event: dict[str, Any] = msgspec.json.decode(message)
    for name in _LESS_NEEDED:
        if name in event:
            event[name] = CUT
            message = encode_json(event)
            if len(message) <= most_bytes:
                return message
    kept = {name: value for name, value in event.items() if isinstance(value, int) or name.startswith("event")}
    return encode_json({**kept, "truncated": True})


def _header_text(text: str, most: int) -> str:
    return _NOT_IN_HEADER.sub("_", text)[:most] or "-"


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _wait_until_received(connection: socket.socket, ends: float) -> None:
    """Wait until the other system has acknowledged all bytes. Raises OSError."""
    pause = 0.001
    while _unacknowledged(connection):
        _require_open(connection)
        time.sleep(min(pause, _left(ends)))
        pause = min(pause * 2, _LONGEST_PAUSE)
    _require_open(connection)


def _unacknowledged(connection: socket.socket) -> int:
    # tcp(7): SIOCOUTQ has the value of TIOCOUTQ, and counts the bytes that were not acknowledged.
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    count: int = struct.unpack("i", answer)[0]
    return count


def _require_open(connection: socket.socket) -> None:
    """Raise OSError if the receiver has closed the connection, or has sent an alert.

    Bytes that it sends are ignored: syslog has no answers.
    """
    connection.settimeout(0)
    try:
        if not connection.recv(4_096):
            raise ConnectionResetError(0, "the receiver closed the connection; it must stay open after a batch")
    except (BlockingIOError, ssl.SSLWantReadError):
        return
