"""The table of all metrics of a gateway.

Owns the metrics that only a gateway has, and the choice of those that it shares with a server. The rules for names and
labels are those of table.py. `docs/gateway.md` contains the same table, and tests compare them.
"""

from collections.abc import Mapping

from daypass.metrics.histogram import TRANSFER_BOUNDS
from daypass.metrics.table import METRICS, MetricRow

_OWN = (
    MetricRow(
        "daypass_gateway_requests_total",
        "counter",
        ("operation", "status"),
        "Requests answered, by operation and status. The status is 0 if the client went away, and the operation is "
        "empty if the request did not name one.",
    ),
    MetricRow(
        "daypass_gateway_seconds",
        "histogram",
        ("operation", "outcome"),
        "Time from a head to the end of its answer, by operation and outcome (success, refused, error, cut).",
        bounds=TRANSFER_BOUNDS,
    ),
    MetricRow("daypass_gateway_bytes_total", "counter", ("direction",), "Bytes of bodies (received, sent)."),
    MetricRow(
        "daypass_gateway_decisions_total",
        "counter",
        ("decision",),
        "Decisions: allowed, denied by policy, or refused for another reason.",
    ),
    MetricRow(
        "daypass_gateway_alarms_total",
        "counter",
        ("reason",),
        "Answers of stores that clients must not see, such as `credential_refused`; throttled peers; lost audit "
        "events.",
    ),
    MetricRow("daypass_gateway_client_connections", "gauge", (), "Open connections of clients."),
    MetricRow(
        "daypass_gateway_connections_refused_total",
        "counter",
        (),
        "Connections that were closed at once, because their peer or the process had too many.",
    ),
    MetricRow("daypass_gateway_requests_waiting", "gauge", (), "Requests that wait for a worker thread, or have one."),
    MetricRow(
        "daypass_gateway_store_connections",
        "gauge",
        ("backend", "state"),
        "Open connections to S3 stores, by backend and state (idle, used).",
    ),
    MetricRow(
        "daypass_gateway_store_answer_seconds",
        "histogram",
        ("backend",),
        "Time from the last byte of a request to the head of the S3 store's answer.",
        bounds=TRANSFER_BOUNDS,
    ),
    MetricRow(
        "daypass_gateway_store_up",
        "gauge",
        ("backend",),
        "Whether the last connection to an S3 store succeeded. It is absent until the first one.",
        "min",
    ),
    MetricRow("daypass_gateway_store_outages_total", "counter", ("backend",), "How often an S3 store went away."),
    MetricRow(
        "daypass_gateway_store_away_seconds_total",
        "counter",
        ("backend",),
        "How long an S3 store was away in total.",
    ),
    MetricRow(
        "daypass_gateway_server_up",
        "gauge",
        (),
        "Whether the server of a gateway with --server answered the last question for changes.",
        "min",
    ),
    MetricRow(
        "daypass_gateway_server_outages_total",
        "counter",
        (),
        "How often the server went away, or refused the gateway.",
    ),
    MetricRow("daypass_gateway_server_away_seconds_total", "counter", (), "How long the server was away in total."),
    MetricRow(
        "daypass_gateway_server_age_seconds",
        "gauge",
        (),
        "Time since the last word of the server. Requests are refused from gateway_stale_seconds on.",
        "max",
    ),
)
_SHARED_WITH_SERVER = ("daypass_audit_", "daypass_cache_", "daypass_store_", "daypass_trace_", "process_")
_SHARED = frozenset(
    {
        "daypass_ready",
        "daypass_degraded",
        "daypass_certificate_expiry_timestamp_seconds",
        "daypass_workers",
        "daypass_build_info",
    }
)

GATEWAY_METRICS: Mapping[str, MetricRow] = {row.name: row for row in _OWN} | {
    name: row for name, row in METRICS.items() if name in _SHARED or name.startswith(_SHARED_WITH_SERVER)
}
