"""Wait on this machine for one redirect of the browser.

A request without the right state is rejected and does not end the wait. Source: RFC 8252, 7.3.
"""

import hmac
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from daypass.client.problems import BrowserSignInError, MisconfiguredError
from daypass.client.text_format import printable, reason, sentence

PATH = "/callback"
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Daypass</title><style>:root{color-scheme:light dark}body{font:1.1rem system-ui;margin:20vh auto;"
    "max-width:30rem;padding:0 1rem}</style><h1>%s</h1><p>%s</p></html>"
)
_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Connection", "close"),
)


class Listener:
    """A listener on 127.0.0.1, used as a context.

    `done_url` is the page to show afterwards.
    """

    def __init__(self, state: str, *, port: int = 0, done_url: str = "") -> None:
        try:
            self._server = _LoopbackServer(("127.0.0.1", port), _LoopbackHandler)
        except (OSError, OverflowError) as error:
            raise MisconfiguredError(
                f"Cannot listen on port {port}: {sentence(reason(error))} Another sign-in may use it. "
                "Choose another port with --redirect-port."
            ) from error
        self._server.state, self._server.done_url = state, done_url

    @property
    def redirect_uri(self) -> str:
        """The URL to which the provider redirects the browser."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, seconds: float) -> Mapping[str, str]:
        """Return the query parameters of the redirect. Raises BrowserSignInError."""
        if not self._server.came.wait(seconds):
            raise BrowserSignInError(
                f"The browser did not return within {round(seconds / 60)} minutes. Run the command again."
            )
        brought = self._server.brought
        if "error" in brought:
            words = printable(brought.get("error_description") or brought["error"])
            raise BrowserSignInError(f"The sign-in failed: {words}. Run the command again to retry.")
        return brought


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    state = ""
    done_url = ""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.came = threading.Event()
        self.once = threading.Lock()
        self.brought: Mapping[str, str] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """Do not print an error.

        The browser has disconnected.
        """


class _LoopbackHandler(BaseHTTPRequestHandler):
    server: _LoopbackServer
    server_version = "daypass"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """Accept the redirect if its state is ours."""
        parts = urlsplit(self.path)
        if parts.path != PATH:
            self._say(404, "Page not found", "This page does not exist.")
            return
        try:
            query = {name: values[0] for name, values in parse_qs(parts.query, max_num_fields=20).items()}
        except ValueError:
            query = {}
        if not hmac.compare_digest(query.get("state", "").encode(), self.server.state.encode()):
            self._say(400, "Wrong sign-in", "This response belongs to another sign-in and was ignored.")
            return
        with self.server.once:
            if self.server.came.is_set():
                self._say(400, "Already done", "This sign-in has already been completed.")
                return
            self.server.brought = query
            self._answer(query)
            self.server.came.set()

    def _answer(self, query: Mapping[str, str]) -> None:
        if self.server.done_url and "error" not in query:
            self.send_response(303)
            self.send_header("Location", self.server.done_url)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif "error" in query:
            self._say(200, "Not signed in", "See your terminal for the reason. You can close this window.")
        else:
            self._say(200, "Signed in", "Return to your terminal. You can close this window.")

    def _say(self, status: int, title: str, words: str) -> None:
        body = (_PAGE % (title, words)).encode()
        self.send_response(status)
        for name, value in _HEADERS:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print no log: the request contains a code."""
