"""Run the server: listen, and stop in order.

Owns the signals of a worker. Leaves the worker processes to workers.py, and the rest to uvicorn.

- SIGTERM: drain, so that proxies and clients go elsewhere; then as for SIGINT. A second signal ends the drain.
- SIGINT: accept no further connections, answer the requests that were sent, then exit with 0. A further signal ends
  this too.
- SIGHUP: reopen the audit log and read the TLS certificate again.
"""

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import structlog
import uvicorn

from daypass.config import Config, check_config
from daypass.http.acceptor import Acceptor
from daypass.http.access_log import LoggedApp
from daypass.http.connection import Connection
from daypass.http.connection_limits import ConnectionLimits, raise_descriptor_limit
from daypass.http.draining_connection import DrainingConnection, StopStage
from daypass.http.listening import (
    BACKLOG,
    HANDSHAKE_SECONDS,
    inherited_listeners,
    lead_to_the_next,
    open_listener,
    start_listening,
    turn_away,
)
from daypass.http.node_metrics import serve_metrics
from daypass.http.tls_files import check_certificate, load_certificate
from daypass.http.workers import (
    Hangup,
    ListenError,
    WorkerContext,
    run_alone,
    spare_long_lived_objects,
    supervise,
)
from daypass.metrics.shared_memory import WorkerMemory

if TYPE_CHECKING:
    from daypass.http.app import App
    from daypass.http.traced_app import AnsweringApp

_TICK = 0.05  # seconds between two looks
GRACE_SECONDS = 25
"""How long running requests may take after the end of the listening socket."""


class Server(uvicorn.Server):
    """uvicorn's server, which accepts connections within the limits."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._limits = limits
        self._acceptors: list[Acceptor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await super().startup(sockets=[])
        self._acceptors = [Acceptor(each, self._connection, self._limits, self.config.ssl) for each in sockets or ()]
        for listener, acceptor in zip(sockets or (), self._acceptors, strict=True):
            start_listening(listener)
            acceptor.start()
        self.servers = self._acceptors  # type: ignore[assignment] # closed and waited for, like asyncio's servers

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)


class _SignalledServer(Server):
    """A server that exits with code 0 after a signal to stop.

    `drain_seconds` pass between the signal to drain and the end of the listening socket. The application's `on_hangup`
    is called at SIGHUP, and at the start if SIGHUP arrived earlier.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: "App",
        context: WorkerContext,
        hangup: Hangup,
        *,
        drain_seconds: int,
    ) -> None:
        super().__init__(config, app.connections)
        self._app = app
        self._context = context
        self._hangup = hangup
        self._drain_seconds = drain_seconds
        self._listeners: Sequence[socket.socket] = ()
        self._drains_until = 0.0  # on the loop's clock
        self._stage = StopStage()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, accept connections, and say so."""
        self._listeners = sockets or ()
        await super().startup(sockets)
        structlog.get_logger().info("ready", pid=os.getpid())
        self._context.report_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on the signals of the context; reopen files on SIGHUP."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(self._context.drain, self._stop, self._drain_seconds)
        loop.add_signal_handler(self._context.stop, self._stop, 0)
        loop.add_signal_handler(signal.SIGHUP, self._open_again)
        if self._hangup.came:
            self._open_again()
        try:
            yield
        finally:
            for number in (self._context.drain, self._context.stop, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self, drain_seconds: int) -> None:
        now = asyncio.get_running_loop().time()
        if self._drains_until > now:
            self._drains_until = now  # A second signal is deliberate: do not wait for clients to go elsewhere.
        elif self.should_exit:
            self.force_exit = True  # Do not wait for requests either.
        else:
            self.should_exit = True
            self._drains_until = now + drain_seconds
            self._context.manager.stopping(drain_seconds)
            self._start_drain()

    def _start_drain(self) -> None:
        if self._stage.is_draining:
            return
        self._stage.is_draining = True
        self._app.is_draining = True
        for listener in self._listeners:
            lead_to_the_next(listener)
        for connection in self._open_connections():
            connection.drain()

    async def main_loop(self) -> None:
        """Serve until a signal to stop, and then until the end of the drain."""
        await super().main_loop()
        loop, ticks = asyncio.get_running_loop(), 0
        while loop.time() < self._drains_until:
            await self.on_tick(ticks)  # sets the Date header
            ticks += 1
            await asyncio.sleep(_TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the last connections, answer their requests, and stop."""
        self._start_drain()
        for listener in sockets or ():
            turn_away(listener)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        self._stage.is_stopping = True
        for acceptor in self._acceptors:
            acceptor.stop()
        for listener in sockets or ():
            listener.close()
        for connection in self._open_connections():
            connection.finish()
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await self._finish_requests()
        except TimeoutError:
            structlog.get_logger().error("requests_cancelled", count=len(self.server_state.tasks))
            for task in self.server_state.tasks:
                task.cancel()
        for acceptor in self._acceptors:
            acceptor.close()
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _finish_requests(self) -> None:
        state = self.server_state
        while not self.force_exit and (  # noqa: ASYNC110 - uvicorn keeps sets
            state.connections or state.tasks or any(acceptor.is_opening for acceptor in self._acceptors)
        ):
            await asyncio.sleep(_TICK)

    def _connection(self) -> Connection:
        connection = DrainingConnection(self.config, self.server_state, self.lifespan.state)
        connection.stage = self._stage
        return connection

    def _open_connections(self) -> list[DrainingConnection]:
        return cast("list[DrainingConnection]", list(self.server_state.connections))

    def _open_again(self) -> None:
        self._context.manager.reloading()
        for each in self._app.on_hangup:
            each()
        self._reload_tls()
        if self.started:
            self._context.report_ready()

    def _reload_tls(self) -> None:
        # At startup, a certificate may not be loaded yet.
        context, config = getattr(self.config, "ssl", None), self.config
        if context is None or config.ssl_certfile is None:
            return
        try:
            load_certificate(context, str(config.ssl_certfile), str(config.ssl_keyfile))
        except ListenError as error:
            structlog.get_logger().error("tls_reload_failed", reason=str(error))
        else:
            structlog.get_logger().info("tls_reloaded")


def serve(config: Config, build: Callable[[], "App"], listener: socket.socket) -> int:
    """Serve until a signal stops the server. Return the exit code."""
    if config.tls_cert:
        check_certificate(config.tls_cert, config.tls_key)
    host, port = listener.getsockname()[:2]
    raise_descriptor_limit()
    structlog.get_logger().info("listening", host=host, port=port, url=config.url, workers=config.workers)

    for_metrics = open_metrics_listener(config)
    shared = WorkerMemory(config.workers) if config.workers > 1 else None

    def build_counted(context: WorkerContext) -> "App":
        app = build()
        if shared is not None:
            app.metrics.share(shared.open(context.slot))
        if for_metrics is not None:
            serve_metrics(for_metrics, app.metrics)
        return app

    def run(context: WorkerContext) -> int:
        return run_worker(config, lambda: build_counted(context), listener, context)

    if config.workers == 1:
        return run_alone(run)
    # The metrics' port stays open in the supervisor: it answers also while a worker is restarted.
    return supervise(config.workers, run, (listener,), drain_seconds=config.drain_seconds)


def open_metrics_listener(config: Config) -> socket.socket | None:
    """Return the socket of the metrics' own port, if it is configured.

    A port that is taken must not keep the server from serving: it logs a warning.
    """
    if not config.metrics_port:
        return None
    try:
        return open_listener(config.host, config.metrics_port)
    except ListenError as error:
        structlog.get_logger().warning("metrics_not_served", port=config.metrics_port, reason=str(error))
        return None


def run_worker(config: Config, build: Callable[[], "App"], listener: socket.socket, context: WorkerContext) -> int:
    """Serve in this process. Return the exit code."""
    hangup = Hangup()
    app = build()
    served = serve_through_logs(app)
    spare_long_lived_objects()

    server = _SignalledServer(
        uvicorn.Config(
            served,
            http=DrainingConnection,
            loop="uvloop",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,
            ssl_certfile=config.tls_cert or None,
            ssl_keyfile=config.tls_key or None,
        ),
        app,
        context,
        hangup,
        drain_seconds=config.drain_seconds,
    )
    try:
        server.run(sockets=[listener])
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"cannot serve with the certificate {config.tls_cert}: {error}") from error
    return 0 if server.started else 1


def serve_through_logs(app: "App") -> "AnsweringApp":
    """Return the application behind its access log and its traces."""
    served: AnsweringApp = app if app.access_log is None else LoggedApp(app, app.access_log)
    if app.traces is None:
        return served
    from daypass.http.traced_app import TracedApp

    return TracedApp(served, app.traces.maker)


def listen(config: Config, environment: MutableMapping[str, str]) -> tuple[Config, socket.socket]:
    """Return the socket of the server, and the settings with its address.

    It is the service manager's, if there is one. Raises ListenError, and ConfigurationError if the socket's address
    needs other settings.
    """
    inherited = inherited_listeners(("http",), environment).get("http")
    if inherited is None:
        return config, open_listener(config.host, config.port, reuse_port=config.reuse_port)
    host, port = inherited.getsockname()[:2]
    return check_config(replace(config, host=host, port=port)), inherited
