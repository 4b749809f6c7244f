"""OpenID Connect sign-in with a real browser, from the sign-in page to working credentials."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.portal.command import Command, Listener
from tests.portal.conftest import ACCOUNT, Visit
from tests.portal.oidc_scene import Scene, be_honest, later, scene

from daypass.config import ClientSetting, load_config
from daypass.testing.oidc import Answer, OidcIssuer
from daypass.testing.plugin import client_factory

pytestmark = pytest.mark.slow  # a browser takes seconds for each


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run the server and its providers."""
    with scene(tmp_path_factory.mktemp("oidc")) as running:
        yield running


@pytest.fixture
def there(shared: Scene) -> Scene:
    """Return them, with honest providers."""
    be_honest(shared)
    return shared


def test_a_person_signs_in_and_gets_credentials(there: Scene, visit: Visit) -> None:
    """Code, PKCE, state and nonce; the roles whose trust policies allow the person; working credentials."""
    page = sign_in(there, visit)
    expect(page.locator(".role-name")).to_have_text(["auditor", "engineer"])
    assert "code=" not in page.url
    page.locator("li.role", has=page.get_by_text("engineer", exact=True)).locator(".take").click()
    page.locator(".clock").wait_for()
    key, secret, token = (page.locator(f"#value-{name}").text_content() for name in ("key", "secret", "token"))
    given = {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token}
    arn = client_factory(there.server)("sts", given).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/engineer/alice+x@example.org"


def test_each_of_several_providers_opens_its_own_roles(there: Scene, visit: Visit) -> None:
    """A public client with a path in its issuer works beside the other provider."""
    page = sign_in(there, visit, there.other)
    expect(page.locator(".role-name")).to_have_text(["partner"])
    page.get_by_role("button", name="Get credentials").click()
    page.locator(".clock").wait_for()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_secret_is_shown_as_the_provider_wants_it(there: Scene, visit: Visit, method: str) -> None:
    """Glewlwyd accepts one authentication method for each client, whatever its discovery document lists."""
    there.pages.method = method
    expect(sign_in(there, visit).locator(".role-name")).to_have_count(2)


def test_a_waiting_command_gets_it(there: Scene, visit: Visit) -> None:
    """The CLI sign-in is the same as with SAML."""
    server = there.server.url
    with Listener(server) as listener:
        command = Command(server, "loopback", redirect_uri=listener.uri, state=listener.state)
        page = visit(command.begun["url"], ignore_https_errors=True)
        page.get_by_role("link", name=host(there.issuer)).click()
        page.get_by_role("button", name="Approve").first.click()
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
def test_a_token_that_is_not_for_this_sign_in_offers_nothing(there: Scene, visit: Visit, case: str) -> None:
    """The token must pass the checks of web identities and the nonce check; the audit log has the reason."""
    before = len(there.details)
    there.pages.claims |= REFUSED[case]
    page = sign_in(there, visit)
    page.locator(".refusal").wait_for()
    assert len(there.details) == before + 1


def test_who_did_not_begin_does_not_end(there: Scene, visit: Visit) -> None:
    """A state is invalid without its cookie, and valid only once."""
    back: list[str] = []
    page = visit(f"{there.server.url}/login", ignore_https_errors=True)
    page.on("request", lambda request: back.append(request.url) if "/callback/" in request.url else None)
    page.get_by_role("link", name=host(there.issuer)).click()
    page.locator("li.role").first.wait_for()
    victim = visit(back[0])
    victim.get_by_text("started in another browser").wait_for()
    page.goto(back[0])
    page.get_by_text("started in another browser").wait_for()


def test_a_provider_that_declines_or_fails_is_told_of(there: Scene, visit: Visit) -> None:
    """The page names the host in our own words, without text of the provider, and links back."""
    there.pages.error, there.pages.description = "access_denied", "<script>alert(1)</script> call 555-0100"
    page = sign_in(there, visit)
    page.get_by_text(f"{host(there.issuer)} did not sign you in: you declined").wait_for()
    expect(page.get_by_text("555-0100")).to_have_count(0)
    assert there.details[-1] == "error 'access_denied': '<script>alert(1)</script> call 555-0100'"
    there.pages.error = ""
    later(there)
    there.issuer.answers["/.well-known/openid-configuration"] = Answer.fail()
    page.get_by_role("link", name="Go to the sign-in page").click()
    page.get_by_role("link", name=host(there.issuer)).click()
    page.get_by_text(f"{host(there.issuer)} cannot be reached").wait_for()


def test_a_client_is_configured_in_one_line(tmp_path: Path) -> None:
    """ISSUER CLIENT_ID [FILE], separated by commas; the server refuses any other value at start."""
    line = "https://accounts.google.com 123.apps /etc/secret, https://login.example.org daypass"
    config = load_config({}, {"DAYPASS_OIDC_CLIENTS": line})
    assert config.oidc_clients == (
        ClientSetting("https://accounts.google.com", "123.apps", "/etc/secret"),
        ClientSetting("https://login.example.org", "daypass"),
    )


def host(issuer: OidcIssuer) -> str:
    """Return the host of a provider, as the sign-in page shows it."""
    return issuer.root.removeprefix("https://")


def sign_in(there: Scene, visit: Visit, issuer: OidcIssuer | None = None) -> Page:
    """Open an issuer and return."""
    page = visit(f"{there.server.url}/login", ignore_https_errors=True)
    page.get_by_role("link", name=host(issuer or there.issuer)).click()
    page.wait_for_load_state()
    return page


def test_a_provider_may_answer_with_a_form(there: Scene, visit: Visit) -> None:
    """The form of the provider's page is a cross-site request: only a SameSite=None cookie comes with it."""
    posts: list[tuple[str, str]] = []
    there.issuer.discovery_changes["response_modes_supported"] = ["form_post"]
    page = visit(f"{there.server.url}/login", ignore_https_errors=True)
    page.on(
        "request", lambda request: posts.append((request.method, request.url)) if "/callback/" in request.url else None
    )
    page.get_by_role("link", name=host(there.issuer)).click()
    page.locator("li.role").first.wait_for()
    expect(page.locator(".role-name")).to_have_text(["auditor", "engineer"])
    [(method, address)] = posts
    assert (method, "?" in address) == ("POST", False)
