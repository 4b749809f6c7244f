"""Reduce the answer of a store to the parts that a client may see.

Owns the allow-list of headers, the errors of a store in the gateway's own form, and the hiding of missing objects.
Leaves the framing to the connections.

- A header reaches the client only if HEADERS names it, or if it is user metadata. Server, Via, cookies, the store's
  request ids and its Location do not.
- An error of the store becomes an error document with its code, its message and this gateway's request id.
- The store refuses the gateway's own credential: SignatureDoesNotMatch and the like become InternalError, because their
  elements describe the request that the gateway signed. So do redirects and HTML. Each of them raises an alarm.
- A missing object is hidden from a caller that must not list the bucket: the answer is the given refusal.
"""

import re
from collections.abc import Callable

import structlog

from daypass.gateway.plan import EditAnswer, Exchange, HeaderPairs, PassAnswer, Respond
from daypass.verify.s3.errors import S3Error, s3_error

LONGEST_ERROR = 65_536  # bytes
LONGEST_EDITED = 8_388_608  # bytes

HEADERS = frozenset(
    {
        b"accept-ranges",
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-range",
        b"content-type",
        b"etag",
        b"expires",
        b"last-modified",
        b"retry-after",
        b"x-amz-abort-date",
        b"x-amz-abort-rule-id",
        b"x-amz-archive-status",
        b"x-amz-checksum-algorithm",
        b"x-amz-checksum-crc32",
        b"x-amz-checksum-crc32c",
        b"x-amz-checksum-crc64nvme",
        b"x-amz-checksum-sha1",
        b"x-amz-checksum-sha256",
        b"x-amz-checksum-type",
        b"x-amz-copy-source-version-id",
        b"x-amz-delete-marker",
        b"x-amz-expiration",
        b"x-amz-missing-meta",
        b"x-amz-mp-parts-count",
        b"x-amz-object-lock-legal-hold",
        b"x-amz-object-lock-mode",
        b"x-amz-object-lock-retain-until-date",
        b"x-amz-object-size",
        b"x-amz-replication-status",
        b"x-amz-restore",
        b"x-amz-server-side-encryption",
        b"x-amz-server-side-encryption-aws-kms-key-id",
        b"x-amz-server-side-encryption-bucket-key-enabled",
        b"x-amz-server-side-encryption-customer-algorithm",
        b"x-amz-server-side-encryption-customer-key-md5",
        b"x-amz-storage-class",
        b"x-amz-tagging-count",
        b"x-amz-version-id",
        b"x-amz-website-redirect-location",
    }
)
_METADATA = b"x-amz-meta-"
_ERROR_HEADERS = frozenset({b"last-modified", b"retry-after", b"x-amz-delete-marker", b"x-amz-version-id"})

_REMEDY = "The store does not accept the gateway's key. Correct --backend-key-file, and the clocks of both machines."
# The store could not verify the gateway's own request. A client must not see the reason.
_OUR_FAULT = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "CredentialsNotSupported",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingSecurityHeader",
        "NotSignedUp",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "XAmzContentSHA256Mismatch",
    }
)
# An answer without a body, or with a body that is not S3's XML.
_CODES = {
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "OperationAborted",
    411: "MissingContentLength",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "SlowDown",
    501: "NotImplemented",
    502: "ServiceUnavailable",
    503: "ServiceUnavailable",
    504: "ServiceUnavailable",
}
# Elements of an error that describe the client's request. StringToSign, HostId and others are dropped.
_ELEMENTS = (
    "BucketName",
    "Key",
    "VersionId",
    "UploadId",
    "PartNumber",
    "ETag",
    "Condition",
    "ArgumentName",
    "ArgumentValue",
    "RangeRequested",
    "ActualObjectSize",
    "MinSizeAllowed",
    "MaxSizeAllowed",
    "ProposedSize",
    "Method",
    "ResourceType",
    "Resource",
)
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,100})</Code>")
_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'

Edit = Callable[[int, HeaderPairs, bytes], Respond]
Alarm = Callable[[str], None]


class StoreAnswers:
    """The rule for the answers to one request.

    - `missing` replaces a 404, if it is given.
    - `edit` is called with the status, the allowed headers and the whole body of an answer below 300. `edit_waits` is
      whether it may block.
    - `location` replaces the store's Location, and `added` are further headers of an answer below 400.
    - `on_alarm` is called with a short name, for the metrics.
    """

    def __init__(  # noqa: PLR0913 - the parts of the rule
        self,
        exchange: Exchange,
        *,
        is_head: bool = False,
        missing: S3Error | None = None,
        edit: Edit | None = None,
        edit_limit: int = LONGEST_EDITED,
        edit_waits: bool = False,
        location: bytes | None = None,
        added: HeaderPairs = (),
        on_alarm: Alarm | None = None,
    ) -> None:
        self._exchange = exchange
        self._is_head = is_head
        self._missing = missing
        self._edit = edit
        self._edit_limit = edit_limit
        self._edit_waits = edit_waits
        self._location = location
        self._added = added
        self._on_alarm = on_alarm

    def begin(self, status: int, headers: HeaderPairs) -> PassAnswer | EditAnswer:
        """Return what to do with an answer, given its status and headers."""
        if status < 300:  # noqa: PLR2004
            kept = self._kept(headers)
            edit = self._edit
            if edit is None:
                return PassAnswer(status, kept)
            return EditAnswer(self._edit_limit, lambda body: edit(status, kept, body), waits=self._edit_waits)
        if status == 304:  # noqa: PLR2004
            return PassAnswer(status, self._kept(headers))
        return EditAnswer(LONGEST_ERROR, lambda body: self._error(status, headers, body))

    def _kept(self, headers: HeaderPairs) -> HeaderPairs:
        kept = [pair for pair in headers if pair[0] in HEADERS or pair[0].startswith(_METADATA)]
        if self._location is not None and any(name == b"location" for name, _ in headers):
            kept.append((b"location", self._location))
        return (*kept, *self._added)

    def _error(self, status: int, headers: HeaderPairs, body: bytes) -> Respond:
        if status == 404 and self._missing is not None:  # noqa: PLR2004
            return self._exchange.refuse(self._missing)
        code = _find_code(body)
        fault = self._find_fault(status, headers, body, code)
        if fault:
            return self._alarm(fault, status)
        kept = tuple(pair for pair in headers if pair[0] in _ERROR_HEADERS)
        if code is None or code == "AccessDenied":  # whose message may describe the gateway's own user
            return self._without_code(status, kept)
        document = _XML + b"<Error>%b<RequestId>%b</RequestId></Error>" % (
            _elements(body, code),
            self._exchange.request_id.encode(),
        )
        return Respond(self._exchange, status, (*kept, (b"content-type", b"application/xml")), document)

    def _find_fault(self, status: int, headers: HeaderPairs, body: bytes, code: str | None) -> str:
        if status < 400:  # noqa: PLR2004
            return "redirect"
        if code in _OUR_FAULT or status in (401, 407) or (self._is_head and status == 403):  # noqa: PLR2004
            return "credential_refused"  # The answer to HEAD does not say the code.
        media = next((value for name, value in headers if name == b"content-type"), b"").lower()
        is_s3 = code is not None or (status in _CODES and b"html" not in media) or not body
        return "" if is_s3 else "not_s3"

    def _without_code(self, status: int, kept: HeaderPairs) -> Respond:
        if self._is_head:
            return Respond(self._exchange, status, kept, b"")
        return self._exchange.refuse(
            s3_error(_CODES.get(status, "InternalError"), detail=f"the store answered {status}")
        )

    def _alarm(self, name: str, status: int, code: str = "InternalError") -> Respond:
        remedy = {"remedy": _REMEDY} if name == "credential_refused" else {}
        structlog.get_logger().error("store_answer_refused", reason=name, status=status, **remedy)
        if self._on_alarm is not None:
            self._on_alarm(name)
        # A proxy in front of the store answers these when the store is down.
        code = "ServiceUnavailable" if status in (502, 503, 504) else "InternalError"
        return self._exchange.refuse(s3_error(code, detail=f"the store answered {status}: {name}"))


def _find_code(body: bytes) -> str | None:
    found = _CODE.search(body)
    return None if found is None or b"<Error" not in body else found[1].decode()


def _elements(body: bytes, code: str) -> bytes:
    # The values stay as the store escaped them; a value with elements inside is dropped.
    kept = [b"<Code>%b</Code>" % code.encode()]
    for name in ("Message", *_ELEMENTS):
        found = re.search(rb"<%b>([^<\x00-\x08]{0,4096})</%b>" % (name.encode(), name.encode()), body)
        if found is not None:
            kept.append(found[0])
    return b"".join(kept)
