"""Count the requests, bytes and connections of the gateway for Prometheus.

Owns the metrics of one worker. Labels contain only names from tables and settings (operations, statuses, backends),
never a bucket, a key or another value of a caller.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daypass.metrics.table import METRICS

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


_MAXIMA = frozenset({"daypass_audit_sink_oldest_seconds", "daypass_audit_sink_failing"})


class GatewayMetrics(Collector):
    """Counts exchanges, bytes, connections, refusals and alarms."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = defaultdict(int)
        self._seconds = [0] * (len(_BUCKETS) + 1)
        self._seconds_sum = 0.0
        self._received = self._sent = 0
        self._decisions: dict[str, int] = defaultdict(int)
        self._alarms: dict[str, int] = defaultdict(int)
        self._stores: dict[str, tuple[int, int]] = {}
        self._clients = self._refused = 0
        self._sinks: dict[str, dict[str, float]] = {}  # of other workers, by metric and sink
        self._read_sinks: Callable[[], Iterable[tuple[str, tuple[str, ...], float]]] = tuple

    def answered(self, operation: str, status: int, seconds: float, *, received: int, sent: int) -> None:
        """Count one exchange. `status` is 0 if the client did not get an answer."""
        self._answers[operation, status] += 1
        self._seconds[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds_sum += seconds
        self._received += received
        self._sent += sent

    def decided(self, decision: str) -> None:
        """Count one decision, by a name such as "allowed"."""
        self._decisions[decision] += 1

    def alarm(self, reason: str) -> None:
        """Count one answer of a store that an operator should look at."""
        self._alarms[reason] += 1

    def connection_refused(self) -> None:
        """Count one connection that was closed at once."""
        self._refused += 1

    def client_connections(self, change: int) -> None:
        """Change the number of connections of clients."""
        self._clients += change

    def store_connections(self, backend: str, count: int, idle: int) -> None:
        """Set the number of connections to a store."""
        self._stores[backend] = (count, idle)

    def watch_sinks(self, read: Callable[[], Iterable[tuple[str, tuple[str, ...], float]]]) -> None:
        """Add the metrics of audit sinks, as name, labels and value."""
        self._read_sinks = read

    def snapshot(self) -> dict[str, Any]:
        """Return all counts, as JSON can write them."""
        return {
            "answers": [[*key, count] for key, count in self._answers.items()],
            "seconds": self._seconds,
            "seconds_sum": self._seconds_sum,
            "received": self._received,
            "sent": self._sent,
            "decisions": self._decisions,
            "alarms": self._alarms,
            "stores": self._stores,
            "clients": self._clients,
            "refused": self._refused,
            "sinks": self._sink_values(),
        }

    def add(self, snapshot: Mapping[str, Any], *, is_alive: bool) -> None:
        """Add the counts of another worker.

        Its connections count only if it is alive.
        """
        for operation, status, count in snapshot["answers"]:
            self._answers[operation, status] += count
        self._seconds = [own + other for own, other in zip(self._seconds, snapshot["seconds"], strict=True)]
        self._seconds_sum += snapshot["seconds_sum"]
        self._received += snapshot["received"]
        self._sent += snapshot["sent"]
        self._refused += snapshot["refused"]
        for own, others in ((self._decisions, snapshot["decisions"]), (self._alarms, snapshot["alarms"])):
            for name, count in others.items():
                own[name] += count
        for metric, values in snapshot["sinks"].items():
            if is_alive or metric.endswith("_total"):
                own_values = self._sinks.setdefault(metric, {})
                for name, value in values.items():
                    merge = max if metric in _MAXIMA else _add
                    own_values[name] = merge(own_values.get(name, 0.0), value)
        if is_alive:
            self._clients += snapshot["clients"]
            for name, (count, idle) in snapshot["stores"].items():
                before = self._stores.get(name, (0, 0))
                self._stores[name] = (before[0] + count, before[1] + idle)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics in Prometheus's types."""
        answers = CounterMetricFamily(
            "daypass_gateway_requests", "Requests, by operation and status.", labels=["operation", "status"]
        )
        for (operation, status), count in sorted(self._answers.items()):
            answers.add_metric([operation, str(status)], count)
        yield answers
        total, buckets = 0, []
        for bound, count in zip((*map(str, _BUCKETS), "+Inf"), self._seconds, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            "daypass_gateway_seconds", "Seconds from a head to its end.", buckets=buckets, sum_value=self._seconds_sum
        )
        volume = CounterMetricFamily("daypass_gateway_bytes", "Bytes of bodies, by direction.", labels=["direction"])
        volume.add_metric(["received"], self._received)
        volume.add_metric(["sent"], self._sent)
        yield volume
        yield _by_name("daypass_gateway_decisions", "Decisions, by outcome.", "decision", self._decisions)
        yield _by_name("daypass_gateway_alarms", "Answers of stores that were refused.", "reason", self._alarms)
        yield CounterMetricFamily(
            "daypass_gateway_connections_refused", "Connections that were closed at once.", value=self._refused
        )
        yield GaugeMetricFamily("daypass_gateway_client_connections", "Connections of clients.", value=self._clients)
        stores = GaugeMetricFamily(
            "daypass_gateway_store_connections", "Connections to stores.", labels=["backend", "state"]
        )
        for name, (count, idle) in sorted(self._stores.items()):
            stores.add_metric([name, "idle"], idle)
            stores.add_metric([name, "used"], count - idle)
        yield stores
        for metric, values in sorted(self._sink_values().items()):
            of_sinks = CounterMetricFamily if metric.endswith("_total") else GaugeMetricFamily
            sinks = of_sinks(metric, METRICS[metric].help, labels=["sink"])
            for name, value in sorted(values.items()):
                sinks.add_metric([name], value)
            yield sinks

    def _sink_values(self) -> dict[str, dict[str, float]]:
        found = {metric: dict(values) for metric, values in self._sinks.items()}
        for metric, (name,), value in self._read_sinks():
            found.setdefault(metric, {})[name] = value
        return found


def _add(own: float, other: float) -> float:
    return own + other


def _by_name(name: str, text: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family
