"""Find the signature of a request, in its header or its query.

A signature among the parameters of a form does not count.
"""

from collections.abc import Container

from daypass.authenticate.sigv4.canonical import fold_headers
from daypass.authenticate.sigv4.header import parse_header
from daypass.authenticate.sigv4.presigned import find_parameters, parse_presigned
from daypass.authenticate.sigv4.signature import UnverifiedSignature
from daypass.errors import MissingAuthenticationToken, SignatureDoesNotMatch
from daypass.wire.http import HttpRequest

_PARAMETER_SIGNATURES = ("X-Amz-Signature", "Signature")


def find_signature(request: HttpRequest, *, form_params: Container[str] = ()) -> UnverifiedSignature:
    """Return the unverified signature of a request, or raise a Fault.

    The Fault says which part is missing. `form_params` only serve to record an unsupported way of signing in the audit
    log.
    """
    headers = fold_headers(request.headers) if request.by_name is None else request.by_name
    authorization = headers.get(b"authorization")
    in_query = find_parameters(request.query) if request.query else None
    if authorization:
        if in_query is not None:
            # Refuse two signatures: a relay might have checked the other one.
            raise SignatureDoesNotMatch(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
            )
        return parse_header(authorization, headers)
    if in_query is not None:
        return parse_presigned(in_query, headers)
    detail = "a signature among the form parameters is not supported" if _signs_by_parameter(form_params) else ""
    raise MissingAuthenticationToken("Request is missing Authentication Token", detail=detail)


def _signs_by_parameter(form_params: Container[str]) -> bool:
    return any(name in form_params for name in _PARAMETER_SIGNATURES)
