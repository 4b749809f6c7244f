"""Count responses, and expose the metrics to Prometheus.

Owns the counts of one process's answers, the text format, and the metrics' own port if it is configured; the API's port
then does not serve them. Labels contain only known actions and error codes, never a value of a caller. The table of all
metrics is in metrics/table.py, and each other part of the server has a source of its own readings.
"""

import re
import socket
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from time import monotonic
from typing import Protocol, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daypass.background import Background
from daypass.errors import Blame, Fault
from daypass.metrics.histogram import BOUNDS, BUCKETS
from daypass.metrics.shared_memory import SharedSlot
from daypass.metrics.snapshot import Reading, Snapshot, Source, to_snapshot
from daypass.metrics.table import METRICS, MetricRow

_UNTIMED, _SUM = BUCKETS, BUCKETS + 1  # the places of a cell behind its buckets
_MOST_CELLS = 4_000  # of pairs of an action and a code: the code has about 1,500
_NAME = re.compile(r"[A-Za-z0-9.]{0,64}")
_OTHER = "other"
_PUBLISHED_EVERY = 1.0  # seconds

# The kind of a sign-in, by the action of its audit event.
_SIGN_INS: Mapping[str, str] = {
    "AssumeRoleWithSAML": "saml",
    "SAMLSignIn": "saml",
    "AssumeRoleWithWebIdentity": "web_identity",
    "OIDCSignIn": "oidc",
    "GetSessionToken": "access_key",
    "RedeemHandover": "command_line",
    "CreateToken": "command_line",
    "CreateOAuth2Token": "command_line",
}
_ISSUING = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "AssumeRoot",
        "GetDelegatedAccessToken",
        "GetFederationToken",
        "GetRoleCredentials",
        "GetSessionToken",
        "GetWebIdentityToken",
    }
)


class StoreState(Protocol):
    """The state of the database, for the metrics."""

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
    """Counts responses by action and code, throttled calls and lost events.

    `share` lets the workers of a node sum their readings.
    """

    def __init__(self, store: StoreState) -> None:
        self._sources: list[Source] = [lambda: _store_readings(store)]
        self._answers: dict[tuple[str, str], list[float]] = {}
        self._throttled = 0
        self._connections_refused = 0
        self._audit_lost = 0
        self._is_audit_failing = False
        self._slot: SharedSlot | None = None
        self._publishing = threading.Lock()
        self._publisher = Background("metrics", self._publish_until_stopped)

    def add(self, source: Source) -> None:
        """Add the readings of another part of the server.

        It is called from any thread, and must not wait.
        """
        self._sources.append(source)

    def answered(self, action: str, code: str, began: float = 0.0) -> None:
        """Count one response. `code` is empty for a success.

        `began` is the value of `monotonic` when the request was complete, or 0 if that is unknown.
        """
        try:
            cell = self._answers[action, code]
        except KeyError:
            cell = self._new_cell(action, code)
        if began:
            seconds = monotonic() - began
            cell[bisect_left(BOUNDS, seconds)] += 1
            cell[_SUM] += seconds
        else:
            cell[_UNTIMED] += 1

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

    def share(self, slot: SharedSlot) -> None:
        """Sum the readings with those of the other workers."""
        self._slot = slot
        self._publish()
        self._publisher.start()

    def snapshot(self) -> Snapshot:
        """Return the readings of this process."""
        readings = list(self._own_readings())
        for source in self._sources:
            readings += source()
        return to_snapshot(readings)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers in Prometheus's types."""
        snapshot = self._publish() if self._slot is not None else self.snapshot()
        for name, row in METRICS.items():
            if name in snapshot or not row.labels:
                yield _family(row, sorted(snapshot.get(name, {}).items()))

    def _publish(self) -> Snapshot:
        with self._publishing:
            return cast("SharedSlot", self._slot).publish(self.snapshot())

    def _publish_until_stopped(self) -> None:
        while not self._publisher.stopping.wait(_PUBLISHED_EVERY):
            self._publish()

    def _new_cell(self, action: str, code: str) -> list[float]:
        """Return the cell of a pair that is counted for the first time.

        The names come from tables of the code. The bound and the form hold also if one of them does not.
        """
        if len(self._answers) >= _MOST_CELLS or not (_NAME.fullmatch(action) and _NAME.fullmatch(code)):
            action = code = _OTHER
        return self._answers.setdefault((action, code), [0.0] * (BUCKETS + 2))

    def _own_readings(self) -> Iterator[Reading]:
        yield "daypass_throttled_total", (), self._throttled
        yield "daypass_connections_refused_total", (), self._connections_refused
        yield "daypass_audit_events_lost_total", (), self._audit_lost
        yield "daypass_audit_failing", (), float(self._is_audit_failing)
        yield "daypass_workers", (), 1.0
        faulty = _faulty_codes()
        for (action, code), cell in list(self._answers.items()):
            outcome = "success" if not code else "error" if code in faulty else "refused"
            count = sum(cell[:_SUM])
            yield "daypass_answers_total", (action, code), count
            yield "daypass_request_duration_seconds", (action, outcome), [*cell[:BUCKETS], cell[_SUM]]
            if action in _SIGN_INS:
                yield "daypass_sign_ins_total", (_SIGN_INS[action], outcome), count
            if action in _ISSUING and not code:
                yield "daypass_sessions_issued_total", (action,), count


def _faulty_codes() -> frozenset[str]:
    """Return the codes of answers to which the server, not the caller, is to blame."""
    found, left = set[str](), [Fault]
    while left:
        fault = left.pop()
        left += fault.__subclasses__()
        if fault.blame is Blame.RECEIVER:
            found.add(fault.code)
    return frozenset(found)


def _store_readings(store: StoreState) -> Iterable[Reading]:
    return (
        ("daypass_store_up", (), float(not store.is_away)),
        ("daypass_store_outages_total", (), store.times_away),
        ("daypass_store_away_seconds_total", (), store.seconds_away),
        ("daypass_store_deadlines_total", (), store.deadlines),
        ("daypass_store_poll_seconds", (), store.seconds_of_last_answer),
    )


def _family(row: MetricRow, values: Iterable[tuple[tuple[str, ...], float | list[float]]]) -> Metric:
    if row.kind == "histogram":
        durations = HistogramMetricFamily(row.name, row.help, labels=row.labels)
        for labels, cell in values:
            *counts, total = cast("list[float]", cell)
            durations.add_metric(labels, _accumulated(counts), total)
        return durations
    kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
    family = kind(row.name, row.help, labels=row.labels)
    for labels, value in values:
        family.add_metric(labels, cast("float", value))
    return family


def _accumulated(counts: Iterable[float]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets


def exposition(metrics: Metrics) -> bytes:
    """Return the metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry)


class _MetricsServer(ThreadingMixIn, WSGIServer):
    """Answers `/metrics` on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, metrics: Metrics) -> None:
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


def serve_metrics(listener: socket.socket, metrics: Metrics) -> None:
    """Answer `/metrics` on a listening socket as long as the process lives.

    The workers of a node share the socket, and each of them answers for all.
    """
    server = _MetricsServer(listener, metrics)
    threading.Thread(target=server.serve_forever, name="metrics-port", daemon=True).start()
