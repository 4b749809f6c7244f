"""Count the responses of a server for Prometheus.

Owns the counts of one process's answers. Labels contain only known actions and error codes, never a value of a caller.
The table of all metrics is in metrics/table.py, and node_metrics.py exposes them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from time import monotonic

from daypass.errors import Blame, Fault
from daypass.http.node_metrics import NodeMetrics
from daypass.http.shared_readings import StoreState, store_readings
from daypass.metrics.histogram import BOUNDS, BUCKETS
from daypass.metrics.label_bounds import bounded_labels
from daypass.metrics.snapshot import Reading
from daypass.metrics.table import METRICS

_UNTIMED, _SUM = BUCKETS, BUCKETS + 1  # the places of a cell behind its buckets

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


class Metrics(NodeMetrics):
    """Counts responses by action and code, throttled calls and lost events."""

    def __init__(self, store: StoreState) -> None:
        super().__init__(METRICS, lambda: store_readings(store), self._own_readings)
        self._answers: dict[tuple[str, str], list[float]] = {}
        self._throttled = 0
        self._skewed = {"behind": 0, "ahead": 0}
        self._connections_refused = 0
        self._audit_lost = 0
        self._is_audit_failing = False

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

    def refused(self, action: str, fault: Fault, began: float) -> None:
        """Count one response with an error code."""
        self.answered(action, fault.code, began)
        if fault.skew in self._skewed:
            self._skewed[fault.skew] += 1

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

    def _new_cell(self, action: str, code: str) -> list[float]:
        """Return the cell of a pair that is counted for the first time."""
        action, code = bounded_labels(self._answers, action, code)
        return self._answers.setdefault((action, code), [0.0] * (BUCKETS + 2))

    def _own_readings(self) -> Iterator[Reading]:
        yield "daypass_throttled_total", (), self._throttled
        for direction, refused in self._skewed.items():
            yield "daypass_clock_skew_refusals_total", (direction,), refused
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
