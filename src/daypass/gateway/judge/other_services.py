"""Answer requests of other services that reach the gateway by mistake.

Owns their recognition and the answer with the remedy, in the shape that the client of the service reads. A profile's
`endpoint_url` or AWS_ENDPOINT_URL sends the requests of every service to one address. Leaves the same mistake at the
server, S3 requests that reach it, to http/s3_requests.py.
"""

import re

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.plan import Respond
from daypass.verify.head import RequestHead
from daypass.verify.s3.errors import s3_error
from daypass.wire.http import HttpRequest
from daypass.wire.other_services import SERVED, OtherServiceError, find_format, render_not_served

OPERATION = "RequestForAnotherService"
"""The name of the event of such a request: S3 does not have the operation."""

_SCOPE = re.compile(rb"Credential=[^,\s]*/([A-Za-z0-9-]{1,64})/aws4_request")
_FORM = b"application/x-www-form-urlencoded"
_VARIABLES = {"": "AWS_ENDPOINT_URL_STS", "sts": "AWS_ENDPOINT_URL_STS", "iam": "AWS_ENDPOINT_URL_IAM"}


def find_other_service(head: RequestHead) -> str | None:
    """Return the service of a request that S3 does not have.

    It is empty for an unsigned call of the Query API, as AssumeRoleWithWebIdentity is, and None for an S3 request.
    """
    scope = _SCOPE.search(head.headers.get(b"authorization", b""))
    if scope is not None:
        service = scope[1].decode()
        return None if service == "s3" else service
    is_form = head.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == _FORM
    return "" if head.method == "POST" and head.path == b"/" and is_form else None


def answer_other_service(exchange: RequestExchange, head: RequestHead, service: str) -> Respond:
    """Return the refusal, and note it for the audit event."""
    message = _message(service)
    exchange.operation = OPERATION
    if service:
        exchange.parameters = {"signedService": service}
    exchange.error = s3_error("InvalidRequest", message, detail="a request for another service")
    request = HttpRequest(head.method, head.path, head.query, tuple(head.headers.items()), b"", "", secure=False)
    refusal = OtherServiceError(message, find_format(request, service))
    answer = render_not_served(refusal, request, exchange.request_id)
    return exchange.respond(answer.status, answer.headers, answer.body)


def _message(service: str) -> str:
    named = f" The request is signed for {service}." if service else ""
    this = f"This is the S3 gateway, which serves S3 alone.{named}"
    if not service or service in SERVED:
        setting = _VARIABLES.get(service, "AWS_ENDPOINT_URL")
        return (
            f"{this} Set {setting} to the address of `daypass serve`, such as http://127.0.0.1:7878, and "
            "AWS_ENDPOINT_URL_S3 to this address."
        )
    return (
        f"{this} `endpoint_url` and AWS_ENDPOINT_URL send the requests of every service to one address: set "
        "AWS_ENDPOINT_URL_S3 to this address instead, or a `services` section in the profile."
    )
