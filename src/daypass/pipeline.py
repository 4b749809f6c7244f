"""The stages of one request, in order. Read this file first.

The stages exchange values; a stage never calls the next one:

1. decode: the bytes of the request become a Call
2. authenticate: verify the signature and the session token
3. check session limits: actions and regions that these credentials exclude; an unsigned call is rate-limited instead
4. parse: the parameters become typed values
5. verify identity: verify a web identity token or a SAML assertion
6. authorize: let the policy engine decide
7. run: execute the operation, and mint credentials
8. render: encode the result as XML or JSON
9. record: write the audit event

`Pipeline.answer` is synchronous. On the event loop it gets a store view that raises WouldBlockError instead of waiting;
http/ then calls it again on a worker thread. A call that raises WouldBlockError has not changed the store or recorded
an event.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import msgspec

from daypass.audit.event import HIDDEN, AuditRecord
from daypass.audit.joined_lines import encode_parameters
from daypass.audit.required import RequiredLog
from daypass.audit.response_elements import encode_answer
from daypass.authenticate.authenticate import Lookup, Signer, authenticate
from daypass.authenticate.caller import Caller
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.find import find_signature
from daypass.authorize.authorize import authorize
from daypass.authorize.call_templates import CallTemplates, may_have_template
from daypass.authorize.context import RequestInfo
from daypass.authorize.session_limits import check_session_limits
from daypass.begun_calls import BegunCall, WriteBegunError, may_begin
from daypass.directory.store import Views, WouldBlockError
from daypass.errors import Blame, Fault, InternalFailure, Throttling
from daypass.federation.oidc.identify import KeysNeededError
from daypass.mint.sealing_keys import SealingRing
from daypass.operations.operation import AnyOperation, Result, StoreAccess, is_read_only
from daypass.operations.parsed_requests import ParsedRequest, ParsedRequestCache
from daypass.operations.registry import Registry
from daypass.operations.request_context import RequestContext
from daypass.refused_calls import refuse, without_frames
from daypass.wire.catalog import Catalog
from daypass.wire.cors import allow_any_origin
from daypass.wire.decode import Call, decode
from daypass.wire.faults import answer
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wire.render import render

_NO_ANSWER = (None, None)


class StoreView(Protocol):
    """The store as one thread may use it.

    That of the event loop raises WouldBlockError; that of a worker thread waits.
    """

    views: Views

    @property
    def generation(self) -> Callable[[], int | None]:
        """The function that returns the generation of the cached values.

        It returns None on a worker thread, and if the values cannot be used now (CachedViews).
        """
        ...

    def within_rate_limit(self, peer: str) -> bool:
        """Count one more unsigned call of a peer. Return whether it is allowed.

        Only the first view that sees a call counts it.
        """
        ...

    def failure_within_rate_limit(self, peer: str) -> bool:
        """Count one more failed authentication. Return whether it is allowed."""
        ...

    def sealing_ring(self) -> SealingRing:
        """Return the keys that currently seal and open tokens."""
        ...

    def wait(self) -> None:
        """Raise WouldBlockError on the event loop.

        Return if waiting is allowed.
        """
        ...

    def open(
        self,
        access: StoreAccess,
        now: datetime,
        region: str,
        account: str = "",
        operation: AnyOperation | None = None,
    ) -> AbstractContextManager[RequestContext]:
        """Open the data that an operation accesses, for a signer's account.

        This is the cache alone, one snapshot, or one transaction, whose scope operations/write_scopes.py decides.
        """
        ...


class RequestTrace(msgspec.Struct):
    """The progress of a request, for its audit record."""

    now: datetime
    request: HttpRequest
    request_id: str
    call: Call | None = None
    access_key_id: str = ""
    signer: Signer | None = None
    caller: Caller | None = None
    parameters: Mapping[str, Any] | None = None
    fault: Fault | None = None
    is_counted: bool = False
    is_recorded: bool = False
    operation: AnyOperation | None = None
    sign_in: Mapping[str, str] | None = None
    encoded_parameters: bytes | None = None
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages, and the values that they need for every request.

    `signature_now` is set in tests alone, whose clients sign with the time of the computer while the server's clock is
    moved. A server has one clock.
    """

    catalog: Catalog
    registry: Registry
    keychain: Keychain
    is_region: Callable[[str], bool]
    home_region: str
    now: Callable[[], datetime]
    record: Callable[[AuditRecord], None]
    report_bug: Callable[[str, Exception], None]
    regions: frozenset[str] = frozenset()
    required_log: RequiredLog | None = None
    signature_now: Callable[[datetime], datetime] | None = None
    parsed_requests: ParsedRequestCache = field(default_factory=lambda: ParsedRequestCache(HIDDEN, encode_parameters))
    templates: CallTemplates = field(default_factory=lambda: CallTemplates(encode_answer))
    _services: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {"sts": frozenset({"sts"}), "iam": frozenset({"iam"})}
    )

    # Stages that TracedPipeline replaces. A process without traces pays nothing for that.
    _decode = staticmethod(decode)
    _authorize = staticmethod(authorize)
    _render = staticmethod(render)

    def answer(
        self, request: HttpRequest, request_id: str, store_view: StoreView, begun: BegunCall | None = None
    ) -> HttpResponse:
        """Return the response to any request, of which a write may have begun.

        Raises only WouldBlockError and KeysNeededError, before any effect. After KeysNeededError, the edge fetches the
        keys and calls `answer_at_last`.
        """
        return self._answer(request, request_id, store_view, (WouldBlockError, KeysNeededError), begun)

    def answer_at_last(
        self,
        request: HttpRequest,
        request_id: str,
        store_view: StoreView,
        *,
        sign_in: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Return the response to a request after its keys were fetched.

        It refuses the request if keys are still missing. `sign_in` names the sign-in behind it, for the audit event.
        """
        return self._answer(request, request_id, store_view, (WouldBlockError,), sign_in=sign_in)

    def _answer(
        self,
        request: HttpRequest,
        request_id: str,
        store_view: StoreView,
        passed_on: tuple[type[Exception], ...],
        begun: BegunCall | None = None,
        sign_in: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        trace = RequestTrace(self.now(), request, request_id)
        if sign_in is not None:
            trace.sign_in = sign_in
        try:
            response = self._walk(store_view, trace) if begun is None else self._finish(begun, store_view, trace)
        except passed_on:
            raise
        except Fault as fault:
            trace.fault = without_frames(_held_back(fault, request, store_view, trace))
            response = refuse(trace.fault, request, request_id, trace.call)
        except Exception as bug:  # noqa: BLE001 - the response to a bug has a request id, never a traceback
            self.report_bug(request_id, bug)
            trace.fault = InternalFailure("The request failed because of an unknown error.", detail=type(bug).__name__)
            response = refuse(trace.fault, request, request_id, trace.call)
        self._record(trace)
        return response

    def perform(  # noqa: PLR0913 - the call, and the request that it is for
        self,
        operation: AnyOperation,
        params: Any,
        parameters: Mapping[str, Any],
        request: HttpRequest,
        request_id: str,
        store_view: StoreView,
        *,
        sign_in: Mapping[str, str] | None,
    ) -> Result:
        """Return the result of an operation for a person who has signed in.

        Runs the stages 5 to 9 without 8. `parameters` and `sign_in` are for the audit event; an operator session has no
        sign-in. Raises the Fault of the refusal, and WouldBlockError and KeysNeededError before any effect.
        """
        trace = RequestTrace(self.now(), request, request_id)
        trace.operation, trace.parameters, trace.sign_in = operation, parameters, sign_in
        try:
            result = self._execute(operation, params, store_view, trace, None)
        except (WouldBlockError, KeysNeededError):
            raise
        except Fault as fault:
            trace.fault = without_frames(fault)
        except Exception as bug:  # noqa: BLE001 - as for a client's call
            self.report_bug(request_id, bug)
            trace.fault = InternalFailure("The request failed because of an unknown error.", detail=type(bug).__name__)
        self._record(trace)
        if trace.fault is not None:
            raise trace.fault
        return cast("Result", result)  # only a call that was parsed before is answered in bytes

    def _record(self, trace: RequestTrace) -> None:
        record = self._audit_record(trace)  # 9. record. A required log has the event already.
        if trace.is_recorded and trace.fault is None and self.required_log is not None:
            self.required_log.count(record)
        else:
            self.record(record)

    def record_first(self, record: AuditRecord) -> None:
        """Record a response from outside of the pipeline before it is sent.

        A required log may wait, and may raise ServiceUnavailable.
        """
        if self.required_log is None:
            self.record(record)
        else:
            self.required_log.record(record)
            self.required_log.count(record)

    def _walk(self, store_view: StoreView, trace: RequestTrace) -> HttpResponse:
        request = trace.request
        # 1. decode. A repeated request skips decoding and parsing (stages 1 and 4), and no other stage.
        known = self.parsed_requests.find(request)
        call = trace.call = self._decode(request, self.catalog) if known is None else known.call
        operation = self.registry.find(call.service, call.action) if known is None else known.operation
        # 2. authenticate
        signer = trace.signer = self._authenticate(operation, call, store_view, trace)
        # 3. check session limits
        if signer is not None:
            check_session_limits(signer, call.service, call.action, regions=self.regions)
        else:
            trace.is_counted = True
            if not store_view.within_rate_limit(request.peer):
                raise Throttling("Rate exceeded")
        # 4. parse
        if known is None:
            params = self._parse(call, operation, trace)
        else:
            trace.parameters, trace.encoded_parameters = known.parameters, known.encoded_parameters
            # A call like an earlier one is authorized, run and rendered by what they have in common.
            if (
                signer is not None
                and signer.caller.session is None
                and (known.session_name or operation.answers_caller)
            ):
                body = self._answer_by_template(known, signer.caller, signer.region, store_view, trace)
                if body is not None:
                    response = answer(body, request_id=trace.request_id, wants_json=False)
                    return allow_any_origin(response, request, call.service)
            # A web identity does not depend on the session name, which a template does not need.
            params = known.proven_params() if known.proof else known.typed_params()
        try:
            result = self._execute(operation, params, store_view, trace, known)
        except WouldBlockError:
            if signer is None or not may_begin(operation, params, signer):
                raise
            parsed_call = (call, operation, params, trace.parameters or {}, trace.encoded_parameters)
            raise WriteBegunError(BegunCall(*parsed_call, trace.access_key_id, signer)) from None
        if isinstance(result, bytes):
            response = answer(result, request_id=trace.request_id, wants_json=False)
            return allow_any_origin(response, request, call.service)
        caller = trace.caller if signer is None else signer.caller
        if known is not None and caller is not None and self.required_log is None and may_have_template(known, caller):
            request_info = RequestInfo(trace.now, request, self.home_region if signer is None else signer.region)
            self.templates.keep(known, caller, result, request_info, store_view)
        # 8. render
        return allow_any_origin(self._render(call, result, trace.request_id), request, call.service)

    def _finish(self, begun: BegunCall, store_view: StoreView, trace: RequestTrace) -> HttpResponse:
        """Return the response to a write after its stages 1 to 4."""
        call = trace.call = begun.call
        operation, trace.access_key_id = begun.operation, begun.access_key_id
        signer: Signer | None = begun.signer
        if not begun.has_same_signer(store_view.views):
            signer = self._authenticate(operation, call, store_view, trace)
        if signer is None:
            raise ValueError("a write that began has a signer")
        trace.signer = signer
        check_session_limits(signer, call.service, call.action, regions=self.regions)
        trace.parameters, trace.encoded_parameters = begun.parameters, begun.encoded_parameters
        result = cast("Result", self._execute(operation, begun.params, store_view, trace, None))
        return allow_any_origin(self._render(call, result, trace.request_id), trace.request, call.service)

    def _answer_by_template(
        self, known: ParsedRequest, caller: Caller, region: str, store_view: StoreView, trace: RequestTrace
    ) -> bytes | None:
        """Return the answer, or None for a call that has to go the whole way."""
        if known.session_name and self.required_log is None:
            request_info = RequestInfo(trace.now, trace.request, region)
            views, generation = store_view.views, store_view.generation()
            body, trace.answer = (
                self.templates.answer(known, caller, request_info, trace.request_id, views, generation) or _NO_ANSWER
            )
            return body
        if known.operation.answers_caller:
            return self.templates.answer_caller(known, caller, trace.request_id)
        return None

    def _execute(
        self, operation: AnyOperation, params: Any, view: StoreView, trace: RequestTrace, known: ParsedRequest | None
    ) -> Result | bytes:
        """Run the stages 5 to 7 of a parsed call. The bytes are the answer to a call like an earlier one."""
        signer, now = trace.signer, trace.now
        signed_by, region = (None, self.home_region) if signer is None else (signer.caller, signer.region)
        account = "" if signed_by is None else signed_by.account
        access = operation.store_access(params)
        is_read = is_read_only(operation, access)
        required = None if is_read else self.required_log
        if required is not None:
            view.wait()
            required.require()
        with view.open(access, now, region, account, operation) as ctx:
            trace.caller = signed_by
            # 5. verify identity
            caller = trace.caller = operation.verify_identity(params, signed_by, ctx)
            if known is not None and known.proof:  # it is verified; what follows from its identity may be known
                body = self._answer_by_template(known, caller, region, view, trace)
                if body is not None:
                    return body
                params = known.named_params(params)
            # 6. authorize
            request_info = RequestInfo(now, trace.request, region)
            authorized = self._authorize(operation, params, caller, request_info, ctx)
            # 7. run
            result = operation.run(authorized, ctx)
            if not is_read:
                trace.answer = encode_answer(result, authorized.role, caller.account, trace.request_id)
            if required is not None:
                # 9. record, inside the transaction: if the event cannot be written, the changes are rolled back.
                required.record(self._audit_record(trace))
                trace.is_recorded = True
        return result

    def _parse(self, call: Call, operation: AnyOperation, trace: RequestTrace) -> Any:
        self.registry.require_supported(call.model, call.form_params)
        parameters = trace.parameters = call.model.parse(call.form_params)
        params = operation.parse(parameters)
        parsed = ParsedRequest(call, operation, parameters, params)
        trace.encoded_parameters = self.parsed_requests.keep(trace.request, parsed)
        return params

    def _authenticate(
        self, operation: AnyOperation, call: Call, store_view: StoreView, trace: RequestTrace
    ) -> Signer | None:
        if not operation.signed:
            return None
        request = trace.request
        unverified = find_signature(request, form_params=call.form_params)
        trace.access_key_id = unverified.access_key_id
        lookup = Lookup(
            store_view.views, self.keychain, store_view.sealing_ring, self.is_region, trace.now, self.signature_now
        )
        return authenticate(unverified, request, services=self._services[call.service], lookup=lookup)

    def _audit_record(self, trace: RequestTrace) -> AuditRecord:
        call, signer = trace.call or trace.operation, trace.signer
        return AuditRecord(
            trace.now,
            trace.request_id,
            trace.request,
            call.service if call else "",
            call.action if call else "",
            signer.region if signer else self.home_region,
            trace.access_key_id,
            trace.caller or (signer.caller if signer else None),
            trace.parameters,
            trace.fault,
            None,
            trace.sign_in,
            trace.encoded_parameters,
            trace.answer,
        )


def _held_back(fault: Fault, request: HttpRequest, store_view: StoreView, trace: RequestTrace) -> Fault:
    """Return the fault, or Throttling if the peer failed too often.

    Only failures are counted, after the check, so valid calls are never throttled because of other callers behind their
    address.
    """
    if trace.signer is not None or trace.is_counted or fault.blame is not Blame.SENDER:
        return fault
    if store_view.failure_within_rate_limit(request.peer):
        return fault
    throttling = Throttling("Rate exceeded", detail=f"throttled: {fault.code}")
    throttling.names_known_key, throttling.key_account = fault.names_known_key, fault.key_account
    return throttling
