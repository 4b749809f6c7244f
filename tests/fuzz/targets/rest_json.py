"""Requests of the JSON services and of `/authorize`: read or refused in their format."""

import json

from tests.fuzz.choices import Choices
from tests.sso.scene import NOW, Scene

from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.errors import Fault, SenderFault
from daypass.portal.approvals.authorize_request import parse_authorize_request
from daypass.sign_in.clients import is_registered_uri, register
from daypass.sso.operations import ACTIONS, declared_members
from daypass.wire.http import HttpRequest
from daypass.wire.rest_faults import render_rest_fault
from daypass.wire.rest_json import RestCatalog

_DECLARED = {(one.service, one.name): declared_members(one) for one in ACTIONS}
_CATALOG = RestCatalog.load(_DECLARED)
_TARGETS = (
    ("POST", "/client/register"),
    ("POST", "/device_authorization"),
    ("POST", "/token"),
    ("GET", "/assignment/accounts"),
    ("GET", "/assignment/roles"),
    ("GET", "/federation/credentials"),
    ("POST", "/logout"),
    ("POST", "/v1/token"),
)
_TYPES = (b"application/json", b"application/json; charset=utf-8", b"text/plain", b"")
_CONTEXT = Scene().at()
_CLIENT, _ = register(
    SsoClient(
        id="",
        network="",
        registered=NOW,
        expires=NOW,
        secret_hash=b"",
        name="fuzz",
        grant_types=("authorization_code",),
        redirect_uris=("http://127.0.0.1/oauth/callback",),
        scopes=("sso:account:access",),
    ),
    "192.0.2.1",
    _CONTEXT,
)
_QUERY = (
    b"response_type=code",
    b"client_id=" + _CLIENT.id.encode(),
    b"state=s",
    b"code_challenge_method=S256",
    b"scopes=sso%3Aaccount%3Aaccess",
    b"code_challenge=" + b"c" * 43,
)


def fuzz_one(data: bytes) -> None:
    """Read a request of a program, or the query that it gives to a browser."""
    choices = Choices(data)
    choices.pick((_request, _authorize))(choices)


def _request(choices: Choices) -> None:
    method, path = choices.pick(_TARGETS)
    headers = ((b"content-type", choices.pick(_TYPES)), (b"x-amz-sso_bearer_token", choices.chunk()))
    query = choices.chunk()
    request = HttpRequest(method, path.encode(), query, headers, choices.rest(), "127.0.0.1", secure=False)
    operation = _CATALOG.find(method, path, query)
    if operation.declared is None:
        return
    try:
        values = operation.parse(request)
    except Fault as fault:
        _check_refusal(operation.service, fault)
        return
    document = json.loads(request.body) if request.body else {}
    assert {name: value for name, value in document.items() if value is not None}.items() <= values.items()


def _check_refusal(service: str, fault: Fault) -> None:
    assert isinstance(fault, SenderFault), fault
    answer = render_rest_fault(service, fault, "id")
    assert 400 <= answer.status < 500
    assert not any(b"\r" in value or b"\n" in value for _, value in answer.headers)
    assert json.loads(answer.body)


def _authorize(choices: Choices) -> None:
    # Most of the right members, so that the rest decides.
    parts = [part for part in _QUERY if choices.below(16) != 1]
    query = b"&".join([*parts, b"redirect_uri=" + choices.rest()])
    try:
        found, client = parse_authorize_request(query, _CONTEXT)
    except Fault as fault:
        _check_refusal("sso-oidc", fault)
        return
    assert is_registered_uri(found.redirect_uri, client)
    assert found.response(code="c").startswith("http://127.0.0.1")
    assert found.origin.rpartition(":")[0] in {"http://127.0.0.1", "http"}
