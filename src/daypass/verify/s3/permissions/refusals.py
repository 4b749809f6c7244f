"""The S3 error for each refusal of a verifier, policy or key provider.

Owns one table from the reasons of daypass.verify to S3's codes, and the sentence of a denial. Leaves the codes and the
XML to errors.py. Source: Amazon S3 API Reference, "Error responses"; Amazon S3 User Guide, "Troubleshoot access denied
(403 Forbidden) errors in Amazon S3".
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from daypass.errors import Fault
from daypass.policy.decision import Denied
from daypass.policy.reasons.denial_messages import because
from daypass.policy.source import PolicyType
from daypass.verify.caller import VerifiedCaller
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.permissions.actions import EVERY_BUCKET, Permission

_MECHANISM = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
_SIGNATURE_VERSION_2 = (
    f"{_MECHANISM} This request is signed with Signature Version 2. Set s3.signature_version = s3v4 in the profile "
    '(`aws configure set s3.signature_version s3v4`), or Config(signature_version="s3v4") in boto3, and sign again.'
)
_ONE_MECHANISM = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
    "the Authorization header should be specified"
)
_WEEK = (
    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 "
    "seconds"
)
_HEADER = "AuthorizationHeaderMalformed"
_QUERY = "AuthorizationQueryParametersError"


class RefusalRow(msgspec.Struct, frozen=True):
    """S3's code and message for a reason.

    An empty message is the default of the code. `quotes` is true if the sentence of the verifier is the message.
    """

    code: str
    message: str = ""
    quotes: bool = False


_TABLE: Mapping[VerifyReason, RefusalRow] = MappingProxyType(
    {
        VerifyReason.HEAD: RefusalRow("BadRequest", quotes=True),
        VerifyReason.HTTP_VERSION: RefusalRow("HttpVersionNotSupported"),
        VerifyReason.TARGET: RefusalRow("InvalidURI"),
        VerifyReason.EXPECTATION: RefusalRow("ExpectationFailed"),
        VerifyReason.HEAD_TOO_LARGE: RefusalRow("RequestHeaderSectionTooLarge"),
        VerifyReason.NO_SIGNATURE: RefusalRow("AccessDenied"),
        VerifyReason.TWO_MECHANISMS: RefusalRow("InvalidArgument", _ONE_MECHANISM),
        VerifyReason.SIGNATURE_VERSION_2: RefusalRow("InvalidRequest", _SIGNATURE_VERSION_2),
        VerifyReason.ALGORITHM: RefusalRow("InvalidRequest", _MECHANISM),
        VerifyReason.HEADER_MALFORMED: RefusalRow(_HEADER, quotes=True),
        VerifyReason.QUERY_MALFORMED: RefusalRow(_QUERY, quotes=True),
        VerifyReason.DATE: RefusalRow("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"),
        VerifyReason.WRONG_REGION: RefusalRow(_HEADER, quotes=True),
        VerifyReason.WRONG_SERVICE: RefusalRow(_HEADER, quotes=True),
        VerifyReason.WRONG_TERMINATOR: RefusalRow(_HEADER, quotes=True),
        VerifyReason.WRONG_DATE: RefusalRow(_HEADER, quotes=True),
        VerifyReason.EXPIRES: RefusalRow(_QUERY, _WEEK),
        VerifyReason.TOO_SKEWED: RefusalRow("RequestTimeTooSkewed"),
        VerifyReason.URL_EXPIRED: RefusalRow("AccessDenied", "Request has expired"),
        VerifyReason.URL_NOT_YET_VALID: RefusalRow("AccessDenied", "Request is not yet valid"),
        VerifyReason.HEADERS_NOT_SIGNED: RefusalRow(
            "AccessDenied", "There were headers present in the request which were not signed"
        ),
        VerifyReason.PAYLOAD_MISSING: RefusalRow(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        ),
        VerifyReason.PAYLOAD_INVALID: RefusalRow("InvalidArgument", quotes=True),
        VerifyReason.TOKEN_TWICE: RefusalRow(_QUERY, quotes=True),
        VerifyReason.UNKNOWN_KEY: RefusalRow("InvalidAccessKeyId"),
        VerifyReason.INVALID_TOKEN: RefusalRow("InvalidToken"),
        VerifyReason.EXPIRED_TOKEN: RefusalRow("ExpiredToken"),
        VerifyReason.SIGNATURE_MISMATCH: RefusalRow("SignatureDoesNotMatch"),
        VerifyReason.BODY_HASH: RefusalRow("XAmzContentSHA256Mismatch"),
        VerifyReason.BODY_LENGTH: RefusalRow("IncompleteBody"),
        VerifyReason.BODY_TOO_LARGE: RefusalRow("MaxMessageLengthExceeded"),
    }
)
_OWN_SIDE = frozenset({PolicyType.IDENTITY, PolicyType.BOUNDARY, PolicyType.SESSION, PolicyType.SERVICE_CONTROL})


def refusal(error: VerifyError, *, presigned: bool = False) -> S3Error:
    """Return S3's error for a request that is not verified.

    `presigned` is whether the signature is in the query: S3 then blames the query for a wrong scope.
    """
    row = _TABLE[error.reason]
    code = _QUERY if presigned and row.code == _HEADER else row.code
    message = row.message
    if row.quotes:
        message = f"The authorization header is malformed; {error.message}" if code == _HEADER else error.message
    detail = error.message if error.fault is None else error.fault.detail or error.message
    return s3_error(code, message, detail=detail, **error.fields)


def fault_refusal(fault: Fault) -> S3Error:
    """Return S3's error for a Fault that is not about the caller's key."""
    if fault.code == "Throttling":
        return s3_error("SlowDown", detail=fault.detail)
    return s3_error("ServiceUnavailable", detail=f"{fault.code}: {fault.detail or fault.message}")


def denial(caller: VerifiedCaller, permission: Permission, denied: Denied, *, resource_account: str) -> S3Error:
    """Return S3's error for a denied permission.

    A caller of another account learns about its own account's policies only, and an anonymous caller about none.
    """
    foreign = resource_account not in ("", caller.account) and denied.by not in _OWN_SIDE
    if caller.anonymous or foreign:
        return s3_error("AccessDenied", detail=f"{permission.action} on {permission.resource} {because(denied)}")
    target = "" if permission.resource == EVERY_BUCKET else f' on resource: "{permission.resource}"'
    return s3_error(
        "AccessDenied",
        f"User: {caller.arn} is not authorized to perform: {permission.action}{target} {because(denied)}",
        detail=denied.failure,
    )
