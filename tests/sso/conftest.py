"""A server with an identity provider, its clients and browsers, for the tests of the JSON services."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from tests.portal.idp import IdpSite
from tests.sign_in.conftest import ACCOUNT, CLIENT, ISSUER, Keys, Node, People, people, saml_key
from tests.sso.browser import Browser
from tests.sso.login_scene import AUDITOR, DEVELOPER, PROVIDER, LoginScene, trust_policy
from tests.sso.scene import Scene

from daypass.sign_in.sessions import cookie_of
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair, make_key_pair
from daypass.testing.server import RunningServer, running_server

__all__ = ["ROLE", "people", "saml_key"]

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on a memory store for the tests of one file."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def sso_oidc(server: RunningServer) -> Any:
    """Return a client of SSO OIDC, which signs nothing."""
    return boto3.client("sso-oidc", endpoint_url=server.url, region_name="us-east-1")


@pytest.fixture(scope="module")
def everyone(server: RunningServer) -> People:
    """Register identity providers at the server, for the tests of one file."""
    keys = Keys()
    idp = SamlIdentityProvider(keys=[make_key_pair()])
    found = People(server, idp, keys, Node.start(server.there, keys))
    iam = found.client("iam")
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata_xml())
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=[CLIENT])
    found.role("developer")
    return found


@pytest.fixture
def browser(everyone: People) -> Browser:
    """Return a browser of a person who is signed in."""
    session, secret = everyone.node.sign_in_by_saml(everyone.response(ROLE))
    return Browser(everyone.server, cookie_of(session, secret))


@pytest.fixture
def scene() -> Scene:
    """Return an empty store."""
    return Scene()


@pytest.fixture(scope="module")
def login_scene(saml_key: KeyPair) -> Iterator[LoginScene]:
    """Run a server with two roles, and an identity provider with a page."""
    with running_server() as running:
        pairs = tuple(f"{role},{PROVIDER}" for role in (DEVELOPER, AUDITOR))
        with IdpSite(saml_key, f"{running.url}/saml", running.clock.now, Assertion(roles=pairs)) as idp:
            iam = client_factory(running)("iam")
            iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.idp.metadata_xml())
            for name in ("developer", "auditor"):
                iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy())
            yield LoginScene(running, idp)
