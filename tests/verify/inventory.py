"""A service of one's own, on real servers: an inventory behind the ASGI and the WSGI middleware.

Owns the application and its servers. It answers each request with its caller and the SHA-256 of its body; it records
the pieces of bodies that it saw.
"""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn
from tests.sockets import free_port

from daypass.verify import Keys, Route, RouteTable, StaticKeys, static_caller
from daypass.verify import asgi as verify_asgi
from daypass.verify import wsgi as verify_wsgi

ACCOUNT, KEY_ID, SECRET = "111122223333", "AKIDEXAMPLEINVENTORY", "correct/horse+battery=staple"
SESSION_KEY_ID, TOKEN = "ASIDEXAMPLEINVENTORY", "session-token/+="
BUFFER = 100_000
_ITEM = "arn:aws:inventory:us-east-1:111122223333:item/{item}"
POLICY = """{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "inventory:*", "Resource": "arn:aws:inventory:us-east-1:111122223333:*"},
  {"Effect": "Deny", "Action": "inventory:*", "Resource": "arn:aws:inventory:us-east-1:111122223333:item/secret*"},
  {"Effect": "Deny", "Action": "inventory:DeleteItem", "Resource": "*",
   "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
]}"""
ROUTES = RouteTable(
    [
        Route("GET", "/items", "inventory:ListItems", "arn:aws:inventory:us-east-1:111122223333:inventory"),
        Route("GET", "/items/{item}", "inventory:GetItem", _ITEM),
        Route("PUT", "/items/{item}", "inventory:PutItem", _ITEM),
        Route("POST", "/items/{item}", "inventory:PutItem", _ITEM),
        Route("DELETE", "/items/{item}", "inventory:DeleteItem", _ITEM),
    ]
)


def make_keys() -> StaticKeys:
    """Return alice's long-term key and a key of her session."""
    keys = StaticKeys()
    keys.add(static_caller(ACCOUNT, "alice", POLICY, access_key_id=KEY_ID), secret=SECRET)
    keys.add(static_caller(ACCOUNT, "alice", POLICY, access_key_id=SESSION_KEY_ID), secret=SECRET, token=TOKEN)
    return keys


@dataclass
class Inventory:
    """The running service and what its application saw."""

    url: str = ""
    calls: int = 0
    pieces: list[bytes] = field(default_factory=list)
    whole: int = 0
    """The number of bodies whose end the application saw."""

    def _report(self, caller: Any, body: "hashlib._Hash") -> bytes:
        return json.dumps({"caller": caller.arn, "sha256": body.hexdigest()}).encode()

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        self.calls += 1
        body, more = hashlib.sha256(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.pieces.append(message.get("body", b""))
            body.update(self.pieces[-1])
            more = message.get("more_body", False)
        self.whole += 1
        report = self._report(scope["daypass.caller"], body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(report))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": report})

    def wsgi(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        """Answer as a WSGI application."""
        self.calls += 1
        body = hashlib.sha256()
        while piece := environ["wsgi.input"].read(8192):
            self.pieces.append(piece)
            body.update(piece)
        self.whole += 1
        report = self._report(environ["daypass.caller"], body)
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(report)))])
        yield report


@contextmanager
def running_asgi(keys: Keys) -> Iterator[Inventory]:
    """Run the service on uvicorn."""
    inventory = Inventory()
    app = verify_asgi.Middleware(
        inventory.asgi, keys, service="inventory", regions=["us-east-1"], routes=ROUTES, buffer=BUFFER
    )
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        inventory.url = f"http://127.0.0.1:{port}"
        yield inventory
    finally:
        server.should_exit = True
        thread.join(20)


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing: clients of these tests break connections on purpose."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - wsgiref's name
        """Write nothing."""


class _RawHandler(_QuietHandler):
    """Provides the target as it was sent, as gunicorn and uWSGI do."""

    def get_environ(self) -> Any:
        """Return the environment."""
        return {**super().get_environ(), "REQUEST_URI": self.path}


@contextmanager
def running_wsgi(keys: Keys, handler: type[WSGIRequestHandler] = _QuietHandler) -> Iterator[Inventory]:
    """Run the service on wsgiref."""
    inventory = Inventory()
    app = verify_wsgi.Middleware(
        inventory.wsgi, keys, service="inventory", regions=["us-east-1"], routes=ROUTES, buffer=BUFFER
    )
    port = free_port()
    with make_server("127.0.0.1", port, app, _ThreadingServer, handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        inventory.url = f"http://127.0.0.1:{port}"
        try:
            yield inventory
        finally:
            server.shutdown()
            thread.join(20)


def running_raw_wsgi(keys: Keys) -> AbstractContextManager[Inventory]:
    """Run the service on a WSGI server that provides the target as sent."""
    return running_wsgi(keys, _RawHandler)


RUNNING: Mapping[str, Callable[[Keys], AbstractContextManager[Inventory]]] = {
    "asgi": running_asgi,
    "wsgi": running_wsgi,
    "wsgi with targets": running_raw_wsgi,
}
