"""Random requests, cut at random places, against a store with random manners.

Two rules hold whatever happens: a request that is complete at the store is one that a client sent and that was not
refused, and a complete answer belongs to its request.
"""

import contextlib
import hashlib
import random
import threading
from collections.abc import Sequence

import pytest
from tests.gateway.transfers.data_path_fixtures import MakePath, PathSetup
from tests.gateway.transfers.passing_judge import HeldBackBody
from tests.gateway.transfers.running_data_path import RawClient
from tests.gateway.transfers.scripted_store import SeenRequest, StoreSide

from daypass.verify.head import RequestHead

CONNECTIONS = 12
REQUESTS = 12  # of a connection


def answer_of(request: SeenRequest) -> bytes:
    """Return the content that belongs to a request."""
    return request.line + b" " + hashlib.sha256(request.body).hexdigest().encode()


class RandomStore:
    """Answers in any framing, at any speed, and sometimes breaks."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a test that can be repeated
        self._lock = threading.Lock()

    def __call__(self, side: StoreSide) -> None:
        """Serve one connection."""
        while True:
            with self._lock:
                manner = self._random.choice(
                    ["length"] * 4 + ["chunks"] * 4 + ["end", "reset", "cut", "early", "close"]
                )
                at = self._random.randrange(1, 200)
            request = side.read_head()
            if manner == "reset":
                side.reset()
                return
            if manner == "early":
                side.send(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            side.read_body(request)
            self._answer(side, request, manner, at)
            if manner in ("end", "cut", "close"):
                return

    def _answer(self, side: StoreSide, request: SeenRequest, manner: str, at: int) -> None:
        body = answer_of(request)
        head = b"HTTP/1.1 200 OK\r\n"
        if manner == "chunks":
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            data = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        elif manner == "end":
            data = b"HTTP/1.0 200 OK\r\n\r\n" + body
        elif manner == "close":
            data = head + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            data = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        side.send(data[:at])
        if manner != "cut":
            side.send(data[at:])


class RandomClient:
    """Sends requests on one connection, and checks their answers."""

    def __init__(self, path: PathSetup, seed: int, sent: dict[bytes, bytes]) -> None:
        self._path = path
        self._random = random.Random(seed)  # noqa: S311 - a test that can be repeated
        self._seed = seed
        self._sent = sent
        self.problems: list[str] = []

    def run(self) -> None:
        """Send all requests, some of them before the answers of the others."""
        client, expected = self._path.connect(), []
        for number in range(REQUESTS):
            line, body, data = self._request(number)
            expected.append((line, body))
            with contextlib.suppress(OSError):
                self._send(client, data)
            if self._random.random() < 0.6 or number == REQUESTS - 1:
                if not self._read(client, expected):
                    client = self._path.connect()
                expected = []
        with contextlib.suppress(OSError):
            client.socket.close()

    def _request(self, number: int) -> tuple[bytes, bytes, bytes]:
        framing = self._random.choice(["none", "length", "chunks"])
        target = b"/bucket/%d-%d" % (self._seed, number)
        size = self._random.choice([0, 1, 10, 5_000, 150_000])
        body = self._random.randbytes(size) if framing != "none" else b""
        if self._random.random() < 0.15 and body:
            body = body[: len(body) // 2] + b"FORBIDDEN" + body[len(body) // 2 :]
        if framing == "none":
            line, rest = b"GET " + target, b"\r\n"
        elif framing == "length":
            line, rest = b"PUT " + target, b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            cut = self._random.randrange(len(body) + 1)
            parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
            line, rest = b"PUT " + target, b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
        line += b" HTTP/1.1"
        self._sent[line] = body
        return line, body, line + b"\r\nHost: s3\r\n" + rest

    def _send(self, client: RawClient, data: bytes) -> None:
        while data:
            size = self._random.choice([1, 7, 100, 10_000, 1_000_000])
            client.send(data[:size])
            data = data[size:]

    def _read(self, client: RawClient, expected: list[tuple[bytes, bytes]]) -> bool:
        """Read the answers. Return whether the connection goes on."""
        for line, body in expected:
            try:
                answer = client.read()
            except (EOFError, OSError):
                return False
            request = SeenRequest(line, body)
            if answer.status == 200 and answer.is_complete and answer.body != answer_of(request):
                self.problems.append(f"{line!r} got the answer {answer.body[:80]!r}")
            if answer.status == 200 and b"FORBIDDEN" in body:
                self.problems.append(f"{line!r} was not refused")
            if answer.headers.get("connection") == "close" or not answer.is_complete:
                return False
        return True


@pytest.mark.parametrize("seed", range(4))
def test_requests_and_answers_never_mix(make_path: MakePath, seed: int) -> None:
    """Neither at the store nor at a client."""

    def body(head: RequestHead) -> HeldBackBody:
        return WholeForbidden(chunked=head.chunked)

    path = make_path(RandomStore(seed), body=body)
    sent: dict[bytes, bytes] = {}
    clients = [RandomClient(path, seed * 1_000 + number, sent) for number in range(CONNECTIONS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [problem for client in clients for problem in client.problems] == []
    complete = [request for request in path.store.requests if request.is_complete]
    assert len(complete) > CONNECTIONS * REQUESTS / 4
    for request in complete:
        assert request.body == sent[request.line]
        assert b"FORBIDDEN" not in request.body
    assert all(exchange.ends == 1 for exchange in path.judge.exchanges)


class WholeForbidden(HeldBackBody):
    """Refuses a body at its end if it contains a word."""

    def __init__(self, *, chunked: bool) -> None:
        super().__init__(chunked=chunked)
        self._seen = b""

    def feed(self, data: bytes) -> Sequence[bytes | memoryview]:
        """Remember all of it."""
        self._seen += data
        return super().feed(data)

    def finish(self) -> Sequence[bytes | memoryview]:
        """Refuse the word."""
        self._wrong = b"FORBIDDEN" in self._seen
        return super().finish()
