"""Wait on this machine for one redirect of the browser.

A request without the right state is rejected and does not end the wait. The browser is redirected once more, to a page
without the code in its address: the redirect leaves the code neither in the address bar nor in the history.
Source: RFC 8252, 7.3; RFC 9700, 4.2.4.
"""

import hmac
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from daypass.client.problems import BrowserSignInError, MisconfiguredError
from daypass.client.sign_in.loopback_page import HEADERS, page
from daypass.client.text_format import printable, reason, sentence

PATH = "/callback"
# Path of a page without the code -> its title and text.
_ENDS = {
    "/signed-in": ("You are signed in", "Return to your terminal. You can close this page.", True),
    "/not-signed-in": ("Not signed in", "Your terminal shows the reason. You can close this page.", False),
}
# How long the listener stays for the browser's request of the last page.
_LAST_PAGE_SECONDS = 2.0


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
        if self._server.came.is_set():
            self._server.shown.wait(_LAST_PAGE_SECONDS)
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
    # On Windows, SO_REUSEADDR would let another user's program take over the port and receive what is meant for us.
    allow_reuse_address = sys.platform != "win32"
    state = ""
    done_url = ""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.came = threading.Event()
        self.shown = threading.Event()
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
        if parts.path in _ENDS and self.server.came.is_set():
            self._say(200, *_ENDS[parts.path])
            self.server.shown.set()
            return
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
            self.server.came.set()
            self._answer(query)

    def _answer(self, query: Mapping[str, str]) -> None:
        is_elsewhere = bool(self.server.done_url) and "error" not in query
        own = "/not-signed-in" if "error" in query else "/signed-in"
        self.send_response(303)
        self.send_header("Location", self.server.done_url if is_elsewhere else own)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        if is_elsewhere:
            self.server.shown.set()

    def _say(self, status: int, title: str, words: str, good: bool = False) -> None:  # noqa: FBT001, FBT002 - of a table
        body = page(title, words, good=good)
        self.send_response(status)
        for name, value in HEADERS:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print no log: the request contains a code."""
