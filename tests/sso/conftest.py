"""A server and its clients for the tests of the JSON services."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from tests.sign_in.conftest import people, saml_key
from tests.sso.scene import Scene

from daypass.testing.server import RunningServer, running_server

__all__ = ["people", "saml_key"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on a memory store for the tests of one file."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def sso_oidc(server: RunningServer) -> Any:
    """Return a client of SSO OIDC, which signs nothing."""
    return boto3.client("sso-oidc", endpoint_url=server.url, region_name="us-east-1")


@pytest.fixture
def scene() -> Scene:
    """Return an empty store."""
    return Scene()
