"""Questions of proxies: each fact comes once, and the answer is about one service."""

import http.client
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.gateway.settings import GatewaySettings
from daypass.verify.services.routes import Route

ACCOUNT, HOST = "123456789012", "inventory.example"


def routes(*rows: tuple[str, str, str]) -> tuple[tuple[str, Route], ...]:
    """Return routes for service, path and host."""
    return tuple(
        (service, Route("GET", path, f"{service}:Get", f"arn:aws:{service}:us-east-1:{ACCOUNT}:it/{{it}}", host))
        for service, path, host in rows
    )


class Asker:
    """A proxy on this machine, and a client that may do everything in `inventory`."""

    def __init__(self, gateway: RunningGateway) -> None:
        made = gateway.credentials({"Effect": "Allow", "Action": "inventory:*", "Resource": "*"})
        self.port = gateway.proxies.port
        self.credentials = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    def ask(self, question: str, facts: Mapping[str, str], *, target: str = "/items/42", host: str = HOST) -> Any:
        """Return the answer to a question about a signed GET."""
        request = AWSRequest("GET", f"http://{host}{target}")
        SigV4Auth(self.credentials, "inventory", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", question, headers={"Host": "daypass", **dict(request.headers), **facts})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.fixture(scope="module")
def one(moto_store: StoreServer) -> Iterator[Asker]:
    """Run a gateway with one service."""
    with running_gateway(moto_store, GatewaySettings(routes=routes(("inventory", "/items/{it}", "")))) as running:
        yield Asker(running)


@pytest.fixture(scope="module")
def several(moto_store: StoreServer) -> Iterator[Asker]:
    """Run a gateway with three services, of which one has a host."""
    rows = (("files", "/a/{it}", ""), ("inventory", "/items/{it}", ""), ("inventory", "/stock/{it}", HOST))
    with running_gateway(moto_store, GatewaySettings(routes=routes(*rows))) as running:
        yield Asker(running)


NGINX = {"X-Original-Method": "GET", "X-Original-Uri": "/items/42", "X-Original-Host": HOST}
CADDY = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/items/42", "X-Forwarded-Host": HOST}
ENVOY = {"Host": HOST}


@pytest.mark.parametrize(
    ("question", "facts", "status"),
    [
        ("/verify?service=inventory", NGINX, 200),
        ("/verify?service=inventory", CADDY, 200),
        ("/verify/items/42", ENVOY, 200),
        ("/verify", NGINX, 200),
        # A client behind one proxy sends the headers of another.
        ("/verify?service=inventory", {**NGINX, **CADDY}, 403),
        ("/verify?service=inventory", {**NGINX, "X-Forwarded-Uri": "/items/42"}, 403),
        ("/verify?service=inventory", {**CADDY, "X-Original-Uri": "/items/42"}, 403),
        ("/verify/items/42", {**ENVOY, "X-Original-Uri": "/items/42"}, 403),
        ("/verify/items/42", {**ENVOY, "X-Forwarded-Method": "GET"}, 403),
        ("/verify/items/42", {**ENVOY, **NGINX}, 403),
        # The service would get requests without a question.
        ("/verify?service=inventory", {**CADDY, "Upgrade": "h2c"}, 400),
        ("/verify?service=inventory", {**NGINX, "Upgrade": "websocket, h2c"}, 403),
        ("/verify/items/42", {**ENVOY, "Upgrade": "TLS/1.0"}, 400),
        ("/verify?service=inventory", {**CADDY, "Upgrade": "WebSocket"}, 200),
        # A fact is missing, or not the signed one.
        ("/verify?service=inventory", {**NGINX, "X-Original-Host": "other.example"}, 403),
        ("/verify?service=inventory", {**NGINX, "X-Original-Uri": "/items/43"}, 403),
        ("/verify?service=inventory", {**NGINX, "X-Original-Method": "POST"}, 403),
        ("/verify?service=inventory", {"X-Original-Uri": "/items/42", "X-Original-Host": HOST}, 403),
        ("/verify?service=inventory", {**CADDY, "X-Forwarded-Host": f"{HOST}, {HOST}"}, 403),
        ("/verify?service=inventory", {**NGINX, "X-Original-Uri": "http://inventory.example/items/42"}, 403),
        ("/verify/items/43", ENVOY, 403),
        ("/verify//items/42", ENVOY, 403),
        ("/verify", {}, 403),
        # The names that a service reads, from a client.
        ("/verify?service=inventory", {**NGINX, "X-Daypass-Arn": "arn:aws:iam::1:root"}, 403),
        ("/verify?service=inventory", {**NGINX, "X-Daypass-Anything": "1"}, 403),
        # The service of a question.
        ("/verify?service=other", NGINX, 403),
        ("/verify?service=s3", NGINX, 403),
        ("/verify?service=inventory&service=other", NGINX, 403),
        ("/verify?service=inventory&x=1", NGINX, 403),
        ("/verify?x=1", NGINX, 403),
        # A body whose hash is not signed.
        ("/verify?service=inventory", {**NGINX, "X-Original-Content-Length": "5"}, 403),
        ("/verify?service=inventory", {**NGINX, "X-Original-Transfer-Encoding": "chunked"}, 403),
        # /denied never lets a request pass.
        ("/denied?service=inventory", NGINX, 403),
        ("/denied", NGINX, 403),
    ],
)
def test_a_question_has_one_meaning(one: Asker, question: str, facts: dict[str, str], status: int) -> None:
    """Every other question is refused, and its answer has no caller."""
    answer = one.ask(question, facts)
    refused = status != 200
    assert (answer.status if not refused else answer.status >= 400) == (True if refused else status)
    assert (answer.getheader("x-daypass-arn") is None) == refused


@pytest.mark.parametrize(
    ("question", "target", "status"),
    [
        ("/verify?service=inventory", "/items/42", 200),
        ("/verify?service=files", "/items/42", 403),
        ("/verify?service=files", "/a/42", 403),
        # Without the service, a route without a host could be a path of another service.
        ("/verify", "/items/42", 403),
        ("/verify", "/stock/42", 200),
    ],
)
def test_a_request_for_one_service_is_not_allowed_for_another(
    several: Asker, question: str, target: str, status: int
) -> None:
    """The proxy in front of `files` must not let a request pass by a permission of `inventory`."""
    answer = several.ask(question, {**NGINX, "X-Original-Uri": target}, target=target)
    assert answer.status == status
