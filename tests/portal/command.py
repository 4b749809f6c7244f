"""A command that waits for a sign-in, written only from docs/handover.md."""

import base64
import hashlib
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, Any]]


def send(url: str, fields: Mapping[str, str]) -> Answer:
    """Post JSON, and return status and response."""
    request = urllib.request.Request(  # noqa: S310 - the test's own server
        url, json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


class Command:
    """A command that requests a CLI sign-in and redeems it."""

    def __init__(self, server: str, mode: str, **wants: str) -> None:
        self.server = server
        self.verifier = secrets.token_urlsafe(40)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {"mode": mode, "code_challenge": challenge, "machine": "alice@laptop", **wants}
        self.status, self.begun = send(f"{server}/handover", asked)

    def redeem(self, **given: str) -> Answer:
        """Request the approved result."""
        fields = {"handover": self.begun["handover"], "code_verifier": self.verifier, **given}
        return send(f"{self.server}/handover/token", fields)


class Listener:
    """The loopback listener of a command. `got` is the query that the browser sent."""

    def __init__(self, server: str) -> None:
        self.state = secrets.token_urlsafe(24)
        self.got: dict[str, str] = {}
        self.arrived = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                if query:
                    listener.got = {name: values[0] for name, values in query.items()}
                    listener.arrived.set()
                self.send_response(303)
                self.send_header("Location", f"{server}/handover/done")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Suppress the log."""

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._http.server_port}/back"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
