"""The access log: one line of JSON for each request.

Owns the lines, which an operator asks for, and the thread that writes them. The application under it does not know of
the log: `LoggedApp` stands in front of it, so a server without an access log does no work for one.

- A line has no query string, body or header, because these may contain signatures, tokens and codes.
- Requests never wait for the disk. Lines that do not fit into the queue are counted, and a line says how many.
- The action, the error code and the ARN come from the request's audit record.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog

from daypass.audit.event import AuditRecord
from daypass.audit.targets import Target
from daypass.background import Background
from daypass.http.app import App
from daypass.http.plain_calls import ROLE_CREDENTIALS
from daypass.metrics.snapshot import Reading
from daypass.wire.http import Headers, HttpResponse

_EVERY = 0.1  # seconds
MOST_QUEUED = 20_000
_MOST_AT_ONCE = 1_000
_MOST_NOTED = 4_096
_LONGEST = 512  # characters of a path or a method
_REQUEST_ID = b"x-amzn-requestid"


class AccessLine(msgspec.Struct, frozen=True):
    """One request.

    `seconds` is the time from the complete request to the whole answer.
    """

    log: str
    time: datetime
    request_id: str
    peer: str
    method: str
    path: str
    status: int
    seconds: float
    bytes: int
    action: str = ""
    code: str = ""
    arn: str = ""


class TracedAccessLine(AccessLine, frozen=True):
    """One request whose trace is recorded, or continues that of its caller."""

    trace_id: str = ""


class LostLines(msgspec.Struct, frozen=True):
    """The number of requests whose lines did not fit into the queue."""

    log: str
    time: datetime
    lost: int


class _ResponseSeen(NamedTuple):
    action: str
    code: str
    arn: str


_NO_OUTCOME = _ResponseSeen("", "", "")


class AccessLog:
    """Writes the lines with a thread of its own.

    `find_trace_id` returns the trace of the request that is answered now, or an empty string.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lines: deque[AccessLine] = deque()
        self._outcomes: dict[str, _ResponseSeen] = {}
        self.find_trace_id: Callable[[], str] = str
        self._lost = self._unreported = 0
        self._is_reopening = self._is_failing = False
        self._writer = Background("access-log", self._run)

    def start(self) -> None:
        """Start to write."""
        self._writer.start()

    def stop(self) -> None:
        """Write the last lines, and close the target."""
        self._writer.stop(5)
        if not self._writer.is_running:
            self._target.close()

    def reopen(self) -> None:
        """Continue in the file that now has the log's name. Never waits."""
        self._is_reopening = True

    def noting(self, record_request: Callable[[AuditRecord], None]) -> Callable[[AuditRecord], None]:
        """Return a function that records a request and keeps its outcome."""

        def record_and_note(record: AuditRecord) -> None:
            record_request(record)
            self._note(record)

        return record_and_note

    def add(self, method: str, path: str, peer: str, began: float, response: tuple[int, str, int]) -> None:
        """Add the line of a request that is answered now.

        `response` is its status, request id and length.
        """
        status, request_id, length = response
        outcome = self._outcomes.pop(request_id, _NO_OUTCOME)
        if len(self._lines) >= MOST_QUEUED:
            self._lost += 1
            self._unreported += 1
            return
        seconds = round(time.monotonic() - began, 6)
        now = datetime.now(UTC)
        parts = ("access", now, request_id, peer, method[:_LONGEST], path[:_LONGEST], status, seconds, length, *outcome)
        trace_id = self.find_trace_id()
        self._lines.append(TracedAccessLine(*parts, trace_id) if trace_id else AccessLine(*parts))

    def readings(self) -> Iterable[Reading]:
        """Return the readings for the metrics."""
        return (("daypass_access_log_lost_total", (), self._lost),)

    def _note(self, record: AuditRecord) -> None:
        caller, fault, request_id = record.caller, record.fault, record.request_id
        arn = "" if caller is None else caller.arn
        if len(self._outcomes) >= _MOST_NOTED:  # requests whose clients went away before the answer
            with suppress(StopIteration, KeyError, RuntimeError):
                del self._outcomes[next(iter(self._outcomes))]
        self._outcomes[request_id] = _ResponseSeen(record.action, "" if fault is None else fault.code, arn)

    def _run(self) -> None:
        while not self._writer.stopping.wait(_EVERY):
            self._write()
        self._write()

    def _write(self) -> None:
        if self._is_reopening:
            self._is_reopening = False
            with suppress(OSError):
                self._target.reopen()
        while lines := list(self._next()):
            written, problem = self._target.write(lines)
            for _ in range(min(written, len(self._lines))):
                self._lines.popleft()
            if problem is not None or not written:
                self._report(problem)
                return
            self._is_failing = False
            self._say_lost()

    def _next(self) -> Iterator[bytes]:
        for place in range(min(len(self._lines), _MOST_AT_ONCE)):
            yield msgspec.json.encode(self._lines[place]) + b"\n"

    def _say_lost(self) -> None:
        lost = self._unreported
        if lost and not self._lines:
            line = msgspec.json.encode(LostLines("access", datetime.now(UTC), lost)) + b"\n"
            if self._target.write([line]).lines:
                self._unreported -= lost

    def _report(self, problem: OSError | None) -> None:
        if not self._is_failing:
            reason = "the write had no effect" if problem is None else problem.strerror or str(problem)
            structlog.get_logger().error("access_log_not_written", reason=reason)
        self._is_failing = True


class LoggedApp:
    """The application, with a line for each of its responses."""

    def __init__(self, app: App, log: AccessLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one request of uvicorn's path, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, request_id, length = time.monotonic(), 0, "", 0

        async def send_and_note(message: Mapping[str, Any]) -> None:
            nonlocal status, request_id, length
            if message["type"] == "http.response.start":
                status, request_id = message["status"], _request_id(message["headers"])
            elif message["type"] == "http.response.body":
                length += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._log.add(*self._called(scope), began, (status, request_id, length))

    def at_once(self, scope: Mapping[str, Any], body: bytes | None) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a short request, as the application does."""
        began = time.monotonic()
        return self._noted(self._app.at_once(scope, body), began, *self._called(scope))

    def call(
        self,
        headers: Headers,
        by_name: Mapping[bytes, bytes],
        body: bytes,
        peer: str,
        *,
        secure: bool,
        query: bytes | None = None,
    ) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a plain call, as the application does."""
        began = time.monotonic()
        answer = self._app.call(headers, by_name, body, peer, secure=secure, query=query)
        client = self._app.peers.resolve(peer, secure=secure, headers=headers)[0]
        method, path = ("POST", "/") if query is None else ("GET", ROLE_CREDENTIALS.decode("ascii"))
        return self._noted(answer, began, method, path, client)

    def _called(self, scope: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return the method, the path and the client's address."""
        return scope["method"], scope["raw_path"].decode("latin-1"), self._app.client_of(scope)

    def _noted(
        self, answer: HttpResponse | Awaitable[HttpResponse], began: float, method: str, path: str, peer: str
    ) -> HttpResponse | Awaitable[HttpResponse]:
        if not isinstance(answer, HttpResponse):
            return self._noted_late(answer, began, method, path, peer)
        self._log.add(method, path, peer, began, (answer.status, _request_id(answer.headers), len(answer.body)))
        return answer

    async def _noted_late(
        self, answer: Awaitable[HttpResponse], began: float, method: str, path: str, peer: str
    ) -> HttpResponse:
        response = await answer
        self._noted(response, began, method, path, peer)
        return response


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == _REQUEST_ID), "")
