"""Run the server: listen, and stop in order.

Owns the signals of a worker. Leaves the worker processes to workers.py, and the rest to uvicorn.

- SIGTERM and SIGINT: finish the running requests, then exit with 0.
- SIGHUP: reopen the audit log and read the TLS certificate again.
"""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from daypass.config import Config
from daypass.http.acceptor import Acceptor
from daypass.http.connection import Connection
from daypass.http.connection_limits import ConnectionLimits, raise_descriptor_limit
from daypass.http.tls_files import check_certificate, load_certificate
from daypass.http.workers import Hangup, ListenError, spare_long_lived_objects, supervise

if TYPE_CHECKING:
    from daypass.http.app import App

_BACKLOG = 2048
_GRACE = 25  # seconds for running requests


class Server(uvicorn.Server):
    """uvicorn's server, which accepts connections within the limits."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await super().startup(sockets=[])
        acceptors = [Acceptor(each, self._connection, self._limits, self.config.ssl) for each in sockets or ()]
        for acceptor in acceptors:
            acceptor.start()
        self.servers = acceptors  # type: ignore[assignment] # closed and waited for, like asyncio's servers

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)


class _SignalledServer(Server):
    """A server that exits with code 0 after a signal to stop.

    `on_hangup` is called at SIGHUP, and at the start if SIGHUP arrived earlier.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        limits: ConnectionLimits,
        hangup: "Hangup",
        on_hangup: Sequence[Callable[[], None]],
    ) -> None:
        super().__init__(config, limits)
        self._hangup = hangup
        self._on_hangup = on_hangup

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT; reopen files on SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._open_again)
        if self._hangup.came:
            self._open_again()
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        # A second signal is deliberate: stop without waiting.
        self.force_exit = self.should_exit
        self.should_exit = True

    def _open_again(self) -> None:
        for each in self._on_hangup:
            each()
        self._reload_tls()

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
    if config.workers == 1:
        return run_worker(config, build, listener)
    return supervise(config.workers, lambda: run_worker(config, build, listener))


def run_worker(config: Config, build: Callable[[], "App"], listener: socket.socket) -> int:
    """Serve in this process. Return the exit code."""
    hangup = Hangup()
    app = build()
    spare_long_lived_objects()
    server = _SignalledServer(
        uvicorn.Config(
            app,
            http=Connection,
            loop="uvloop",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE,
            ssl_certfile=config.tls_cert or None,
            ssl_keyfile=config.tls_key or None,
        ),
        app.connections,
        hangup,
        app.on_hangup,
    )
    try:
        server.run(sockets=[listener])
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"cannot serve with the certificate {config.tls_cert}: {error}") from error
    return 0 if server.started else 1


def listen(config: Config) -> socket.socket:
    """Return the listening socket. Raises ListenError."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from error
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener
