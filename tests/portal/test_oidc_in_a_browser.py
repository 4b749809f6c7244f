"""Signing in by OpenID Connect with a real browser, from the sign-in page to credentials that work."""

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.portal.command import Command, Listener
from tests.portal.conftest import ACCOUNT, Visit

from daypass.config import ClientSetting, Config, load_config
from daypass.testing.oidc import Answer, OidcIssuer
from daypass.testing.oidc_sign_in import SignInPages
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

CLIENT, SECRET = "daypass at acme", "s3cret:%+ä"


@dataclass(frozen=True)
class Scene:
    """A server, and the issuer that its people sign in with."""

    server: RunningServer
    issuer: OidcIssuer

    @property
    def pages(self) -> SignInPages:
        """The issuer's sign-in."""
        assert self.issuer.sign_in is not None
        return self.issuer.sign_in


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run both. The client's id and secret hold signs that have to be encoded."""
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    with OidcIssuer() as issuer:
        config = Config(
            oidc_ca_bundle=str(issuer.ca_bundle),
            oidc_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),),
            oidc_clients=(ClientSetting(issuer.url, CLIENT, str(secret)),),
        )
        with running_server(account=ACCOUNT, config=config) as server:
            issuer.sign_in = SignInPages(CLIENT, SECRET, f"{server.url}/login/oidc/callback")
            iam = client_factory(server)("iam")
            provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[CLIENT])
            name = issuer.url.removeprefix("https://")
            for role, subject in (("engineer", "sub-1"), ("auditor", "sub-1"), ("elsewhere", "sub-2")):
                statement = {
                    "Effect": "Allow",
                    "Principal": {"Federated": provider["OpenIDConnectProviderArn"]},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {"StringEquals": {f"{name}:sub": subject, f"{name}:aud": CLIENT}},
                }
                document = json.dumps({"Version": "2012-10-17", "Statement": statement})
                iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)
            yield Scene(server, issuer)


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """Return both, with an honest issuer."""
    honest = {"sub": "sub-1", "email": "alice+x@example.org"}
    shared.issuer.sign_in = replace(shared.pages, claims=honest, error="", method="client_secret_basic", codes={})
    yield shared
    shared.issuer.answers.clear()


def test_a_person_signs_in_and_gets_credentials(scene: Scene, visit: Visit) -> None:
    """Code, PKCE, state and nonce; the roles whose trust policies let the person in; credentials that work."""
    page = sign_in(scene, visit)
    offered = [each.text_content() for each in page.locator(".role-name").all()]
    assert offered == ["auditor", "engineer"]
    assert "code=" not in page.url
    page.locator("li.role", has=page.get_by_text("engineer", exact=True)).get_by_role("button").click()
    page.get_by_role("heading", name="In this terminal").wait_for()
    key, secret, token = (page.locator(f"#value-{name}").text_content() for name in ("key", "secret", "token"))
    given = {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token}
    arn = client_factory(scene.server)("sts", given).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/engineer/alice+x@example.org"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_secret_is_shown_as_the_provider_wants_it(scene: Scene, visit: Visit, method: str) -> None:
    """Glewlwyd holds each client to one way, whatever its discovery document lists."""
    scene.pages.method = method
    assert sign_in(scene, visit).locator(".role-name").count() == 2


def test_a_waiting_command_gets_it(scene: Scene, visit: Visit) -> None:
    """The hand-over is the same as with SAML."""
    server = scene.server.url
    with Listener(server) as listener:
        command = Command(server, "loopback", redirect_uri=listener.uri, state=listener.state)
        page = visit(command.begun["url"], ignore_https_errors=True)
        page.get_by_role("link", name="localhost").click()
        page.get_by_role("button", name="Hand over").first.click()
        assert listener.arrived.wait(10)
    status, answer = command.redeem(code=listener.got["code"])
    assert status == 200
    assert answer["SubjectFromWebIdentityToken"] == "sub-1"


REFUSED: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "somebody else"},
    "another issuer": {"iss": "https://evil.example.org"},
    "nobody here": {"sub": "sub-3"},
    "over": {"exp": 1},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_is_not_for_this_sign_in_offers_nothing(scene: Scene, visit: Visit, case: str) -> None:
    """The token is held to what every web identity is held to, and to the nonce."""
    scene.pages.claims |= REFUSED[case]
    page = sign_in(scene, visit)
    page.get_by_role("heading", name="That did not work").wait_for()


def test_who_did_not_begin_does_not_end(scene: Scene, visit: Visit) -> None:
    """The state is worth nothing without its cookie, and nothing twice."""
    back: list[str] = []
    page = visit(f"{scene.server.url}/login", ignore_https_errors=True)
    page.on("request", lambda request: back.append(request.url) if "/callback?" in request.url else None)
    page.get_by_role("link", name="localhost").click()
    page.locator("li.role").first.wait_for()
    victim = visit(back[0])
    victim.get_by_text("did not begin").wait_for()
    page.goto(back[0])
    page.get_by_text("did not begin").wait_for()


def test_a_provider_that_declines_or_fails_is_told_of(scene: Scene, visit: Visit) -> None:
    """Its error is no reason to show what it says; one that is away is said to be."""
    scene.pages.error = "access_denied<script>"
    page = sign_in(scene, visit)
    page.get_by_text("did not sign you in").wait_for()
    scene.pages.error = ""
    scene.issuer.answers["/.well-known/openid-configuration"] = Answer.fail()
    page = visit(f"{scene.server.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.get_by_text("does not answer as it should").wait_for()


def test_a_client_is_configured_in_one_line(tmp_path: Path) -> None:
    """ISSUER CLIENT_ID [FILE], several with commas; anything else is refused when the server starts."""
    line = "https://accounts.google.com 123.apps /etc/secret, https://login.example.org daypass"
    config = load_config({}, {"DAYPASS_OIDC_CLIENTS": line})
    assert config.oidc_clients == (
        ClientSetting("https://accounts.google.com", "123.apps", "/etc/secret"),
        ClientSetting("https://login.example.org", "daypass"),
    )


def sign_in(scene: Scene, visit: Visit) -> Page:
    """Go to the issuer and come back."""
    page = visit(f"{scene.server.url}/login", ignore_https_errors=True)
    page.get_by_role("link", name="localhost").click()
    page.wait_for_load_state()
    return page
