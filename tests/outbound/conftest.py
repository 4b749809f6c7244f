"""One running server for a test, an account with outbound federation, and an independent relying party."""

import json
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from tests.documents import new_key

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


@pytest.fixture
def server(daypass_server: RunningServer) -> RunningServer:
    """Return a server for this test alone."""
    return daypass_server


@pytest.fixture
def iam(as_caller: ClientFactory) -> Any:
    """Return an IAM client that signs as the first account's root user."""
    return as_caller("iam")


@pytest.fixture
def issuer(iam: Any) -> str:
    """Enable outbound federation, and return the issuer's URL."""
    url: str = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    return url


@pytest.fixture
def user(iam: Any, as_caller: ClientFactory) -> Callable[..., Any]:
    """Return a function that creates a user with one inline policy and returns its access key."""
    return partial(new_key, iam)


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
