"""Decode a request: its service, its action and unvalidated parameters.

Owns the limits on size. The rules:

- Parameters come from the query and, for a POSTed form, from the body. A relay (such as HashiCorp Vault) reads only one
  of the two, so they must not contradict each other.
- A body that is not a POSTed form is refused, because a session policy in it would be ignored.
- A request without an action and a form is a browser's, and is redirected to the sign-in page.
"""

import msgspec

from daypass.errors import MalformedQueryString, MissingAction, QueryTooLong, RequestEntityTooLarge, ValidationError
from daypass.wire.catalog import Catalog
from daypass.wire.form import read_form
from daypass.wire.http import HttpRequest
from daypass.wire.operation import OperationModel

MAX_BODY = 10_000_000
MAX_QUERY = 15_800

_FORM = b"application/x-www-form-urlencoded"
_JSON = b"application/json"
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
    form_params = _read_params(request)
    action = form_params.get("Action")
    version = form_params.get("Version", "NO_VERSION_SPECIFIED")
    if action is None:
        if not _is_form(request):
            raise MissingAction
        action = "NO_ACTION_SPECIFIED"
    elif request.body and not _has_form(request):
        raise ValidationError(_UNREAD)
    operation = catalog.find(action, version)
    return Call(operation.service, operation, form_params, is_json_wanted(request), action, version)


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
