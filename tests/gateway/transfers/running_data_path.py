"""The data path on a real port, and a client that sends exactly the bytes of a test."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import uvloop

from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Judge
from daypass.gateway.transfers.data_path import DataPath
from daypass.gateway.transfers.limits import TransferLimits
from daypass.http.acceptor import Acceptor
from daypass.http.connection_limits import ConnectionLimits
from daypass.http.peer import PeerRule

LONG = 30.0
QUICK = TransferLimits(tick=0.02, confirm_seconds=0, end_seconds=1.0, finish_seconds=5.0, retry_seconds=0.05)


class RunningDataPath:
    """The data path on a thread with an event loop of its own."""

    def __init__(
        self,
        judge: Judge,
        limits: TransferLimits = QUICK,
        *,
        tls: ssl.SSLContext | None = None,
        peers: PeerRule | None = None,
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.metrics = GatewayMetrics()
        self._judge = judge
        self._limits = limits
        self._tls = tls
        self._peers = peers or PeerRule(())
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(LONG)

    def connect(self) -> "RawClient":
        """Return a new connection."""
        return RawClient(socket.create_connection(("127.0.0.1", self.port), timeout=LONG))

    def drain(self, seconds: float) -> "threading.Event":
        """Stop accepting and begin to drain. The event is set at the end."""
        ended = threading.Event()

        async def drain() -> None:
            self._acceptor.close()
            await self.path.finish(seconds)
            self.path.close()
            ended.set()

        asyncio.run_coroutine_threadsafe(drain(), self._loop)
        return ended

    def idle_store_connections(self) -> int:
        """Return the number of unused connections to stores."""

        async def count() -> int:
            return sum(pool.idle for pool in self.path._pools.values())

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(LONG)

    def wait_for_no_client(self) -> None:
        """Wait until the gateway has seen the end of every client's connection."""

        async def count() -> int:
            return len(self.path.connections)

        end = time.monotonic() + LONG
        while asyncio.run_coroutine_threadsafe(count(), self._loop).result(LONG):
            assert time.monotonic() < end

    def unsent(self) -> int:
        """Return the number of bytes that wait for clients to read."""

        async def count() -> int:
            return sum(each.transport.get_write_buffer_size() for each in self.path.connections)

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(LONG)

    def close(self) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(LONG)

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self.path = DataPath(self._judge, limits=self._limits, peers=self._peers, metrics=self.metrics)
        limits = ConnectionLimits(0, most=0, is_proxy=lambda _: False, on_refusal=self.metrics.connection_refused)
        self._acceptor = Acceptor(self._listener, self.path.make_connection, limits, self._tls)
        self._acceptor.start()
        self._started.set()
        await self._stopped.wait()
        self._acceptor.close()
        self.path.close()
        self._listener.close()


@dataclass(frozen=True)
class RawAnswer:
    """One answer. `is_complete` is false if the connection ended in its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_complete: bool


class RawClient:
    """A connection of a client."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._rest = b""

    def send(self, data: bytes) -> "RawClient":
        """Send bytes."""
        self.socket.sendall(data)
        return self

    def get(self, path: str = "/bucket/key", *, method: str = "GET") -> RawAnswer:
        """Send a request without a body, and return its answer."""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: s3\r\n\r\n".encode())
        return self.read(is_head=method == "HEAD")

    def put(self, body: bytes, path: str = "/bucket/key", headers: str = "") -> RawAnswer:
        """Send a request with a body, and return its answer."""
        self.send(put_head(len(body), path, headers) + body)
        return self.read()

    def read(self, *, is_head: bool = False) -> RawAnswer:
        """Return the next final answer. Raises EOFError if the connection ends in its head."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        block, _, self._rest = self._rest.partition(b"\r\n\r\n")
        lines = block.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if is_head or status in (204, 304) or status < 200:
            return RawAnswer(status, headers, b"", is_complete=True)
        try:
            body = self._chunks() if "transfer-encoding" in headers else self._exactly(int(headers["content-length"]))
        except (EOFError, ConnectionError):
            return RawAnswer(status, headers, self._rest, is_complete=False)
        return RawAnswer(status, headers, body, is_complete=True)

    def is_closed(self) -> bool:
        """Wait for the end of the connection. Return False if bytes come instead."""
        if self._rest:
            return False
        try:
            return not self.socket.recv(1)
        except ConnectionError:
            return True

    def reset(self) -> None:
        """End the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def _more(self) -> None:
        data = self.socket.recv(262_144)
        if not data:
            raise EOFError
        self._rest += data

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._rest:
                self._more()
            line, _, self._rest = self._rest.partition(b"\r\n")
            size = int(line, 16)
            body += self._exactly(size)
            self._exactly(2)
            if not size:
                return body


def put_head(length: int, path: str = "/bucket/key", headers: str = "") -> bytes:
    """Return the head of a PUT."""
    return f"PUT {path} HTTP/1.1\r\nHost: s3\r\nContent-Length: {length}\r\n{headers}\r\n".encode()


def chunked_head(path: str = "/bucket/key", headers: str = "") -> bytes:
    """Return the head of a PUT with HTTP chunks."""
    return f"PUT {path} HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode()
