"""Run the gateway: listeners, workers, signals, TLS.

Owns the processes' behaviour. http/workers.py has the supervisor of the workers, which `daypass serve` uses too.

- SIGTERM and SIGINT: stop accepting, finish the running requests, then exit with 0. A second signal ends them.
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
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvloop
from prometheus_client.registry import Collector

from daypass.gateway.admin import AdminConnection, AdminPages
from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Judge
from daypass.gateway.shared_metrics import SharedMetrics
from daypass.gateway.transfers.data_path import DataPath
from daypass.gateway.transfers.limits import TransferLimits
from daypass.http.acceptor import Acceptor
from daypass.http.connection_limits import ConnectionLimits, raise_descriptor_limit
from daypass.http.peer import PeerRule
from daypass.http.tls_files import load_certificate
from daypass.http.workers import Hangup, ListenError, spare_long_lived_objects, supervise

_BACKLOG = 2048
_PR_SET_DUMPABLE = 4
_M_ARENA_MAX = -8  # mallopt(3)
_ADMIN_CONNECTIONS = 64
_PROXY_CONNECTIONS = 4096
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class GatewayWorker:
    """The parts of one worker process. `build` makes them after the fork.

    `judge` decides the requests of the S3 listener, and `proxy_judge` those of the listener for proxies.

    `health` returns "ready", "degraded" while the source of keys is away and cached values are used, or "unable". It
    must not block. `on_hangup` and `on_stop` are called at SIGHUP and at the end.
    """

    judge: Judge
    proxy_judge: Judge
    metrics: GatewayMetrics
    peers: PeerRule
    connections: ConnectionLimits
    limits: TransferLimits = field(default_factory=TransferLimits)
    collectors: Sequence[Collector] = ()
    health: Callable[[], str] = field(default=lambda: "ready")
    on_hangup: Sequence[Callable[[], None]] = ()
    on_stop: Sequence[Callable[[], None]] = ()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate and its key, in PEM files."""

    certificate: str
    key: str


def serve_gateway(
    build: Callable[[], GatewayWorker],
    *,
    listener: socket.socket,
    admin: socket.socket | None = None,
    verify: socket.socket | None = None,
    tls: TlsFiles | None = None,
    workers: int = 1,
) -> int:
    """Serve until a signal stops the gateway. Return the exit code.

    Raises ListenError if the certificate cannot be loaded.
    """
    raise_descriptor_limit()
    forbid_core_dumps()
    share_one_arena()
    context = None if tls is None else server_context(tls)

    def run(directory: Path | None = None) -> int:
        hangup = Hangup()
        worker = build()
        spare_long_lived_objects()
        shared = None if directory is None else SharedMetrics(worker.metrics, directory)
        running = _Running(worker, hangup, context, tls, shared)
        code: int = uvloop.run(running.serve(listener, admin, verify))
        return code

    if workers == 1:
        return run()
    with TemporaryDirectory(prefix="daypass-metrics-") as directory:
        return supervise(workers, lambda: run(Path(directory)))


def listen_at(host: str, port: int, *, remedy: str = "") -> socket.socket:
    """Return a listening socket. Raises ListenError with the remedy."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}. {remedy}".rstrip()) from error
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


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


class _Running:
    """One worker while it serves."""

    def __init__(
        self,
        worker: GatewayWorker,
        hangup: Hangup,
        context: ssl.SSLContext | None,
        tls: TlsFiles | None,
        shared: SharedMetrics | None,
    ) -> None:
        self._worker = worker
        self._hangup = hangup
        self._context = context
        self._tls = tls
        self._shared = shared
        self._stop = asyncio.Event()
        self._is_forced = asyncio.Event()

    async def serve(self, listener: socket.socket, admin: socket.socket | None, verify: socket.socket | None) -> int:
        """Serve until a signal. Return the exit code."""
        worker = self._worker
        self._handle_signals()
        path = DataPath(worker.judge, limits=worker.limits, peers=worker.peers, metrics=worker.metrics)
        if self._shared is not None:
            path.on_tick = self._shared.write
        acceptors = [Acceptor(listener, path.make_connection, worker.connections, self._context)]
        paths = [path]
        if verify is not None:
            # The peers of this listener are proxies. The judge itself resolves the clients behind them.
            questions = DataPath(worker.proxy_judge, limits=worker.limits, peers=PeerRule(()), metrics=worker.metrics)
            limits = ConnectionLimits(
                0, most=_PROXY_CONNECTIONS, is_proxy=lambda _: False, on_refusal=worker.metrics.connection_refused
            )
            acceptors.append(Acceptor(verify, questions.make_connection, limits, None))
            paths.append(questions)
        if admin is not None:
            pages = AdminPages((self._shared or worker.metrics, *worker.collectors), self._health)
            limits = ConnectionLimits(
                0, most=_ADMIN_CONNECTIONS, is_proxy=lambda _: False, on_refusal=worker.metrics.connection_refused
            )
            acceptors.append(Acceptor(admin, lambda: AdminConnection(pages), limits, None))
        for each in acceptors:
            each.start()
        try:
            await self._stop.wait()
            acceptors[0].close()
            await self._drain(path)  # the listener for proxies answers until their requests are done
        finally:
            for each in acceptors:
                each.close()
            for each_path in paths:
                each_path.close()
            for stop in worker.on_stop:
                stop()
        return 0

    async def _drain(self, path: DataPath) -> None:
        drain = asyncio.ensure_future(path.drain(self._worker.limits.drain_seconds))
        forced = asyncio.ensure_future(self._is_forced.wait())
        await asyncio.wait((drain, forced), return_when=asyncio.FIRST_COMPLETED)
        for each in (drain, forced):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each

    def _health(self) -> str:
        return "draining" if self._stop.is_set() else self._worker.health()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._open_again)
        if self._hangup.came:
            self._open_again()

    def _end(self) -> None:
        if self._stop.is_set():
            self._is_forced.set()  # A second signal is deliberate: stop without waiting.
        self._stop.set()

    def _open_again(self) -> None:
        for each in self._worker.on_hangup:
            each()
        if self._context is None or self._tls is None:
            return
        try:
            load_certificate(self._context, self._tls.certificate, self._tls.key)
        except ListenError as error:
            structlog.get_logger().error("tls_reload_failed", reason=str(error))
        else:
            structlog.get_logger().info("tls_reloaded")
