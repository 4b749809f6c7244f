"""The load generator: a process of its own, on a core of its own, that sends what was signed beforehand.

Owns the sockets and the stopwatch. It reads one job a line from standard input and answers one line of JSON
to each, so that one process serves all rounds. Every answer's status and body are looked at: a fast refusal
is no answer. No pipelining: a connection sends its next request when it has its answer. Connections are kept
alive; one that the server closes after its answer is replaced, at the server's expense.

Before the measured part of a round, every connection is opened and gets one answer. Then the generator writes a line
`ready` and waits for a line, so that the driver can read what the server has cost until then.
"""

import base64
import json
import os
import resource
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

from bench.figures import percentile
from bench.servers import trusting_context

_HEAD_END = b"\r\n\r\n"
READY = "ready"
_LENGTH = b"content-length:"
_PATIENCE_SECONDS = 10


class BadAnswerError(Exception):
    """A server answered something other than what was asked of it, or nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One round: send `requests` in turn over `connections` for `seconds`.

    Each answer must have the status and contain the marker. With `once`, no request is sent twice, and the round ends
    early if there are no more.
    """

    port: int
    requests: tuple[bytes, ...]
    marker: bytes
    connections: int
    seconds: float
    status: int = 200
    once: bool = False
    tls: bool = False


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
        status=raw["status"],
        once=raw["once"],
        tls=raw["tls"],
    )


def as_line(job: Job) -> str:
    """Write a job as one line of JSON."""
    document = {
        "port": job.port,
        "requests": [base64.b64encode(request).decode() for request in job.requests],
        "marker": base64.b64encode(job.marker).decode(),
        "connections": job.connections,
        "seconds": job.seconds,
        "status": job.status,
        "once": job.once,
        "tls": job.tls,
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


def check(answer: bytes, marker: bytes, start: bytes = b"HTTP/1.1 200 ") -> None:
    """Raise BadAnswerError unless `answer` has `start` and `marker` in it."""
    if not answer.startswith(start) or marker not in answer:
        raise BadAnswerError(repr(answer[:600]))


class RoundOfLoad:
    """One round in progress: the connections, what is sent next, and the latencies so far."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests: Iterator[bytes] = iter(job.requests) if job.once else cycle(job.requests)
        self._start = b"HTTP/1.1 %d " % job.status
        self._tls = trusting_context() if job.tls else None
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self.latencies_ns: list[int] = []

    def open(self) -> None:
        """Open every connection and get one answer on each, so that the server has accepted all of them."""
        for _ in range(self._job.connections):
            self._connect()
        waiting = set(self._open)
        for connection in list(self._open.values()):
            if not self._send(connection):
                raise BadAnswerError("there are fewer requests than connections")
        while waiting:
            for connection in self._answered():
                number = connection.socket.fileno()
                if ends_connection(connection.received):
                    self._close(connection)
                    self._connect()
                waiting.discard(number)

    def run(self) -> None:
        """Send until the time or the requests are up, then wait for every answer still owed.

        The server's CPU time is divided by the answers counted here, so none may be left behind.
        """
        end = time.perf_counter_ns() + int(self._job.seconds * 1e9)
        for connection in list(self._open.values()):
            if not self._send(connection):
                self._close(connection)
        while self._open:
            for connection in self._answered():
                self._count(connection, end)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open.values():
            connection.socket.close()
        self._poll.close()

    def _answered(self) -> Iterator[Connection]:
        """Wait, and yield the connections whose answer is complete."""
        ready = self._poll.poll(_PATIENCE_SECONDS)
        if not ready:
            raise BadAnswerError(f"no answer within {_PATIENCE_SECONDS} s")
        for number, _ in ready:
            connection = self._open[number]
            self._read(connection)
            if is_whole(connection.received):
                check(connection.received, self._job.marker, self._start)
                yield connection

    def _read(self, connection: Connection) -> None:
        opened = connection.socket
        while True:
            chunk = opened.recv(65536)
            if not chunk:
                raise BadAnswerError(f"the server hung up after {connection.received[:200]!r}")
            connection.received += chunk
            # What TLS has decrypted already is not announced by epoll.
            if self._tls is None or not isinstance(opened, ssl.SSLSocket) or not opened.pending():
                return

    def _count(self, connection: Connection, end: int) -> None:
        now = time.perf_counter_ns()
        self.latencies_ns.append(now - connection.sent_at)
        is_over = now >= end
        if is_over or ends_connection(connection.received):
            self._close(connection)
            if is_over:
                return
            connection = self._connect()
        if not self._send(connection):
            self._close(connection)

    def _connect(self) -> Connection:
        opened = socket.create_connection(("127.0.0.1", self._job.port), timeout=_PATIENCE_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            opened = self._tls.wrap_socket(opened, server_hostname="localhost")
        connection = Connection(opened)
        self._open[opened.fileno()] = connection
        self._poll.register(opened.fileno(), select.EPOLLIN)
        return connection

    def _send(self, connection: Connection) -> bool:
        """Send the next request. Return False if there is none."""
        request = next(self._requests, None)
        if request is None:
            return False
        connection.received = b""
        connection.sent_at = time.perf_counter_ns()
        connection.socket.sendall(request)
        return True

    def _close(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        self._poll.unregister(number)
        del self._open[number]
        connection.socket.close()


def _begin_at_once() -> None:
    """Begin without a driver."""


def run(job: Job, wait_to_begin: Callable[[], None] = _begin_at_once) -> dict[str, float]:
    """Run one round and return its requests, seconds, latencies and the CPU seconds of this process."""
    current = RoundOfLoad(job)
    try:
        current.open()
        wait_to_begin()
        started, own = time.perf_counter_ns(), time.process_time()
        current.run()
        elapsed, own = time.perf_counter_ns() - started, time.process_time() - own
    finally:
        current.close()
    ordered = sorted(current.latencies_ns)
    return {
        "requests": len(ordered),
        "seconds": elapsed / 1e9,
        "p50_ms": percentile(ordered, 0.50) / 1e6,
        "p99_ms": percentile(ordered, 0.99) / 1e6,
        "client_cpu_seconds": own,
    }


def _say_ready() -> None:
    print(READY, flush=True)
    sys.stdin.readline()


def allow_connections(wanted: int) -> bool:
    """Raise the limit of open files as far as possible. Return whether a server and a client may have so many.

    A server keeps half of its files, or 256, for other uses.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most == resource.RLIM_INFINITY or most >= 2 * wanted


def main() -> None:
    """Answer jobs until standard input ends. The first argument is the core to stay on."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    allow_connections(0)
    while line := sys.stdin.readline():
        try:
            answer: dict[str, object] = dict(run(parse_job(line), _say_ready))
        except (BadAnswerError, OSError) as reason:
            answer = {"error": str(reason)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
