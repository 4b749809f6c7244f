"""Requests to a service behind nginx and Caddy, with the shipped configurations, judged by /verify."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.proxies.shipped_proxies import RecordingService, shipped_proxy
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.gateway.settings import GatewaySettings
from daypass.verify.services.routes import Route

ACCOUNT = "123456789012"
ITEMS = f"arn:aws:inventory:us-east-1:{ACCOUNT}:item/{{item}}"
ROUTES = tuple(
    ("inventory", Route(method, "/items/{item}", f"inventory:{action}", ITEMS))
    for method, action in (("GET", "GetItem"), ("POST", "PutItem"), ("DELETE", "DeleteItem"))
)
GET = {"Effect": "Allow", "Action": ["inventory:GetItem", "inventory:PutItem"], "Resource": "*"}


@dataclass
class Proxied:
    """A service behind a proxy."""

    port: int
    service: RecordingService
    gateway: RunningGateway
    credentials: Credentials

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        signed: bool = True,
        headers: Any = (),
        hashed: bool = True,
    ) -> tuple[int, bytes, Any]:
        """Send a request through the proxy. Return its status and body, and what reached the service."""
        url = f"http://127.0.0.1:{self.port}{target}"
        request = AWSRequest(method, url, data=body)
        if body and hashed:
            request.headers["X-Amz-Content-Sha256"] = sha256(body).hexdigest()
        if signed:
            SigV4Auth(self.credentials, "inventory", "us-east-1").add_auth(request)
        self.service.requests.clear()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", f"127.0.0.1:{self.port}"), *request.headers.items(), *headers):
            if name.lower() != "content-length":
                connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content, self.service.requests[0] if self.service.requests else None


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway with routes of one service."""
    with running_gateway(moto_store, GatewaySettings(routes=ROUTES)) as running:
        yield running


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("nginx-service.conf", marks=pytest.mark.component("nginx")),
        pytest.param("Caddyfile", marks=pytest.mark.component("caddy")),
    ],
)
def proxied(
    request: pytest.FixtureRequest, gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    """Run a proxy with its shipped configuration."""
    service = RecordingService()
    made = gateway.credentials(GET)
    credentials = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    ports = {7882: gateway.proxies.port, 9000: service.port}
    with shipped_proxy(request.param, tmp_path_factory.mktemp("proxy"), ports) as port:
        yield Proxied(port, service, gateway, credentials)
    service.close()


def test_an_allowed_request_reaches_the_service_with_its_caller(proxied: Proxied) -> None:
    """The service reads the caller from the headers that the proxy sets."""
    status, _, reached = proxied.request("GET", "/items/4%202?color=red")
    assert status == 200
    method, target, headers, _ = reached
    assert (method, target) == ("GET", "/items/4%202?color=red")
    assert headers["x-daypass-account"] == ACCOUNT
    assert headers["x-daypass-arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/")
    assert headers["x-daypass-user-id"].endswith(":test")
    assert headers["x-daypass-content-sha256"] == sha256(b"").hexdigest()


def test_a_signed_body_reaches_the_service_with_its_hash(proxied: Proxied) -> None:
    """The proxy does not show the body to /verify, thus the service gets the hash that was verified."""
    status, _, reached = proxied.request("POST", "/items/42", body=b'{"count": 3}')
    assert status == 200
    assert reached[3] == b'{"count": 3}'
    assert reached[2]["x-daypass-content-sha256"] == sha256(b'{"count": 3}').hexdigest()


REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("not signed", {"method": "GET", "target": "/items/42", "signed": False}),
    ("no route", {"method": "GET", "target": "/other"}),
    ("no route for the method", {"method": "PUT", "target": "/items/42"}),
    ("not allowed", {"method": "DELETE", "target": "/items/42"}),
    ("a body without a signed hash", {"method": "POST", "target": "/items/42", "body": b"x", "hashed": False}),
    ("an encoded slash", {"method": "GET", "target": "/items/4%2f2"}),
    ("a dot segment", {"method": "GET", "target": "/items/../items/42"}),
)


@pytest.mark.parametrize(("name", "what"), REFUSED)
def test_a_refused_request_does_not_reach_the_service(proxied: Proxied, name: str, what: dict[str, Any]) -> None:
    """The client gets the reason as JSON."""
    status, content, reached = proxied.request(**what)
    assert reached is None, name
    assert status in {400, 401, 403}
    assert json.loads(content)["message"]


@pytest.mark.parametrize(
    "header",
    ["X-Daypass-Arn", "x-daypass-account", "X-DAYPASS-USER-ID", "X-Daypass-Anything", "X-Daypass-Content-Sha256"],
)
def test_a_clients_own_identity_header_is_refused(proxied: Proxied, header: str) -> None:
    """It never reaches the service, not even one that the proxy would replace."""
    status, _, reached = proxied.request("GET", "/items/42", headers=[(header, "forged")])
    assert (status, reached) == (400 if status == 400 else 403, None)


@pytest.mark.parametrize("header", ["X_Daypass_Arn", "X-Daypass_Arn"])
def test_an_underscore_does_not_make_an_identity_header(proxied: Proxied, header: str) -> None:
    """Some servers read an underscore as a hyphen."""
    _, _, reached = proxied.request("GET", "/items/42", headers=[(header, "forged")])
    if reached is not None:
        assert "forged" not in reached[2].values()


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Original-Method", "GET")],
        [("X-Original-Uri", "/items/1")],
        [("X-Original-Host", "other.example")],
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/items/1"), ("X-Forwarded-Host", "other.example")],
        [("X-Forwarded-Uri", "/items/1")],
    ],
)
def test_a_client_cannot_describe_another_request(proxied: Proxied, headers: list[tuple[str, str]]) -> None:
    """The facts that a client sends are replaced by the proxy's, or the request is refused.

    The caller must not delete an item by a question about reading it.
    """
    status, _, reached = proxied.request("DELETE", "/items/42", headers=headers)
    assert reached is None
    assert status in {400, 401, 403}


def test_the_request_is_recorded(proxied: Proxied) -> None:
    """The audit event names the service, the action and the caller."""
    proxied.gateway.audit.audit_records.clear()
    proxied.request("DELETE", "/items/42")
    event = proxied.gateway.audit.audit_records[0]
    assert (event.service, event.action, event.code) == ("inventory", "DeleteItem", "AccessDeniedException")
    assert event.data is not None
    assert event.data.caller is not None
    assert event.data.caller.account == ACCOUNT
