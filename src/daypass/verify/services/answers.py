"""The answers with which a service of one's own refuses a request.

Owns the table from reasons to status, type and words, in the form of AWS's JSON services. The words say what to change.
"""

import json
from collections.abc import Mapping

import msgspec

from daypass.errors import Fault
from daypass.policy.decision import Denied
from daypass.policy.reasons.denial_messages import because
from daypass.verify.caller import VerifiedCaller
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.refusals import VerifyReason as Reason


class ServiceAnswer(msgspec.Struct, frozen=True):
    """A refusal as the client sees it."""

    status: int
    type: str
    message: str

    @property
    def body(self) -> bytes:
        """Return the JSON document."""
        return json.dumps({"__type": self.type, "message": self.message}).encode()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of the response."""
        return (
            ("content-type", "application/json"),
            ("content-length", str(len(self.body))),
            ("x-amzn-errortype", self.type),
            ("cache-control", "no-store"),
        )


_INCOMPLETE, _INVALID = "IncompleteSignatureException", "InvalidSignatureException"
_V4 = "Sign the request with Signature Version 4 (AWS4-HMAC-SHA256)."
_MISMATCH = (
    "The signature does not match the request. Check the secret access key, and that the request is sent exactly as it "
    "was signed: method, path, query, signed headers and body."
)
_SIGN_AGAIN = "Create the request again."

# Reason: status, type, and words that replace the error's own message ("" keeps it).
_ANSWERS: Mapping[VerifyReason, tuple[int, str, str]] = {
    Reason.HEAD: (400, "MalformedHttpRequestException", ""),
    Reason.HEAD_TOO_LARGE: (431, "RequestHeaderFieldsTooLargeException", ""),
    Reason.HTTP_VERSION: (505, "MalformedHttpRequestException", ""),
    Reason.TARGET: (400, "MalformedHttpRequestException", ""),
    Reason.EXPECTATION: (417, "MalformedHttpRequestException", ""),
    Reason.NO_SIGNATURE: (403, "MissingAuthenticationTokenException", f"The request is not signed. {_V4}"),
    Reason.TWO_MECHANISMS: (
        400,
        _INCOMPLETE,
        "The request has a signature in its header and parameters of a signature in its query. Send one of the two.",
    ),
    Reason.SIGNATURE_VERSION_2: (400, _INCOMPLETE, f"Signature Version 2 is not supported. {_V4}"),
    Reason.ALGORITHM: (400, _INCOMPLETE, f"The Authorization header is not supported. {_V4}"),
    Reason.HEADER_MALFORMED: (400, _INCOMPLETE, ""),
    Reason.QUERY_MALFORMED: (400, _INCOMPLETE, ""),
    Reason.DATE: (400, _INCOMPLETE, ""),
    Reason.WRONG_REGION: (403, _INVALID, ""),
    Reason.WRONG_SERVICE: (403, _INVALID, ""),
    Reason.WRONG_TERMINATOR: (403, _INVALID, "The scope of the signature must end with 'aws4_request'."),
    Reason.WRONG_DATE: (403, _INVALID, "The scope of the signature must name the day of X-Amz-Date, in UTC."),
    Reason.EXPIRES: (400, _INCOMPLETE, "X-Amz-Expires must be a number of seconds from 1 to 604800."),
    Reason.TOO_SKEWED: (403, _INVALID, ""),
    Reason.URL_EXPIRED: (403, _INVALID, "The presigned URL has expired. Create a new one."),
    Reason.URL_NOT_YET_VALID: (403, _INVALID, "The presigned URL is not valid yet. Set the clock of its signer."),
    Reason.HEADERS_NOT_SIGNED: (403, _INVALID, ""),
    Reason.PAYLOAD_MISSING: (400, _INCOMPLETE, ""),
    Reason.PAYLOAD_INVALID: (400, _INCOMPLETE, ""),
    Reason.TOKEN_TWICE: (
        400,
        _INCOMPLETE,
        "The session token is in a header and in the query. Send it where the signature is.",
    ),
    Reason.UNKNOWN_KEY: (
        403,
        "UnrecognizedClientException",
        "The access key is not valid. If it belongs to a session, send its session token too.",
    ),
    Reason.INVALID_TOKEN: (
        403,
        "UnrecognizedClientException",
        "The session token is not valid for the access key. Send the key, secret and token of one session.",
    ),
    Reason.EXPIRED_TOKEN: (403, "ExpiredTokenException", "The session has expired. Get new credentials."),
    Reason.SIGNATURE_MISMATCH: (
        403,
        _INVALID,
        _MISMATCH,
    ),
    Reason.BODY_HASH: (403, _INVALID, f"The body is not the body that was signed. {_SIGN_AGAIN}"),
    Reason.BODY_LENGTH: (400, "IncompleteBodyException", "The body does not have the length of Content-Length."),
    Reason.BODY_TOO_LARGE: (413, "RequestEntityTooLargeException", ""),
}


def answer_error(error: VerifyError) -> ServiceAnswer:
    """Return the answer for a request that is not verified."""
    status, name, words = _ANSWERS[error.reason]
    return ServiceAnswer(status, name, words or error.message)


def answer_no_route(method: str) -> ServiceAnswer:
    """Return the answer for a request without a route."""
    message = f"The service has no operation for {method} with this path. Check the method and the path."
    return ServiceAnswer(403, "AccessDeniedException", message)


def answer_denied(caller: VerifiedCaller, denied: Denied, resource: str) -> ServiceAnswer:
    """Return the answer for a caller without the permission, in AWS's words."""
    message = f"User: {caller.arn} is not authorized to perform: {denied.action} on resource: {resource} "
    return ServiceAnswer(403, "AccessDeniedException", message + because(denied))


def answer_fault(fault: Fault) -> ServiceAnswer:
    """Return the answer for a Fault of the key provider."""
    if fault.code == "Throttling":
        return ServiceAnswer(429, "ThrottlingException", fault.message or "Too many requests. Try again later.")
    if fault.code == "ServiceUnavailable":
        message = fault.message or "The service cannot verify the request now. Try again later."
        return ServiceAnswer(503, "ServiceUnavailableException", message)
    return ServiceAnswer(500, "InternalFailure", "The request could not be verified.")
