"""The common headers of responses, and a Fault in XML or JSON.

errors.py defines the code and status of a refusal. `detail` is never part of a response.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import json

from daypass.errors import Fault, InvalidAction, MethodNotAllowed, MissingAction, QueryTooLong, RequestEntityTooLarge
from daypass.wire.cors import ALLOW
from daypass.wire.http import Headers, HttpResponse
from daypass.wire.safe_text import encodable, json_bytes, xml_text

# AWS redirects browsers to https://aws.amazon.com/iam. Daypass redirects them to its sign-in page.
WAY_IN = b"/login"

_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
_NAMESPACES: Mapping[str | None, str] = {"sts": _STS, "iam": "https://iam.amazonaws.com/doc/2010-05-08/"}

# These Faults use AWS's own namespace: the service of the call is not known.
_NO_SERVICE = (InvalidAction,)
_NO_SERVICE_NAMESPACE = "http://webservices.amazon.com/AWSFault/2005-15-09"

# These responses have an empty body, as at AWS's front end.
_BARE = (MissingAction, QueryTooLong, RequestEntityTooLarge)

# Accept is not signed: caches must not mix the formats, and browsers must not guess a type.
_COMMON: Headers = (
    (b"vary", b"Accept"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_XML: Headers = ((b"content-type", b"text/xml"), *_COMMON)
_JSON: Headers = ((b"content-type", b"application/json"), *_COMMON)
ORDINARY_HEADERS = (_XML, _JSON)
"""The headers of most responses after the request id: the same for every caller and result."""


def answer(body: bytes, *, request_id: str, wants_json: bool, extra: Headers = ()) -> HttpResponse:
    """Return a success."""
    return HttpResponse(200, _headers(request_id, wants_json=wants_json, extra=extra), body)


def render_fault(fault: Fault, *, request_id: str, service: str | None, wants_json: bool) -> HttpResponse:
    """Return a refusal.

    `service` is None if it was not known yet.
    """
    if isinstance(fault, _BARE):
        way: Headers = ((b"location", WAY_IN),) if isinstance(fault, MissingAction) else ()
        return HttpResponse(fault.status, (*way, (b"x-amzn-requestid", request_id.encode()), *_COMMON), b"")
    body = _json_body(fault, request_id) if wants_json else _xml_body(fault, request_id, service)
    extra: Headers = (ALLOW,) if isinstance(fault, MethodNotAllowed) else ()
    if fault.encoded is not None:
        extra = ((b"x-daypass-authorization-message", fault.encoded.encode("ascii")),)
    return HttpResponse(fault.status, _headers(request_id, wants_json=wants_json, extra=extra), body)


def _headers(request_id: str, *, wants_json: bool, extra: Headers) -> Headers:
    return ((b"x-amzn-requestid", request_id.encode()), *(_JSON if wants_json else _XML), *extra)


def _xml_body(fault: Fault, request_id: str, service: str | None) -> bytes:
    namespace = _NO_SERVICE_NAMESPACE if isinstance(fault, _NO_SERVICE) else _NAMESPACES.get(service, _STS)
    # MalformedInput does not have a Message.
    message = f"<Message>{xml_text(fault.message)}</Message>" if fault.message else ""
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault.blame.value}</Type>'
        f"<Code>{fault.code}</Code>{message}</Error><RequestId>{xml_text(request_id)}</RequestId></ErrorResponse>"
    ).encode()


def _json_body(fault: Fault, request_id: str) -> bytes:
    error: dict[str, Any] = {"Type": fault.blame.value, "Code": fault.code}
    if fault.message:
        error["Message"] = encodable(fault.message)
    return json_bytes(json.encode({"Error": error, "RequestId": request_id}))
