"""Refuse requests of other AWS services in the format of each service.

`endpoint_url` and AWS_ENDPOINT_URL send the requests of every service to one address. Owns the recognition of such a
request, signed or not, and an error with the remedy that the service's own client can read. It is pure, and reads no
body.

- The service is the one in the scope of a signature, in the header or in a presigned URL. Signatures of version 2
  without a scope are S3's.
- An unsigned request shows its protocol: X-Amz-Target, CBOR, the API version of a form, or the headers of an SDK.
- The formats are those of the seven protocols of botocore's models. A test sends a request of every service in them.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum

from msgspec import json

from daypass.errors import SenderFault
from daypass.wire.cors import ALLOW
from daypass.wire.http import Headers, HttpRequest, HttpResponse
from daypass.wire.safe_text import json_bytes, xml_text

SERVED: Mapping[str, str] = {
    "sts": "sts",
    "iam": "iam",
    "sso-oauth": "sso-oidc",
    "awsssoportal": "sso",
    "signin": "signin",
    "daypass": "",
}
"""The services that this server has: their names in scopes, and in AWS's configuration files."""

# The first one alone: the search must not begin again at each of many.
_CREDENTIAL = re.compile(rb"Credential=([^,\s]*)")
_SERVICE_OF_SCOPE = re.compile(rb"/([A-Za-z0-9._-]{1,64})/aws4_request\Z")
_PRESIGNED = re.compile(
    rb"(?:^|&)X-Amz-Credential=[^&]*?(?:/|%2F)([A-Za-z0-9._-]{1,64})(?:/|%2F)aws4_request(?:&|$)", re.IGNORECASE
)
_VERSION_2 = re.compile(rb"(?:^|&)AWSAccessKeyId=", re.IGNORECASE)
# The scope of sso-admin is `sso`, which is another service's name in configuration files.
_NAMES: Mapping[str, str] = {"sso": "sso-admin"}
_OF_S3 = frozenset({"s3", "s3express", "s3-outposts", "s3-object-lambda"})
_OF_REST_XML = frozenset({"route53", "cloudfront"})
# The paths of S3 Control, Route 53 and CloudFront begin with their versions.
_PATH_OF_REST_XML = re.compile(rb"/(?:v20180820|2013-04-01|2020-05-31)/")
_PATH_OF_VERSION = re.compile(rb"/(?:v?[0-9]{4}-[0-9]{2}-[0-9]{2}|v[0-9]+)/")
_JSON_TYPE = re.compile(rb"application/x-amz-json-1\.[01]")
_ACTION = re.compile(rb"(?:^|&)Action=")
_LONGEST_TARGET = 128
_LONGEST_SCOPE_END = 78  # bytes of `/SERVICE/aws4_request`
_METHOD_NOT_ALLOWED = 405
# API versions of the services with forms -> the service. STS's and IAM's are not among them.
_VERSIONS: Mapping[str, str] = {
    "2016-11-15": "ec2",
    "2009-04-15": "sdb",
    "2010-03-31": "sns",
    "2010-05-15": "cloudformation",
    "2010-06-01": "importexport",
    "2010-08-01": "monitoring",
    "2010-12-01": "",  # Elastic Beanstalk and SES
    "2011-01-01": "autoscaling",
    "2012-06-01": "elasticloadbalancing",
    "2012-11-05": "sqs",
    "2012-12-01": "redshift",
    "2013-01-01": "cloudsearch",
    "2014-10-31": "rds",
    "2015-02-02": "elasticache",
    "2015-12-01": "elasticloadbalancing",
}
_MIXED = (
    "`endpoint_url` and AWS_ENDPOINT_URL send the requests of every service to one address: set AWS_ENDPOINT_URL_STS "
    "and AWS_ENDPOINT_URL_IAM instead, or a `services` section in the profile."
)
_S3 = "Set AWS_ENDPOINT_URL_S3 to the address of `daypass gateway`, such as http://127.0.0.1:7880."


class ErrorFormat(Enum):
    """The format of an error: that of a protocol of AWS."""

    QUERY = "query"
    EC2 = "ec2"
    JSON = "json"
    CBOR = "smithy-rpc-v2-cbor"
    REST_JSON = "rest-json"
    REST_XML = "rest-xml"
    S3 = "s3"
    ANY_REST = "any-rest"
    """For a client that reads JSON or XML: it finds the code in a header."""


class OtherServiceError(SenderFault):
    """A request of a service that this server does not have.

    `error_format` is that of the service. `status` may differ.
    """

    code = "InvalidRequest"

    def __init__(self, message: str, error_format: ErrorFormat, *, detail: str = "", status: int = 400) -> None:
        super().__init__(message, detail=detail)
        self.error_format = error_format
        self.actual_status = status


def find_other_service(request: HttpRequest, version: str = "") -> OtherServiceError | None:
    """Return the refusal of a request that belongs to another service.

    `version` is that of its form, if it has one. Returns None if the request is for a service of this server, or does
    not show its service.
    """
    service = find_signed_service(request)
    if service is not None:
        return None if service in SERVED else not_served(request, service, version)
    if _protocol_of(request) is not None:
        return not_served(request, "", version)
    return not_served(request, _VERSIONS[version], version) if version in _VERSIONS else None


def find_signed_service(request: HttpRequest) -> str | None:
    """Return the service that a request was signed for, or None."""
    authorization = request.header(b"authorization") or b""
    credential = _CREDENTIAL.search(authorization)
    found = None if credential is None else _SERVICE_OF_SCOPE.search(credential[1][-_LONGEST_SCOPE_END:])
    if found is None and request.query:
        found = _PRESIGNED.search(request.query)
    if found is not None:
        return found[1].decode("ascii").lower()
    if authorization.startswith(b"AWS ") or (request.path != b"/" and _VERSION_2.search(request.query)):
        return "s3"
    return None


def is_of_sdk(headers: Headers) -> bool:
    """Return whether an SDK of AWS sent a request: it adds headers of its own."""
    return any(name.startswith((b"x-amz-", b"amz-sdk-")) for name, _ in headers)


def not_served(request: HttpRequest, service: str, version: str = "", *, status: int = 400) -> OtherServiceError:
    """Return the refusal of a request that is not for this server."""
    message = _message(request, service)
    return OtherServiceError(
        message,
        find_format(request, service, version),
        detail=f"a request for {service or 'another service'}",
        status=status,
    )


def refuse_unknown_path(request: HttpRequest, request_id: str) -> HttpResponse | None:
    """Return the refusal of an unknown path to a client of an API.

    Returns None for other clients, which get a page.
    """
    service = find_signed_service(request)
    if service is None and not is_of_sdk(request.headers):
        return None
    return render_not_served(not_served(request, service or "", status=404), request, request_id)


def _message(request: HttpRequest, service: str) -> str:
    if service in SERVED:
        return (
            "This server does not have the path of the request. STS and IAM are at /: remove the path from the "
            "endpoint URL."
        )
    names = [name for name in SERVED.values() if name]
    served = f"This server serves {', '.join(names[:-1])} and {names[-1]}"
    target = (request.header(b"x-amz-target") or b"").partition(b".")[0][:_LONGEST_TARGET]
    named = _NAMES.get(service, service) or (target.decode("ascii", "replace") if target.isalnum() else "")
    missing = f"{served}, and not {named}." if named else f"{served}. The request is for another service."
    remedy = f"{_S3} {_MIXED}" if service in _OF_S3 or not named else _MIXED
    return f"{missing} {remedy}"


def _protocol_of(request: HttpRequest) -> ErrorFormat | None:
    """Return the format that the headers show: those of the RPC protocols do."""
    media = _media_type(request)
    if media == b"application/cbor" or request.header(b"smithy-protocol") == b"rpc-v2-cbor":
        return ErrorFormat.CBOR
    if request.header(b"x-amz-target") is not None or _JSON_TYPE.fullmatch(media):
        return ErrorFormat.JSON
    return None


def find_format(request: HttpRequest, service: str, version: str = "") -> ErrorFormat:
    """Return the format that the client of a service reads."""
    shown = _protocol_of(request)
    if shown is not None:
        return shown
    if _PATH_OF_REST_XML.match(request.path) or service in _OF_REST_XML:
        return ErrorFormat.REST_XML
    if service in _OF_S3:
        return ErrorFormat.S3
    if version or _media_type(request) == b"application/x-www-form-urlencoded" or _ACTION.search(request.query):
        return ErrorFormat.EC2 if service == "ec2" else ErrorFormat.QUERY
    accept = request.header(b"accept") or b""
    has_json = b"json" in accept or b"json" in _media_type(request)
    return (
        ErrorFormat.REST_JSON if service or has_json or _PATH_OF_VERSION.match(request.path) else ErrorFormat.ANY_REST
    )


def _media_type(request: HttpRequest) -> bytes:
    return (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()


def render_not_served(fault: OtherServiceError, request: HttpRequest, request_id: str) -> HttpResponse:
    """Return the refusal in its format."""
    media, body = _WRITERS[fault.error_format](fault, request_id)
    if fault.error_format is ErrorFormat.JSON and _JSON_TYPE.fullmatch(_media_type(request)):
        media = _media_type(request)
    identity = request_id.encode()
    headers: Headers = (
        (b"content-type", media),
        (b"x-amzn-requestid", identity),
        (b"x-amz-request-id", identity),  # S3's
        (b"x-amzn-errortype", fault.code.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    )
    if fault.error_format is ErrorFormat.CBOR:
        headers = (*headers, (b"smithy-protocol", b"rpc-v2-cbor"))
    if fault.actual_status == _METHOD_NOT_ALLOWED:
        headers = (*headers, ALLOW)
    return HttpResponse(fault.actual_status, headers, body)


def _json(fault: OtherServiceError, _request_id: str) -> tuple[bytes, bytes]:
    body = json_bytes(json.encode({"__type": fault.code, "message": fault.message}))
    return b"application/json", body


def _cbor(fault: OtherServiceError, _request_id: str) -> tuple[bytes, bytes]:
    members = (b"__type", fault.code.encode(), b"message", fault.message.encode())
    return b"application/cbor", b"\xa2" + b"".join(map(_cbor_text, members))


def _cbor_text(text: bytes) -> bytes:
    """Return a string of CBOR (RFC 8949 section 3.1, major type 3)."""
    size = len(text)
    if size < 24:  # noqa: PLR2004 - the length is in the first byte
        return bytes([0x60 | size]) + text
    return b"\x79" + size.to_bytes(2, "big") + text


def _query(fault: OtherServiceError, request_id: str) -> tuple[bytes, bytes]:
    error = f"<Error><Type>Sender</Type>{_code_and_message(fault)}</Error>"
    return b"text/xml", f"<ErrorResponse>{error}<RequestId>{xml_text(request_id)}</RequestId></ErrorResponse>".encode()


def _ec2(fault: OtherServiceError, request_id: str) -> tuple[bytes, bytes]:
    errors = f"<Errors><Error>{_code_and_message(fault)}</Error></Errors>"
    return b"text/xml", f"<Response>{errors}<RequestID>{xml_text(request_id)}</RequestID></Response>".encode()


def _s3(fault: OtherServiceError, request_id: str) -> tuple[bytes, bytes]:
    error = f"<Error>{_code_and_message(fault)}<RequestId>{xml_text(request_id)}</RequestId></Error>"
    return b"application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'.encode()


def _code_and_message(fault: OtherServiceError) -> str:
    return f"<Code>{fault.code}</Code><Message>{xml_text(fault.message)}</Message>"


_WRITERS: Mapping[ErrorFormat, Callable[[OtherServiceError, str], tuple[bytes, bytes]]] = {
    ErrorFormat.QUERY: _query,
    ErrorFormat.EC2: _ec2,
    ErrorFormat.JSON: _json,
    ErrorFormat.CBOR: _cbor,
    ErrorFormat.REST_JSON: _json,
    ErrorFormat.REST_XML: _query,
    ErrorFormat.S3: _s3,
    ErrorFormat.ANY_REST: _s3,
}
