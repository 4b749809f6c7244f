"""The readings of a server's parts for its metrics.

Owns the translation of a part's state to the names of metrics/table.py. The parts own the state itself. Each function
here is called for a scrape only, and must not wait. shared_readings.py has the readings that a gateway has too.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.http.app import App
from daypass.http.shared_readings import health_readings
from daypass.metrics.snapshot import Reading


def app_readings(app: App) -> Iterator[Reading]:
    """Yield the state of the application and its queues."""
    yield from health_readings(app.state())
    yield "daypass_connections", (), app.connections.open
    yield "daypass_requests_waiting", (), app.waiting
    yield "daypass_uploads_waiting", (), app.waiting_uploads


def issuer_readings(keys: IssuerKeys, now: Callable[[], datetime]) -> Iterator[Reading]:
    """Yield the fetches of issuers' keys, and the state of the issuers."""
    for outcome, durations in keys.fetches.items():
        yield "daypass_issuer_fetches_total", (outcome,), sum(durations.cell[:-1])
        yield "daypass_issuer_fetch_duration_seconds", (outcome,), list(durations.cell)
    good, failing, oldest = keys.health(now())
    yield "daypass_issuers", ("good",), good
    yield "daypass_issuers", ("failing",), failing
    yield "daypass_issuer_keys_age_seconds", (), oldest
