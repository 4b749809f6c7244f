"""The table of all metrics of a server.

gateway_table.py has those of a gateway. Owns their names, types, labels and meaning, and how the workers of a node are
merged. A reading without a row is a bug. The names follow Prometheus's conventions: base units, and `_total` for
counters. Labels have values from the code or the operator's settings only. A label must never contain an account, an
ARN, an issuer or another value of a caller.

`docs/monitoring.md` contains the same table, and tests compare them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from daypass.metrics.histogram import BOUNDS

Kind = Literal["counter", "gauge", "histogram"]
Merge = Literal["sum", "max", "min"]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric.

    `name` is as Prometheus shows it, and `bounds` are those of a histogram.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    merge: Merge = "sum"
    bounds: tuple[float, ...] = BOUNDS


_ROWS = (
    MetricRow("daypass_answers_total", "counter", ("action", "code"), "Requests answered, by action and error code."),
    MetricRow(
        "daypass_request_duration_seconds",
        "histogram",
        ("action", "outcome"),
        "Time from a complete request to its answer, by action and outcome (success, refused, error).",
    ),
    MetricRow("daypass_requests_waiting", "gauge", (), "Requests that wait for a worker thread or for the cache."),
    MetricRow("daypass_uploads_waiting", "gauge", (), "Large request bodies that wait for memory."),
    MetricRow("daypass_throttled_total", "counter", (), "Calls without an authenticated caller that were throttled."),
    MetricRow(
        "daypass_clock_skew_refusals_total",
        "counter",
        ("clock",),
        "Calls refused because the caller's clock, or the signature's time, is more than 15 minutes behind or ahead of "
        "this node's.",
    ),
    MetricRow(
        "daypass_sign_ins_total",
        "counter",
        ("kind", "outcome"),
        "Sign-ins, by kind (saml, oidc, web_identity, access_key, command_line) and outcome.",
    ),
    MetricRow("daypass_sessions_issued_total", "counter", ("action",), "Temporary credentials issued, by action."),
    MetricRow("daypass_connections", "gauge", (), "Open connections of clients."),
    MetricRow(
        "daypass_connections_refused_total",
        "counter",
        (),
        "Connections that were closed at once, because their peer or the process had too many.",
    ),
    MetricRow("daypass_audit_events_lost_total", "counter", (), "Events that the audit log does not contain."),
    MetricRow("daypass_audit_failing", "gauge", (), "Whether the last write to the audit log failed.", "max"),
    MetricRow("daypass_audit_queue_bytes", "gauge", (), "Bytes of audit events that are not written yet."),
    MetricRow("daypass_audit_sink_delivered_total", "counter", ("sink",), "Audit events that a sink has accepted."),
    MetricRow(
        "daypass_audit_sink_failed_attempts_total", "counter", ("sink",), "Batches that a sink has not accepted."
    ),
    MetricRow("daypass_audit_sink_dropped_total", "counter", ("sink",), "Audit events that were dropped for a sink."),
    MetricRow("daypass_audit_sink_queued_events", "gauge", ("sink",), "Audit events that wait for a sink."),
    MetricRow("daypass_audit_sink_queued_bytes", "gauge", ("sink",), "Bytes of audit events that wait for a sink."),
    MetricRow(
        "daypass_audit_sink_oldest_seconds", "gauge", ("sink",), "Age of the oldest event that waits for a sink.", "max"
    ),
    MetricRow("daypass_audit_sink_failing", "gauge", ("sink",), "Whether a sink refused the last batch.", "max"),
    MetricRow(
        "daypass_notifications_due",
        "gauge",
        (),
        "Notifications for webhooks that are due in the store, of which one check reads some thousands.",
        "max",
    ),
    MetricRow(
        "daypass_notifications_total",
        "counter",
        ("outcome",),
        "Posts of notifications, by outcome: delivered, failed (repeated later), expired (given up).",
    ),
    MetricRow(
        "daypass_access_log_lost_total",
        "counter",
        (),
        "Requests without a line in the access log, whose queue was full.",
    ),
    MetricRow(
        "daypass_trace_spans_total",
        "counter",
        ("outcome",),
        "Spans of traces, by outcome: exported, failed (not accepted by the collector), dropped (a full queue).",
    ),
    MetricRow("daypass_ready", "gauge", (), "Whether the server is ready.", "min"),
    MetricRow("daypass_degraded", "gauge", (), "Whether the server serves cached values only, or cannot write.", "max"),
    MetricRow("daypass_store_up", "gauge", (), "Whether the database answered the last query.", "min"),
    MetricRow("daypass_store_outages_total", "counter", (), "How often the database went away."),
    MetricRow("daypass_store_away_seconds_total", "counter", (), "How long the database was away in total."),
    MetricRow("daypass_store_deadlines_total", "counter", (), "Calls to the database without an answer in time."),
    MetricRow(
        "daypass_store_poll_seconds",
        "gauge",
        (),
        "How long the database took for the last answer to a query for changes.",
        "max",
    ),
    MetricRow(
        "daypass_store_operation_duration_seconds",
        "histogram",
        ("kind",),
        "Time of snapshots (read, loop_read), transactions (write) and their commits (commit).",
    ),
    MetricRow("daypass_cache_entries", "gauge", (), "Values in the cache."),
    MetricRow("daypass_cache_bytes", "gauge", (), "Approximate bytes of the values in the cache."),
    MetricRow("daypass_cache_hits_total", "counter", (), "Values that the cache had."),
    MetricRow("daypass_cache_misses_total", "counter", (), "Values that were read from the store."),
    MetricRow("daypass_cache_age_seconds", "gauge", (), "Time since the last query for changes was answered.", "max"),
    MetricRow(
        "daypass_issuer_fetches_total", "counter", ("outcome",), "Fetches of the keys of OpenID Connect issuers."
    ),
    MetricRow("daypass_issuer_fetch_duration_seconds", "histogram", ("outcome",), "Time of these fetches."),
    MetricRow(
        "daypass_issuers", "gauge", ("state",), "OpenID Connect issuers in use, by state (good, failing).", "max"
    ),
    MetricRow("daypass_issuer_keys_age_seconds", "gauge", (), "Age of the oldest keys of an issuer in use.", "max"),
    MetricRow("daypass_sealing_keys", "gauge", (), "Keys that seal and open session tokens.", "max"),
    MetricRow(
        "daypass_sealing_key_activated_timestamp_seconds",
        "gauge",
        (),
        "When the key that seals session tokens became active.",
        "max",
    ),
    MetricRow(
        "daypass_sealing_key_rotation_timestamp_seconds",
        "gauge",
        (),
        "When that key is due for rotation. It is absent if rotation is left to the operator.",
        "max",
    ),
    MetricRow(
        "daypass_signing_key_oldest_timestamp_seconds",
        "gauge",
        (),
        "When the oldest key that signs web identity tokens became active.",
        "min",
    ),
    MetricRow(
        "daypass_certificate_expiry_timestamp_seconds",
        "gauge",
        ("kind",),
        "When the certificate that ends first expires: tls (of this server), saml_request (of our requests), "
        "saml_provider (of an identity provider).",
        "min",
    ),
    MetricRow("daypass_workers", "gauge", (), "Worker processes that serve."),
    MetricRow("daypass_build_info", "gauge", ("version", "python"), "The version of Daypass and of Python.", "max"),
    MetricRow("process_cpu_seconds_total", "counter", (), "Processor time of all workers."),
    MetricRow("process_resident_memory_bytes", "gauge", (), "Resident memory of all workers."),
    MetricRow("process_open_fds", "gauge", (), "Open descriptors of all workers."),
    MetricRow("process_max_fds", "gauge", (), "The limit of descriptors of one worker.", "min"),
    MetricRow("process_start_time_seconds", "gauge", (), "When the oldest worker was started.", "min"),
)

METRICS: Mapping[str, MetricRow] = {row.name: row for row in _ROWS}
