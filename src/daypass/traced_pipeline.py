"""The pipeline that notes its stages, for a process with traces.

Owns the names of the stages in traces. Each stage here calls that of Pipeline and adds nothing else, so a trace never
changes a decision; a process without traces uses Pipeline itself. traces/span_maker.py makes spans of the notes.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from daypass.audit.event import AuditRecord
from daypass.audit.sinks import ServerSink
from daypass.audit.trace_id import with_trace_id
from daypass.authenticate.authenticate import Signer
from daypass.authenticate.caller import Caller
from daypass.authorize.authorize import authorize
from daypass.authorize.context import RequestInfo
from daypass.begun_calls import WriteBegunError
from daypass.directory.store import WouldBlockError
from daypass.errors import Fault
from daypass.federation.oidc.identify import KeysNeededError
from daypass.operations.operation import AnyOperation, Authorized, Result
from daypass.operations.parsed_requests import ParsedRequest
from daypass.operations.request_context import RequestContext
from daypass.pipeline import Pipeline, RequestTrace, StoreView
from daypass.traces.request_spans import NotedSpan, RequestSpans, current_spans
from daypass.traces.span_maker import SpanMaker
from daypass.wire.decode import Call, decode
from daypass.wire.render import render

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = (WouldBlockError, WriteBegunError, KeysNeededError)


_VERIFY, _RUN = "verify identity", "run"


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Note a stage of the current request, with the code of its failure."""
    spans = current_spans()
    if spans is None:
        yield
        return
    noted = spans.begin(name)
    try:
        yield
    except BaseException as problem:
        _end_failed(spans, noted, problem)
        raise
    spans.end(noted)


def _end_failed(spans: RequestSpans, noted: NotedSpan, problem: BaseException) -> None:
    if isinstance(problem, _ATTEMPTS):
        spans.end(noted, waits=True)  # it goes on where it may wait
    else:
        spans.end(noted, problem.code if isinstance(problem, Fault) else type(problem).__name__)


def _noted(name: str, call: Callable[P, T]) -> Callable[P, T]:
    def stage(*args: P.args, **kwargs: P.kwargs) -> T:
        with _stage(name):
            return call(*args, **kwargs)

    return stage


def _finish(names: frozenset[str], problem: BaseException | None = None) -> RequestSpans | None:
    """End the current stage if it has one of these names. Return the notes of the request."""
    spans = current_spans()
    noted = None if spans is None else spans.current
    if spans is None or noted is None or noted.name not in names:
        return spans
    if problem is None:
        spans.end(noted)
    else:
        _end_failed(spans, noted, problem)
    return spans


class _NotedAccess:
    """Access to the store, inside of which the stages 5 and 7 are noted."""

    def __init__(self, access: AbstractContextManager[RequestContext]) -> None:
        self._access = access

    def __enter__(self) -> RequestContext:
        ctx = self._access.__enter__()
        spans = current_spans()
        if spans is not None:
            spans.begin(_VERIFY)
        return ctx

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, frames: TracebackType | None
    ) -> bool | None:
        _finish(frozenset({_VERIFY, _RUN}), problem)
        return self._access.__exit__(kind, problem, frames)


class _NotedView:
    """A store view whose accesses are noted. All else is that of the view."""

    def __init__(self, view: StoreView) -> None:
        self._view = view

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def open(self, *args: Any, **kwargs: Any) -> AbstractContextManager[RequestContext]:
        return _NotedAccess(self._view.open(*args, **kwargs))


def _authorize_noted(
    operation: AnyOperation, params: Any, caller: Caller, request_info: RequestInfo, ctx: RequestContext
) -> Authorized[Any]:
    spans = _finish(frozenset({_VERIFY}))
    with _stage("authorize"):
        authorized = authorize(operation, params, caller, request_info, ctx)
    if spans is not None:
        spans.begin(_RUN)
    return authorized


class TracedPipeline(Pipeline):
    """The stages, each of which is noted for the trace of its request."""

    _decode = staticmethod(_noted("decode", decode))
    _authorize = staticmethod(_authorize_noted)
    _render = staticmethod(_noted("render", render))

    def _authenticate(
        self, operation: AnyOperation, call: Call, store_view: StoreView, trace: RequestTrace
    ) -> Signer | None:
        with _stage("authenticate"):
            return super()._authenticate(operation, call, store_view, trace)

    def _parse(self, call: Call, operation: AnyOperation, trace: RequestTrace) -> Any:
        with _stage("parse"):
            return super()._parse(call, operation, trace)

    def _answer_by_template(
        self, known: ParsedRequest, caller: Caller, region: str, store_view: StoreView, trace: RequestTrace
    ) -> bytes | None:
        spans = _finish(frozenset({_VERIFY}))
        began = monotonic()
        body = super()._answer_by_template(known, caller, region, store_view, trace)
        if body is not None and spans is not None:
            spans.note("authorize, run and render", began, monotonic())
        return body

    def _execute(
        self, operation: AnyOperation, params: Any, view: StoreView, trace: RequestTrace, known: ParsedRequest | None
    ) -> Result | bytes:
        return super()._execute(operation, params, cast("StoreView", _NotedView(view)), trace, known)

    def _record(self, trace: RequestTrace) -> None:
        with _stage("record"):
            super()._record(trace)

    def record_first(self, record: AuditRecord) -> None:
        """Record a response from outside of the pipeline, as Pipeline does."""
        with _stage("record"):
            super().record_first(record)


class TracedSink:
    """An audit log whose events have the trace of their requests.

    The first record of a request says who its caller is, so the request's span begins with it.
    """

    def __init__(self, sink: ServerSink, maker: SpanMaker) -> None:
        self._sink = sink
        self._maker = maker
        self.reopen, self.close, self.trouble = sink.reopen, sink.close, sink.trouble

    def __call__(self, record: AuditRecord, /) -> None:
        """Record one request. Never waits."""
        self._sink(self._with_trace(record))

    def record_now(self, record: AuditRecord, /) -> None:
        """Write an event before returning. Raises NotRecordedError."""
        with _stage("write audit event"):
            self._sink.record_now(self._with_trace(record))

    def _with_trace(self, record: AuditRecord) -> AuditRecord:
        spans = current_spans()
        if spans is None:
            return record
        spans.attributes["aws.request_id"] = record.request_id
        self._maker.open_root(spans, _proven_account(record), record.service, record.action)
        spans.error = spans.error or record.code
        return with_trace_id(record, spans.trace_id)


def _proven_account(record: AuditRecord) -> str | None:
    """Return the account of an authenticated caller, else None. It is empty if the account is not known."""
    if not record.is_proven:
        return None
    return "" if record.caller is None else record.caller.account
