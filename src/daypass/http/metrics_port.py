"""Serve the figures on a port of their own, so that the API's port does not show them.

Owns that listener. With several workers the first to get the port serves, with its own figures.
"""

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from daypass.http.meter import Meter


def serve_metrics(host: str, port: int, meter: Meter) -> None:
    """Answer `/metrics` at `port` for as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(meter)
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        structlog.get_logger().warning("metrics_not_served", port=port, reason=str(error.strerror))
