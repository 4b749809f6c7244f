"""A collector: it receives spans over OTLP, as protobuf over HTTP, and decodes them."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_LONG = 30


@dataclass(frozen=True)
class ReceivedSpan:
    """One span. Ids are in hexadecimal, and `links` are the trace and the span of each link."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]
    began: int
    ended: int
    has_failed: bool
    kind: int
    resource: Mapping[str, Any]


@dataclass
class Collector:
    """The received spans, and the endpoint that exporters use. While `status` is not 200, spans are refused."""

    url: str = ""
    status: int = 200
    headers: list[Mapping[str, str]] = field(default_factory=list)
    spans: list[ReceivedSpan] = field(default_factory=list)
    added: threading.Condition = field(default_factory=threading.Condition)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a process that exports here, quickly."""
        return {
            "DAYPASS_TRACES": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            **more,
        }

    def wait(self, is_meant: Callable[[ReceivedSpan], bool]) -> ReceivedSpan:
        """Return the first span that is meant, once it arrives."""
        with self.added:
            found = self.added.wait_for(lambda: next(filter(is_meant, self.spans), None), _LONG)
        assert found is not None, [(each.name, each.attributes) for each in self.spans]
        return found

    def named(self, name: str) -> ReceivedSpan:
        """Return the first span of a name, once it arrives."""
        return self.wait(lambda span: span.name == name)

    def inside(self, root: ReceivedSpan) -> dict[str, ReceivedSpan]:
        """Return the spans of a trace by their names. They are exported before their root, or with it."""
        return {each.name: each for each in self.spans if each.trace_id == root.trace_id and each is not root}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with collector.added:
                if collector.status == 200:
                    collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                    collector.spans += _decode(body, self.headers.get("content-encoding", ""))
                    collector.added.notify_all()
            self.send_response(collector.status if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Do not log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for a state of another process."""
    end = time.monotonic() + _LONG
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)  # the process does not announce it


def _decode(body: bytes, encoding: str) -> list[ReceivedSpan]:
    received = ExportTraceServiceRequest.FromString(gzip.decompress(body) if encoding == "gzip" else body)
    return [
        ReceivedSpan(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            _values(span.attributes),
            tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code == 2,
            span.kind,
            _values(group.resource.attributes),
        )
        for group in received.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
