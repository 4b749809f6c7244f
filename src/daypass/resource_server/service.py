"""The requests of resource servers: who asks, and the answer.

Owns the order: a registered resource server exists, the connection is private, the signature of the resource server is
right, IAM allows it daypass:GetSigningKey on the registration; only then the question is read. Every method here blocks
and runs on a worker thread. Leaves waiting for changes to page.py.
"""

import ipaddress
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from daypass.audit.event import AuditRecord
from daypass.authenticate.authenticate import Lookup, Signer, authenticate
from daypass.authenticate.sigv4.find import find_signature
from daypass.authorize.context import RequestInfo, build_context
from daypass.authorize.merged_requests import build_request
from daypass.bounded_memory import BoundedMemory
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.directory.resource_servers import has_resource_servers, load_resource_server
from daypass.directory.store import StoreUnavailableError
from daypass.errors import AccessDenied, Fault, InternalFailure, SenderFault, Throttling, ValidationError
from daypass.operations.operation import PermissionCheck
from daypass.pipeline import StoreView
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import decide
from daypass.resource_server.bucket_changes import ACTION as MANAGE
from daypass.resource_server.bucket_changes import change_bucket
from daypass.resource_server.facts import answer_facts
from daypass.resource_server.grants import GrantSource, grant
from daypass.verify.remote_server.protocol import (
    BUCKET_CHANGES_PATH,
    DOCUMENTS_PATH,
    FACTS_PATH,
    KEYS_PATH,
    NAME_PARAMETER,
    NONCES_PARAMETER,
    SERVICE,
    BucketChange,
    FactRequest,
    GrantRequest,
    RefusedAnswer,
)
from daypass.wire.http import HttpRequest, HttpResponse

T = TypeVar("T")

ACTION = "daypass:GetSigningKey"
_JSON = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_MISSING = HttpResponse(404, ((b"content-type", b"text/plain; charset=utf-8"),), b"Page not found.\n")
_DOCUMENTS = 1_024  # of at most 20 KiB each
encode = msgspec.json.Encoder().encode


class ResourceServers:
    """Answers the requests of resource servers on a worker thread."""

    def __init__(
        self,
        source: GrantSource,
        store_view: StoreView,
        *,
        now: Callable[[], datetime],
        is_region: Callable[[str], bool],
        record: Callable[[AuditRecord], None],
        report_bug: Callable[[str, Exception], None],
    ) -> None:
        self.source = source
        self._store_view = store_view
        self._now = now
        self._is_region = is_region
        self._record = record
        self._report_bug = report_bug
        self._documents: BoundedMemory[str, str] = BoundedMemory(_DOCUMENTS)

    def answer(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """Return the answer to POST keys or GET documents."""
        signer: Signer | None = None
        try:
            if not self.is_in_use():
                return _MISSING
            server, signer = self.identify(request)
            body = self._answer(request, server)
            fault = None
        except Fault as problem:
            fault, body = problem, b""
        except Exception as bug:  # noqa: BLE001 - the answer to a bug has a request id, never a traceback
            self._report_bug(request_id, bug)
            fault, body = InternalFailure("The request failed because of an unknown error."), b""
        self._audit(request, request_id, signer, fault)
        return HttpResponse(200, _JSON, body) if fault is None else refused(fault)

    def is_in_use(self) -> bool:
        """Return whether a resource server is registered."""
        return self._store_view.views.get(has_resource_servers)

    def identify(self, request: HttpRequest) -> tuple[ResourceServer, Signer]:
        """Return the registration that the signer may use. Raises a Fault."""
        if not request.secure and not _is_loopback(request.peer):
            raise AccessDenied("Resource servers on other machines must use https.")
        signer = self._signer(request)
        name = _parameters(request).get(NAME_PARAMETER, "")
        server = self._store_view.views.get(load_resource_server, name)
        action = MANAGE if request.path == BUCKET_CHANGES_PATH.encode() else ACTION
        if server is None or not self._is_allowed(action, server, signer, request):
            raise AccessDenied(
                f"User: {signer.caller.arn} is not authorized to perform: {action} on resource server {name!r}, "
                "or it is not registered."
            )
        return server, signer

    def _signer(self, request: HttpRequest) -> Signer:
        view = self._store_view
        try:
            unverified = find_signature(request)
            lookup = Lookup(view.views, self.source.keychain, view.sealing_ring, self._is_region, self._now())
            return authenticate(unverified, request, services=frozenset({SERVICE}), lookup=lookup)
        except Fault as fault:
            if view.failure_within_rate_limit(request.peer):
                raise
            raise Throttling("Rate exceeded", detail=f"throttled: {fault.code}") from None

    def _is_allowed(self, action: str, server: ResourceServer, signer: Signer, request: HttpRequest) -> bool:
        check = PermissionCheck(action, server.arn, server.account)
        common = build_context(signer.caller, RequestInfo(self._now(), request, signer.region))
        wanted, policies = build_request(check, signer.caller, common, self._store_view.views)
        return isinstance(decide(wanted, policies), Allowed)

    def _answer(self, request: HttpRequest, server: ResourceServer) -> bytes:
        path = request.path.decode("latin-1")
        if path == FACTS_PATH:
            facts = answer_facts(_read(request.body, FactRequest), server, self.source.store)
            return encode(facts if understands_nonces(request) else msgspec.structs.replace(facts, nonce=""))
        if path == BUCKET_CHANGES_PATH:
            change = _read(request.body, BucketChange)
            return encode(change_bucket(change, server, self.source, self._now()))
        if path == KEYS_PATH:
            answer, documents = grant(_read(request.body, GrantRequest), server, self.source, self._now())
            for name, text in documents.items():
                self._documents.put(name, text)
            return encode(answer if understands_nonces(request) else msgspec.structs.replace(answer, nonce=""))
        document = self._documents.get(path.removeprefix(DOCUMENTS_PATH))
        if document is None:
            # Another node may have named it. The resource server then asks for the documents with the key.
            raise DocumentMissingError(
                "The document is not known here. Send the request for keys with inlineDocuments."
            )
        return encode(document)

    def _audit(self, request: HttpRequest, request_id: str, signer: Signer | None, fault: Fault | None) -> None:
        name = request.path.decode("latin-1").rpartition("/v1/")[2].partition("/")[0]
        self._record(
            AuditRecord(
                self._now(),
                request_id,
                request,
                SERVICE,
                _EVENTS.get(name, "GetSigningKey"),
                "" if signer is None else signer.region,
                "" if signer is None else signer.caller.access_key_id,
                None if signer is None else signer.caller,
                {"ResourceServer": _parameters(request).get(NAME_PARAMETER, "")},
                fault,
            )
        )


_EVENTS: Mapping[str, str] = {
    "keys": "GetSigningKey",
    "documents": "GetPolicyDocument",
    "facts": "GetFacts",
    "bucket-changes": "ManageBuckets",
}


class DocumentMissingError(SenderFault):
    """A document that this node did not name, or not recently."""

    code, status = "NotFound", 404


def refused(fault: Fault) -> HttpResponse:
    """Return the answer for a Fault."""
    headers = (*_JSON, (b"retry-after", b"1")) if isinstance(fault, StoreUnavailableError) else _JSON
    return HttpResponse(fault.status, headers, encode(RefusedAnswer(fault.code, fault.message)))


def understands_nonces(request: HttpRequest) -> bool:
    """Return whether a resource server accepts nonces in answers.

    Earlier ones refuse unknown fields.
    """
    return _parameters(request).get(NONCES_PARAMETER) == "1"


def _read(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ValidationError(f"The body is not valid: {problem}") from problem


def _parameters(request: HttpRequest) -> Mapping[str, str]:
    return dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return peer == ""  # a Unix socket
