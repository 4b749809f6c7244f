"""A server, two issuers that it may reach on loopback, and accounts with providers and roles."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from tests.documents import document
from tests.refusals import Refusal, refused

from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.testing.certificates import Authority
from daypass.testing.oidc import OidcIssuer
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

AUDIENCE = "sts.amazonaws.com"
ACTIONS = ("sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity")


@dataclass
class Fleet:
    """Issuers of one authority.

    They use the server's time once there is a server.
    """

    authority: Authority
    server: RunningServer | None = None

    def now(self) -> float:
        """Return the server's time."""
        assert self.server is not None
        return self.server.clock.now().timestamp()

    def issuer(self, **more: Any) -> OidcIssuer:
        """Return an issuer that the server can reach, not yet started."""
        return OidcIssuer(authority=self.authority, now=self.now, **more)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """Return the source of issuers."""
    return Fleet(Authority.create())


@pytest.fixture(scope="module")
def issuer(fleet: Fleet) -> Iterator[OidcIssuer]:
    """Run an issuer with a key of every algorithm."""
    every = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
    with fleet.issuer(algorithms=every) as running:
        yield running


@pytest.fixture(scope="module")
def second_issuer(fleet: Fleet) -> Iterator[OidcIssuer]:
    """Run another issuer, with a path and a trailing slash."""
    with fleet.issuer(path="/realms/acme/") as running:
        yield running


@pytest.fixture(scope="module")
def server(fleet: Fleet, issuer: OidcIssuer) -> Iterator[RunningServer]:
    """Run a server that may connect to loopback and trusts the fleet's authority."""
    with running_server(config=reaching(issuer)) as running:
        fleet.server = running
        yield running


def reaching(issuer: OidcIssuer, **more: Any) -> Config:
    """Return the settings of a server that can reach an issuer on loopback."""
    networks = (ip_network("127.0.0.0/8"),)
    return Config(oidc_ca_bundle=str(issuer.ca_bundle), oidc_allowed_networks=networks, **more)


@dataclass(frozen=True)
class Account:
    """An account with its administrator's client, and the actions of tests in it."""

    id: str
    iam: Any
    server: RunningServer

    def trust(self, issuer: OidcIssuer | str, **condition: Any) -> str:
        """Register an issuer if necessary, and return a trust policy for its tokens."""
        name = name_of(issuer)
        provider = f"arn:aws:iam::{self.id}:oidc-provider/{name}"
        listed = self.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        if provider not in [each["Arn"] for each in listed]:
            self.iam.create_open_id_connect_provider(Url=f"https://{name}", ClientIDList=[AUDIENCE])
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": list(ACTIONS),
            "Condition": condition,
        }
        return document(statement)

    def role(self, name: str, trust: str, policy: dict[str, Any] | None = None, **more: Any) -> str:
        """Create a role and return its ARN."""
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)["Role"]
        if policy is not None:
            document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
            self.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
        return str(role["Arn"])

    def client(self, service: str, answer: dict[str, Any]) -> Any:
        """Return a client with the credentials of an answer."""
        return client_factory(self.server)(service, answer["Credentials"])


def name_of(issuer: OidcIssuer | str) -> str:
    """Return the part of an issuer's condition keys before the colon."""
    return (issuer if isinstance(issuer, str) else issuer.url).removeprefix("https://")


def open_account(server: RunningServer) -> Account:
    """Create an account."""
    root: RootKey = server.new_account()
    return Account(root.account, client_factory(server)("iam", root), server)


@pytest.fixture
def account(server: RunningServer) -> Account:
    """Create an account for this test alone."""
    return open_account(server)


@pytest.fixture(scope="module")
def sts(server: RunningServer) -> Any:
    """Return a client that neither signs nor validates its requests."""
    return unsigned_client(server)


def unsigned_client(server: RunningServer) -> Any:
    """Return a client without credentials."""
    return boto3.client(
        "sts",
        endpoint_url=server.url,
        region_name="us-east-1",
        config=BotoConfig(
            signature_version=UNSIGNED,
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            max_pool_connections=200,
        ),
    )


def take(sts: Any, role: str, token: str, **more: Any) -> dict[str, Any]:
    """Exchange a token for a role's session."""
    given = {"RoleArn": role, "RoleSessionName": "session", "WebIdentityToken": token}
    answer: dict[str, Any] = sts.assume_role_with_web_identity(**{**given, **more})
    return answer


def not_taken(sts: Any, role: str, token: str, **more: Any) -> Refusal:
    """Return the refusal of a token. Fails if the token is accepted."""
    return refused(take, sts, role, token, **more)
