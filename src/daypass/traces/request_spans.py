"""The times that a request notes, from which its spans are made.

Owns the notes, and the variable by which a thread or a task knows the request that it works on. It does not use
OpenTelemetry: the spans are made when it is known who the caller was, because only an authenticated caller may add to
its own trace. The number of notes of one request is limited.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_MOST_SPANS = 128  # of one request
_NANOSECONDS = 1_000_000_000
Headers = tuple[tuple[bytes, bytes], ...]
T = TypeVar("T")


@dataclass(slots=True)
class NotedSpan:
    """A stage, or a call to another system.

    Times are those of `time.monotonic`. `error` is the code of a failure. `waits` is set for an attempt that is
    repeated where it may wait.
    """

    name: str
    began: float
    parent: "NotedSpan | None" = None
    ended: float = 0.0
    error: str = ""
    waits: bool = False
    is_call: bool = False


@dataclass(slots=True)
class RequestSpans:
    """The notes of one request.

    `attributes` are those of the request's span. `offset` is the time of the wall clock at 0 of the monotonic clock, in
    nanoseconds. `root` is the span of the whole request, once its caller is known, and `trace_id` is for logs: it is
    empty for a trace that is not recorded.
    """

    headers: Headers
    attributes: dict[str, str]
    began: float = field(default_factory=time.monotonic)
    offset: int = field(default_factory=lambda: time.time_ns() - time.monotonic_ns())
    noted: list[NotedSpan] = field(default_factory=list)
    current: NotedSpan | None = None
    root: "Span | None" = None
    trace_id: str = ""
    error: str = ""
    is_closed: bool = False

    def wall_clock(self, moment: float) -> int:
        """Return a time of the monotonic clock in nanoseconds since 1970."""
        return self.offset + int(moment * _NANOSECONDS)

    def begin(self, name: str) -> NotedSpan:
        """Note the beginning of a stage.

        Spans that are noted until its end belong to it.
        """
        noted = self.current = NotedSpan(name, time.monotonic(), self.current)
        self._keep(noted)
        return noted

    def end(self, noted: NotedSpan, error: str = "", *, waits: bool = False) -> None:
        """Note the end of a stage."""
        noted.ended, noted.error, noted.waits = time.monotonic(), error, waits
        self.current = noted.parent

    def drop(self, noted: NotedSpan) -> None:
        """Forget a stage that turned out not to apply."""
        self.current = noted.parent
        if noted in self.noted:
            self.noted.remove(noted)

    def note(self, name: str, began: float, ended: float, error: str = "") -> None:
        """Note a call to another system that has ended."""
        self._keep(NotedSpan(name, began, self.current, ended, error, is_call=True))

    def _keep(self, noted: NotedSpan) -> None:
        if len(self.noted) < _MOST_SPANS and not self.is_closed:
            self.noted.append(noted)


_current: ContextVar[RequestSpans | None] = ContextVar("request_spans", default=None)


def current_spans() -> RequestSpans | None:
    """Return the notes of the request that this thread or task works on."""
    return _current.get()


def current_trace_id() -> str:
    """Return the trace of the request for a line of a log, or an empty string."""
    spans = _current.get()
    return "" if spans is None else spans.trace_id


@contextmanager
def working_on(spans: RequestSpans) -> Iterator[None]:
    """Let this thread or task work on a request."""
    token = _current.set(spans)
    try:
        yield
    finally:
        _current.reset(token)


def note_store_call(kind: str, began: float, ended: float) -> None:
    """Note a call to the store, for StoreTimes.on_end."""
    spans = _current.get()
    if spans is not None:
        spans.note(f"store {kind.replace('_', ' ')}", began, ended)


def note_fetch(outcome: str, began: float, ended: float) -> None:
    """Note a fetch of the keys of an issuer, for IssuerKeys.on_fetch."""
    spans = _current.get()
    if spans is not None:
        spans.note("fetch issuer keys", began, ended, "" if outcome == "success" else outcome)


class TracedThreads(ThreadPoolExecutor):
    """Threads that work on the request of their caller.

    They note how long it waited for one of them.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a call on a thread, as ThreadPoolExecutor does."""
        return super().submit(copy_context().run, _run_noted, time.monotonic(), fn, args, kwargs)


def _run_noted(submitted: float, call: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    spans = _current.get()
    if spans is not None:
        spans.note("wait for a thread", submitted, time.monotonic())
    return call(*args, **kwargs)
