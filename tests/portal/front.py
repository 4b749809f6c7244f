"""A load balancer in front of several servers: each request goes to the next server."""

import http.client
import threading
from collections.abc import Sequence
from itertools import count
from urllib.parse import urlsplit

from tests.http_servers import HttpRequest, HttpSite

_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}


class Front(HttpSite):
    """A load balancer with a new connection for each request.

    `went` records the server and path of each response, in order, without asset files, so that they do not affect the
    rotation of a sign-in's steps.
    """

    def __init__(self) -> None:
        self.nodes: Sequence[str] = ()
        self.went: list[tuple[str, int]] = []
        self._turn, self._lock = count(), threading.Lock()
        super().__init__(self.pass_on)

    def pass_on(self, asked: HttpRequest) -> None:
        """Answer a request with the response of the next server."""
        node = self._next(asked.path)
        body = asked.body()
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in _HOP}
        onward = http.client.HTTPConnection(urlsplit(self.nodes[node]).netloc, timeout=30)
        try:
            onward.request(asked.command, asked.path, body, {**headers, "X-Forwarded-For": "127.0.0.1"})
            answer = onward.getresponse()
            given = answer.read()
        finally:
            onward.close()
        asked.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP | {"content-length"}:
                asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(given)))
        asked.end_headers()
        asked.wfile.write(given)

    def _next(self, path: str) -> int:
        if path.startswith("/assets/"):
            return 0
        with self._lock:
            node = next(self._turn) % len(self.nodes)
            self.went.append((path.partition("?")[0], node))
        return node

    def nodes_of(self, *beginnings: str) -> list[int]:
        """Return the servers that answered the first request to a path with each of these prefixes."""
        return [next(node for path, node in self.went if path.startswith(each)) for each in beginnings]
