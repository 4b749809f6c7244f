"""Serve the metrics on a separate port, so that the API's port hides them.

Owns this listener. With several workers, the first one that gets the port serves its own metrics.
"""

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from daypass.http.metrics import Metrics


def serve_metrics(host: str, port: int, metrics: Metrics) -> None:
    """Answer `/metrics` on `port` as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        structlog.get_logger().warning("metrics_not_served", port=port, reason=str(error.strerror))
