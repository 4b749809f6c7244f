"""The parts that all connections of one worker share.

Owns the pools, the clock of the limits, and the end. Leaves accepting to server.py and decisions to the judge.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING

from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Backend, Exchange, Judge
from daypass.gateway.transfers.limits import TransferLimits
from daypass.gateway.transfers.pool import BackendPool
from daypass.gateway.transfers.read_buffer import ReadBuffer
from daypass.gateway.transfers.waiting_threads import WaitingThreads
from daypass.http.connection_limits import ConnectionSlot
from daypass.http.peer import PeerRule
from daypass.metrics.snapshot import Reading

if TYPE_CHECKING:
    from daypass.gateway.transfers.bounded_transfer import BoundedTransfer

from daypass.gateway.transfers.client_connection import ClientConnection

_GLANCE = 0.02  # seconds


class DataPath:
    """The data path of one worker. It is made on the worker's event loop."""

    def __init__(self, judge: Judge, *, limits: TransferLimits, peers: PeerRule, metrics: GatewayMetrics) -> None:
        self.judge = judge
        self.limits = limits
        self.peers = peers
        self.metrics = metrics
        self.loop = asyncio.get_running_loop()
        self.time: Callable[[], float] = self.loop.time
        self.threads = WaitingThreads(limits.threads, limits.most_waiting)
        self.read_buffer = ReadBuffer()
        self.connections: set[ClientConnection] = set()
        self.is_draining = False  # each answer is the last one of its connection
        self.is_finishing = False  # no connection waits long for a request
        self.date = b""
        self._pools: dict[str, BackendPool] = {}
        self._timer: asyncio.TimerHandle | None = None
        metrics.add(self._readings)
        self._tick()

    def make_connection(self, place: ConnectionSlot | None = None) -> ClientConnection:
        """Return the protocol of an accepted connection."""
        return ClientConnection(self, place)

    def opened(self, connection: ClientConnection) -> None:
        """Count a connection."""
        self.connections.add(connection)
        self.metrics.client_connections(1)

    def forget(self, connection: ClientConnection) -> None:
        """Forget a connection that has ended."""
        self.connections.discard(connection)
        self.metrics.client_connections(-1)

    def pool(self, backend: Backend) -> BackendPool:
        """Return the connections to a store."""
        pool = self._pools.get(backend.name)
        if pool is None:
            pool = self._pools[backend.name] = BackendPool(
                backend, self.limits, self.read_buffer, self.metrics.store_times(backend.name)
            )
        return pool

    def ended(self, operation: str, transfer: "BoundedTransfer", seconds: float, exchange: Exchange) -> None:
        """Count an exchange."""
        del exchange  # for TracedDataPath
        self.read_buffer.ended()
        answer = transfer.answer
        self.metrics.answered(operation, answer.status, seconds, received=transfer.body.received, sent=answer.sent)

    async def finish(self, seconds: float, is_opening: Callable[[], bool] = lambda: False) -> None:
        """End all connections within `seconds`.

        The idle ones end now, the others after their request. `is_opening` returns whether another one may come.
        """
        self.is_draining = self.is_finishing = True
        for connection in list(self.connections):
            connection.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections or is_opening():  # noqa: ASYNC110 - both are sets that many parts change
                    await asyncio.sleep(_GLANCE)

    def close(self) -> None:
        """Abort all connections."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.connections):
            connection.abort()
        for pool in self._pools.values():
            pool.close()
        self.threads.close()

    def _readings(self) -> Iterator[Reading]:
        yield "daypass_gateway_requests_waiting", (), self.threads.count

    def _tick(self) -> None:
        self.date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        now = self.time()
        for connection in list(self.connections):
            connection.tick()
        for pool in self._pools.values():
            pool.tick(now)
        self._timer = self.loop.call_later(self.limits.tick, self._tick)
