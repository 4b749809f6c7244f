"""The spans of requests, made from their notes with OpenTelemetry.

Owns the parent of a request's span, the decision to record it, and the names in it. The rules:

- The trace of an authenticated caller is continued, and its flag "sampled" counts within a limit (flag_budget.py).
  Beyond the limit, the sampler of OTEL_TRACES_SAMPLER decides, as for a request without a context.
- A caller that is not authenticated gets a new trace with a link to its own. A stranger must not add spans to the
  traces of others, and must not decide whether they are recorded.
- An attribute has a name from a table of the code or from a setting: never an account, an ARN, a key or another value
  of a caller. The id of the request leads to its audit event, which has them.

Sources: W3C Trace Context section 3.2; OpenTelemetry Semantic Conventions, "HTTP spans" and "RPC spans".
"""

import re
import time
from typing import TYPE_CHECKING

from daypass.traces.flag_budget import FlagBudget
from daypass.traces.request_spans import NotedSpan, RequestSpans
from daypass.traces.trace_context import RemoteParent, find_parent

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, Span

_OF_ONE, _OF_ALL = 20, 200  # requests a second whose callers have them recorded
_NAME = re.compile(r"[A-Za-z0-9.-]{1,64}")
_FIRST_FAILURE, _OK_BELOW = 500, 400
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class SpanMaker:
    """Makes the spans of the requests of one process."""

    def __init__(self, provider: "TracerProvider", version: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("daypass", version)
        self._budget = FlagBudget(_OF_ONE, _OF_ALL)

    def open_root(self, spans: RequestSpans, account: str | None, service: str = "", action: str = "") -> None:
        """Start the span of a request, now that its caller is known.

        `account` is that of an authenticated caller, else None. The first call decides.
        """
        if spans.root is not None:
            return
        from opentelemetry.trace import SpanKind, format_trace_id

        parent = find_parent(spans.headers)
        is_continued = parent is not None and account is not None
        context, links = self._parent(parent, account)
        attributes = spans.attributes
        name = f"{service}/{action}" if _NAME.fullmatch(service) and _NAME.fullmatch(action) else ""
        rpc = {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": action} if name else {}
        spans.root = self._tracer.start_span(
            name or f"{attributes['http.request.method']} {attributes.get('http.route', '')}".rstrip(),
            context,
            SpanKind.SERVER,
            {**attributes, **rpc},
            links,
            spans.wall_clock(spans.began),
        )
        made = spans.root.get_span_context()
        if made.is_valid and (is_continued or made.trace_flags.sampled):
            spans.trace_id = format_trace_id(made.trace_id)

    def close(self, spans: RequestSpans, status: int) -> None:
        """Make the spans inside of a request, and end its own.

        `status` is 0 if the request did not get an answer.
        """
        self.open_root(spans, None)
        spans.is_closed = True
        root = spans.root
        if root is None or not root.is_recording():
            return
        self._make_inner(spans, root)
        if status:
            root.set_attribute("http.response.status_code", status)
        error = spans.error or (str(status) if status >= _OK_BELOW else "" if status else "cancelled")
        if error:
            root.set_attribute("error.type", error)
        if status >= _FIRST_FAILURE or not status:
            _set_failed(root)
        root.end(spans.wall_clock(time.monotonic()))

    def _make_inner(self, spans: RequestSpans, root: "Span") -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context

        made: dict[int, Context] = {}
        of_root = set_span_in_context(root)
        now = time.monotonic()
        for each in sorted(spans.noted, key=lambda noted: noted.began):
            child = self._tracer.start_span(
                each.name,
                of_root if each.parent is None else made.get(id(each.parent), of_root),
                SpanKind.CLIENT if each.is_call else SpanKind.INTERNAL,
                start_time=spans.wall_clock(each.began),
            )
            made[id(each)] = set_span_in_context(child)
            _describe(child, each)
            child.end(spans.wall_clock(each.ended or now))

    def _parent(self, parent: RemoteParent | None, account: str | None) -> "tuple[Context, list[Link]]":
        """Return the parent of a request's span and its links."""
        from opentelemetry.context import Context
        from opentelemetry.trace import (
            Link,
            NonRecordingSpan,
            SpanContext,
            TraceFlags,
            TraceState,
            set_span_in_context,
        )

        if parent is None:
            return Context(), []
        if account is None:
            return Context(), [Link(SpanContext(parent.trace_id, parent.span_id, is_remote=True))]
        is_recorded = parent.is_sampled and (self._budget.take(account) or self._samples(parent.trace_id))
        flags = TraceFlags(TraceFlags.SAMPLED if is_recorded else TraceFlags.DEFAULT)
        state = TraceState.from_header([parent.state]) if parent.state else None
        remote = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags, trace_state=state)
        return set_span_in_context(NonRecordingSpan(remote), Context()), []

    def _samples(self, trace_id: int) -> bool:
        """Return the decision of the operator's sampler about a trace without a caller's context."""
        from opentelemetry.context import Context
        from opentelemetry.sdk.trace.sampling import Decision

        return self._provider.sampler.should_sample(Context(), trace_id, "").decision is Decision.RECORD_AND_SAMPLE


def http_attributes(method: str, *, path: str = "", route: str = "") -> dict[str, str]:
    """Return the attributes of a request.

    Their names are those of the semantic conventions. A method that is not one of HTTP's own becomes `_OTHER`. `path`
    and `route` come from a table of the code.
    """
    found = {"http.request.method": method if method in _METHODS else "_OTHER"}
    if path:
        found["url.path"] = path
    if route:
        found["http.route"] = route
    return found


def _describe(span: "Span", noted: NotedSpan) -> None:
    if noted.waits:
        span.set_attribute("daypass.waits", True)  # noqa: FBT003 - the value of an attribute
    if noted.error:
        span.set_attribute("error.type", noted.error)


def _set_failed(span: "Span") -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR))
