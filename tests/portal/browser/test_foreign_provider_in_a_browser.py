"""Sign-in at a provider that somebody else wrote, with its own pages, and with each way to authenticate the client."""

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.components import node_packages
from tests.portal.conftest import ACCOUNT
from tests.web_identity.node import Talking, talking

from daypass.config import Config
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.mint.secret import Secret
from daypass.operations.oidc_client_changes import (
    OidcClientSettings,
    add_client,
    find_client_record,
    remove_client,
    rotate_client_key,
)
from daypass.testing.oidc import OidcIssuer
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.component("node"), pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "web_identity/provider.mjs"
CLIENT, SECRET = "daypass", "s3cret of the client/+%"


@dataclass
class Foreign:
    """A server, and the provider with its address."""

    server: RunningServer
    provider: Talking
    issuer: str

    def register(self, metadata: dict[str, Any], **settings: Any) -> OidcSignInClient:
        """Register a client at both ends."""
        there = self.server.there
        with there.store.write() as writer:
            old = find_client_record(writer, ACCOUNT, "foreign")
            if old is not None:
                remove_client(writer, old)
            client = add_client(
                writer,
                ACCOUNT,
                "foreign",
                issuer=self.issuer,
                client_id=CLIENT,
                settings=OidcClientSettings(**settings),
                vault=there.vault,
                now=there.clock.now(),
                most=20,
            )
        url = self.server.url
        given = {
            "client_id": CLIENT,
            "redirect_uris": [f"{url}/login/oidc/callback/{self.issuer.removeprefix('https://')}"],
            **{name: value.replace("KEY", client.key) for name, value in metadata.items()},
        }
        assert self.provider.ask(f"client {json.dumps(given)}") == "done"
        return client

    def seen(self) -> list[str]:
        """Return what the provider's token endpoint saw since the last call."""
        seen: list[str] = json.loads(self.provider.ask("seen"))
        return seen


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """Run both, with a certificate that the server trusts."""
    home = tmp_path_factory.mktemp("foreign")
    with OidcIssuer() as issuer:
        identity = issuer.authority.write_server_identity(home / "server.pem", ["localhost"])
        config = Config(
            oidc_ca_bundle=str(issuer.ca_bundle), oidc_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),)
        )
        with (
            running_server(account=ACCOUNT, config=config) as server,
            talking(SCRIPT, node_packages(), home, IDENTITY=str(identity)) as provider,
        ):
            url = provider.hear()
            _trust(server, url)
            yield Foreign(server, provider, url)


def _trust(server: RunningServer, issuer: str) -> None:
    iam = client_factory(server)("iam")
    arn = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[CLIENT])["OpenIDConnectProviderArn"]
    name = issuer.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{name}:sub": "alice", f"{name}:aud": CLIENT}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_role(RoleName="engineer", AssumeRolePolicyDocument=document)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open a page in a new context. The provider's pages complain in the console: their fonts are elsewhere."""
    context = chromium.new_context(ignore_https_errors=True)
    yield context.new_page()
    context.close()


def sign_in(foreign: Foreign, page: Page, client: OidcSignInClient) -> list[str]:
    """Sign in on the provider's pages, and return the method of each response to the redirect URI."""
    answers: list[str] = []
    page.context.clear_cookies()
    page.goto(f"{foreign.server.url}/login/oidc/{client.key}")
    page.on("request", lambda sent: answers.append(sent.method) if "/callback/" in sent.url else None)
    page.locator("[name=login]").fill("alice")
    page.locator("[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click()
    page.locator("li.role").first.wait_for()
    expect(page.locator(".role-name")).to_have_text(["engineer"])
    return answers


METHODS: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "basic": ({"client_secret": SECRET}, {"secret": Secret(SECRET)}, ""),
    "post": (
        {"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post"},
        {"secret": Secret(SECRET), "authentication": "client_secret_post"},
        "client_secret",
    ),
    "none": ({"token_endpoint_auth_method": "none"}, {"authentication": "none"}, ""),
    **{
        algorithm: (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": algorithm,
                "jwks_uri": "SERVER/login/oidc/clients/KEY/jwks.json",
            },
            {"authentication": "private_key_jwt", "key_algorithm": algorithm},
            "client_assertion client_assertion_type",
        )
        for algorithm in ("ES256", "RS256")
    },
}


@pytest.mark.parametrize(
    ("method", "mode"),
    [("basic", "query"), ("post", "form_post"), ("none", "query"), ("ES256", "form_post"), ("RS256", "query")],
)
def test_a_person_signs_in(foreign: Foreign, page: Page, method: str, mode: str) -> None:
    """The provider fetches the client's keys itself, and its page posts the form across sites."""
    metadata, settings, sent = METHODS[method]
    metadata = {name: value.replace("SERVER", foreign.server.url) for name, value in metadata.items()}
    client = foreign.register(metadata, **settings, response_mode=mode)
    assert sign_in(foreign, page, client) == ["POST" if mode == "form_post" else "GET"]
    [fields] = foreign.seen()
    assert all(name in fields for name in sent.split())
    assert sent or "client_secret" not in fields


def test_a_new_key_is_known_before_it_signs(foreign: Foreign, page: Page) -> None:
    """The provider keeps the key set for a while: it has read the new key with the former one."""
    metadata, settings, _ = METHODS["ES256"]
    metadata = {name: value.replace("SERVER", foreign.server.url) for name, value in metadata.items()}
    client = foreign.register(metadata, **settings)
    there = foreign.server.there
    for after in (86_400, 0):
        with there.store.write() as writer:
            client = rotate_client_key(writer, client, after=after, vault=there.vault, now=there.clock.now())
        sign_in(foreign, page, client)
