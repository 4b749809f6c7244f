"""The connections to one store.

Owns opening, keeping and closing them. A connection serves one request at a time, and is kept for the next one only if
its last exchange was complete.
"""

import asyncio
import ssl
from collections.abc import Callable

import structlog

from daypass.gateway.plan import Backend
from daypass.gateway.store_times import S3StoreTimes
from daypass.gateway.transfers.backend_connection import BackendConnection
from daypass.gateway.transfers.limits import TransferLimits
from daypass.gateway.transfers.read_buffer import ReadBuffer

Connected = Callable[[BackendConnection | None], None]  # None: the store cannot be reached


class BackendPool:
    """The connections to one store.

    The newest one is used first, so that surplus ones grow old and are closed.
    """

    def __init__(self, backend: Backend, limits: TransferLimits, read_buffer: ReadBuffer, times: S3StoreTimes) -> None:
        self._backend = backend
        self._limits = limits
        self._read_buffer = read_buffer
        self.times = times
        self._loop = asyncio.get_running_loop()
        self._idle: list[BackendConnection] = []
        self._open: set[BackendConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._tls = _client_context(backend) if backend.secure else None
        self.now = self._loop.time()  # as of the last tick
        self._retry_at = 0.0

    @property
    def idle(self) -> int:
        """The number of connections that no request uses."""
        return len(self._idle)

    def take(self, *, is_replayable: bool) -> BackendConnection | None:
        """Return a connection that was used before, or None.

        A store may close such a connection just when a request is sent. A request that is not replayable thus gets
        only one that was used a moment ago.
        """
        while self._idle:
            connection = self._idle[-1]
            if not is_replayable and self.now - connection.idle_since > self._limits.fresh_seconds:
                return None
            self._idle.pop()
            if connection.transport.is_closing():
                continue
            if connection.has_unread():
                # Late bytes of the last answer would be the answer to the next caller.
                connection.transport.abort()
                continue
            connection.is_reused = True
            return connection
        return None

    def connect(self, then: Connected) -> None:
        """Open a connection, and call `then` with it."""
        if len(self._open) + len(self._opening) >= self._limits.most_store_connections:
            structlog.get_logger().warning("store_connections_exhausted", backend=self._backend.name)
            self._loop.call_soon(then, None)
            return
        task = self._loop.create_task(self._connect(then))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def give_back(self, connection: BackendConnection) -> None:
        """Keep a connection for the next request."""
        if connection.transport.is_closing() or len(self._idle) >= self._limits.most_idle:
            connection.transport.close()
            return
        connection.idle_since = self.now
        self._idle.append(connection)

    def opened(self, connection: BackendConnection) -> None:
        """Count a connection."""
        self._open.add(connection)

    def closed(self, connection: BackendConnection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def tick(self, now: float) -> None:
        """Close the connections that have been unused for too long.

        It also sees whether a lost store is back.
        """
        self.now = now
        self.times.connections, self.times.idle = len(self._open), self.idle
        if self.times.outages.is_away and not self._opening and now >= self._retry_at:
            self._retry_at = now + self._limits.retry_seconds
            self.connect(self._keep)
        oldest = now - self._limits.store_idle_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).transport.close()

    def close(self) -> None:
        """Close all connections."""
        for task in self._opening:
            task.cancel()
        for connection in list(self._open):
            connection.transport.abort()

    async def _connect(self, then: Connected) -> None:
        backend = self._backend
        connection: BackendConnection | None = None
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                _, connection = await self._loop.create_connection(
                    lambda: BackendConnection(self, self._read_buffer),
                    backend.host,
                    backend.port,
                    ssl=self._tls,
                    server_hostname=backend.host if self._tls else None,
                )
        except (OSError, TimeoutError) as error:
            self._note_failure(str(error) or type(error).__name__)
        else:
            self._note_success()
        then(connection)

    def _keep(self, connection: BackendConnection | None) -> None:
        if connection is not None:
            self.give_back(connection)

    def _note_failure(self, reason: str) -> None:
        self.times.is_known = True
        if self.times.outages.begin():
            structlog.get_logger().warning("store_unreachable", backend=self._backend.name, reason=reason)

    def _note_success(self) -> None:
        self.times.is_known = True
        if self.times.outages.is_away:
            away = self.times.outages.end()
            structlog.get_logger().warning(
                "store_reached_again", backend=self._backend.name, away_seconds=round(away, 1)
            )


def _client_context(backend: Backend) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=backend.ca_bundle or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
