"""A server with a partner and a customer, and a webhook of the partner that receives notifications."""

import json
import queue
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from tests.documents import allow, document, new_key
from tests.http_servers import HttpRequest, HttpSite

from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.delegation_entities import Notification
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer, running_server


@dataclass
class Received:
    """One request to the webhook."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The notification."""
        message: dict[str, Any] = json.loads(self.body)
        return message


@dataclass
class Webhook:
    """A partner's webhook.

    It answers with the next of `answers`, and with 204 when there are no more.
    """

    url: str
    received: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    answers: list[int] = field(default_factory=list)

    def next(self, state: str = "") -> Received:
        """Wait for a notification, optionally for that of a state."""
        while True:
            received = self.received.get(timeout=60)
            if not state or received.message["State"] == state:
                return received


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return a certificate authority for tests."""
    return trustme.CA()


class _Listener(HttpSite):
    """Passes requests on to the webhook of their path."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.hooks: dict[str, Webhook] = {}
        super().__init__(self._receive, tls=context)

    def _receive(self, request: HttpRequest) -> None:
        """Keep the request, and send the webhook's next answer."""
        hook = self.hooks[request.path]
        hook.received.put(Received(request.path, dict(request.headers.items()), request.body()))
        request.reply(hook.answers.pop(0) if hook.answers else 204)


@pytest.fixture(scope="session")
def listener(authority: trustme.CA) -> Iterator[_Listener]:
    """Listen on a free port, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with _Listener(context) as listening:
        yield listening


@pytest.fixture
def webhook(listener: _Listener) -> Webhook:
    """Return a webhook for one test."""
    path = f"/hooks/{len(listener.hooks)}?from=test"
    hook = Webhook(f"https://localhost:{listener.port}{path}")
    listener.hooks[path] = hook
    return hook


@pytest.fixture(scope="session")
def running(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run a server that may post to this machine."""
    bundle = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    config = Config(oidc_ca_bundle=str(bundle), webhook_allowed_networks=(ip_network("127.0.0.0/8"),))
    with running_server(config=config) as server:
        yield server


@pytest.fixture
def server(running: RunningServer) -> Iterator[RunningServer]:
    """Return the server, and reset its clock after the test."""
    yield running
    running.clock.reset()


@dataclass(frozen=True)
class Sides:
    """A partner and a customer, each with an IAM client of its root user."""

    server: RunningServer
    partner: RootKey
    customer: RootKey
    as_caller: ClientFactory
    template: str
    webhook: Webhook

    def user(self, root: RootKey, name: str, *statements: dict[str, Any]) -> Any:
        """Create a user with one inline policy, and return its access key."""
        return new_key(self.as_caller("iam", root), name, *statements)

    def request(self, **more: Any) -> str:
        """Create a request as the partner, and return its id."""
        answer: str = self.create(**more)["DelegationRequestId"]
        return answer

    def create(self, **more: Any) -> Any:
        """Create a request as the partner."""
        return self.as_caller("iam", self.partner).create_delegation_request(**{**self.parameters(), **more})

    def parameters(self) -> dict[str, Any]:
        """Return parameters of a valid request."""
        return {
            "OwnerAccountId": self.customer.account,
            "Description": "Set up the monitoring.",
            "Permissions": {
                "PolicyTemplateArn": self.template,
                "Parameters": [{"Name": "userPath", "Values": ["monitoring"], "Type": "string"}],
            },
            "RequestorWorkflowId": "workflow-1",
            "NotificationChannel": self.webhook.url,
            "SessionDuration": 3600,
        }

    def wait_for_attempts(self, attempts: int) -> None:
        """Wait until so many attempts at a notification to the webhook have failed, and the next has a time."""
        pause = threading.Event()  # never set
        for _ in range(6_000):
            with self.server.there.store.read() as reader:
                waiting = [
                    records.to_entity(Notification, record) for record in reader.page("notice", "", limit=10_000)
                ]
            if any(each.url == self.webhook.url and each.attempts == attempts for each in waiting):
                return
            pause.wait(0.01)
        raise AssertionError(waiting)

    def move_clock(self, by: timedelta) -> None:
        """Move the server's clock, and change the store, so that the sender reads its queue at its next check."""
        self.server.clock.move(by)
        self.server.new_account()

    def admin(self, name: str = "admin") -> Any:
        """Create an administrator of the customer, and return its access key."""
        return self.user(self.customer, name, allow("*"))

    def finalize(self, key: Any, request: str) -> str:
        """Associate a request, accept it, send the token, and return the token that the webhook received."""
        iam = self.as_caller("iam", key)
        iam.associate_delegation_request(DelegationRequestId=request)
        iam.accept_delegation_request(DelegationRequestId=request)
        iam.send_delegation_token(DelegationRequestId=request)
        token: str = self.webhook.next("FINALIZED").message["ExchangeToken"]
        return token


@pytest.fixture
def sides(server: RunningServer, as_caller: ClientFactory, webhook: Webhook) -> Sides:
    """Create the partner with its template, and the customer."""
    partner, customer = server.new_account(name="partner"), server.new_account(name="customer")
    template = as_caller("iam", partner).create_policy(PolicyName="setup", PolicyDocument=TEMPLATE)["Policy"]["Arn"]
    return Sides(server, partner, customer, as_caller, template, webhook)


TEMPLATE = document(
    allow("iam:CreateUser", "arn:aws:iam::*:user/@{userPath}/*"), allow(["iam:ListUsers", "sts:GetCallerIdentity"])
)
