"""Hand fresh credentials to a job on this machine, as a container's agent does.

Owns a small HTTP server on loopback. It answers who shows the token, at a path that cannot be guessed, and nobody else.
Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
"""

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from daypass.client.problems import Problem

Answer = Callable[[], Mapping[str, str]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer, token: str, path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.token, self.path = answer, token, path
        self.one_at_a_time = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the job has gone, and its terminal is not ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "daypass"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """Answer a job that shows the token."""
        shown = self.headers.get("Authorization", "")
        # A page in a browser can reach loopback by a name of its own; such a request names another host.
        host = self.headers.get("Host", "")
        if (
            host != f"127.0.0.1:{self.server.server_port}"
            or not hmac.compare_digest(shown.encode(), self.server.token.encode())
            or not hmac.compare_digest(self.path.encode(), self.server.path.encode())
        ):
            self._send(403, {"code": "AccessDenied", "message": "The token is not the one that was given."})
            return
        try:
            with self.server.one_at_a_time:
                answer = self.server.answer()
        except Problem as problem:
            self._send(500, {"code": "CredentialsUnavailable", "message": str(problem)})
            return
        self._send(200, answer)

    def _send(self, status: int, document: Mapping[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the job."""


@contextmanager
def serving_credentials(answer: Answer, token: str) -> Iterator[str]:
    """Serve what `answer` returns until the context ends; the URL is its value."""
    path = f"/{secrets.token_urlsafe(24)}"
    server = _Server(answer, token, path)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
