"""The exchange of one request: its id, its refusals and its audit event.

Owns the content of an S3 data event, and which requests get one:

- Every refusal and every change gets an event. Of the successful reads, a configurable share does.
- Secrets, signatures, tokens and bodies are not in it. A presigned URL's parameters are not in it either.

Source: AWS CloudTrail User Guide, "CloudTrail record contents"; Amazon S3 User Guide, "Amazon S3 CloudTrail events".
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from daypass.audit.event import AuditRecord, DataEvent
from daypass.errors import Fault, SenderFault, ServiceUnavailable, Throttling
from daypass.gateway.plan import HeaderPairs, Peer, Respond
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.refusals import VerifyError
from daypass.verify.s3.errors import S3Error, render_error, s3_error
from daypass.verify.s3.permissions.refusals import fault_refusal, refusal
from daypass.wire.http import HttpRequest

_XML = (b"content-type", b"application/xml")
_RETRY = (b"retry-after", b"1")
_MESSAGE_HEADER = b"x-daypass-authorization-message"
_OK_BELOW = 400
_CLIENT_GONE = "ClientDisconnected"
_READS = ("Get", "Head", "List", "Select")
# CloudTrail names these by the operation of the first version.
_EVENT_NAMES = {"ListObjectsV2": "ListObjects", "PostObject": "PutObject"}


class S3RefusalError(SenderFault):
    """An S3Error in an audit event."""

    def __init__(self, message: str = "", *, detail: str = "", code: str = "InternalError") -> None:
        super().__init__(message, detail=detail)
        self.code = code  # type: ignore[misc] # one class for all codes of S3


class ExchangeLog(msgspec.Struct, frozen=True):
    """What all exchanges of a gateway share.

    `record` receives the audit records, `answered` the error code of each request or an empty string, and `used` the
    caller of each request that was verified. `is_sampled` is whether the next successful read gets an event.
    """

    record: Callable[[AuditRecord], None]
    answered: Callable[[str], None]
    used: Callable[[VerifiedCaller, datetime, str], None]
    report_bug: Callable[[str, Exception], None]
    is_sampled: Callable[[], bool]


class RequestExchange:
    """One request, from its head to its audit event.

    The judge fills in the members as it learns them. `store_code` is the error code of the store's answer.
    """

    # On the class, because every request creates an exchange and sets few of them.
    caller: VerifiedCaller | None = None
    access_key_id = ""
    region = ""
    operation = ""
    bucket = ""
    bucket_account = ""
    key = ""
    presigned = False
    parameters: Mapping[str, Any] = MappingProxyType({})
    names_known_key = False
    encoded: str | None = None
    error: S3Error | None = None
    store_code = ""
    fault: Fault | None = None

    def __init__(self, log: ExchangeLog, request_id: str, peer: Peer, head: RequestHead | None, at: datetime) -> None:
        self._log = log
        self.request_id = request_id
        self.peer = peer
        self.head = head
        self.at = at

    def refuse(self, error: Exception) -> Respond:
        """Return the answer for an error."""
        known = self._to_s3_error(error)
        self.error = known
        headers: list[tuple[bytes, bytes]] = [_XML]
        if known.status == 503:  # noqa: PLR2004 - Service Unavailable
            headers.append(_RETRY)
        if self.encoded is not None and known.code == "AccessDenied":
            headers.append((_MESSAGE_HEADER, self.encoded.encode()))
        resource = "/" if self.head is None else self.head.path.decode("latin-1")
        body = render_error(known, resource=resource, request_id=self.request_id)
        return Respond(self, known.status, tuple(headers), body)

    def respond(self, status: int, headers: HeaderPairs = (), body: bytes = b"") -> Respond:
        """Return an answer of the gateway itself."""
        return Respond(self, status, headers, body)

    def done(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        """Write the audit event."""
        log = self._log
        code = self._code(status)
        log.answered(code)
        if self.caller is not None and not self.caller.anonymous:
            log.used(self.caller, self.at, self.region)
        if code or not self._is_read() or log.is_sampled():
            log.record(self._record(status, bytes_in, bytes_out, code))

    def _code(self, status: int) -> str:
        """Return the error code of the event, or "" for a success."""
        if self.error is not None:
            return self.error.code
        if not status:
            return _CLIENT_GONE  # The outcome is not known to the client; an upload that was cut did not succeed.
        return (self.store_code or str(status)) if status >= _OK_BELOW else ""

    def _is_read(self) -> bool:
        return self.operation.startswith(_READS)

    def _to_s3_error(self, error: Exception) -> S3Error:
        if isinstance(error, S3Error):
            return error
        if isinstance(error, VerifyError):
            self.fault = error.fault
            return refusal(error, presigned=self.presigned)
        if isinstance(error, Fault):
            self.fault = error
            if isinstance(error, ServiceUnavailable | Throttling):
                return fault_refusal(error)
        self._log.report_bug(self.request_id, error)
        return s3_error("InternalError", detail=type(error).__name__)

    # The event ----------------------------------------------------------------------------------------------

    def _record(self, status: int, bytes_in: int, bytes_out: int, code: str) -> AuditRecord:
        return AuditRecord(
            self.at,
            self.request_id,
            _http_request(self.head, self.peer),
            "s3",
            _EVENT_NAMES.get(self.operation, self.operation),
            self.region,
            self.access_key_id,
            None,
            self._request_parameters(),
            self._refusal(code, status),
            DataEvent(
                self.caller,
                self._is_read(),
                self._resources(),
                self._additional(bytes_in, bytes_out),
                self._tls(),
                self.bucket_account,
            ),
        )

    def _request_parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {**self.parameters}
        if self.bucket:
            found["bucketName"] = self.bucket
        if self.key:
            found["key"] = self.key
        host = None if self.head is None else self.head.headers.get(b"host")
        if host is not None:
            found["Host"] = host.decode("latin-1")
        return found

    def _refusal(self, code: str, status: int) -> Fault | None:
        if not code:
            return None
        error = self.error
        if error is None:
            happened = f"The store answered {status}." if status else "The client closed the connection."
            refusal = S3RefusalError(happened, code=code)
        else:
            detail = error.detail or ("" if self.fault is None else self.fault.detail)
            refusal = S3RefusalError(error.message, detail=detail, code=code)
        if self.fault is not None:
            refusal.names_known_key, refusal.key_account = self.fault.names_known_key, self.fault.key_account
        refusal.names_known_key = refusal.names_known_key or self.names_known_key
        return refusal

    def _resources(self) -> tuple[Mapping[str, str], ...]:
        if not self.bucket:
            return ()
        arn = f"arn:aws:s3:::{self.bucket}"
        bucket = {"accountId": self.bucket_account, "type": "AWS::S3::Bucket", "ARN": arn}
        if not self.bucket_account:
            del bucket["accountId"]
        return ({"type": "AWS::S3::Object", "ARN": f"{arn}/{self.key}"}, bucket) if self.key else (bucket,)

    def _additional(self, bytes_in: int, bytes_out: int) -> dict[str, Any]:
        found: dict[str, Any] = {"bytesTransferredIn": bytes_in, "bytesTransferredOut": bytes_out}
        if self.access_key_id:
            found["SignatureVersion"] = "SigV4"
            found["AuthenticationMethod"] = "QueryString" if self.presigned else "AuthHeader"
        if self.peer.cipher_suite:
            found["CipherSuite"] = self.peer.cipher_suite
        return found

    def _tls(self) -> Mapping[str, str] | None:
        if not self.peer.tls_version:
            return None
        host = b"" if self.head is None else self.head.headers.get(b"host", b"")
        return {
            "tlsVersion": self.peer.tls_version,
            "cipherSuite": self.peer.cipher_suite,
            "clientProvidedHostHeader": host.decode("latin-1"),
        }


def _http_request(head: RequestHead | None, peer: Peer) -> HttpRequest:
    if head is None:
        return HttpRequest("", b"/", b"", (), b"", peer.address, peer.secure)
    agent = head.headers.get(b"user-agent")
    headers = () if agent is None else ((b"user-agent", agent),)
    return HttpRequest(head.method, head.path, b"", headers, b"", peer.address, peer.secure)
