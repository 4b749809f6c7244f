"""The export of spans over OTLP, with the SDK of OpenTelemetry.

Owns the settings of the exporter, which are the standard variables `OTEL_…`, the queue's bound and its counts, and the
end. The SDK's own thread exports. The rules:

- A request never waits for the collector. A span that finds the queue full is dropped and counted.
- The log says once that the collector does not accept spans, and once that it does again.
- The last spans get some seconds at the end, and a collector that hangs does not keep the process.
- A variable with a value that the SDK would ignore is refused at the start.

Sources: OpenTelemetry Specification, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".
"""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import structlog

from daypass.traces.span_maker import SpanMaker

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

INSTALL = "pip install 'daypass[otel]'"
_LAST = 3.0  # seconds that the end waits for the collector
_QUEUE, _MOST_QUEUED = "OTEL_BSP_MAX_QUEUE_SIZE", 2_048
# The only transport that the extra installs, and the value that each variable may have.
_ONLY = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
}


class TracesError(Exception):
    """Traces cannot be exported as configured.

    The message says why, and the remedy.
    """


class ExportedSpans:
    """Counts the spans of one process, and bounds those that wait."""

    def __init__(self, most_queued: int) -> None:
        self._most = most_queued
        self._lock = threading.Lock()
        self._waiting = 0
        self._is_failing = False
        self.by_outcome = {"exported": 0, "failed": 0, "dropped": 0}

    def enter(self) -> bool:
        """Take a place in the queue.

        Returns False if the queue is full, and counts the span as dropped.
        """
        with self._lock:
            if self._waiting >= self._most:
                self.by_outcome["dropped"] += 1
                return False
            self._waiting += 1
            return True

    def leave(self, count: int, *, is_accepted: bool) -> None:
        """Count spans that left the queue.

        Logs a change of the collector's state.
        """
        with self._lock:
            self._waiting -= count
            self.by_outcome["exported" if is_accepted else "failed"] += count
            has_changed, self._is_failing = self._is_failing is is_accepted, not is_accepted
        if has_changed and is_accepted:
            structlog.get_logger().info("traces_exported_again")
        elif has_changed:
            structlog.get_logger().error(
                "traces_not_exported",
                reason="the collector does not accept spans",
                remedy="Check OTEL_EXPORTER_OTLP_ENDPOINT, and that the collector runs. Requests are not affected.",
            )

    def readings(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Return the readings for the metrics."""
        return [("daypass_trace_spans_total", (outcome,), count) for outcome, count in self.by_outcome.items()]


class Traces:
    """The traces of one process.

    `maker` makes the spans, and the SDK exports them.
    """

    def __init__(self, provider: "TracerProvider", spans: ExportedSpans, version: str) -> None:
        self._provider = provider
        self._spans = spans
        self.maker = SpanMaker(provider, version)

    def readings(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Return the readings for the metrics."""
        return self._spans.readings()

    def close(self) -> None:
        """Export the last spans, within some seconds."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        closing.start()
        closing.join(_LAST)


def check_traces(environment: Mapping[str, str] = os.environ) -> None:
    """Check the libraries and the variables, without starting a thread.

    Raises TracesError if a library is missing or a variable has an invalid value.
    """
    for name, only in _ONLY.items():
        value = environment.get(name, only)
        if value != only:
            raise TracesError(f"{name} cannot be {value!r}: Daypass exports traces with {only} alone.")
    with _warnings_refused():
        _make_provider("").shutdown()
        _make_exporter().shutdown()
        _most_queued()


def open_traces() -> Traces:
    """Return the traces of this process.

    It starts the thread of the exporter, so it is called after a fork. Raises TracesError.
    """
    check_traces()
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # The SDK's lines have a form of their own; a change of state is logged by ExportedSpans.
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    version = _own_version()
    provider, spans = _make_provider(version), ExportedSpans(_most_queued())
    batches = BatchSpanProcessor(_counted(_make_exporter(), spans))
    provider.add_span_processor(_bounded(batches, spans))
    return Traces(provider, spans, version)


def _make_provider(version: str) -> "TracerProvider":
    _require_libraries()
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    own = Resource({SERVICE_NAME: "daypass", SERVICE_VERSION: version})
    return TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)


def _own_version() -> str:
    try:
        return metadata.version("daypass")
    except metadata.PackageNotFoundError:  # a source tree that is not installed
        return "unknown"


def _make_exporter() -> "SpanExporter":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    try:
        return OTLPSpanExporter()
    except (OSError, ValueError) as error:
        raise TracesError(f"The exporter of traces cannot start: {error}") from error


def _require_libraries() -> None:
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace.export  # noqa: F401 - only whether it exists
    except ImportError as error:
        raise TracesError(f"traces needs OpenTelemetry, which is not installed. Install it with: {INSTALL}") from error


def _most_queued() -> int:
    value = os.environ.get(_QUEUE, "")
    if value and not (value.isascii() and value.isdigit() and int(value)):
        raise TracesError(f"{_QUEUE} cannot be {value!r}: it must be a whole number above 0.")
    return int(value or _MOST_QUEUED)


@contextmanager
def _warnings_refused() -> Iterator[None]:
    """Turn a warning of the SDK about a setting into TracesError."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign] # a handler of one use
    logger = logging.getLogger("opentelemetry")
    was_passed_on, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = was_passed_on
    if lines:
        raise TracesError(f"A variable OTEL_… is not valid: {lines[0]}")


def _bounded(inner: "SpanProcessor", counts: ExportedSpans) -> "SpanProcessor":
    """Return a processor that drops spans beyond the bound, so that the queue of `inner` is never full."""
    from opentelemetry.sdk.trace import SpanProcessor

    class BoundedSpans(SpanProcessor):
        def on_end(self, span: "ReadableSpan") -> None:
            context = span.get_span_context()
            if context is not None and context.trace_flags.sampled and counts.enter():
                inner.on_end(span)

        def shutdown(self) -> None:
            inner.shutdown()

    return BoundedSpans()


def _counted(inner: "SpanExporter", counts: ExportedSpans) -> "SpanExporter":
    """Return an exporter that counts what `inner` exported."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class CountedExporter(SpanExporter):
        def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
            result: Any = SpanExportResult.FAILURE
            try:
                result = inner.export(spans)
            finally:
                counts.leave(len(spans), is_accepted=result is SpanExportResult.SUCCESS)
            return cast("SpanExportResult", result)

        def shutdown(self) -> None:
            inner.shutdown()

    return CountedExporter()
