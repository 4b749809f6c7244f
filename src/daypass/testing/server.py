"""A real server in this process, on a free port, with a movable clock.

Owns starting and stopping it, and the recorder of its audit events. Everything else is real: sockets, signatures,
policies, storage.
"""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

try:
    import structlog
    import uvicorn

    from daypass.audit.event import AuditRecord
    from daypass.bootstrap import NewAccountRequest, RootKey, create_account
    from daypass.config import Config
    from daypass.http.connection import Connection
    from daypass.http.connection_limits import ConnectionLimits
    from daypass.http.server import Server
    from daypass.ports import Clock
    from daypass.storage.master_key import MasterKeySource
    from daypass.storage.views import OpenedStore
    from daypass.testing.clock import MovableClock, nearest_time
    from daypass.testing.settings import settings_for_tests
    from daypass.wiring import build_app
    from daypass.wiring_store import open_everything
except ModuleNotFoundError as error:
    raise ImportError(
        f"daypass.testing needs {error.name}, which is not installed: pip install 'daypass[testing]'"
    ) from error

if not structlog.is_configured():
    # By default, structlog prints to sys.stdout. A test that captures it would find the log of another test's server.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))

_START = 60.0  # seconds until the start fails
_TICK = 0.1  # seconds; uvicorn's own, which sets the Date header at every tenth
_GLANCE = 0.002  # seconds


class Recorder:
    """Keep the audit events in memory, in order."""

    def __init__(self) -> None:
        self.audit_records: list[AuditRecord] = []

    def __call__(self, record: AuditRecord, /) -> None:
        """Keep an event."""
        self.audit_records.append(record)

    def trouble(self) -> str:
        """Return an empty string: this sink does not fail."""
        return ""

    def record_now(self, record: AuditRecord, /) -> None:
        """Keep an event."""
        self(record)

    def reopen(self) -> None:
        """Keep the events."""

    def close(self) -> None:
        """Keep the events."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server at `url`. `root` is the first account's root key."""

    url: str
    root: RootKey
    clock: MovableClock
    audit: Recorder
    there: OpenedStore
    config: Config

    def new_account(self, account: str = "", **wanted: Any) -> RootKey:
        """Create an account, like `daypass account create`; return its root key.

        >>> with running_server() as server:
        ...     server.new_account("210987654321").account
        '210987654321'
        """
        with self.there.store.write() as writer:
            return create_account(
                writer,
                NewAccountRequest(account=account, **wanted),
                now=self.clock.now(),
                entropy=self.there.entropy,
                vault=self.there.vault,
            )


class _PromptServer(Server):
    """A server that stops at once.

    uvicorn looks for an order to stop, and for connections that have ended, every 0.1 seconds. That is most of the time
    of a short test.
    """

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config, limits)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until `stop` is set."""
        counter = 0
        while not self.stop.is_set():
            await self.on_tick(counter)
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the requests finish, then stop the application."""
        for acceptor in self.servers:
            acceptor.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn keeps sets
            await asyncio.sleep(_GLANCE)
        for acceptor in self.servers:
            await acceptor.wait_closed()
        await self.lifespan.shutdown()


@dataclass(slots=True)
class _Thread:
    server: _PromptServer
    listener: socket.socket
    started: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        asyncio.run(self._serve())

    def stop(self) -> None:
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop has ended, because the server did not start
                self.loop.call_soon_threadsafe(self.server.stop.set)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self.server.serve(sockets=[self.listener]))
        while not self.server.started and not serving.done():  # noqa: ASYNC110 - uvicorn only sets a flag
            await asyncio.sleep(0.001)
        self.started.set()
        await serving


@contextmanager
def running_server(
    *,
    store: str = "memory:",
    account: str = "123456789012",
    config: Config | Mapping[str, Any] | None = None,
    master_key: str = "",
    clock: MovableClock | None = None,
    signature_clock: Clock | None = None,
) -> Iterator[RunningServer]:
    """Run a server until the context ends.

    `config` may change any setting except host, port and store: a Config, or a mapping of names to texts, as in the
    environment. Without a Config, the server accepts the issuers of `daypass.testing`. A store on PostgreSQL needs a
    master key. With a frozen `clock`, the server starts at another time.

    Sessions and federation follow `clock`. A signature may have the time of `clock` or of the computer, with which AWS
    clients sign; with `signature_clock`, the time of that clock only. Raises ConfigurationError.

    >>> with running_server(config={"organization_name": "Acme"}) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """
    with settings_for_tests(config) as checked:
        settings = replace(checked, host="127.0.0.1", store=store)
        yield from _run(settings, account, master_key, clock or MovableClock(), signature_clock)


def _only(clock: Clock) -> Callable[[datetime], datetime]:
    return lambda _: clock.now()


def _run(
    config: Config, account: str, master_key: str, clock: MovableClock, signature_clock: Clock | None
) -> Iterator[RunningServer]:
    audit = Recorder()
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does not set this option on sockets of others; without it every response waits 40 ms for an
    # acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listener.getsockname()[1]
    config = replace(config, port=port)
    there = open_everything(config, MasterKeySource(text=master_key), clock=clock)
    with there.store.write() as writer:
        root = create_account(
            writer, NewAccountRequest(account=account), now=clock.now(), entropy=there.entropy, vault=there.vault
        )
    app = build_app(
        config,
        there,
        sink=audit,
        signature_now=partial(nearest_time, clock) if signature_clock is None else _only(signature_clock),
    )
    server = _PromptServer(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            proxy_headers=False,  # Daypass has its own rule about trusted headers
            lifespan="on",
            access_log=False,
            log_config=None,
            ssl_certfile=config.tls_cert or None,
            ssl_keyfile=config.tls_key or None,
        ),
        app.connections,
    )
    serving = _Thread(server, listener)
    thread = threading.Thread(target=serving.run, name="daypass", daemon=True)
    thread.start()
    try:
        if not serving.started.wait(_START) or not server.started:
            raise RuntimeError("the server did not start")
        yield RunningServer(config.url, root, clock, audit, there, config)
    finally:
        serving.stop()
        thread.join()
