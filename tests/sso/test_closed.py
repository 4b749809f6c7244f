"""The conditions under which the JSON services do not answer."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.http.raw import Answer, send
from tests.sso.browser import Browser

from daypass.config import Config
from daypass.testing.server import RunningServer, running_server

_REGISTRATION = {"clientName": "a", "clientType": "public"}


@pytest.fixture(scope="module")
def off() -> Iterator[RunningServer]:
    """Run a server whose operator switched the services off."""
    with running_server(config=Config(sign_in_api=False)) as running:
        yield running


def _post(server: RunningServer, target: str, body: Any = None, **headers: str) -> Answer:
    text = json.dumps({} if body is None else body).encode()
    return send(server, text, {"Content-Type": "application/json", **headers}, target=target)


def _client(server: RunningServer) -> Any:
    return boto3.client("sso-oidc", endpoint_url=server.url, region_name="us-east-1")


def test_a_server_without_providers_registers_programs_and_starts_devices(server: RunningServer) -> None:
    """Both never reveal to a stranger whether it has providers."""
    client = _client(server)
    found = client.register_client(**_REGISTRATION)
    program = {name: found[name] for name in ("clientId", "clientSecret")}
    begun = client.start_device_authorization(**program, startUrl=f"{server.url}/start")
    with pytest.raises(ClientError) as caught:
        client.create_token(
            **program, grantType="urn:ietf:params:oauth:grant-type:device_code", deviceCode=begun["deviceCode"]
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("POST", "/token", "AccessDeniedException"),
        ("POST", "/v1/token", "AccessDeniedException"),
        ("GET", "/assignment/accounts", "ForbiddenException"),
        ("GET", "/assignment/roles?account_id=1", "ForbiddenException"),
        ("GET", "/federation/credentials?account_id=1&role_name=a", "ForbiddenException"),
        ("POST", "/logout", "ForbiddenException"),
    ],
)
def test_all_other_operations_are_forbidden_without_providers(
    server: RunningServer, method: str, target: str, code: str
) -> None:
    """A well-formed call gets 403, in the format of its service."""
    bodies = {
        "/token": {"clientId": "a", "clientSecret": "b", "grantType": "refresh_token"},
        "/v1/token": {"clientId": "arn:aws:signin:::devtools/same-device", "grantType": "refresh_token"},
    }
    body = json.dumps(bodies[target]).encode() if target in bodies else b""
    headers = {"Content-Type": "application/json", "x-amz-sso_bearer_token": "t"}
    found = send(server, body, headers, method=method, target=target)
    assert (found.status, found.headers["x-amzn-errortype"]) == (403, code)


def test_the_approval_page_is_forbidden_without_providers(server: RunningServer) -> None:
    """There is no provider to sign in with."""
    assert Browser(server).get("/authorize?response_type=code").status == 403


@pytest.mark.parametrize("target", ["/client/register", "/device_authorization", "/token"])
def test_the_operator_can_switch_the_services_off(off: RunningServer, target: str) -> None:
    """Then every call is forbidden."""
    whole = {"clientId": "a", "clientSecret": "b"}
    bodies = {
        "/client/register": _REGISTRATION,
        "/device_authorization": {**whole, "startUrl": "x"},
        "/token": {**whole, "grantType": "x"},
    }
    found = _post(off, target, bodies[target])
    assert (found.status, found.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert "switched off" in found.text


def test_a_rate_limit_counts_calls_of_a_peer() -> None:
    """The refusal is that of the model, and costs neither a parser nor the store."""
    with running_server(config=Config(unsigned_calls_per_minute=3)) as server:
        found = [_post(server, "/client/register", _REGISTRATION) for _ in range(5)]
    assert [answer.status for answer in found] == [200, 200, 200, 400, 400]
    assert found[-1].headers["x-amzn-errortype"] == "SlowDownException"


@pytest.mark.parametrize("service", ["s3", "sts", "iam", "sso-oauthh"])
def test_a_signature_for_another_service_is_refused(server: RunningServer, service: str) -> None:
    """A client that signs means another service, whose path this is not."""
    scope = f"AKIAAAAAAAAAAAAAAAAA/20261130/us-east-1/{service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    found = _post(server, "/client/register", _REGISTRATION, Authorization=signed)
    assert found.status == 400
    assert "clientId" not in found.text


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
@pytest.mark.parametrize(
    ("service", "words"), [("sts", b"Sign for awsssoportal"), ("awsssoportal", b"No identity provider")]
)
def test_a_plain_call_for_another_service_is_refused(
    server: RunningServer, service: str, words: bytes, name: str
) -> None:
    """The headers by name contain the signature of a plain call too."""
    scope = f"AKIAAAAAAAAAAAAAAAAA/20261130/us-east-1/{service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    for further in ("", "x-twice: a\r\nx-twice: b\r\n"):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30) as connection:
            connection.sendall(
                b"GET /federation/credentials?role_name=r&account_id=123456789012 HTTP/1.1\r\nhost: a\r\n"
                + f"x-amz-sso_bearer_token: t\r\n{name}: {signed}\r\n{further}\r\n".encode()
            )
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65_536) or b"}"
        assert words in answer
