"""The ASGI page of the JSON services, beside the API and the portal.

Owns the steps of each call: rate limit, body, operation, parameters, effect, audit event, response. Leaves the
operations to the table in operations.py. These are calls of programs: cookies are not read, and the responses contain
no HTML.

An operation with `is_cached` is tried on the event loop first. All others run on a worker thread.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from daypass.audit.event import AuditRecord
from daypass.audit.response_elements import encode_answer
from daypass.directory.store import WouldBlockError
from daypass.errors import Blame, Fault, InternalFailure, Throttling, ValidationError
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.operations.operation import StoreAccess
from daypass.pipeline import Pipeline, StoreView
from daypass.sign_in.audited_people import person_of
from daypass.sign_in.open_api import require_open_api
from daypass.sso.operations import ACTIONS, REFUSED_ACTIONS, declared_members
from daypass.sso.rest_action import AnyAction, RestCall
from daypass.sso.role_credentials_template import RoleCredentialsTemplates
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wire.rest_faults import AuthorizationPendingException, render_rest_fault
from daypass.wire.rest_json import MAX_JSON_BODY, RestCatalog, RestOperation, answer

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Scope = Mapping[str, Any]

_PATIENCE = 10.0  # seconds for the body to arrive
_NO_STORE = ((b"cache-control", b"no-store"),)
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_POLITENESS = 2_000_000  # bytes beyond the limit that are read: a sending client does not read the response

# A valid access token proves the caller, like a signature: many people may share an address.
_COUNTED_BY_FAILURE = frozenset({"sso"})

# The first one alone: the search must not begin again at each of many.
_CREDENTIAL = re.compile(rb"Credential=([^,]*)")
_SCOPE = re.compile(rb"[^/]*/[^/]*/[^/]*/([^/]*)/aws4_request")
_SIGNING_NAMES: Mapping[str, bytes] = {"sso-oidc": b"sso-oauth", "sso": b"awsssoportal", "signin": b"signin"}

_ACTIONS: Mapping[tuple[str, str], AnyAction] = {(one.service, one.name): one for one in ACTIONS}


class LateBodyError(Exception):
    """The body did not arrive in time."""


class ClientGoneError(Exception):
    """The client went away before its body was complete."""


@cache
def _catalog() -> RestCatalog:
    """Return the operations, which are the same for all servers of a process."""
    return RestCatalog.load({key: declared_members(one) for key, one in _ACTIONS.items()})


@dataclass(frozen=True, slots=True)
class Sso:
    """Answers every call of the JSON services.

    `nonblocking` is the store view of the event loop, `blocking` that of a worker thread.
    """

    pipeline: Pipeline
    nonblocking: StoreView
    blocking: StoreView
    issuer_keys: IssuerKeys
    workers: ThreadPoolExecutor
    new_request_id: Callable[[], str]
    templates: RoleCredentialsTemplates = field(default_factory=RoleCredentialsTemplates)
    catalog: RestCatalog = field(default_factory=_catalog)

    def serves(self, method: str, path: str) -> bool:
        """Tell whether an operation of the models has this method and path.

        The path is that of the request line: an escaped one is another path.
        """
        return self.catalog.is_known(method, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        try:
            answered = self.at_once(_request(scope, await _read(receive) if _has_body(scope) else b""))
            response = answered if isinstance(answered, HttpResponse) else await answered
        except ClientGoneError:
            return
        except LateBodyError:
            response = HttpResponse(408, _NO_STORE, b"")
        length = (b"content-length", b"%d" % len(response.body))
        await send({"type": "http.response.start", "status": response.status, "headers": (*response.headers, length)})
        await send({"type": "http.response.body", "body": response.body})

    def at_once(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Return the response to a call, or an awaitable of it.

        A call with a body leaves its limit to the caller.
        """
        request_id = self.new_request_id()
        operation = self.catalog.find(request.method, request.path.decode("latin-1"), request.query)
        trace, needed = _Trace(request, request_id, operation.service, operation.name), None
        try:
            action = self._find_action(operation, trace)
            if action.is_cached and self.pipeline.required_log is None:
                view = self.nonblocking
                body = self.templates.answer(request, request_id, self.pipeline, view.views, view.generation())
                if body is not None:
                    return answer(body, request_id)
            params = msgspec.convert(operation.parse(request), action.takes)
            # A required audit log is written before the response, which may wait.
            if action.is_cached and self.pipeline.required_log is None:
                try:
                    return self._answer_at_once(operation, action, params, trace)
                except WouldBlockError:
                    pass
                except KeysNeededError as error:
                    needed = error
        except Exception as error:  # noqa: BLE001 - the response to our own bug has a request id, never a traceback
            return self._refuse(trace, error)
        return self._answer_waiting(operation, action, params, trace, needed)

    def _answer_at_once(
        self, operation: RestOperation, action: AnyAction, params: Any, trace: "_Trace"
    ) -> HttpResponse:
        response = _success(operation, trace, self._run(action, params, trace, self.nonblocking))
        if trace.call is not None:
            self.templates.keep(params, trace.call, operation.render)
        return response

    async def _answer_waiting(
        self, operation: RestOperation, action: AnyAction, params: Any, trace: "_Trace", needed: KeysNeededError | None
    ) -> HttpResponse:
        try:
            return _success(operation, trace, await self._run_on_worker(action, params, trace, needed))
        except Exception as error:  # noqa: BLE001 - the response to our own bug has a request id, never a traceback
            return self._refuse(trace, error)

    def _refuse(self, trace: "_Trace", error: Exception) -> HttpResponse:
        """Record a refusal or a bug of our own, and return its response."""
        if isinstance(error, Fault):
            trace.fault = self._held_back(error, trace)
        else:
            self.pipeline.report_bug(trace.request_id, error)
            detail = type(error).__name__
            trace.fault = InternalFailure("The request failed because of an unknown error.", detail=detail)
        if not isinstance(trace.fault, AuthorizationPendingException):  # A waiting program asks every second.
            self.pipeline.record(self._audit_record(trace))
        return render_rest_fault(trace.service, trace.fault, trace.request_id)

    def _find_action(self, operation: RestOperation, trace: "_Trace") -> AnyAction:
        if operation.service not in _COUNTED_BY_FAILURE and not self.nonblocking.within_rate_limit(trace.request.peer):
            raise Throttling("Rate exceeded")
        _require_scope(operation.service, trace.request)
        action = _ACTIONS.get((operation.service, operation.name))
        if action is None:
            reason = REFUSED_ACTIONS[operation.service, operation.name]
            raise ValidationError(f"{operation.name} is not supported by this server. {reason}")
        return action

    async def _run_on_worker(
        self, action: AnyAction, params: Any, trace: "_Trace", needed: KeysNeededError | None
    ) -> Mapping[str, Any]:
        run = asyncio.get_running_loop().run_in_executor
        if needed is not None:
            await self._fetch(needed)
        try:
            return await run(self.workers, self._run, action, params, trace, self.blocking)
        except KeysNeededError as first:
            await self._fetch(first)
        return await run(self.workers, self._run, action, params, trace, self.blocking)

    def _held_back(self, fault: Fault, trace: "_Trace") -> Fault:
        """Return the fault, or Throttling if the peer sends too many invalid tokens."""
        is_proven = trace.call is not None and trace.call.sign_in != ""
        if trace.service not in _COUNTED_BY_FAILURE or is_proven or fault.blame is not Blame.SENDER:
            return fault
        if self.nonblocking.failure_within_rate_limit(trace.request.peer):
            return fault
        return Throttling("Rate exceeded", detail=f"throttled: {fault.code}")

    async def _fetch(self, needed: KeysNeededError) -> None:
        await asyncio.gather(*(self.issuer_keys.fetch(provider) for provider in needed.providers))

    def _run(self, action: AnyAction, params: Any, trace: "_Trace", store_view: StoreView) -> Mapping[str, Any]:
        access = StoreAccess.CACHE if store_view is self.nonblocking else StoreAccess.BLOCKING
        with store_view.open(access, self.pipeline.now(), self.pipeline.home_region) as ctx:
            call = trace.call = RestCall(trace.request, trace.request_id, ctx, self.pipeline, store_view)
            if self.pipeline.required_log is not None:
                self.pipeline.required_log.require()
            require_open_api(ctx, needs_provider=action.needs_provider)
            result: Mapping[str, Any] = action.answer(params, call)
        if not trace.action.startswith("List"):  # a list issues nothing
            trace.answer = encode_answer(result)
        self.pipeline.record_first(self._audit_record(trace))
        return result

    def _audit_record(self, trace: "_Trace") -> AuditRecord:
        call = trace.call
        return AuditRecord(
            self.pipeline.now(),
            trace.request_id,
            trace.request,
            trace.service,
            trace.action,
            self.pipeline.home_region,
            "",
            None,
            None if call is None else call.recorded,
            trace.fault,
            sign_in={"SignInId": call.sign_in} if call is not None and call.sign_in else None,
            answer=trace.answer,
            identity=None if call is None or call.session is None else person_of(call.session),
        )


def _success(operation: RestOperation, trace: "_Trace", result: Mapping[str, Any]) -> HttpResponse:
    extra = () if trace.call is None else trace.call.headers
    return answer(operation.render(result), trace.request_id, extra=extra)


def _require_scope(service: str, request: HttpRequest) -> None:
    """Raise ValidationError if a signature is meant for another service.

    The operations need no signature, so it is not verified.
    """
    if request.by_name is not None and b"authorization" not in request.by_name:
        return
    for name, value in request.headers:
        if name == b"authorization" and value.startswith(b"AWS4-"):
            credential = _CREDENTIAL.search(value)
            scoped = None if credential is None else _SCOPE.fullmatch(credential[1])
            if scoped is None or scoped[1] != _SIGNING_NAMES[service]:
                right = _SIGNING_NAMES[service].decode()
                raise ValidationError(
                    f"The signature is for another service than the path. Sign for {right}, or send no signature."
                )


class _Trace(msgspec.Struct):
    """The progress of a call, for its audit event."""

    request: HttpRequest
    request_id: str
    service: str
    action: str
    call: RestCall | None = None
    fault: Fault | None = None
    answer: bytes | None = None


def _request(scope: Scope, body: bytes | None) -> HttpRequest:
    client = scope["client"]
    return HttpRequest(
        scope["method"],
        scope["raw_path"],
        scope["query_string"],
        tuple(scope["headers"]),
        body or b"",
        client[0] if client else "",
        scope["scheme"] == "https",
        body is None,
    )


def _has_body(scope: Scope) -> bool:
    return not _BODY_HEADERS.isdisjoint(dict(scope["headers"]))


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or None if it is too large.

    Raises LateBodyError or ClientGoneError.
    """
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGoneError
                part = message.get("body", b"")
                length += len(part)
                if length <= MAX_JSON_BODY:
                    body += part
                if length > MAX_JSON_BODY + _POLITENESS or not message.get("more_body", False):
                    return bytes(body) if length <= MAX_JSON_BODY else None
    except TimeoutError as late:
        raise LateBodyError from late
