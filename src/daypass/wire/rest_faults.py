"""The refusals of the JSON services: their codes, words and format.

Owns one Fault class for each error code that operations raise, and the table of other Faults in each service's codes.
Source: botocore's models of sso-oidc, sso and signin; RFC 6749 section 5.2 and RFC 8628 section 3.5 for the words of
`error`. A test compares codes and status with the models.

- sso-oidc answers `{"error", "error_description"}`, signin `{"error", "message"}`, sso `{"message"}`.
- The header `x-amzn-ErrorType` has the code.
- AccessDeniedException has no status in the model of signin. 400 is used, as in sso-oidc.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import json

from daypass.errors import AccessDenied, ExpiredTokenException, Fault, SenderFault, ServiceUnavailable, Throttling
from daypass.wire.http import HttpResponse
from daypass.wire.rest_json import answer
from daypass.wire.safe_text import encodable, json_bytes


class JsonFault(SenderFault):
    """A refusal in the words of a JSON service.

    `error` replaces the usual word of its class.
    """

    word: ClassVar[str] = "invalid_request"

    def __init__(self, message: str = "", *, detail: str = "", error: str = "") -> None:
        super().__init__(message, detail=detail)
        self.error = error or self.word


class InvalidRequestException(JsonFault):
    """A parameter is missing, malformed or unsupported."""

    code = "InvalidRequestException"


class InvalidClientException(JsonFault):
    """The client id or secret is wrong, or the registration expired."""

    code, status, word = "InvalidClientException", 401, "invalid_client"


class InvalidClientMetadataException(JsonFault):
    """A registration is not supported."""

    code, word = "InvalidClientMetadataException", "invalid_client_metadata"


class InvalidRedirectUriException(JsonFault):
    """A redirect URI of a registration is not a loopback address."""

    code, word = "InvalidRedirectUriException", "invalid_redirect_uri"


class InvalidGrantException(JsonFault):
    """A code or refresh token is invalid, expired, used, or of another client."""

    code, word = "InvalidGrantException", "invalid_grant"


class UnauthorizedClientException(JsonFault):
    """The client is not registered for this grant."""

    code, word = "UnauthorizedClientException", "unauthorized_client"


class UnsupportedGrantTypeException(JsonFault):
    """The server does not have this grant."""

    code, word = "UnsupportedGrantTypeException", "unsupported_grant_type"


class InvalidScopeException(JsonFault):
    """The server does not have this scope."""

    code, word = "InvalidScopeException", "invalid_scope"


class AuthorizationPendingException(JsonFault):
    """The person has not decided yet."""

    code, word = "AuthorizationPendingException", "authorization_pending"


class SlowDownException(JsonFault):
    """The client sends too many requests."""

    code, word = "SlowDownException", "slow_down"


class AccessDeniedException(JsonFault):
    """The person declined, or the client may not have tokens."""

    code, word = "AccessDeniedException", "access_denied"


class UnauthorizedException(JsonFault):
    """The access token is invalid or has expired."""

    code, status = "UnauthorizedException", 401


class ResourceNotFoundException(JsonFault):
    """The account or role does not exist for this person."""

    code, status, word = "ResourceNotFoundException", 404, "RESOURCE_NOT_FOUND"


class ValidationException(JsonFault):
    """A parameter of the sign-in API is missing, malformed or unsupported."""

    code, word = "ValidationException", "INVALID_REQUEST"


# A Fault of other parts of the server -> code, status and word. The first matching row applies.
Row = tuple[type[Fault], str, int, str]
_OTHERS: Mapping[str, Sequence[Row]] = {
    "sso-oidc": (
        (Throttling, "SlowDownException", 400, "slow_down"),
        (AccessDenied, "AccessDeniedException", 403, "access_denied"),
        (ExpiredTokenException, "ExpiredTokenException", 400, "expired_token"),
        (SenderFault, "InvalidRequestException", 400, "invalid_request"),
        (Fault, "InternalServerException", 500, "server_error"),
    ),
    "sso": (
        (Throttling, "TooManyRequestsException", 429, ""),
        (AccessDenied, "ForbiddenException", 403, ""),
        (SenderFault, "InvalidRequestException", 400, ""),
        (ServiceUnavailable, "ServiceUnavailableException", 503, ""),
        (Fault, "InternalServerException", 500, ""),
    ),
    "signin": (
        (Throttling, "TooManyRequestsError", 429, "rate_exceeded"),
        (AccessDenied, "AccessDeniedException", 403, "INSUFFICIENT_PERMISSIONS"),
        (SenderFault, "ValidationException", 400, "INVALID_REQUEST"),
        (ServiceUnavailable, "ServiceUnavailableException", 503, "service_unavailable"),
        (Fault, "InternalServerException", 500, "server_error"),
    ),
}


def render_rest_fault(service: str, fault: Fault, request_id: str) -> HttpResponse:
    """Return a refusal in the format of a service. `detail` is not part of it."""
    code, status, word = _named(service, fault)
    message = encodable(fault.message or "The request was refused.")
    members = {
        "sso-oidc": {"error": word, "error_description": message},
        "sso": {"message": message},
        "signin": {"error": word, "message": message},
    }
    body = json_bytes(json.encode(members[service]))
    return answer(body, request_id, status=status, extra=((b"x-amzn-errortype", code.encode()),))


def _named(service: str, fault: Fault) -> tuple[str, int, str]:
    if isinstance(fault, JsonFault):
        return fault.code, fault.status, fault.error
    return next(row[1:] for row in _OTHERS[service] if isinstance(fault, row[0]))
