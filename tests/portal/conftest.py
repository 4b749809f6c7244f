"""A server with roles in two accounts, an identity provider with pages, and a headless browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.components import find_program
from tests.documents import document
from tests.portal.idp import IdpSite

from daypass.config import Config
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

ACCOUNT, OTHER = "123456789012", "210987654321"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Portal:
    """A server, and the provider for its users."""

    server: RunningServer
    idp: IdpSite

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self.server.url

    def whoami(self, key_id: str, secret: str, token: str) -> str:
        """Return the ARN of credentials."""
        given = {"AccessKeyId": key_id, "SecretAccessKey": secret, "SessionToken": token}
        arn: str = client_factory(self.server)("sts", given).get_caller_identity()["Arn"]
        return arn


def trusting(provider: str) -> str:
    """Return a trust policy that allows the users of a provider."""
    actions = ["sts:AssumeRoleWithSAML", "sts:TagSession"]
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": actions}
    return document(statement)


def furnish(iam: Any, idp: IdpSite, roles: dict[str, int]) -> list[str]:
    """Register the provider in an account and create roles; return the pairs for the assertion."""
    provider = iam.create_saml_provider(Name="corp", SAMLMetadataDocument=idp.idp.metadata_xml())["SAMLProviderArn"]
    pairs = []
    for name, longest in roles.items():
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting(provider), MaxSessionDuration=longest)
        pairs.append(f"{made['Role']['Arn']},{provider}")
    return pairs


@pytest.fixture(scope="session")
def portal() -> Iterator[Portal]:
    """Run a server and its provider."""
    with running_portal() as running:
        yield running


@contextmanager
def running_portal(config: Config | None = None) -> Iterator[Portal]:
    """Run a server with roles in two accounts, and its provider."""
    with (
        running_server(account=ACCOUNT, config=config) as server,
        IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as idp,
    ):
        make = client_factory(server)
        pairs = furnish(make("iam"), idp, {"developer": 43_200, "readonly": 3_600})
        make("iam").create_account_alias(AccountAlias="acme-production")
        other = server.new_account(OTHER)
        make("iam", other).create_account_alias(AccountAlias="acme-sandbox")
        pairs += furnish(make("iam", other), idp, {"admin": 28_800})
        idp.assertion = Assertion(roles=tuple(pairs), session_name="alice", name_id="alice@example.org")
        yield Portal(server, idp)


@pytest.fixture(autouse=True)
def manners(portal: Portal) -> Iterator[None]:
    """Reset the provider to correct behaviour after a test."""
    before = replace(portal.idp)
    yield
    portal.idp.assertion, portal.idp.answers, portal.idp.waits = before.assertion, before.answers, before.waits


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Run Chromium for one file: while it runs, other tests of the process cannot start an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=list(_QUIET))
        yield browser
        browser.close()


Visit = Callable[..., Page]

BROWSER_WAITS = 30_000  # milliseconds; only a failing test waits so long
expect.set_options(timeout=BROWSER_WAITS)


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Open a page in a new browser context. A console message or a script error fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(url: str, **how: Any) -> Page:
        context = chromium.new_context(**{"accept_downloads": True, **how})
        context.set_default_timeout(BROWSER_WAITS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [each for each in complaints if "the server responded with a status of 4" not in each] == []
