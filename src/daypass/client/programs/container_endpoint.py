"""Serve refreshed credentials to a job on this machine.

Owns a small HTTP server on loopback, like a container's agent. It serves only requests with the token, at a path that
cannot be guessed.
Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
"""

import hmac
import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from daypass.client.problems import UserFacingError

Answer = Callable[[], Mapping[str, str]]


class _CredentialServer(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows, SO_REUSEADDR would let another user's program take over the port and receive what is meant for us.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, answer: Answer, token: str, path: str) -> None:
        super().__init__(("127.0.0.1", 0), _CredentialHandler)
        self.answer, self.token, self.path = answer, token, path
        self.one_at_a_time = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print no error: the job has ended, and its terminal is not ours."""


class _CredentialHandler(BaseHTTPRequestHandler):
    server: _CredentialServer
    server_version = "daypass"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """Serve a request that has the token."""
        shown = self.headers.get("Authorization", "")
        # A web page can reach loopback through its own host name (DNS rebinding), which is then the Host.
        host = self.headers.get("Host", "")
        if (
            host != f"127.0.0.1:{self.server.server_port}"
            or not hmac.compare_digest(shown.encode(), self.server.token.encode())
            or not hmac.compare_digest(self.path.encode(), self.server.path.encode())
        ):
            self._send(403, {"code": "AccessDenied", "message": "The token is not valid."})
            return
        try:
            with self.server.one_at_a_time:
                answer = self.server.answer()
        except UserFacingError as problem:
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
        """Print no log: the terminal belongs to the job."""


@contextmanager
def serving_credentials(answer: Answer, token: str) -> Iterator[str]:
    """Serve the result of `answer` until the context ends. Yields the URL."""
    path = f"/{secrets.token_urlsafe(24)}"
    server = _CredentialServer(answer, token, path)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
