"""The errors of S3: codes, statuses and messages, and the XML body.

Owns the table ERRORS and the body. Leaves the choice of an error to the rule that was broken, and the errors of the
signature check to signature_errors.py. Source: Amazon S3 API Reference, "Error responses".
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class ErrorRow(msgspec.Struct, frozen=True):
    """The HTTP status of an error code, and S3's default message."""

    status: int
    message: str


def _rows(status: int, **messages: str) -> dict[str, ErrorRow]:
    return {code: ErrorRow(status, message) for code, message in messages.items()}


ERRORS: Mapping[str, ErrorRow] = MappingProxyType(
    {
        **_rows(
            400,
            AccessControlListNotSupported="The bucket does not allow ACLs",
            AuthorizationHeaderMalformed="The authorization header that you provided is not valid.",
            AuthorizationQueryParametersError="The authorization query parameters that you provided are not valid.",
            BadDigest="The Content-MD5 or checksum value that you specified did not match what the server received.",
            BadRequest="Bad Request",
            EntityTooLarge="Your proposed upload exceeds the maximum allowed size",
            EntityTooSmall="Your proposed upload is smaller than the minimum allowed size",
            ExpiredToken="The provided token has expired.",
            IllegalLocationConstraintException="The specified location constraint is not valid.",
            IncompleteBody="You did not provide the number of bytes specified by the Content-Length HTTP header",
            IncorrectNumberOfFilesInPostRequest="POST requires exactly one file upload per request.",
            InvalidArgument="Invalid Argument",
            InvalidBucketName="The specified bucket is not valid.",
            InvalidChunkSizeError="Only the last chunk is allowed to have a size less than 8192 bytes",
            InvalidDigest="The Content-MD5 or checksum value that you specified is not valid.",
            InvalidLocationConstraint="The specified location-constraint is not valid",
            InvalidPart="One or more of the specified parts could not be found. The part may not have been uploaded, "
            "or the specified entity tag may not match the part's entity tag.",
            InvalidPartOrder="The list of parts was not in ascending order. Parts must be ordered by part number.",
            InvalidPolicyDocument="Invalid Policy: Invalid JSON.",
            InvalidRequest="Invalid Request",
            InvalidTag="The TagKey you have provided is invalid",
            InvalidToken="The provided token is malformed or otherwise invalid.",
            InvalidURI="Couldn't parse the specified URI.",
            KeyTooLongError="Your key is too long",
            MalformedACLError="The XML you provided was not well-formed or did not validate against our published "
            "schema",
            MalformedPOSTRequest="The body of your POST request is not well-formed multipart/form-data.",
            MalformedPolicy="Policy has invalid resource",
            MalformedTrailerError="The request contained trailing data that was not well-formed or did not conform to "
            "our published schema.",
            MalformedXML="The XML you provided was not well-formed or did not validate against our published schema",
            MaxMessageLengthExceeded="Your request was too big.",
            MaxPostPreDataLengthExceededError="Your POST request fields preceding the upload file were too large.",
            MetadataTooLarge="Your metadata headers exceed the maximum allowed metadata size",
            MissingSecurityHeader="Your request was missing a required header.",
            RequestHeaderSectionTooLarge="Your request header section exceeds the maximum allowed size.",
            RequestTimeout="Your socket connection to the server was not read from or written to within the timeout "
            "period. Idle connections will be closed.",
            TooManyBuckets="You have attempted to create more buckets than allowed",
            UnexpectedContent="This request contains unsupported content.",
            UserKeyMustBeSpecified="The bucket POST must contain the specified field name. If it is specified, please "
            "check the order of the fields.",
            XAmzContentSHA256Mismatch="The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        **_rows(
            403,
            AccessDenied="Access Denied",
            InvalidAccessKeyId="The AWS Access Key Id you provided does not exist in our records.",
            RequestTimeTooSkewed="The difference between the request time and the current time is too large.",
            SignatureDoesNotMatch="The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        ),
        **_rows(
            404,
            NoSuchBucket="The specified bucket does not exist",
            NoSuchBucketPolicy="The bucket policy does not exist",
            NoSuchKey="The specified key does not exist.",
            NoSuchPublicAccessBlockConfiguration="The public access block configuration was not found",
            NoSuchTagSet="The TagSet does not exist",
            NoSuchUpload="The specified upload does not exist. The upload ID may be invalid, or the upload may have "
            "been aborted or completed.",
            NoSuchVersion="The specified version does not exist.",
            OwnershipControlsNotFoundError="The bucket ownership controls were not found",
        ),
        **_rows(405, MethodNotAllowed="The specified method is not allowed against this resource."),
        **_rows(
            409,
            BucketAlreadyExists="The requested bucket name is not available. The bucket namespace is shared by all "
            "users of the system. Please select a different name and try again.",
            BucketAlreadyOwnedByYou="Your previous request to create the named bucket succeeded and you already own "
            "it.",
            BucketNotEmpty="The bucket you tried to delete is not empty",
            OperationAborted="A conflicting conditional operation is currently in progress against this resource. "
            "Please try again.",
        ),
        **_rows(411, MissingContentLength="You must provide the Content-Length HTTP header."),
        **_rows(412, PreconditionFailed="At least one of the pre-conditions you specified did not hold"),
        **_rows(417, ExpectationFailed="The expectation of the request cannot be met."),
        **_rows(416, InvalidRange="The requested range is not satisfiable"),
        **_rows(500, InternalError="We encountered an internal error. Please try again."),
        **_rows(505, HttpVersionNotSupported="The HTTP version specified is not supported."),
        **_rows(501, NotImplemented="A header you provided implies functionality that is not implemented"),
        **_rows(
            503,
            ServiceUnavailable="Service is unable to handle request.",
            SlowDown="Please reduce your request rate.",
        ),
    }
)


class S3Error(Exception):
    """An error answer of S3.

    `extra` are further elements of the body, by name. `detail` is for the audit log alone.
    """

    def __init__(self, code: str, message: str, extra: Mapping[str, str], detail: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = ERRORS[code].status
        self.message = message
        self.extra = extra
        self.detail = detail


def s3_error(code: str, message: str = "", *, detail: str = "", **extra: str) -> S3Error:
    """Return the error of a code, with the message of S3 unless one is given.

    Raises KeyError if ERRORS does not have the code.
    """
    return S3Error(code, message or ERRORS[code].message, MappingProxyType(extra), detail)


def render_error(error: S3Error, *, resource: str, request_id: str) -> bytes:
    """Return the body of an error answer.

    The header x-amz-request-id of the answer must have the same request ID. The answer to HEAD does not have a body.
    """
    elements = {
        "Code": error.code,
        "Message": error.message,
        **error.extra,
        "Resource": resource,
        "RequestId": request_id,
    }
    body = "".join([f"<{name}>{_escape(value)}</{name}>" for name, value in elements.items()])
    return _XML + f"<Error>{body}</Error>".encode()


def _escape(text: str) -> str:
    # XML 1.0 section 2.2 does not allow most control characters, not even as references.
    visible = "".join([char if _is_xml_char(char) else "\ufffd" for char in text])
    return visible.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _is_xml_char(char: str) -> bool:
    return (
        char in "\t\n\r"
        or " " <= char <= "\ud7ff"
        or "\ue000" <= char <= "\ufffd"
        or "\U00010000" <= char <= "\U0010ffff"
    )
