"""Count responses, and expose the metrics to Prometheus.

Owns the metrics of one process, and their own port if configured; the API's port then does not serve them. Labels
contain only known actions and error codes, never a value of a caller.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class StoreState(Protocol):
    """What the metrics show of the database."""

    @property
    def is_away(self) -> bool:
        """Return whether the database did not answer the last query."""
        ...

    @property
    def seconds_away(self) -> float:
        """Return how long the database was away in total."""
        ...

    times_away: int
    deadlines: int
    seconds_of_last_answer: float


class Metrics(Collector):
    """Counts responses by action and code, throttled calls and lost events."""

    def __init__(self, store: StoreState) -> None:
        self._store = store
        self._answers: dict[tuple[str, str], int] = defaultdict(int)
        self._throttled = 0
        self._connections_refused = 0
        self._ready = False
        self._audit_lost = 0
        self._is_audit_failing = False

    def answered(self, action: str, code: str) -> None:
        """Count one response. `code` is empty for a success."""
        self._answers[action, code] += 1

    def throttled(self) -> None:
        """Count one throttled call without an authenticated caller."""
        self._throttled += 1

    def connection_refused(self) -> None:
        """Count one connection that was closed because there were too many."""
        self._connections_refused += 1

    def audit_lost(self, count: int) -> None:
        """Count events that the audit log will not contain."""
        self._audit_lost += count

    def audit_failing(self, *, is_failing: bool) -> None:
        """Set whether the last write to the audit log failed."""
        self._is_audit_failing = is_failing

    def ready(self, *, is_ready: bool) -> None:
        """Set whether the server is ready."""
        self._ready = is_ready

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics in Prometheus's types."""
        answers = CounterMetricFamily(
            "daypass_answers", "Requests answered, by action and error code.", labels=["action", "code"]
        )
        for (action, code), count in sorted(self._answers.items()):
            answers.add_metric([action, code], count)
        yield answers
        yield CounterMetricFamily(
            "daypass_throttled", "Calls without an authenticated caller that were throttled.", value=self._throttled
        )
        yield CounterMetricFamily(
            "daypass_connections_refused",
            "Connections that were closed at once, because their peer or the process had too many.",
            value=self._connections_refused,
        )
        yield CounterMetricFamily(
            "daypass_audit_events_lost", "Events that the audit log does not contain.", value=self._audit_lost
        )
        yield GaugeMetricFamily(
            "daypass_audit_failing",
            "Whether the last write to the audit log failed.",
            value=float(self._is_audit_failing),
        )
        yield GaugeMetricFamily("daypass_ready", "Whether the server is ready.", value=float(self._ready))
        yield from _store_metrics(self._store)


def _store_metrics(store: StoreState) -> Iterator[Metric]:
    up = float(not store.is_away)
    yield GaugeMetricFamily("daypass_store_up", "Whether the database answered the last query.", value=up)
    yield CounterMetricFamily("daypass_store_outages", "How often the database went away.", value=store.times_away)
    yield CounterMetricFamily(
        "daypass_store_away_seconds", "How long the database was away in total.", value=store.seconds_away
    )
    yield CounterMetricFamily(
        "daypass_store_deadlines", "Calls to the database without an answer in time.", value=store.deadlines
    )
    yield GaugeMetricFamily(
        "daypass_store_poll_seconds",
        "How long the database took for the last answer to a query for changes.",
        value=store.seconds_of_last_answer,
    )


def exposition(metrics: Metrics) -> bytes:
    """Return the metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry)


def serve_metrics(host: str, port: int, metrics: Metrics) -> None:
    """Answer `/metrics` on `port` as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        structlog.get_logger().warning("metrics_not_served", port=port, reason=str(error.strerror))
