"""The questions of proxies as their documentation describes them, sent to /verify, and the configurations for them.

Envoy and Traefik do not run here. Sources: Envoy, ext_authz (HttpService, ExtAuthz.allowed_headers); Traefik,
ForwardAuth ("Forward-Request Headers"); Caddy, forward_auth; nginx, ngx_http_auth_request_module.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.gateway.settings import GatewaySettings
from daypass.verify.services.routes import Route

ACCOUNT = "123456789012"
HOST = "inventory.example.com"
ITEM = f"arn:aws:inventory:us-east-1:{ACCOUNT}:item/{{item}}"
ROUTES = tuple(
    ("inventory", Route(method, "/items/{item}", f"inventory:{action}", ITEM))
    for method, action in (("GET", "GetItem"), ("POST", "PutItem"), ("DELETE", "DeleteItem"))
)
ALLOW = {"Effect": "Allow", "Action": ["inventory:GetItem", "inventory:PutItem"], "Resource": "*"}
IDENTITY = ("x-daypass-arn", "x-daypass-account", "x-daypass-user-id", "x-daypass-content-sha256")
BODY = b'{"count": 3}'
PACKAGING = Path(__file__).parents[3] / "packaging/proxies"

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Shape:
    """How a proxy asks: the method and the target of its question, and the headers that it adds or replaces."""

    name: str
    method: str
    target: str
    added: Headers
    host: str = "daypass"


def shapes(method: str, target: str) -> tuple[Shape, ...]:
    """Return the questions of each proxy about one request."""
    return (
        Shape("envoy", method, f"/verify{target}", {"Content-Length": "0"}, HOST),
        Shape(
            "envoy with the headers of its own hop",
            method,
            f"/verify{target}",
            {
                "Content-Length": "0",
                "X-Forwarded-For": "192.0.2.7",
                "X-Forwarded-Proto": "https",
                "X-Request-Id": "8f0c",
                "X-Envoy-Internal": "true",
            },
            HOST,
        ),
        Shape(
            "traefik",
            "GET",
            "/verify?service=inventory",
            {
                "X-Forwarded-Method": method,
                "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": HOST,
                "X-Forwarded-Uri": target,
                "X-Forwarded-For": "192.0.2.7",
                "X-Forwarded-Port": "80",
                "X-Forwarded-Server": "edge",
                "X-Real-Ip": "192.0.2.7",
            },
        ),
        Shape(
            "caddy",
            "GET",
            "/verify?service=inventory",
            {"X-Forwarded-Method": method, "X-Forwarded-Uri": target, "X-Forwarded-Host": HOST},
        ),
        Shape(
            "nginx",
            "GET",
            "/verify?service=inventory",
            {"X-Original-Method": method, "X-Original-Uri": target, "X-Original-Host": HOST},
        ),
    )


NAMES = [shape.name for shape in shapes("GET", "/")]
ENVOY, TRAEFIK, NGINX = NAMES[0], NAMES[2], NAMES[4]


@dataclass
class Verify:
    """The listener for proxies, with a caller's credentials."""

    gateway: RunningGateway
    credentials: Credentials

    def ask(
        self,
        name: str,
        method: str,
        target: str,
        *,
        more: Headers = MappingProxyType({}),
        body: bytes = b"",
        signed: bool = True,
    ) -> tuple[int, Headers, bytes]:
        """Send the question of a proxy about a request. Return the status, headers and body of the answer."""
        request = AWSRequest(method, f"http://{HOST}{target}", data=body)
        if body:
            request.headers["X-Amz-Content-Sha256"] = sha256(body).hexdigest()
        if signed:
            SigV4Auth(self.credentials, "inventory", "us-east-1").add_auth(request)
        shape = next(each for each in shapes(method, target) if each.name == name)
        headers = {each: value for each, value in request.headers.items() if each.lower() != "content-length"}
        headers |= {"Host": shape.host, **shape.added, **more}
        if name == NGINX and body:
            headers["X-Original-Content-Length"] = str(len(body))
        return self.send(shape.method, shape.target, headers)

    def send(self, method: str, target: str, headers: Headers) -> tuple[int, Headers, bytes]:
        """Send a question with exactly these headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.proxies.port, timeout=30)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for each, value in headers.items():
            connection.putheader(each, value)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {each.lower(): value for each, value in answer.getheaders()}, content


@pytest.fixture(scope="module")
def verify(moto_store: StoreServer) -> Iterator[Verify]:
    """Run a gateway with routes of one service."""
    with running_gateway(moto_store, GatewaySettings(routes=ROUTES)) as running:
        made = running.credentials(ALLOW)
        yield Verify(running, Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["/items/42", "/items/4%202?color=red&a=b%2Fc"])
def test_an_allowed_request_is_answered_with_its_caller(verify: Verify, name: str, target: str) -> None:
    """The query of the client is the one that is verified, whatever the query of the question."""
    status, headers, _ = verify.ask(name, "GET", target)
    assert status == 200
    assert headers["x-daypass-account"] == ACCOUNT
    assert headers["x-daypass-content-sha256"] == sha256(b"").hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_of_a_body_is_answered(verify: Verify, name: str) -> None:
    """No proxy shows the body. The service compares it with the hash that was verified."""
    status, headers, _ = verify.ask(name, "POST", "/items/42", body=BODY)
    assert (status, headers.get("x-daypass-content-sha256")) == (200, sha256(BODY).hexdigest())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("method", "target", "signed"),
    [
        pytest.param("GET", "/items/42", False, id="not signed"),
        pytest.param("DELETE", "/items/42", True, id="not allowed"),
        pytest.param("GET", "/other", True, id="no route"),
        pytest.param("PUT", "/items/42", True, id="no route for the method"),
        pytest.param("GET", "/items/a/../42", True, id="a dot segment"),
        pytest.param("GET", "/items//42", True, id="an empty segment"),
        pytest.param("GET", "/items/4%2f2", True, id="an encoded slash"),
    ],
)
def test_a_refused_request_is_not_let_on(verify: Verify, name: str, method: str, target: str, *, signed: bool) -> None:
    """The answer has a status that each proxy takes as a refusal, a reason, and no identity."""
    status, headers, content = verify.ask(name, method, target, signed=signed)
    assert status in {400, 401, 403}
    assert not set(IDENTITY) & set(headers)
    assert json.loads(content)["message"]


TWICE = (
    (ENVOY, {"X-Forwarded-Method": "GET"}),
    (ENVOY, {"X-Forwarded-Uri": "/items/42"}),
    (ENVOY, {"X-Original-Method": "GET"}),
    (ENVOY, {"X-Original-Uri": "/items/42"}),
    (ENVOY, {"X-Original-Host": HOST}),
    (TRAEFIK, {"X-Original-Method": "GET"}),
    (TRAEFIK, {"X-Original-Uri": "/items/42"}),
    (TRAEFIK, {"X-Original-Host": HOST}),
    (TRAEFIK, {"X-Forwarded-Host": f"{HOST}, other.example"}),
    (NGINX, {"X-Forwarded-Method": "GET"}),
    (NGINX, {"X-Forwarded-Uri": "/items/42"}),
    (NGINX, {"X-Original-Host": f"{HOST}, other.example"}),
)


@pytest.mark.parametrize(("name", "more"), TWICE)
def test_a_fact_in_two_places_is_refused(verify: Verify, name: str, more: Headers) -> None:
    """One of them could be the client's, even if both say the same: the proxy serves the other."""
    assert verify.ask(name, "GET", "/items/42")[0] == 200
    status, headers, _ = verify.ask(name, "GET", "/items/42", more=more)
    assert status in {400, 403}
    assert not set(IDENTITY) & set(headers)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("header", [*IDENTITY, "X-Daypass-Anything"])
def test_a_clients_own_identity_header_is_refused(verify: Verify, name: str, header: str) -> None:
    """The proxies show /verify every header of the client."""
    assert verify.ask(name, "GET", "/items/42", more={header: "forged"})[0] in {400, 403}


MISSING: tuple[tuple[str, Headers], ...] = (
    ("traefik without the path", {"X-Forwarded-Method": "GET", "X-Forwarded-Host": HOST}),
    ("traefik without the host", {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/items/42"}),
    ("traefik without the method", {"X-Forwarded-Uri": "/items/42", "X-Forwarded-Host": HOST}),
    ("nginx without the method", {"X-Original-Uri": "/items/42", "X-Original-Host": HOST}),
    ("half of each", {"X-Original-Method": "GET", "X-Forwarded-Uri": "/items/42", "X-Forwarded-Host": HOST}),
    ("nothing", {}),
)


@pytest.mark.parametrize(("name", "headers"), MISSING)
def test_a_question_without_a_fact_is_refused(verify: Verify, name: str, headers: Headers) -> None:
    """There is no default that allows."""
    status, answered, _ = verify.send("GET", "/verify?service=inventory", {"Host": "daypass", **headers})
    assert status in {400, 403}, name
    assert not set(IDENTITY) & set(answered)


@pytest.mark.parametrize("target", ["/verifyx/items/42", "/items/42", "/", "/verify?service=inventory&service=s3"])
def test_another_path_is_not_a_question(verify: Verify, target: str) -> None:
    """Only /verify, and what follows it, asks."""
    assert verify.send("GET", target, {"Host": HOST})[0] in {400, 403}


def read(name: str) -> Any:
    """Return a shipped configuration."""
    return yaml.safe_load((PACKAGING / name).read_text(encoding="utf-8"))


def test_the_configuration_of_envoy_asks_as_documented() -> None:
    """The fields are those of the v3 API. A failure of /verify refuses, and clients' headers are replaced."""
    manager = read("envoy.yaml")["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert (manager["normalize_path"], manager["merge_slashes"]) == (False, False)
    first, last = manager["http_filters"]
    assert (first["name"], last["name"]) == ("envoy.filters.http.ext_authz", "envoy.filters.http.router")
    config = first["typed_config"]
    assert set(config) == {"@type", "failure_mode_allow", "allowed_headers", "http_service"}
    assert config["@type"].endswith("ext_authz.v3.ExtAuthz")
    assert config["failure_mode_allow"] is False
    assert config["allowed_headers"] == {"patterns": [{"safe_regex": {"regex": ".*"}}]}
    service = config["http_service"]
    assert set(service) == {"server_uri", "path_prefix", "authorization_response"}
    assert set(service["server_uri"]) == {"uri", "cluster", "timeout"}
    assert service["path_prefix"] == "/verify"
    sent = service["authorization_response"]["allowed_upstream_headers"]["patterns"]
    assert {pattern["exact"] for pattern in sent} == set(IDENTITY)


def test_the_configuration_of_traefik_asks_as_documented() -> None:
    """The fields are those of the forwardAuth middleware, and the client's X-Forwarded-… are not trusted."""
    http_part = read("traefik.yaml")["http"]
    middleware = http_part["middlewares"]["daypass"]["forwardAuth"]
    assert set(middleware) == {"address", "trustForwardHeader", "authResponseHeaders"}
    assert middleware["address"].endswith("/verify?service=inventory")
    assert middleware["trustForwardHeader"] is False
    assert {name.lower() for name in middleware["authResponseHeaders"]} == set(IDENTITY)
    assert http_part["routers"]["inventory"]["middlewares"] == ["http-only", "daypass"]
    assert http_part["middlewares"]["http-only"]["headers"]["customRequestHeaders"]["Upgrade"] == ""  # "" removes it


@pytest.mark.parametrize("name", ["envoy.yaml", "traefik.yaml"])
def test_a_configuration_that_did_not_run_says_so(name: str) -> None:
    """Operators must know that no program has read it."""
    assert "NOT RUN" in (PACKAGING / name).read_text(encoding="utf-8")
