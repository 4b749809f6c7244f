"""The clients of a soak: threads that make calls at a steady rate and check every answer.

Owns the tally: the calls, their latencies, the unexpected answers and the ids of the requests that the audit log must
contain.
"""

import re
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from bench.load import BadAnswerError, ends_connection, is_whole
from bench.soak.calls import Call, Mix

_PATIENCE_SECONDS = 30
_CALLS_OF_A_CONNECTION = 500
_SHOWN = 400  # bytes of an unexpected answer
_KEPT = 10  # descriptions of unexpected answers
TOO_MANY = 100
_REQUEST_ID = re.compile(rb"\r\nx-amzn-requestid: ([0-9a-f-]{36})\r\n", re.IGNORECASE)


@dataclass
class Tally:
    """The outcomes of the calls to one server.

    `ids` is the sum of the request ids of authenticated calls. It does not depend on their order, takes no memory, and
    differs if one is lost, repeated or another.
    """

    calls: Counter[str] = field(default_factory=Counter)
    authenticated: int = 0
    ids: int = 0
    refused: int = 0
    wrong: int = 0
    faults: list[str] = field(default_factory=list)
    latencies_ns: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: Call, answer: bytes, nanoseconds: int) -> bool:
        """Count an answer. Return whether it was the expected one."""
        right = answer.startswith(b"HTTP/1.1 %d " % call.status) and all(each in answer for each in call.markers)
        found = _REQUEST_ID.search(answer)
        with self.lock:
            self.calls[call.name] += 1
            self.latencies_ns.append(nanoseconds)
            if call.is_signed and call.is_authenticated and found:
                self.authenticated += 1
                self.ids += UUID(found[1].decode()).int
            elif call.is_signed:
                self.refused += 1
        if not right:
            self.fail(f"{call.name}: expected {call.status} with {call.markers!r}, got {answer[:_SHOWN]!r}")
        return right

    def fail(self, fault: str) -> None:
        """Count an unexpected outcome."""
        with self.lock:
            self.wrong += 1
            if len(self.faults) < _KEPT:
                self.faults.append(fault)

    def take_latencies(self) -> list[int]:
        """Return the latencies since the last time, in order of size."""
        with self.lock:
            taken, self.latencies_ns = self.latencies_ns, []
        return sorted(taken)


class Client:
    """One thread that makes the calls of a mix, one each `interval` seconds, until `stop` is set."""

    def __init__(self, port: int, mix: Mix, tally: Tally, *, interval: float, stop: threading.Event) -> None:
        self._port, self._mix, self._tally = port, mix, tally
        self._interval, self._stop = interval, stop
        self._connection: socket.socket | None = None
        self._left = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the last answer."""
        self._thread.join(2 * _PATIENCE_SECONDS)
        if self._thread.is_alive():
            self._tally.fail("a client did not get its last answer")

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            call, began = self._mix.next(), time.perf_counter_ns()
            try:
                answer = self._ask(call.request)
            except (OSError, BadAnswerError) as reason:
                self._tally.fail(f"{call.name}: {reason!r}")
                self._hang_up()
            else:
                if self._tally.add(call, answer, time.perf_counter_ns() - began):
                    self._mix.learn(call, answer)
            # A client that is late does not make up for it with a burst.
            due = max(due + self._interval, time.monotonic())
        self._hang_up()

    def _ask(self, request: bytes) -> bytes:
        """Return the whole answer. A connection is replaced now and then, so that both workers get clients."""
        if self._connection is None or self._left == 0:
            self._hang_up()
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE_SECONDS)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._left = _CALLS_OF_A_CONNECTION
        self._left -= 1
        self._connection.sendall(request)
        answer = b""
        while not is_whole(answer):
            chunk = self._connection.recv(65536)
            if not chunk:
                raise BadAnswerError(f"the server hung up after {answer[:_SHOWN]!r}")
            answer += chunk
        if ends_connection(answer):
            self._left = 0
        return answer

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
