"""The data path of a gateway with traces.

Owns the spans of a request: its own, the judgement, and the request to the store. They are made at its end, from times
that the data path notes anyway, so that a gateway without traces does no work for them. A span never has a bucket, the
key of an object or another value of a caller.
"""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from daypass.audit.event import AuditRecord
from daypass.audit.trace_id import with_trace_id
from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Exchange, Judge
from daypass.gateway.transfers.data_path import DataPath
from daypass.gateway.transfers.limits import TransferLimits
from daypass.http.peer import PeerRule
from daypass.traces.request_spans import NotedSpan, RequestSpans
from daypass.traces.span_maker import SpanMaker, http_attributes

if TYPE_CHECKING:
    from daypass.gateway.transfers.bounded_transfer import BoundedTransfer

_CONTEXT = (b"traceparent", b"tracestate")
_FIRST_REFUSAL = 400


class GatewayTraces:
    """The spans of one worker. All of it runs on the event loop."""

    def __init__(self, maker: SpanMaker) -> None:
        self._maker = maker
        self._trace_id = ""

    def ended(self, transfer: "BoundedTransfer", began: float, exchange: Exchange) -> None:
        """Make the spans of a request that has ended."""
        head, status = transfer.head, transfer.answer.status
        headers = tuple((name, head.headers[name]) for name in _CONTEXT if name in head.headers)
        spans = RequestSpans(headers, http_attributes(head.method), began)
        spans.attributes["aws.request_id"] = exchange.request_id
        spans.error = _error_of(exchange) if status >= _FIRST_REFUSAL else ""
        forwarded = transfer.forwarded
        if forwarded is not None:
            backend, sent = forwarded
            spans.noted = [
                NotedSpan("judge", began, ended=sent),
                NotedSpan(f"store {backend}", sent, ended=monotonic(), is_call=True),
            ]
        self._maker.open_root(spans, *_caller_and_action(exchange))
        self._maker.close(spans, status)
        self._trace_id = spans.trace_id

    def recording(self, record: Callable[[AuditRecord], None]) -> Callable[[AuditRecord], None]:
        """Return a function that records a request with its trace.

        A request is recorded right after its spans were made.
        """

        def record_with_trace(audit_record: AuditRecord) -> None:
            trace_id, self._trace_id = self._trace_id, ""
            record(with_trace_id(audit_record, trace_id))

        return record_with_trace


class TracedDataPath(DataPath):
    """The data path that makes the spans of each request."""

    def __init__(
        self,
        judge: Judge,
        *,
        limits: TransferLimits,
        peers: PeerRule,
        metrics: GatewayMetrics,
        traces: GatewayTraces,
    ) -> None:
        super().__init__(judge, limits=limits, peers=peers, metrics=metrics)
        self.time = monotonic  # that of the loop is the time of its last turn
        self._traces = traces

    def ended(self, operation: str, transfer: "BoundedTransfer", seconds: float, exchange: Exchange) -> None:
        """Count an exchange, and make its spans."""
        super().ended(operation, transfer, seconds, exchange)
        self._traces.ended(transfer, monotonic() - seconds, exchange)


def _caller_and_action(exchange: Any) -> tuple[str | None, str, str]:
    """Return the account of an authenticated caller or None, the service, and the action.

    An exchange for S3 has an operation, and one of another service has the action of its route.
    """
    caller = getattr(exchange, "caller", None)
    account = None if caller is None or caller.anonymous else caller.account
    operation = getattr(exchange, "operation", "")
    if operation:
        return account, "s3", operation
    return account, getattr(exchange, "service", ""), getattr(exchange, "action", "")


def _error_of(exchange: Any) -> str:
    error, refused = getattr(exchange, "error", None), getattr(exchange, "refused", None)
    if error is not None:
        return str(error.code)
    return str(refused.type) if refused is not None else ""
