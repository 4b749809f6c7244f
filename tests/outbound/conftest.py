"""One running server for a test, an account with outbound federation, and a relying party that is not ours."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError

from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

Refusal = tuple[str, int, str]
"""Code, status and words."""


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server on a memory store."""
    with running_server() as running:
        yield running


@pytest.fixture
def as_caller(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@pytest.fixture
def iam(as_caller: ClientFactory) -> Any:
    """Sign as the first account's root user."""
    return as_caller("iam")


@pytest.fixture
def issuer(iam: Any) -> str:
    """Enable outbound federation, and return the issuer's URL."""
    url: str = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    return url


@pytest.fixture
def user(iam: Any, as_caller: ClientFactory) -> Callable[..., Any]:
    """Make a user with one inline policy, and return its access key."""

    def make(name: str, *statements: dict[str, Any], **more: Any) -> Any:
        iam.create_user(UserName=name, **more)
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
        return iam.create_access_key(UserName=name)["AccessKey"]

    return make


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def refused(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """Return how a call is refused. Fails where it is not."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


def token_of(sts: Any, **more: Any) -> str:
    """Return a token for one audience."""
    parameters = {"Audience": ["https://api.example.com"], "SigningAlgorithm": "ES384", **more}
    token: str = sts.get_web_identity_token(**parameters)["WebIdentityToken"]
    return token


def verify(token: str, issuer: str, audience: str = "https://api.example.com") -> dict[str, Any]:
    """Verify a token as a relying party does: discovery and keys over HTTP, then signature, issuer, audience, times."""
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration") as answer:  # noqa: S310 - our own server
        discovery = json.load(answer)
    assert discovery["issuer"] == issuer
    key = jwt.PyJWKClient(discovery["jwks_uri"]).get_signing_key_from_jwt(token)
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=discovery["id_token_signing_alg_values_supported"],
        audience=audience,
        issuer=issuer,
        options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
    )
    return claims
