"""RegisterClient over the wire, as boto3 and as other programs send it."""

import json
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from msgspec import convert
from msgspec.structs import fields
from tests.http.raw import Answer, send

from daypass.directory import records
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.sign_in import clients
from daypass.sso import routes
from daypass.sso.operations import ACTIONS, REFUSED_ACTIONS
from daypass.sso.rest_action import AnyAction
from daypass.testing.server import RunningServer, running_server
from daypass.wire.model import JSON_SERVICES, load_service

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_CODE_FLOW = {
    "clientName": "botocore-client-mine",
    "clientType": "public",
    "grantTypes": ["authorization_code", "refresh_token"],
    "redirectUris": ["http://127.0.0.1/oauth/callback"],
    "scopes": ["sso:account:access"],
}


@pytest.fixture(autouse=True)
def _new_hour(server: RunningServer) -> None:
    server.clock.move(_HOUR)


def _post(server: RunningServer, body: bytes, target: str = "/client/register", **headers: str) -> Answer:
    return send(server, body, {"Content-Type": "application/json", **headers}, target=target)


def _register(server: RunningServer, **changes: Any) -> Answer:
    body = {name: value for name, value in {**_CODE_FLOW, **changes}.items() if value is not None}
    return _post(server, json.dumps(body).encode())


def test_registers_a_program_for_90_days(server: RunningServer, sso_oidc: Any) -> None:
    """Both forms that the AWS CLI sends are accepted."""
    found = sso_oidc.register_client(clientName="botocore-client-a", clientType="public", scopes=["sso:account:access"])
    assert found["clientSecretExpiresAt"] - found["clientIdIssuedAt"] == 90 * 86_400
    assert sso_oidc.register_client(**_CODE_FLOW)["clientId"] != found["clientId"]
    event = server.audit.audit_records[-1]
    assert (event.service, event.action, event.fault) == ("sso-oidc", "RegisterClient", None)
    assert found["clientSecret"] not in str(server.audit.audit_records)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clientType": "confidential"}, "InvalidClientMetadataException"),
        ({"clientName": "  "}, "InvalidClientMetadataException"),
        ({"clientName": "x" * 5_000}, "InvalidClientMetadataException"),
        ({"clientName": None}, "InvalidRequestException"),
        ({"clientName": "a\0b"}, "InvalidRequestException"),
        ({"clientName": 7}, "InvalidRequestException"),
        ({"clientName": "x" * 1_048_576}, "InvalidRequestException"),
        ({"scopes": ["sso:account:access", "admin"]}, "InvalidScopeException"),
        ({"grantTypes": ["client_credentials"]}, "UnsupportedGrantTypeException"),
        ({"redirectUris": ["https://evil.example/"]}, "InvalidRedirectUriException"),
        ({"redirectUris": ["http://localhost/oauth/callback"]}, "InvalidRedirectUriException"),
        ({"redirectUris": None}, "InvalidRedirectUriException"),
        ({"redirectUris": ["http://127.0.0.1/a"] * 6}, "InvalidRedirectUriException"),
        ({"issuerUrl": "https://d-1234567890.awsapps.com/start"}, "InvalidRequestException"),
        ({"entitledApplicationArn": "arn:aws:sso::1:application/x"}, "InvalidRequestException"),
        ({"somethingNew": True}, "InvalidRequestException"),
    ],
)
def test_refuses_a_registration_that_it_does_not_serve(
    server: RunningServer, changes: dict[str, Any], code: str
) -> None:
    """A refusal is a 400 in the service's own shape."""
    found = _register(server, **changes)
    assert (found.status, found.headers["x-amzn-errortype"]) == (400, code)
    assert json.loads(found.body).keys() == {"error", "error_description"}


def test_accepts_the_start_url_of_this_server(server: RunningServer) -> None:
    """The AWS CLI sends it as issuerUrl in the code flow."""
    assert _register(server, issuerUrl=f"{server.url}/start").status == 200


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "\u202egnp.exe", "名前", "a" * 3_000, "\"&'\n"])
def test_a_name_may_have_any_content(server: RunningServer, name: str) -> None:
    """Pages show it escaped and cut."""
    assert _register(server, clientName=name).status == 200


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/token?aws_iam=t", "CreateTokenWithIAM"),
        ("/v1/token?x-amz-token-request-type=bearer", "CreateBearerToken"),
        ("/v1/token?x-amz-client-auth-method=iam", "CreateOAuth2TokenWithIAM"),
        ("/v1/token?x-amz-oauth-token-method=token-exchange", "CreateOAuth2TokenWithTokenExchange"),
        ("/v1/revoke?x-amz-client-auth-method=iam", "RevokeOAuth2TokenWithIAM"),
        ("/v1/introspect?x-amz-client-auth-method=iam", "IntrospectOAuth2TokenWithIAM"),
        ("/list-sessions", "ListSessions"),
    ],
)
def test_other_operations_of_the_models_are_refused_by_name(server: RunningServer, target: str, name: str) -> None:
    """The query member is another operation, not a parameter of this one."""
    found = _post(server, b"{}", target)
    assert found.status == 400
    assert f"{name} is not supported by this server" in found.text


def test_a_query_is_refused(server: RunningServer) -> None:
    """The parameters of a POST are in its body alone."""
    found = _post(server, json.dumps(_CODE_FLOW).encode(), "/client/register?clientName=b")
    assert (found.status, found.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")


def test_an_hour_has_20_registrations(server: RunningServer) -> None:
    """The 21st is a SlowDownException of the model, and so are the next, for which the store is not asked."""
    for _ in range(20):
        assert _register(server).status == 200
    for _ in range(2):
        found = _register(server)
        assert (found.status, found.headers["x-amzn-errortype"]) == (400, "SlowDownException")
    server.clock.move(_HOUR)
    assert _register(server).status == 200


def test_a_full_server_refuses_without_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers from many networks must not stop all who write. After a day, the abandoned ones are replaced."""
    monkeypatch.setattr(clients, "MOST_CLIENTS", 3)
    with running_server() as full:
        now = full.clock.now()
        with full.there.store.write() as writer:
            for number in range(3):
                name = f"{number:032x}"
                records.insert(
                    writer,
                    SsoClient(
                        id=name,
                        network=name,
                        registered=now,
                        expires=now + 90 * _DAY,
                        secret_hash=b"",
                        name=name,
                        grant_types=("refresh_token",),
                        redirect_uris=(),
                        scopes=(),
                    ),
                )
        with full.there.store.write():
            for _ in range(2):
                found = _register(full)
                assert (found.status, found.headers["x-amzn-errortype"]) == (400, "SlowDownException")
        full.clock.move(_DAY)
        assert _register(full).status == 200


def test_paths_belong_to_the_services_only_with_their_methods(server: RunningServer) -> None:
    """Other methods lead to the portal's own 404 or 405."""
    found = send(server, b"", {}, method="GET", target="/client/register")
    assert found.status in {404, 405}
    assert "x-amzn-errortype" not in found.headers


@pytest.mark.parametrize("target", ["/%74oken", "/client%2Fregister", "/v1/%74oken"])
def test_a_path_has_one_spelling(server: RunningServer, target: str) -> None:
    """An escaped path is not one of the services."""
    found = _post(server, b"{}", target=target)
    assert found.status == 404
    assert "x-amzn-errortype" not in found.headers


def test_a_body_that_does_not_arrive_gets_408(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a refusal, not an error of the server."""
    monkeypatch.setattr(routes, "_PATIENCE", 0.01)
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=30)) as connection:
        connection.putrequest("POST", "/client/register")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "2")
        connection.endheaders(b"{")
        assert connection.getresponse().status == 408


def test_every_operation_of_the_models_is_performed_or_refused_by_name() -> None:
    """An operation is in exactly one of the two tables."""
    performed = {(one.service, one.name) for one in ACTIONS}
    refused = set(REFUSED_ACTIONS)
    models = {(service, name) for service in JSON_SERVICES for name in load_service(service).operations}
    assert performed | refused == models
    assert not performed & refused


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_parameters_with_secrets_are_not_displayed(action: AnyAction) -> None:
    """A message about a bug may contain the parameters."""
    secret = {"code", "codeVerifier", "clientSecret", "deviceCode", "refreshToken", "accessToken"}
    given = {each.encode_name: "s3cret" for each in fields(action.takes) if each.encode_name in secret}
    others = {each.encode_name: "x" for each in fields(action.takes) if each.required}
    assert "s3cret" not in repr(convert({**others, **given}, action.takes))


def test_boto3_raises_the_exceptions_of_the_model(sso_oidc: Any) -> None:
    """The SDK finds the class by the header, and the words in the body."""
    with pytest.raises(sso_oidc.exceptions.InvalidClientMetadataException) as caught:
        sso_oidc.register_client(clientName="a", clientType="private")
    error: ClientError = caught.value
    assert error.response["error"] == "invalid_client_metadata"
