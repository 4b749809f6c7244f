"""Cross-origin requests to the API (CORS), as AWS STS answers them.

Owns the headers, and the answer to a preflight request. Pages of other origins may call STS: its operations prove the
caller with a signature or a token in the request and never with a cookie, so any origin is allowed, without
credentials. IAM has no CORS on AWS and has none here. Leaves the pages for people to the portal, which has none.
Source: Fetch standard, "HTTP extensions"; the headers are those of AWS's own services.
"""

import re

import msgspec

from daypass.wire.http import Headers, HttpRequest, HttpResponse

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
"""The methods that the API has."""
ALLOW = (b"allow", ", ".join(METHODS).encode())

_ORIGIN = b"origin"
_ANY_ORIGIN: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
)
_PREFLIGHT: Headers = (
    *_ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-max-age", b"172800"),
)
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_LONGEST_NAMES = 4_096  # bytes


def is_cross_origin(headers: Headers) -> bool:
    """Return whether a request has an Origin, as those of pages have."""
    return any(name == _ORIGIN for name, _ in headers)


def allow_any_origin(response: HttpResponse, request: HttpRequest, service: str | None) -> HttpResponse:
    """Return the response, which pages of other origins may read.

    It is unchanged for IAM, for requests that no page sent, and for redirects to a page. `service` is None if the
    request did not name one.
    """
    if service == "iam" or request.header(_ORIGIN) is None or response.header(b"location") is not None:
        return response
    return msgspec.structs.replace(response, headers=(*response.headers, *_ANY_ORIGIN))


def cross_origin_headers(headers: Headers) -> Headers:
    """Return the headers for a refusal before the request was read."""
    return _ANY_ORIGIN if is_cross_origin(headers) else ()


def answer_options(headers: Headers, request_id: str) -> HttpResponse:
    """Return the answer to OPTIONS: to a preflight request, or the methods."""
    extra: Headers = ()
    if is_cross_origin(headers):
        # Echoed as AWS does: a page must name authorization, which `*` does not include.
        wanted = next((value for name, value in headers if name == b"access-control-request-headers"), b"")
        named = len(wanted) <= _LONGEST_NAMES and _NAMES.fullmatch(wanted) is not None
        extra = (*_PREFLIGHT, *(((b"access-control-allow-headers", wanted),) if named else ()))
    return HttpResponse(200, (ALLOW, (b"x-amzn-requestid", request_id.encode()), *extra), b"")
