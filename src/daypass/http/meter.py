"""Count what was answered, and show it to Prometheus.

Owns the figures of one process. Labels hold actions and error codes that Daypass knows, never an account, an ARN, an
issuer or anything else that a caller chose.
"""

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Meter(Collector):
    """Counts answers by action and code, calls without a proven caller that were held back, and lost events."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], int] = defaultdict(int)
        self._throttled = 0
        self._connections_refused = 0
        self._ready = False
        self._audit_lost = 0
        self._is_audit_failing = False

    def answered(self, action: str, code: str) -> None:
        """Count one answer. `code` is empty for a success."""
        self._answers[action, code] += 1

    def throttled(self) -> None:
        """Count one call without a proven caller that was held back."""
        self._throttled += 1

    def connection_refused(self) -> None:
        """Count one connection that was closed at once, because there were too many."""
        self._connections_refused += 1

    def audit_lost(self, count: int) -> None:
        """Count events that the audit log will not hold."""
        self._audit_lost += count

    def audit_failing(self, *, is_failing: bool) -> None:
        """Note whether the audit log can be written."""
        self._is_audit_failing = is_failing

    def ready(self, *, is_ready: bool) -> None:
        """Note whether the server can answer."""
        self._ready = is_ready

    def collect(self) -> Iterator[Metric]:
        """Yield the figures, as Prometheus asks for them."""
        answers = CounterMetricFamily(
            "daypass_answers", "Requests answered, by action and error code.", labels=["action", "code"]
        )
        for (action, code), count in sorted(self._answers.items()):
            answers.add_metric([action, code], count)
        yield answers
        yield CounterMetricFamily(
            "daypass_throttled", "Calls without a proven caller that were held back.", value=self._throttled
        )
        yield CounterMetricFamily(
            "daypass_connections_refused",
            "Connections that were closed at once, because their peer or the process had too many.",
            value=self._connections_refused,
        )
        yield CounterMetricFamily(
            "daypass_audit_events_lost", "Events that the audit log does not hold.", value=self._audit_lost
        )
        yield GaugeMetricFamily(
            "daypass_audit_failing", "Whether the audit log cannot be written now.", value=float(self._is_audit_failing)
        )
        yield GaugeMetricFamily("daypass_ready", "Whether the server can answer.", value=float(self._ready))


def exposition(meter: Meter) -> bytes:
    """Return the figures as Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(meter)
    return generate_latest(registry)
