"""A running server with a registered identity provider, and its roles."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from tests.refusals import Refusal, refused

from daypass.directory.saml_providers import find_provider, replace_provider
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair, make_key_pair
from daypass.testing.server import RunningServer, running_server

ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
SAML_ACTIONS = ("sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity")


@dataclass(frozen=True)
class Stage:
    """A server and its registered provider."""

    server: RunningServer
    idp: SamlIdentityProvider

    @property
    def client(self) -> ClientFactory:
        """Create boto3 clients."""
        return client_factory(self.server)

    @property
    def iam(self) -> Any:
        """Return a client of the root user."""
        return self.client("iam")

    def role(self, name: str, *actions: str, provider: str = PROVIDER, policy: str | None = None, **more: Any) -> str:
        """Create a role that trusts the provider for `actions`.

        `condition` is optional.
        """
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": list(actions or SAML_ACTIONS),
        }
        if "condition" in more:
            statement["Condition"] = more.pop("condition")
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]
        if policy is not None:
            self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        return arn

    def response(self, assertion: Assertion, **how: Any) -> str:
        """Return a response that the provider creates now."""
        return self.idp.response(assertion, now=how.pop("now", self.server.clock.now()), **how)

    def redeem(self, response: str, role: str, *, provider: str = PROVIDER, **more: Any) -> Any:
        """Exchange an assertion for a role's credentials."""
        sts = self.client("sts")
        return sts.assume_role_with_saml(RoleArn=role, PrincipalArn=provider, SAMLAssertion=response, **more)

    def refused(self, response: str, role: str, **more: Any) -> Refusal:
        """Return how an assertion is refused."""
        return refused(self.redeem, response, role, **more)

    def switch(self, **switches: bool) -> None:
        """Set the switches of the provider, as an operator does."""
        with self.server.there.store.write() as writer:
            provider = find_provider(writer, PROVIDER)
            assert provider is not None
            replace_provider(writer, provider, msgspec.structs.replace(provider, **switches))


def granting(*roles: str, provider: str = PROVIDER, **more: Any) -> Assertion:
    """Return an assertion that grants roles through the provider."""
    return replace(Assertion(roles=tuple(f"{role},{provider}" for role in roles)), **more)


@pytest.fixture(scope="session")
def keys() -> tuple[KeyPair, KeyPair, KeyPair]:
    """Create some keys once: creating one takes longer than a test."""
    return make_key_pair(), make_key_pair(), make_key_pair(name="sts.example.net")


@pytest.fixture(scope="module")
def shared(keys: tuple[KeyPair, ...]) -> Iterator[Stage]:
    """Run one server for tests that leave only roles of their own behind."""
    with running_server() as server:
        yield registered(server, keys[0])


@pytest.fixture
def stage(daypass_server: RunningServer, keys: tuple[KeyPair, ...]) -> Stage:
    """Return a server for one test."""
    return registered(daypass_server, keys[0])


def registered(server: RunningServer, key: KeyPair) -> Stage:
    """Register a provider on a server."""
    stage = Stage(server, SamlIdentityProvider(keys=[key]))
    stage.iam.create_saml_provider(Name="idp", SAMLMetadataDocument=stage.idp.metadata_xml())
    return stage
