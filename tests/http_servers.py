"""HTTP servers of tests, on a free port of this machine."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class HttpRequest(BaseHTTPRequestHandler):
    """A request to a site, which the site's function answers."""

    server: "_Server"

    def do_GET(self) -> None:
        """Let the site answer."""
        self.server.answer(self)

    def do_POST(self) -> None:
        """Let the site answer."""
        self.server.answer(self)

    def body(self) -> bytes:
        """Return the body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a response. An underscore in the name of a header stands for a hyphen."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Suppress the log."""


Answer = Callable[[HttpRequest], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), HttpRequest)
        self.answer = answer

    def handle_error(self, *_: object) -> None:
        """Print no error: the client has closed the connection."""


class HttpSite:
    """A server that answers requests as long as its context lasts."""

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None) -> None:
        self._http = _Server(answer)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_port
        self.url = f"http{'' if tls is None else 's'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
