"""The load generator: a process of its own, on a core of its own, that sends what was signed beforehand.

Owns the sockets and the stopwatch. It reads one job a line from standard input and answers one line of JSON
to each, so that one process serves all rounds. Every answer's status and body are looked at: a fast refusal
is no answer. No pipelining: a connection sends its next request when it has its answer. Connections are kept
alive; one that the server closes after its answer is replaced, at the server's expense.
"""

import base64
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass
from itertools import cycle

from bench.figures import percentile

_HEAD_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200"
_LENGTH = b"content-length:"
_PATIENCE_SECONDS = 10


class BadAnswerError(Exception):
    """A server answered something other than what was asked of it, or nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One round: send `requests` in turn over `connections` for `seconds`, and want `marker` in each body."""

    port: int
    requests: tuple[bytes, ...]
    marker: bytes
    connections: int
    seconds: float


@dataclass(slots=True)
class Connection:
    """One keep-alive connection, the answer it is receiving, and when its request left."""

    socket: socket.socket
    received: bytes = b""
    sent_at: int = 0


def parse_job(line: str) -> Job:
    """Read the job that `as_line` wrote."""
    raw = json.loads(line)
    return Job(
        port=raw["port"],
        requests=tuple(base64.b64decode(request) for request in raw["requests"]),
        marker=base64.b64decode(raw["marker"]),
        connections=raw["connections"],
        seconds=raw["seconds"],
    )


def as_line(job: Job) -> str:
    """Write a job as one line of JSON."""
    document = {
        "port": job.port,
        "requests": [base64.b64encode(request).decode() for request in job.requests],
        "marker": base64.b64encode(job.marker).decode(),
        "connections": job.connections,
        "seconds": job.seconds,
    }
    return json.dumps(document)


def is_whole(answer: bytes) -> bool:
    """Tell whether `answer` holds its head and as much body as its Content-Length says."""
    head_end = answer.find(_HEAD_END)
    if head_end < 0:
        return False
    head = answer[:head_end].lower()
    at = head.find(_LENGTH)
    if at < 0:
        raise BadAnswerError(f"no Content-Length in {answer[:200]!r}")
    length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
    return len(answer) >= head_end + len(_HEAD_END) + length


def ends_connection(answer: bytes) -> bool:
    """Tell whether the server closes the connection after `answer`."""
    return b"\r\nconnection: close\r\n" in answer[: answer.find(_HEAD_END) + 2].lower()


def check(answer: bytes, marker: bytes) -> None:
    """Raise BadAnswerError unless `answer` is a 200 with `marker` in it."""
    if not answer.startswith(_OK) or marker not in answer:
        raise BadAnswerError(repr(answer[:600]))


class RoundOfLoad:
    """One round in progress: the connections, what is sent next, and the latencies so far."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = cycle(job.requests)
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self.latencies_ns: list[int] = []

    def run(self) -> None:
        """Send until the time is up, then wait for every answer still owed.

        The server's CPU time is divided by the answers counted here, so none may be left behind.
        """
        end = time.perf_counter_ns() + int(self._job.seconds * 1e9)
        try:
            for _ in range(self._job.connections):
                self._send(self._connect())
            while self._open:
                self._receive(end)
        finally:
            for connection in self._open.values():
                connection.socket.close()
            self._poll.close()

    def _receive(self, end: int) -> None:
        ready = self._poll.poll(_PATIENCE_SECONDS)
        if not ready:
            raise BadAnswerError(f"no answer within {_PATIENCE_SECONDS} s")
        for number, _ in ready:
            connection = self._open[number]
            chunk = connection.socket.recv(65536)
            if not chunk:
                raise BadAnswerError(f"the server hung up after {connection.received[:200]!r}")
            connection.received += chunk
            if is_whole(connection.received):
                self._count(connection, end)

    def _count(self, connection: Connection, end: int) -> None:
        now = time.perf_counter_ns()
        answer = connection.received
        check(answer, self._job.marker)
        self.latencies_ns.append(now - connection.sent_at)
        is_over = now >= end
        if is_over or ends_connection(answer):
            self._close(connection)
            if is_over:
                return
            connection = self._connect()
        self._send(connection)

    def _connect(self) -> Connection:
        opened = socket.create_connection(("127.0.0.1", self._job.port), timeout=_PATIENCE_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(opened)
        self._open[opened.fileno()] = connection
        self._poll.register(opened.fileno(), select.EPOLLIN)
        return connection

    def _send(self, connection: Connection) -> None:
        connection.received = b""
        connection.sent_at = time.perf_counter_ns()
        connection.socket.sendall(next(self._requests))

    def _close(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        self._poll.unregister(number)
        del self._open[number]
        connection.socket.close()


def run(job: Job) -> dict[str, float]:
    """Run one round and return its requests, seconds and latencies."""
    current = RoundOfLoad(job)
    started = time.perf_counter_ns()
    current.run()
    elapsed = time.perf_counter_ns() - started
    ordered = sorted(current.latencies_ns)
    return {
        "requests": len(ordered),
        "seconds": elapsed / 1e9,
        "p50_ms": percentile(ordered, 0.50) / 1e6,
        "p99_ms": percentile(ordered, 0.99) / 1e6,
    }


def main() -> None:
    """Answer jobs until standard input ends. The first argument is the core to stay on."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    for line in sys.stdin:
        try:
            answer: dict[str, object] = dict(run(parse_job(line)))
        except (BadAnswerError, OSError) as reason:
            answer = {"error": str(reason)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
