"""Requests and responses of the JSON services, compiled from botocore's models."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from botocore.model import ServiceModel as BotocoreModel
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.project.model_drift import INSTALLED, Served, load_model

from daypass.errors import (
    AccessDenied,
    Fault,
    InternalFailure,
    RequestEntityTooLarge,
    SenderFault,
    ServiceUnavailable,
    Throttling,
    ValidationError,
)
from daypass.wire import rest_faults
from daypass.wire.http import Headers, HttpRequest
from daypass.wire.model import JSON_SERVICES, load_service
from daypass.wire.rest_faults import JsonFault, render_rest_fault
from daypass.wire.rest_json import MAX_JSON_BODY, RestCatalog, RestOperation, compile_operation
from daypass.wire.supported import Declared

_REGISTER: Declared = {
    name: {} for name in ("clientName", "clientType", "scopes", "redirectUris", "grantTypes", "issuerUrl")
}
_OAUTH2: Declared = {
    "tokenInput": {
        name: {} for name in ("clientId", "grantType", "code", "redirectUri", "codeVerifier", "refreshToken")
    }
}
_ROLES: Declared = {name: {} for name in ("nextToken", "maxResults", "accessToken", "accountId")}
_DECLARED: Mapping[tuple[str, str], Declared] = {
    ("sso-oidc", "RegisterClient"): _REGISTER,
    ("sso", "ListAccountRoles"): _ROLES,
    ("sso", "Logout"): {"accessToken": {}},
    ("signin", "CreateOAuth2Token"): _OAUTH2,
}
_JSON: Headers = ((b"content-type", b"application/json"),)


def _operation(service: str, name: str) -> RestOperation:
    model = load_service(service)
    return compile_operation(service, model, model.operations[name], _DECLARED.get((service, name)))


def _sent(body: bytes = b"", *, query: bytes = b"", headers: Headers = _JSON, method: str = "POST") -> HttpRequest:
    return HttpRequest(method, b"/", query, headers, body, "127.0.0.1", secure=False)


def _refusal(operation: RestOperation, request: HttpRequest) -> str:
    with pytest.raises(ValidationError) as caught:
        operation.parse(request)
    return caught.value.message


_SAMPLES: Mapping[str, Any] = {
    "scopes": ["sso:account:access"],
    "redirectUris": ["http://127.0.0.1/oauth/callback"],
    "grantTypes": ["authorization_code", "refresh_token"],
    "maxResults": 7,
    "clientId": "arn:aws:signin:::devtools/same-device",
    "grantType": "authorization_code",
    "codeVerifier": "v" * 43,
    "accountId": "123456789012",
}


@pytest.mark.parametrize(("service", "name"), _DECLARED, ids="/".join)
def test_reads_what_botocore_sends(service: str, name: str) -> None:
    """Every declared member arrives with its value, wherever the model puts it."""
    model = BotocoreModel(load_model(Served(service, JSON_SERVICES[service], {}), INSTALLED), service)
    operation = _operation(service, name)
    declared = _DECLARED[service, name]
    flat = declared.get("tokenInput", declared)
    values = {member: _SAMPLES.get(member, f"a {member}+&é%" if service == "sso-oidc" else member) for member in flat}
    parameters = {"tokenInput": values} if "tokenInput" in declared else values
    sent = create_serializer("rest-json").serialize_to_request(parameters, model.operation_model(name))
    body = sent["body"].encode() if isinstance(sent["body"], str) else sent["body"]
    query = "&".join(f"{key}={value}" for key, value in sent["query_string"].items()).encode()
    headers = tuple((key.lower().encode(), str(value).encode()) for key, value in sent["headers"].items())
    assert operation.parse(_sent(body, query=query, headers=headers)) == values
    assert sent["url_path"].partition("?")[0] == operation.path


def test_finds_an_operation_by_method_path_and_query() -> None:
    """A query member of the model selects another operation; any other belongs to the plain one."""
    catalog = RestCatalog.load({})

    def found(method: str, path: str, query: bytes = b"") -> tuple[str, str]:
        operation = catalog.find(method, path, query)
        return operation.service, operation.name

    assert found("POST", "/token") == ("sso-oidc", "CreateToken")
    assert found("POST", "/token", b"aws_iam=t") == ("sso-oidc", "CreateTokenWithIAM")
    assert found("POST", "/token", b"a=b&aws_iam=t") == ("sso-oidc", "CreateTokenWithIAM")
    assert found("POST", "/token", b"aws_iam=f") == ("sso-oidc", "CreateToken")
    assert found("POST", "/v1/token", b"x-amz-token-request-type=bearer") == ("signin", "CreateBearerToken")
    assert found("POST", "/v1/token") == ("signin", "CreateOAuth2Token")
    assert found("POST", "/v1/revoke") == ("signin", "RevokeOAuth2TokenWithIAM")
    assert catalog.is_known("POST", "/logout")
    assert not catalog.is_known("GET", "/logout")
    assert not catalog.is_known("GET", "/token")
    assert found("GET", "/assignment/accounts") == ("sso", "ListAccounts")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"{", "not JSON"),
        (b'{"clientName":"a","clientName":"b","clientType":"public"}', "duplicate key"),
        (b'{"clientName":"a\\u0000","clientType":"public"}', "NUL"),
        (b'{"clientName":"a\\ud800","clientType":"public"}', "half a character"),
        (b'{"clientName":"\xff","clientType":"public"}', "not UTF-8"),
        (b'{"clientName":1,"clientType":"public"}', "'clientName' must be a string"),
        (b'{"clientName":true,"clientType":"public"}', "'clientName' must be a string"),
        (b'{"clientName":{"a":1},"clientType":"public"}', "'clientName' must be a string"),
        (b'{"clientName":"a","clientType":"public","scopes":"x"}', "'scopes' must be a list"),
        (b'{"clientName":"a","clientType":"public","scopes":[1]}', "'scopes.1.member' must be a string"),
        (b'{"clientName":"a","clientType":"public","scopes":[null]}', "'scopes.1.member' must be a string"),
        (b'{"clientName":"a"}', "Value null at 'clientType' failed to satisfy constraint: Member must not be null"),
        (b'{"clientName":null,"clientType":"public"}', "'clientName'"),
        (b"", "2 validation errors detected"),
        (b'{"clientName":"a","clientType":"public","entitledApplicationArn":"x"}', "entitledApplicationArn"),
        (b'{"clientName":"a","clientType":"public","News":"x"}', "News is not supported by this server"),
        (b"[" * 100_000, "longer"),
    ],
)
def test_refuses_a_malformed_body(body: bytes, words: str) -> None:
    """Another reader could see other values, or the service would have refused it."""
    if len(body) > MAX_JSON_BODY:
        with pytest.raises(RequestEntityTooLarge):
            _operation("sso-oidc", "RegisterClient").parse(_sent(body))
    else:
        assert words in _refusal(_operation("sso-oidc", "RegisterClient"), _sent(body))


def test_refuses_nested_json_and_a_large_body_at_the_limit() -> None:
    """The depth and the size are limited before the parser runs."""
    operation = _operation("sso-oidc", "RegisterClient")
    assert "nested deeper" in _refusal(operation, _sent(b"[" * 9))
    start, end = b'{"clientName":"', b'","clientType":"public"}'
    full = start + b"a" * (MAX_JSON_BODY - len(start) - len(end)) + end
    assert operation.parse(_sent(full))["clientType"] == "public"
    with pytest.raises(RequestEntityTooLarge):
        operation.parse(_sent(full + b" "))


@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"", b"multipart/form-data"])
def test_refuses_bodies_that_a_form_of_another_site_can_send(kind: bytes) -> None:
    """A cross-site form cannot have a JSON type without a preflight request."""
    body = b'{"clientName":"a","clientType":"public"}'
    sent = _sent(body, headers=((b"content-type", kind),))
    assert "Content-Type" in _refusal(_operation("sso-oidc", "RegisterClient"), sent)
    charset = _sent(body, headers=((b"content-type", b"application/JSON; charset=utf-8"),))
    assert _operation("sso-oidc", "RegisterClient").parse(charset) == {"clientName": "a", "clientType": "public"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (b"account_id=1&account_id=1", "occurs twice"),
        (b"account_id=1&", "occurs twice|An empty name is not supported"),
        (b"account_id=%00", "NUL"),
        (b"account_id=1&max_result=x", "'maxResults' must be a whole number"),
        (b"account_id=1&max_result=0", "greater than or equal to 1"),
        (b"account_id=1&max_result=101", "less than or equal to 100"),
        (b"account_id=1&max_results=5", "max_results is not supported by this server"),
        (b"max_result=5", "'accountId'"),
        (b"account_id=" + b"1" * 9_000, "longer"),
    ],
)
def test_refuses_a_malformed_query(query: bytes, words: str) -> None:
    """A parameter occurs once, has its type, and is one of the model."""
    sent = _sent(query=query, headers=((b"x-amz-sso_bearer_token", b"t"),), method="GET")
    message = _refusal(_operation("sso", "ListAccountRoles"), sent)
    assert any(part in message for part in words.split("|"))


@pytest.mark.parametrize("query", [b"account_id=%zz", b"account_id=%ff"])
def test_refuses_a_query_that_cannot_be_decoded(query: bytes) -> None:
    """Broken escapes and bytes that are not UTF-8 are refusals of the caller."""
    sent = _sent(query=query, headers=((b"x-amz-sso_bearer_token", b"t"),), method="GET")
    with pytest.raises(SenderFault):
        _operation("sso", "ListAccountRoles").parse(sent)


def test_refuses_a_doubled_or_missing_header() -> None:
    """Two bearer tokens in one request would be those of two people."""
    logout = _operation("sso", "Logout")
    one = (b"x-amz-sso_bearer_token", b"t")
    assert logout.parse(_sent(headers=(one,))) == {"accessToken": "t"}
    assert "occurs twice" in _refusal(logout, _sent(headers=(one, one)))
    assert "'accessToken'" in _refusal(logout, _sent(headers=()))


@settings(max_examples=100, deadline=None)
@given(
    query=st.lists(
        st.sampled_from([b"account_id=1", b"max_result=7", b"max_result=0", b"other=1", b"x=%00"]), max_size=3
    ),
    token=st.one_of(st.none(), st.sampled_from([b"a", b"a b", b"x" * 3_000])),
    body=st.sampled_from([b"", b"{}", b"[]", b'{"nextToken":"a"}', b" " * (MAX_JSON_BODY + 1)]),
)
def test_a_plain_request_is_read_alike(*, query: list[bytes], token: bytes | None, body: bytes) -> None:
    """The headers by name give the parameters, or the refusal, of the headers in their order."""
    operation = _operation("sso", "ListAccountRoles")
    headers = (*_JSON, *(() if token is None else ((b"x-amz-sso_bearer_token", token),)), (b"host", b"a"))
    general = _sent(body, query=b"&".join(query), headers=headers)
    read: list[Any] = []
    for request in (general, msgspec.structs.replace(general, by_name=dict(headers))):
        try:
            read.append(operation.parse(request))
        except Fault as fault:
            read.append((type(fault), fault.message))
    assert read[0] == read[1]


def test_the_first_wrong_part_is_refused() -> None:
    """A query that is not supported is refused before the body is read."""
    large = _sent(b" " * (MAX_JSON_BODY + 1), query=b"other=1")
    assert "other is not supported" in _refusal(_operation("sso", "ListAccountRoles"), large)


def test_constraints_of_the_model_hold_and_values_are_not_repeated() -> None:
    """A message must not repeat a code or a token."""
    body = {"clientId": "arn:aws:signin:::devtools/other", "grantType": "authorization_code", "codeVerifier": "secret!"}
    message = _refusal(_operation("signin", "CreateOAuth2Token"), _sent(json.dumps(body).encode()))
    assert "3 validation errors detected" in message
    assert "devtools/other" not in message
    assert "secret!" not in message


def test_writes_what_the_model_has() -> None:
    """A member that the model lacks is a bug: it would be missing silently."""
    register = _operation("sso-oidc", "RegisterClient")
    assert json.loads(register.render({"clientId": "<&", "clientIdIssuedAt": 1})) == {
        "clientId": "<&",
        "clientIdIssuedAt": 1,
    }
    assert b"<" not in register.render({"clientId": "<&"})
    with pytest.raises(KeyError):
        register.render({"clientIdd": "x"})
    assert _operation("sso", "Logout").render({}) == b""
    tokens = _operation("signin", "CreateOAuth2Token").render({"accessToken": {"accessKeyId": "A"}, "expiresIn": 900})
    assert json.loads(tokens) == {"accessToken": {"accessKeyId": "A"}, "expiresIn": 900}


_FAULTS = [found for found in vars(rest_faults).values() if isinstance(found, type) and issubclass(found, JsonFault)]


@pytest.mark.parametrize("service", JSON_SERVICES)
def test_codes_and_status_are_those_of_the_models(service: str) -> None:
    """A client raises the exception class of its model for them."""
    shapes = load_service(service).shapes
    for fault in _FAULTS:
        error = None if fault is JsonFault else shapes.get(fault.code)
        if error is not None and error.error is not None:
            assert fault.status == error.error.status, fault.code
    every = {name for each in JSON_SERVICES for name in load_service(each).shapes}
    assert {fault.code for fault in _FAULTS if fault is not JsonFault} <= every


@pytest.mark.parametrize(
    ("service", "fault", "status", "code", "body"),
    [
        ("sso-oidc", Throttling("Slow."), 400, "SlowDownException", {"error": "slow_down"}),
        ("sso-oidc", ValidationError("V."), 400, "InvalidRequestException", {"error": "invalid_request"}),
        ("sso-oidc", RequestEntityTooLarge("L."), 400, "InvalidRequestException", {"error_description": "L."}),
        ("sso-oidc", AccessDenied("D."), 403, "AccessDeniedException", {"error": "access_denied"}),
        ("sso-oidc", InternalFailure("B."), 500, "InternalServerException", {"error": "server_error"}),
        ("sso", RequestEntityTooLarge("L."), 400, "InvalidRequestException", {"message": "L."}),
        ("sso", Throttling("Slow."), 429, "TooManyRequestsException", {"message": "Slow."}),
        ("sso", ServiceUnavailable("S."), 503, "ServiceUnavailableException", {"message": "S."}),
        ("signin", ValidationError("V."), 400, "ValidationException", {"error": "INVALID_REQUEST", "message": "V."}),
        ("signin", Throttling("Slow."), 429, "TooManyRequestsError", {"error": "rate_exceeded"}),
        (
            "signin",
            rest_faults.AccessDeniedException("E.", error="TOKEN_EXPIRED"),
            400,
            "AccessDeniedException",
            {"error": "TOKEN_EXPIRED"},
        ),
    ],
)
def test_a_refusal_has_the_shape_of_its_service(
    service: str, fault: Fault, status: int, code: str, body: Mapping[str, str]
) -> None:
    """The SDKs read the code from the header and the words from the body."""
    fault.detail = "only for the audit log"
    response = render_rest_fault(service, fault, "id")
    headers = dict(response.headers)
    assert (response.status, headers[b"x-amzn-errortype"]) == (status, code.encode())
    assert (headers[b"content-type"], headers[b"cache-control"]) == (b"application/json", b"no-store")
    document = msgspec.json.decode(response.body)
    assert body.items() <= document.items()
    assert b"audit log" not in response.body
