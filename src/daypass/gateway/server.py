"""Run the gateway: listeners, workers, signals, TLS.

Owns the processes' behaviour. http/workers.py has the supervisor of the workers, which `daypass serve` uses too.

- SIGTERM: drain, so that proxies and clients go elsewhere; then as for SIGINT. A second signal ends the drain.
- SIGINT: accept no further connections, finish the requests that were sent, then exit with 0. A further signal ends
  them.
- SIGHUP: call `on_hangup` (which reopens the audit log), and read the TLS certificate again.
- A worker that dies is restarted.
- Core dumps are off: they would contain the keys of the stores.
"""

import asyncio
import ctypes
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
import uvloop

from daypass.gateway.admin import AdminConnection, AdminPages
from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Judge
from daypass.gateway.transfers.data_path import DataPath
from daypass.gateway.transfers.limits import TransferLimits
from daypass.gateway.transfers.traced_data_path import GatewayTraces, TracedDataPath
from daypass.http.acceptor import Acceptor
from daypass.http.connection_limits import ConnectionLimits, raise_descriptor_limit
from daypass.http.listening import HANDSHAKE_SECONDS, lead_to_the_next, start_listening, turn_away
from daypass.http.peer import PeerRule
from daypass.http.shared_readings import certificate_readings, health_readings, process_readings
from daypass.http.tls_files import load_certificate
from daypass.http.workers import (
    Hangup,
    ListenError,
    WorkerContext,
    run_alone,
    spare_long_lived_objects,
    supervise,
)
from daypass.metrics.shared_memory import WorkerMemory

_PR_SET_DUMPABLE = 4
_M_ARENA_MAX = -8  # mallopt(3)
_ADMIN_CONNECTIONS = 64
_PROXY_CONNECTIONS = 4096


@dataclass(frozen=True, slots=True)
class GatewayWorker:
    """The parts of one worker process. `build` makes them after the fork.

    `judge` decides the requests of the S3 listener, and `proxy_judge` those of the listener for proxies.

    `health` returns "ready", "degraded" while the source of keys is away and cached values are used, or "unable". It
    must not block. `on_hangup` and `on_stop` are called at SIGHUP and at the end. `traces` makes the spans of requests.
    """

    judge: Judge
    proxy_judge: Judge
    metrics: GatewayMetrics
    peers: PeerRule
    connections: ConnectionLimits
    limits: TransferLimits = field(default_factory=TransferLimits)
    health: Callable[[], str] = field(default=lambda: "ready")
    on_hangup: Sequence[Callable[[], None]] = ()
    on_stop: Sequence[Callable[[], None]] = ()
    traces: GatewayTraces | None = None

    def make_path(self, judge: Judge, peers: PeerRule) -> DataPath:
        """Return the data path of a listener, on the event loop."""
        if self.traces is None:
            return DataPath(judge, limits=self.limits, peers=peers, metrics=self.metrics)
        return TracedDataPath(judge, limits=self.limits, peers=peers, metrics=self.metrics, traces=self.traces)


@dataclass(frozen=True, slots=True)
class GatewayListeners:
    """The listening sockets.

    They are for S3, for the pages of operators, and for the questions of proxies.
    """

    s3: socket.socket
    admin: socket.socket
    verify: socket.socket | None = None

    def all(self) -> list[socket.socket]:
        """Return those that exist."""
        return [each for each in (self.s3, self.admin, self.verify) if each is not None]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate and its key, in PEM files."""

    certificate: str
    key: str


def serve_gateway(
    build: Callable[[], GatewayWorker],
    listeners: GatewayListeners,
    *,
    tls: TlsFiles | None = None,
    workers: int = 1,
    drain_seconds: int = 0,
) -> int:
    """Serve until a signal stops the gateway. Return the exit code.

    `drain_seconds` pass between SIGTERM and the end of the listeners. Raises ListenError if the
    certificate cannot be loaded.
    """
    raise_descriptor_limit()
    forbid_core_dumps()
    share_one_arena()
    context = None if tls is None else server_context(tls)

    memory = WorkerMemory(workers) if workers > 1 else None

    def run(place: WorkerContext) -> int:
        hangup = Hangup()
        worker = build()
        spare_long_lived_objects()
        certificate = None if context is None or tls is None else _Certificate(context, tls)
        running = _Running(worker, hangup, place, certificate, drain_seconds)
        if memory is not None:
            worker.metrics.share(memory.open(place.slot))
        code: int = uvloop.run(running.serve(listeners))
        return code

    if workers == 1:
        return run_alone(run)
    return supervise(workers, run, listeners.all(), drain_seconds=drain_seconds)


def server_context(tls: TlsFiles) -> ssl.SSLContext:
    """Return the context of the S3 listener. Raises ListenError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, tls.certificate, tls.key)
    return context


def forbid_core_dumps() -> None:
    """Make sure that this process and its children never dump their memory.

    Source: core(5). The limit does not count if the kernel pipes dumps to a program; the other setting does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0)


def share_one_arena() -> None:
    """Let all threads of this process and its children allocate in one arena.

    The GNU library gives each thread an arena of its own, which keeps what was freed, also the buffers of transfers.
    The threads of a worker run one at a time anyway, and some MiB of each worker are saved. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


@dataclass(frozen=True, slots=True)
class _Certificate:
    """The certificate of the S3 listener, which can be read again."""

    context: ssl.SSLContext
    files: TlsFiles

    def reload(self) -> None:
        try:
            load_certificate(self.context, self.files.certificate, self.files.key)
        except ListenError as error:
            structlog.get_logger().error("tls_reload_failed", reason=str(error))
        else:
            structlog.get_logger().info("tls_reloaded")


@dataclass(frozen=True, slots=True)
class _Served:
    """A listener, and the data path of its connections."""

    listener: socket.socket
    acceptor: Acceptor
    path: DataPath

    async def finish(self, seconds: float) -> None:
        """Let the requests finish.

        That includes those of connections whose handshake is pending.
        """
        await self.path.finish(seconds, lambda: self.acceptor.is_opening)


class _Running:
    """One worker while it serves."""

    def __init__(
        self,
        worker: GatewayWorker,
        hangup: Hangup,
        place: WorkerContext,
        certificate: _Certificate | None,
        drain_seconds: int,
    ) -> None:
        self._worker = worker
        self._hangup = hangup
        self._place = place
        self._certificate = certificate
        self._drain_seconds = drain_seconds
        self._stop = asyncio.Event()
        self._is_drained = asyncio.Event()
        self._is_forced = asyncio.Event()
        self._served: list[_Served] = []
        worker.metrics.add(process_readings)
        worker.metrics.add(lambda: health_readings(self._health()))
        if certificate is not None:
            worker.metrics.add(lambda: certificate_readings(certificate.files.certificate))

    async def serve(self, listeners: GatewayListeners) -> int:
        """Serve until a signal. Return the exit code."""
        self._handle_signals()
        self._served = self._make_served(listeners)
        admin = self._make_admin(listeners.admin)
        acceptors = [*(each.acceptor for each in self._served), admin]
        for listener in listeners.all():
            start_listening(listener)
        for acceptor in acceptors:
            acceptor.start()
        self._place.report_ready()
        try:
            await self._stop.wait()
            await self._drain(listeners)
            await self._finish()
            turn_away(listeners.admin)  # it answered until now
            admin.stop()
        finally:
            for acceptor in acceptors:
                acceptor.close()
            for served in self._served:
                served.path.close()
            for stop in self._worker.on_stop:
                stop()
        return 0

    def _make_served(self, listeners: GatewayListeners) -> list[_Served]:
        worker = self._worker
        context = None if self._certificate is None else self._certificate.context
        path = worker.make_path(worker.judge, worker.peers)
        acceptor = Acceptor(listeners.s3, path.make_connection, worker.connections, context)
        served = [_Served(listeners.s3, acceptor, path)]
        if listeners.verify is not None:
            # The peers of this listener are proxies. The judge itself resolves the clients behind them.
            questions = worker.make_path(worker.proxy_judge, PeerRule(()))
            acceptor = Acceptor(listeners.verify, questions.make_connection, self._limits(_PROXY_CONNECTIONS), None)
            served.append(_Served(listeners.verify, acceptor, questions))
        return served

    def _make_admin(self, listener: socket.socket) -> Acceptor:
        worker = self._worker
        pages = AdminPages((worker.metrics,), self._health)
        return Acceptor(listener, lambda: AdminConnection(pages), self._limits(_ADMIN_CONNECTIONS), None)

    def _limits(self, most: int) -> ConnectionLimits:
        refused = self._worker.metrics.connection_refused
        return ConnectionLimits(0, most=most, is_proxy=lambda _: False, on_refusal=refused)

    async def _drain(self, listeners: GatewayListeners) -> None:
        """Serve on, but say with each answer that it is the last one of its connection."""
        for listener in listeners.all():
            lead_to_the_next(listener)
        for served in self._served:
            served.path.is_draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_drained.wait(), self._drain_seconds)
        self._is_drained.set()

    async def _finish(self) -> None:
        """Accept the last connections, and let their requests finish, unless a signal forces the end."""
        for served in self._served:
            turn_away(served.listener)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        for served in self._served:
            served.acceptor.stop()
            served.listener.close()
        finished = asyncio.gather(*(served.finish(self._worker.limits.finish_seconds) for served in self._served))
        forced = asyncio.ensure_future(self._is_forced.wait())
        await asyncio.wait((finished, forced), return_when=asyncio.FIRST_COMPLETED)
        for each in (finished, forced):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each

    def _health(self) -> str:
        return "draining" if self._stop.is_set() else self._worker.health()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(self._place.drain, self._end, self._drain_seconds)
        loop.add_signal_handler(self._place.stop, self._end, 0)
        loop.add_signal_handler(signal.SIGHUP, self._open_again)
        if self._hangup.came:
            self._open_again()

    def _end(self, drain_seconds: int) -> None:
        if not drain_seconds or self._stop.is_set():
            # A second signal is deliberate: do not wait for clients to go elsewhere, or for requests.
            (self._is_forced if self._is_drained.is_set() else self._is_drained).set()
        if not self._stop.is_set():
            self._place.manager.stopping(drain_seconds)
        self._stop.set()

    def _open_again(self) -> None:
        self._place.manager.reloading()
        for each in self._worker.on_hangup:
            each()
        if self._certificate is not None:
            self._certificate.reload()
        if self._served:
            self._place.report_ready()
