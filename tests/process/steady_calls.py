"""Clients that send requests without a pause, and count the outcomes."""

import re
import socket
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_PATIENCE = 60.0  # seconds


def read_response(client: socket.socket) -> bytes:
    """Return a response with a Content-Length, or the bytes of it that came before the end of the connection."""
    answer, size = b"", 1
    while len(answer) < size and (more := client.recv(65_536)):
        answer += more
        head, end, _ = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        size = len(head + end) + int(length[1]) if end and length else len(answer) + 1
    return answer if len(answer) == size else b"incomplete: " + answer


class SteadyCalls:
    """Calls to a port of this machine, as long as the context lasts.

    `answered` counts the responses 200, `refused` the connections that were not accepted, and `lost` has a line for
    each request on an accepted connection without such a response.
    """

    def __init__(self, port: int, request: bytes = HEALTH, clients: int = 6) -> None:
        self._port = port
        self._request = request
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the calls that run."""
        self.stop()

    def stop(self) -> None:
        """Finish the calls that run, while the server still answers them."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    @property
    def answered(self) -> int:
        """The number of responses 200."""
        return self._counts["answered"]

    @property
    def refused(self) -> int:
        """The number of connections that were not accepted."""
        return self._counts["refused"]

    def wait_for(self, more: int) -> None:
        """Wait until `more` further calls were answered."""
        end, wanted = time.monotonic() + _PATIENCE, self.answered + more
        while self.answered < wanted:
            assert time.monotonic() < end, (self._counts, self.lost[:5])
            time.sleep(0.01)

    def _run(self) -> None:
        """Make calls, each on a new connection."""
        while not self._stop.is_set():
            with socket.socket() as client:
                if self._connect(client):
                    self._call(client)

    def _call(self, client: socket.socket) -> bool:
        """Make one call. Return whether the connection can have another one."""
        try:
            client.sendall(self._request)
            answer = read_response(client)
        except OSError as error:
            self._lose(repr(error))
            return False
        if answer.startswith(b"HTTP/1.1 200"):
            self._count("answered")
            return b"connection: close" not in answer.lower()
        self._lose(repr(answer[:80]))
        return False

    def _connect(self, client: socket.socket) -> bool:
        """Connect, or count the refusal and wait for a moment."""
        client.settimeout(_PATIENCE)
        try:
            client.connect(("127.0.0.1", self._port))
        except OSError:
            self._count("refused")
            time.sleep(0.005)
            return False
        return True

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _lose(self, reason: str) -> None:
        with self._lock:
            self.lost.append(reason)


class KeptCalls(SteadyCalls):
    """Calls of clients that keep their connection as long as the server lets them."""

    def _run(self) -> None:
        while not self._stop.is_set():
            with socket.socket() as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                is_open = self._connect(client)
                while is_open and not self._stop.is_set():
                    is_open = self._call(client)
