"""Count the requests, bytes and connections of the gateway for Prometheus.

Owns the counts of one worker. metrics/gateway_table.py has their rows, and http/node_metrics.py exposes them. Labels
contain only names from tables and settings (operations, statuses, backends), never a bucket, a key or another value of
a caller.
"""

from bisect import bisect_left
from collections.abc import Iterator

from daypass.gateway.store_times import S3StoreTimes
from daypass.http.node_metrics import NodeMetrics
from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.histogram import TRANSFER_BOUNDS, empty_cell
from daypass.metrics.label_bounds import bounded_labels
from daypass.metrics.snapshot import Reading

_REFUSED, _ERROR = 400, 500  # the least status of each outcome


class GatewayMetrics(NodeMetrics):
    """Counts exchanges, bytes, connections, refusals and alarms."""

    def __init__(self) -> None:
        super().__init__(GATEWAY_METRICS, self._own_readings)
        self._answers: dict[tuple[str, int], list[float]] = {}
        self._received = self._sent = 0
        self._decisions: dict[str, int] = {}
        self._alarms: dict[str, int] = {}
        self._stores: dict[str, S3StoreTimes] = {}
        self._clients = self._refused = 0
        self._audit_lost = 0
        self._is_audit_failing = False

    def answered(self, operation: str, status: int, seconds: float, *, received: int, sent: int) -> None:
        """Count one exchange. `status` is 0 if the client did not get an answer."""
        try:
            cell = self._answers[operation, status]
        except KeyError:
            cell = self._new_cell(operation, status)
        cell[bisect_left(TRANSFER_BOUNDS, seconds)] += 1
        cell[-1] += seconds
        self._received += received
        self._sent += sent

    def decided(self, decision: str) -> None:
        """Count one decision, by a name such as "allowed"."""
        self._decisions[decision] = self._decisions.get(decision, 0) + 1

    def alarm(self, reason: str) -> None:
        """Count one answer of a store that an operator should look at."""
        (reason,) = (reason,) if reason in self._alarms else bounded_labels(self._alarms, reason)
        self._alarms[reason] = self._alarms.get(reason, 0) + 1

    def connection_refused(self) -> None:
        """Count one connection that was closed at once."""
        self._refused += 1

    def client_connections(self, change: int) -> None:
        """Change the number of connections of clients."""
        self._clients += change

    def audit_lost(self, count: int) -> None:
        """Count events that the audit log will not contain."""
        self._audit_lost += count
        for _ in range(count):
            self.alarm("audit_event_lost")

    def audit_failing(self, *, is_failing: bool) -> None:
        """Set whether the last write to the audit log failed."""
        self._is_audit_failing = is_failing
        if is_failing:
            self.alarm("audit_log_failing")

    def store_times(self, backend: str) -> S3StoreTimes:
        """Return the times of a backend. Its name comes from the settings."""
        return self._stores.setdefault(backend, S3StoreTimes())

    def _new_cell(self, operation: str, status: int) -> list[float]:
        """Return the cell of a pair that is counted for the first time."""
        operation, text = bounded_labels(self._answers, operation, str(status))
        known = int(text) if text.isdigit() else status // 100 * 100
        return self._answers.setdefault((operation, known), empty_cell(TRANSFER_BOUNDS))

    def _own_readings(self) -> Iterator[Reading]:
        yield "daypass_workers", (), 1.0
        for (operation, status), cell in list(self._answers.items()):
            yield "daypass_gateway_requests_total", (operation, str(status)), sum(cell[:-1])
            yield "daypass_gateway_seconds", (operation, _outcome(status)), list(cell)
        yield "daypass_gateway_bytes_total", ("received",), self._received
        yield "daypass_gateway_bytes_total", ("sent",), self._sent
        for decision, count in list(self._decisions.items()):
            yield "daypass_gateway_decisions_total", (decision,), count
        for reason, count in list(self._alarms.items()):
            yield "daypass_gateway_alarms_total", (reason,), count
        yield "daypass_gateway_connections_refused_total", (), self._refused
        yield "daypass_gateway_client_connections", (), self._clients
        yield "daypass_audit_events_lost_total", (), self._audit_lost
        yield "daypass_audit_failing", (), float(self._is_audit_failing)
        for backend, times in list(self._stores.items()):
            yield from times.readings(backend)


def _outcome(status: int) -> str:
    if not status:
        return "cut"
    if status < _REFUSED:
        return "success"
    return "refused" if status < _ERROR else "error"
