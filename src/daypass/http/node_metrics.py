"""Expose the metrics of a node to Prometheus.

Owns the text format, the sum over the workers of a node, and the metrics' own port. Each part of a server or a gateway
has a source of its own readings, and http/metrics.py and gateway/metrics.py count requests.
"""

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daypass.background import Background
from daypass.metrics.shared_memory import SharedSlot
from daypass.metrics.snapshot import Snapshot, Source, to_snapshot
from daypass.metrics.table import MetricRow

_PUBLISHED_EVERY = 1.0  # seconds


class NodeMetrics(Collector):
    """The readings of one process by the rows of a table.

    `share` lets the workers of a node sum their readings.
    """

    def __init__(self, table: Mapping[str, MetricRow], *sources: Source) -> None:
        self._table = table
        self._sources = list(sources)
        self._slot: SharedSlot | None = None
        self._publishing = threading.Lock()
        self._publisher = Background("metrics", self._publish_until_stopped)

    def add(self, source: Source) -> None:
        """Add the readings of another part of the process.

        It is called from any thread, and must not wait.
        """
        self._sources.append(source)

    def share(self, slot: SharedSlot) -> None:
        """Sum the readings with those of the other workers."""
        self._slot = slot
        self._publish()
        self._publisher.start()

    def snapshot(self) -> Snapshot:
        """Return the readings of this process."""
        return to_snapshot(reading for source in self._sources for reading in source())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers in Prometheus's types."""
        snapshot = self._publish() if self._slot is not None else self.snapshot()
        for name, row in self._table.items():
            if name in snapshot or not row.labels:
                yield _family(row, sorted(snapshot.get(name, {}).items()))

    def _publish(self) -> Snapshot:
        with self._publishing:
            return cast("SharedSlot", self._slot).publish(self.snapshot())

    def _publish_until_stopped(self) -> None:
        while not self._publisher.stopping.wait(_PUBLISHED_EVERY):
            self._publish()


def _family(row: MetricRow, values: Iterable[tuple[tuple[str, ...], float | list[float]]]) -> Metric:
    if row.kind == "histogram":
        durations = HistogramMetricFamily(row.name, row.help, labels=row.labels)
        for labels, cell in values:
            *counts, total = cast("list[float]", cell)
            durations.add_metric(labels, _accumulated(row.bounds, counts), total)
        return durations
    kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
    family = kind(row.name, row.help, labels=row.labels)
    for labels, value in values:
        family.add_metric(labels, cast("float", value))
    return family


def _accumulated(bounds: tuple[float, ...], counts: Iterable[float]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets


def exposition(metrics: NodeMetrics) -> bytes:
    """Return the metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry)


class _MetricsServer(ThreadingMixIn, WSGIServer):
    """Answers `/metrics` on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, metrics: NodeMetrics) -> None:
        super().__init__(listener.getsockname(), _QuietHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        registry = CollectorRegistry()
        registry.register(metrics)
        self.set_app(make_wsgi_app(registry))


class _QuietHandler(WSGIRequestHandler):
    """Does not log requests, and does not wait for a silent client."""

    timeout = 10.0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the method that it replaces
        """Do not log."""


def serve_metrics(listener: socket.socket, metrics: NodeMetrics) -> None:
    """Answer `/metrics` on a listening socket as long as the process lives.

    The workers of a node share the socket, and each of them answers for all.
    """
    server = _MetricsServer(listener, metrics)
    threading.Thread(target=server.serve_forever, name="metrics-port", daemon=True).start()
