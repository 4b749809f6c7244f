"""The refusals of a verifier, before any policy is read.

Owns one reason for each rule of daypass.verify. A service maps the reason to its own error code, status and message:
S3 in verify/s3/errors.py, services of one's own in verify/services/answers.py.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from daypass.errors import Fault


class VerifyReason(Enum):
    """The rule that a request breaks."""

    HEAD = "the head is not valid HTTP/1.1"
    HEAD_TOO_LARGE = "the head is too large"
    HTTP_VERSION = "the version of HTTP is not 1.1"
    TARGET = "the target has a percent sign that does not begin an escape"
    EXPECTATION = "the request expects something other than 100-continue"
    NO_SIGNATURE = "the request is not signed"
    TWO_MECHANISMS = "the request has a signature in its header and in its query"
    SIGNATURE_VERSION_2 = "the request is signed with Signature Version 2"
    ALGORITHM = "the signature's algorithm is not AWS4-HMAC-SHA256"
    HEADER_MALFORMED = "the Authorization header is malformed"
    QUERY_MALFORMED = "the query parameters of the signature are malformed"
    DATE = "the date of the signature is missing or malformed"
    WRONG_REGION = "the scope names another region"
    WRONG_SERVICE = "the scope names another service"
    WRONG_TERMINATOR = "the scope does not end with aws4_request"
    WRONG_DATE = "the scope names another date than the request"
    EXPIRES = "X-Amz-Expires is not a number from 1 to 604800"
    TOO_SKEWED = "the signature is too old, or too early"
    URL_EXPIRED = "the presigned URL has expired"
    URL_NOT_YET_VALID = "the presigned URL is not valid yet"
    HEADERS_NOT_SIGNED = "headers that must be signed are not signed"
    PAYLOAD_MISSING = "x-amz-content-sha256 is missing"
    PAYLOAD_INVALID = "x-amz-content-sha256 is not a value that the service accepts"
    TOKEN_TWICE = "the session token is in a header and in the query"  # noqa: S105 - a sentence
    UNKNOWN_KEY = "the access key does not exist or is inactive"
    INVALID_TOKEN = "the session token is not valid for the access key"  # noqa: S105 - a sentence
    EXPIRED_TOKEN = "the session has expired"  # noqa: S105 - a sentence
    SIGNATURE_MISMATCH = "the signature is wrong"
    BODY_HASH = "the body is not the body that was signed"
    BODY_LENGTH = "the body does not have the length that was announced"
    BODY_TOO_LARGE = "the body is larger than the service accepts"


class VerifyError(Exception):
    """A request that is not verified.

    `message` is a sentence for the client. `fields` are facts for the client that a service may add to its error, by
    S3's element names (`HeadersNotSigned`, `Region`, `ServerTime`, `StringToSign` …). `fault` is the Fault of the key
    provider, if it refused the claim; its `detail` is for the audit log alone.
    """

    def __init__(
        self,
        reason: VerifyReason,
        message: str = "",
        *,
        fields: Mapping[str, str] = MappingProxyType({}),
        fault: Fault | None = None,
    ) -> None:
        super().__init__(message or reason.value)
        self.reason = reason
        self.message = message or f"{reason.value[0].upper()}{reason.value[1:]}."
        self.fields = fields
        self.fault = fault


class HeadError(VerifyError):
    """A head that is refused before its signature is read.

    The connection must be closed.
    """

    def __init__(self, message: str, reason: VerifyReason = VerifyReason.HEAD) -> None:
        super().__init__(reason, message)
