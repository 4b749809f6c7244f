"""A real server in this process, whose connections are fed without a socket.

Owns the setting of the cost measurements: an SQLite store, a real audit log and requests with botocore's signatures.
A count of its work does not depend on the machine's speed or on other programs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

import uvicorn
from bench.signed import sign
from uvicorn.server import ServerState

from daypass.bootstrap import NewAccountRequest, create_account
from daypass.config import Config
from daypass.directory.store import Store
from daypass.http.app import App
from daypass.http.connection import Connection
from daypass.storage.loop_reads import LoopReads
from daypass.storage.master_key import MasterKeySource
from daypass.wire.http import HttpRequest
from daypass.wiring import build_app
from daypass.wiring_store import open_everything

_PATIENCE_SECONDS = 20
_ROOT_ACCOUNT = "111122223333"


@dataclass
class Wire(asyncio.Transport):
    """A transport that keeps the written bytes."""

    written: list[bytes] = field(default_factory=list)
    closing: bool = False

    def __post_init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})

    def write(self, data: Any) -> None:
        """Keep the data."""
        self.written.append(data)

    def close(self) -> None:
        """Close."""
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closing

    def pause_reading(self) -> None:
        """Do nothing: a measurement sends one request at a time."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def is_reading(self) -> bool:
        """Return True."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return 0: the client reads at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Ignore the limits."""


@dataclass(frozen=True, slots=True)
class Key:
    """An access key, with the session token of temporary credentials."""

    key_id: str
    secret: str
    token: str = ""


@dataclass
class LoopServer:
    """The application of one server process and one connection to it."""

    app: App
    loop: asyncio.AbstractEventLoop
    root: Key
    store: Store
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            cast("Any", self.app),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        self.connection = Connection(config=config, server_state=ServerState(), app_state={}, _loop=self.loop)
        self.connection.connection_made(self.wire)

    async def send(self, request: bytes) -> bytes:
        """Feed one request to the connection and return the response."""
        self.feed(request)
        return await self.wait()

    def feed(self, request: bytes) -> None:
        """Feed one request to the connection, which answers it at once or later."""
        self.connection.data_received(request)

    def feed_pipeline(self, request: bytes) -> None:
        """Let this thread answer a request as a worker thread would, without the connection."""
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        headers = tuple((name.lower(), value) for name, _, value in lines)
        read = HttpRequest("POST", b"/", b"", headers, body, "127.0.0.1", secure=False)
        self.wire.write(self.app.pipeline.answer(read, "costs", self.app.blocking).body)

    async def wait(self) -> bytes:
        """Return the response, once it is complete."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not self._is_whole():  # noqa: ASYNC110 - the transport only keeps bytes
                await asyncio.sleep(0)
        return self.take()

    def take(self) -> bytes:
        """Return what was written, and forget it."""
        answer = b"".join(self.wire.written)
        self.wire.written.clear()
        return answer

    async def call(self, key: Key, service: str, parameters: Mapping[str, str]) -> bytes:
        """Send one signed call and return the body. Raises ValueError if it fails."""
        head, _, body = (await self.send(self.sign(key, service, parameters))).partition(b"\r\n\r\n")
        if b" 200 " not in head[:16]:
            raise ValueError(body)
        return body

    def sign(self, key: Key, service: str, parameters: Mapping[str, str]) -> bytes:
        """Return the bytes of one signed call."""
        version = "2011-06-15" if service == "sts" else "2010-05-08"
        return sign(
            {**parameters, "Version": version},
            key_id=key.key_id,
            secret=key.secret,
            port=7777,
            service=service,
            token=key.token,
        )

    def _is_whole(self) -> bool:
        written = b"".join(self.wire.written)
        head, end, body = written.partition(b"\r\n\r\n")
        if not end:
            return False
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return len(body) >= int(length)


def find_text(body: bytes, name: str) -> str:
    """Return the text of the first element of this name in an answer, or ""."""
    return body.partition(f"<{name}>".encode())[2].partition(b"</")[0].decode()


@asynccontextmanager
async def loop_server(
    scratch: Path, settings: Mapping[str, Any] | None = None, read_clock: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[LoopServer]:
    """Run a server on an SQLite store in `scratch`, without a listening socket.

    `read_clock` measures the event loop's reads. It stands still, because a count takes longer than a slow disk.
    """
    store, log = scratch / "daypass.db", scratch / "audit.jsonl"
    config = Config(store=f"sqlite:///{store}", audit_log=str(log), unsigned_calls_per_minute=0, **(settings or {}))
    opened = open_everything(config, MasterKeySource())
    with opened.store.write() as writer:
        root = create_account(
            writer,
            NewAccountRequest(account=_ROOT_ACCOUNT),
            now=opened.clock.now(),
            entropy=opened.entropy,
            vault=opened.vault,
        )
    app = build_app(config, opened, loop_reads=LoopReads(opened.store, monotonic=read_clock, waits=count().__next__))
    for start in app.on_start:
        start()
    try:
        yield LoopServer(app, asyncio.get_running_loop(), Key(root.access_key_id, root.secret_access_key), opened.store)
    finally:
        await app.issuer_keys.close()
        for stop in app.on_stop:
            stop()
