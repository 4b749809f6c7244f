"""A command that waits for a sign-in, written only from docs/handover.md."""

import base64
import hashlib
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_servers import HttpRequest, HttpSite

Answer = tuple[int, dict[str, Any]]


def send(url: str, fields: Mapping[str, str]) -> Answer:
    """Post JSON, and return status and response."""
    request = urllib.request.Request(  # noqa: S310 - the test's own server
        url, json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
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


class Listener(HttpSite):
    """The loopback listener of a command. `got` is the query that the browser sent."""

    def __init__(self, server: str) -> None:
        self.state = secrets.token_urlsafe(24)
        self.got: dict[str, str] = {}
        self.arrived = threading.Event()
        self._done = f"{server}/handover/done"
        super().__init__(self._receive)
        self.uri = f"{self.url}/back"

    def _receive(self, request: HttpRequest) -> None:
        query = parse_qs(urlsplit(request.path).query)
        if query:
            self.got = {name: values[0] for name, values in query.items()}
            self.arrived.set()
        request.reply(303, Location=self._done)
