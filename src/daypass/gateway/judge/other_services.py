"""Answer requests of other services that reach the gateway by mistake.

Owns their recognition and the answer with the remedy, in the shape that the client of the service reads. A profile's
`endpoint_url` or AWS_ENDPOINT_URL sends the requests of every service to one address. Leaves the same mistake at the
server, S3 requests that reach it, to http/s3_requests.py.
"""

import json
import re
from xml.sax.saxutils import escape

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.plan import Respond
from daypass.verify.head import RequestHead
from daypass.verify.s3.errors import s3_error

OPERATION = "RequestForAnotherService"
"""The name of the event of such a request: S3 does not have the operation."""

_BAD_REQUEST = 400
_SCOPE = re.compile(rb"Credential=[^,\s]*/([A-Za-z0-9-]{1,64})/aws4_request")
_FORM = b"application/x-www-form-urlencoded"
_JSON = (b"application/json", b"application/x-amz-json-1.0", b"application/x-amz-json-1.1")
_VARIABLES = {"sts": "AWS_ENDPOINT_URL_STS", "iam": "AWS_ENDPOINT_URL_IAM"}


def find_other_service(head: RequestHead) -> str | None:
    """Return the service of a request that S3 does not have.

    It is empty for an unsigned call of the Query API, as AssumeRoleWithWebIdentity is, and None for an S3 request.
    """
    scope = _SCOPE.search(head.headers.get(b"authorization", b""))
    if scope is not None:
        service = scope[1].decode()
        return None if service == "s3" else service
    is_form = _media_type(head) == _FORM
    return "" if head.method == "POST" and head.path == b"/" and is_form else None


def answer_other_service(exchange: RequestExchange, head: RequestHead, service: str) -> Respond:
    """Return the refusal, and note it for the audit event."""
    setting = _VARIABLES.get(service, "AWS_ENDPOINT_URL_STS" if not service else "AWS_ENDPOINT_URL")
    named = f" The request is signed for {service}." if service else ""
    message = (
        f"This is the S3 gateway, which serves S3 alone.{named} Set {setting} to the address of `daypass serve`, such "
        "as http://127.0.0.1:7878, and AWS_ENDPOINT_URL_S3 to this address."
    )
    exchange.operation = OPERATION
    if service:
        exchange.parameters = {"signedService": service}
    exchange.error = s3_error("InvalidRequest", message, detail="a request for another service")
    if _media_type(head) in _JSON:
        body = json.dumps({"__type": "InvalidRequest", "message": message}).encode()
        headers = ((b"content-type", b"application/json"), (b"x-amzn-errortype", b"InvalidRequest"))
        return exchange.respond(_BAD_REQUEST, headers, body)
    error = f"<Error><Type>Sender</Type><Code>InvalidRequest</Code><Message>{escape(message)}</Message></Error>"
    document = f"<ErrorResponse>{error}<RequestId>{exchange.request_id}</RequestId></ErrorResponse>"
    return exchange.respond(_BAD_REQUEST, ((b"content-type", b"text/xml"),), document.encode())


def _media_type(head: RequestHead) -> bytes:
    return head.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
