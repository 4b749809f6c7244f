"""Decode a request: its service, its action and unvalidated parameters.

Owns the limits on size. The rules:

- Parameters come from the query and, for a POSTed form, from the body. A relay (such as HashiCorp Vault) reads only one
  of the two, so they must not contradict each other.
- A body that is not a POSTed form is refused, because a session policy in it would be ignored.
- A browser that asks for a page, without an action and a form, is redirected to the sign-in page. All others get an
  error.
- The methods are GET, HEAD and POST; http/ answers OPTIONS.
- A request of another service is refused in the format of that service. One with an API version of STS or IAM is never
  taken for it.
"""

import msgspec

from daypass.errors import (
    InvalidAction,
    MalformedQueryString,
    MethodNotAllowed,
    MissingAction,
    QueryTooLong,
    RequestEntityTooLarge,
    SenderFault,
    ValidationError,
)
from daypass.wire.catalog import Catalog
from daypass.wire.cors import METHODS
from daypass.wire.form import read_form
from daypass.wire.http import HttpRequest
from daypass.wire.operation import OperationModel
from daypass.wire.other_services import find_other_service, find_signed_service, is_of_sdk, not_served

MAX_BODY = 10_000_000
MAX_QUERY = 15_800

_FORM = b"application/x-www-form-urlencoded"
_JSON = b"application/json"
_METHODS = frozenset(METHODS) - {"OPTIONS"}
_UNREAD = (
    "The body of this request is not supported by this server. "
    "Send it with POST and the Content-Type application/x-www-form-urlencoded."
)


class Call(msgspec.Struct, frozen=True):
    """A called action. `form_params` is flat and contains unverified input."""

    service: str
    model: OperationModel
    form_params: dict[str, str]
    wants_json: bool
    action: str
    version: str


def decode(request: HttpRequest, catalog: Catalog) -> Call:
    """Return the call.

    Raises a Fault if the request is too large, malformed or unknown.
    """
    if request.method not in _METHODS:
        raise _wrong_method(request)
    form_params = _read_params(request)
    action = form_params.get("Action")
    version = form_params.get("Version", "NO_VERSION_SPECIFIED")
    if action is None:
        _check_without_action(request)
        action = "NO_ACTION_SPECIFIED"
    elif request.body and not _has_form(request):
        raise ValidationError(_UNREAD)
    try:
        operation = catalog.find(action, version)
    except InvalidAction:
        other = None if catalog.has_version(version) else find_other_service(request, version)
        if other is not None:
            raise other from None
        raise
    return Call(operation.service, operation, form_params, is_json_wanted(request), action, version)


def _wrong_method(request: HttpRequest) -> SenderFault:
    other = find_other_service(request)
    if other is not None:
        other.actual_status = MethodNotAllowed.status
        return other
    return MethodNotAllowed(f"The API does not have the method {request.method}. Use POST or GET.")


def _check_without_action(request: HttpRequest) -> None:
    """Raise the Fault of a request without an action, unless it has a form."""
    other = find_other_service(request)
    if other is not None:
        raise other
    if _is_form(request):
        return
    if request.method != "POST" and b"text/html" in (request.header(b"accept") or b"").lower():
        raise MissingAction
    if is_of_sdk(request.headers) and find_signed_service(request) is None:
        raise not_served(request, "")  # An SDK's calls of STS and IAM have an action.
    if request.body:
        raise ValidationError(_UNREAD)


def is_json_wanted(request: HttpRequest) -> bool:
    """Return whether the client names application/json in Accept.

    All others get XML.
    """
    accept = request.header(b"accept")
    if accept is None or _JSON not in accept.lower():
        return False
    return any(part.partition(b";")[0].strip().lower() == _JSON for part in accept.split(b","))


def _has_form(request: HttpRequest) -> bool:
    """Return whether the body is read.

    Parameters in any other body would be ignored silently.
    """
    return request.method == "POST" and _is_form(request)


def _is_form(request: HttpRequest) -> bool:
    content_type = request.header(b"content-type") or b""
    return content_type.partition(b";")[0].strip().lower() == _FORM


def _read_params(request: HttpRequest) -> dict[str, str]:
    if request.truncated or len(request.body) > MAX_BODY:
        raise RequestEntityTooLarge
    if len(request.query) > MAX_QUERY:
        raise QueryTooLong
    if not _has_form(request):
        return read_form(request.query)
    if not request.query:
        return read_form(request.body)
    return _merged(read_form(request.query), read_form(request.body))


def _merged(query: dict[str, str], body: dict[str, str]) -> dict[str, str]:
    if any(query.get(name, text) != text for name, text in body.items()):
        raise MalformedQueryString("The query string contains a syntax error.", detail="the query contradicts the body")
    return query | body
