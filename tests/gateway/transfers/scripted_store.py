"""A store whose answers a test writes byte by byte."""

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = 30.0  # seconds; every wait of these tests ends long before


@dataclass
class SeenRequest:
    """What the store saw of one request. `is_complete` is whether its body came to its end."""

    head: bytes
    body: bytes = b""
    is_complete: bool = False

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.partition(b"\r\n")[0]


@dataclass
class StoreSide:
    """The store's side of one connection, for a script."""

    socket: socket.socket
    number: int  # of the connection, from 1
    heads: "queue.Queue[SeenRequest]"
    _rest: bytes = b""
    requests: list[SeenRequest] = field(default_factory=list)

    def read_head(self) -> SeenRequest:
        """Return the next request without its body. Raises EOFError at the end of the connection."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        request = SeenRequest(head)
        self.requests.append(request)
        self.heads.put(request)
        return request

    def read_body(self, request: SeenRequest) -> bytes:
        """Read the body of a request to its end."""
        lines = [line.partition(b":") for line in request.head.split(b"\r\n")[1:]]
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        if headers.get(b"transfer-encoding") == b"chunked":
            while True:
                size = int(self._line(), 16)
                request.body += self._exactly(size)
                self._exactly(2)
                if not size:
                    break
        else:
            left = int(headers.get(b"content-length", b"0"))
            while left:
                if not self._rest:
                    self._more()
                part, self._rest = self._rest[:left], self._rest[left:]
                request.body += part
                left -= len(part)
        request.is_complete = True
        return request.body

    def read_request(self) -> SeenRequest:
        """Return the next request with its body."""
        request = self.read_head()
        self.read_body(request)
        return request

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def wait_closed(self) -> None:
        """Wait until the gateway ends the connection."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65_536):
                pass

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError
        self._rest += data

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            self._more()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


Script = Callable[[StoreSide], None]


def answer_all(side: StoreSide) -> None:
    """Answer every request with OK."""
    while True:
        side.read_request()
        side.send(OK)


def always(answer: bytes) -> Script:
    """Return a script that gives the same answer to every request."""

    def script(side: StoreSide) -> None:
        while True:
            side.read_request()
            side.send(answer)

    return script


class ScriptedStore:
    """Runs a script for each connection, on a thread. `ended` gets each connection when its script has ended.

    `heads` gets each request when its head was read.
    """

    def __init__(self, script: Script = answer_all, context: ssl.SSLContext | None = None, *, port: int = 0) -> None:
        self.script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.sides: list[StoreSide] = []
        self.heads: queue.Queue[SeenRequest] = queue.Queue()
        self.ended: queue.Queue[StoreSide] = queue.Queue()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def requests(self) -> list[SeenRequest]:
        """All requests, by connection."""
        return [request for side in self.sides for request in side.requests]

    def close(self) -> None:
        """Stop accepting, and end all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which also ends a waiting accept()
        self._listener.close()
        for side in self.sides:
            with contextlib.suppress(OSError):
                side.socket.shutdown(socket.SHUT_RDWR)

    def wait_ended(self) -> StoreSide:
        """Return the next connection whose script has ended."""
        return self.ended.get(timeout=LONG)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.settimeout(LONG)
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        try:
            if self._context is not None:
                accepted = self._context.wrap_socket(accepted, server_side=True)
        except OSError:
            return
        side = StoreSide(accepted, len(self.sides) + 1, self.heads)
        self.sides.append(side)
        with contextlib.suppress(OSError, EOFError):
            self.script(side)
        with contextlib.suppress(OSError):
            accepted.close()
        self.ended.put(side)
