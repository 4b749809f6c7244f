"""The control endpoint for tests in any language.

Owns the HTTP server and the rules about who may call it. Leaves the calls to control_calls.py.

- Each call carries the secret of this run in a header; it is compared in constant time.
- A request with an Origin comes from a page in a browser, and a Host that is not loopback from a rebound name: both are
  refused before the secret is read.
- A request has a length, and its body is a JSON object of at most 256 KiB.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from daypass.dev.control_calls import CALLS, ControlCallError, Controlled
from daypass.strict_json import JsonReader, NotStrictJsonError

SECRET_HEADER = "X-Daypass-Control-Secret"  # noqa: S105 - the name of a header
_LARGEST = 262_144
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_JSON = JsonReader(max_depth=32)


@dataclass(frozen=True, slots=True)
class ControlEndpoint:
    """A running endpoint: its URL, and the secret that its callers need."""

    url: str
    secret: str = field(repr=False)


@contextmanager
def running_control(host: str, port: int, controlled: Controlled) -> Iterator[ControlEndpoint]:
    """Serve the control endpoint from a thread until the context ends.

    Raises OSError if the address is in use.
    """
    server = _ControlServer((host, port), controlled)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="control", daemon=True)
    thread.start()
    try:
        yield ControlEndpoint(f"http://{host}:{server.server_address[1]}", server.secret)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _ControlServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], controlled: Controlled) -> None:
        super().__init__(address, _ControlHandler)
        self.controlled = controlled
        self.secret = secrets.token_urlsafe(32)
        self.lock = threading.Lock()


class _RefusedError(Exception):
    """A request that may not be served: a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _ControlHandler(BaseHTTPRequestHandler):
    """Check who calls, then run the call."""

    server: _ControlServer
    timeout = 30
    server_version = "daypass-dev"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a call that changes nothing."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a call that changes something."""
        self._serve()

    def _serve(self) -> None:
        try:
            self._check_caller()
            answer = self._call(self._body())
        except _RefusedError as refused:
            self._send(refused.status, {"Message": str(refused)})
        except ControlCallError as error:
            self._send(400, {"Message": str(error)})
        else:
            self._send(200, answer)

    def _call(self, body: dict[str, Any]) -> dict[str, Any]:
        call = CALLS.get((self.command, self.path))
        if call is None:
            raise _RefusedError(404, f"{self.command} {self.path} is not a call of the control endpoint.")
        with self.server.lock:
            return call(self.server.controlled, body)

    def _check_caller(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            raise _RefusedError(403, "The Host header must be a loopback address with the port of this endpoint.")
        if "Origin" in self.headers:
            raise _RefusedError(403, "A page in a browser may not use the control endpoint.")
        given = self.headers.get_all(SECRET_HEADER) or [""]
        fits = hmac.compare_digest(given[0].encode("utf-8", "replace"), self.server.secret.encode())
        if len(given) != 1 or not fits:
            raise _RefusedError(403, f"The header {SECRET_HEADER} must be the secret that `daypass dev` printed.")

    def _is_own(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        return name.lower() in _LOOPBACK and port == str(self.server.server_address[1])

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length")
        if self.command == "GET" and length is None:
            return {}
        if length is None or not (length.isascii() and length.isdigit()):
            raise _RefusedError(411, "The request must have a Content-Length.")
        if len(length) > len(str(_LARGEST)) or int(length) > _LARGEST:
            raise _RefusedError(413, f"The body must have at most {_LARGEST} bytes.")
        data = self.rfile.read(int(length))
        if not data.strip():
            return {}
        try:
            return _JSON.read_object(data)
        except NotStrictJsonError as error:
            raise _RefusedError(400, f"The body must be a JSON object: {error}") from error

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the headers contain the secret."""
