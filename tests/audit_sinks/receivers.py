"""Receivers of audit events on loopback: syslog over TLS, and HTTPS, each with faults on request."""

import contextlib
import http.server
import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daypass.testing.certificates import Authority, Flaw

PATIENCE = 10.0  # seconds


def line(number: int, **members: Any) -> bytes:
    """Return a line of the audit log, with its end."""
    event = {
        "eventVersion": "1.11",
        "eventType": "AwsApiCall",
        "eventID": f"00000000-0000-4000-a000-{number:012d}",
        "eventTime": "2026-11-30T22:15:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2",
        "requestID": f"r-{number}",
        "userIdentity": {"type": "IAMUser", "accountId": "123456789012", "arn": "arn:aws:iam::123456789012:user/ada"},
    }
    return json.dumps({**event, **members}).encode() + b"\n"


def ids(lines: list[bytes]) -> list[int]:
    """Return the numbers of lines or messages with JSON."""
    return [int(json.loads(each[each.index(b"{") :])["eventID"][-12:]) for each in lines]


@dataclass
class SyslogReceiver:
    """A listener that reads octet-counted messages. `messages` gets each one."""

    port: int
    messages: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    connections: int = 0

    def take(self, count: int) -> list[bytes]:
        """Return the next messages."""
        return [self.messages.get(timeout=PATIENCE) for _ in range(count)]


@contextmanager
def receiving_syslog(
    identity: Path | None, *, clients: Path | None = None, handle: Callable[[Any, SyslogReceiver], None] | None = None
) -> Iterator[SyslogReceiver]:
    """Listen until the end. `handle` takes a connection in place of the usual reading."""
    context = None
    if identity is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
        context.load_cert_chain(identity)
        context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_NONE
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = SyslogReceiver(listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            receiver.connections += 1
            with contextlib.suppress(OSError, ValueError), plain:
                connection = plain if context is None else context.wrap_socket(plain, server_side=True)
                with connection:
                    (handle or read_messages)(connection, receiver)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def read_messages(connection: socket.socket, receiver: SyslogReceiver) -> None:
    """Read messages until the end of the connection."""
    with connection.makefile("rb") as stream:
        while read_message(stream, receiver):
            pass


def read_message(stream: Any, receiver: SyslogReceiver) -> bool:
    """Read one message. Return whether there was one."""
    length = bytearray()
    while (digit := stream.read(1)) and digit != b" ":
        length += digit
    if not digit:
        return False
    receiver.messages.put(stream.read(int(length)))
    return True


@dataclass
class WebhookReceiver:
    """An HTTP server with scripted answers: `answers` has statuses with headers, and 200 follows the last one."""

    port: int
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: "queue.Queue[tuple[dict[str, str], bytes]]" = field(default_factory=queue.Queue)

    def take(self) -> tuple[dict[str, str], bytes]:
        """Return the next request: its headers in small letters with the status of the answer, and its body."""
        return self.requests.get(timeout=PATIENCE)


@contextmanager
def receiving_webhooks(identity: Path | None, *answers: tuple[int, dict[str, str]]) -> Iterator[WebhookReceiver]:
    """Serve until the end."""
    receiver = WebhookReceiver(0, list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            received = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.put(({**received, "answered": str(status)}, body))

        def log_message(self, *_: Any) -> None:
            """Do not log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if identity is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(identity)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()


@dataclass(frozen=True)
class Certificates:
    """An authority in a file, and identities that it has signed."""

    authority: Authority
    directory: Path

    @property
    def bundle(self) -> str:
        """Return the file with the authority."""
        path = self.directory / "ca.pem"
        path.write_bytes(self.authority.pem)
        return str(path)

    def identity(self, flaw: Flaw = Flaw.NONE, host: str = "127.0.0.1") -> Path:
        """Return a file with a server's key and certificate."""
        path = self.directory / f"{flaw.value.replace(' ', '-')}.pem"
        self.authority.write_server_identity(path, [host], flaw)
        path.chmod(0o600)
        return path
