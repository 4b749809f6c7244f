"""The approval of `aws login` in a real browser, with and without scripts, on a phone, and for axe."""

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from tests.portal.browser.test_program_approval import Program, opened, program, session
from tests.portal.conftest import Portal, Visit
from tests.sso.login_scene import CROSS
from tests.sso.login_scene import Program as AwsLogin

__all__ = ["program", "session"]

pytestmark = pytest.mark.slow  # a browser takes a second for each


def _asked(portal: Portal, login: AwsLogin) -> str:
    return f"{portal.url}/v1/authorize?{login.query()}"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_click_takes_the_code_to_the_cli(
    portal: Portal, visit: Visit, session: str, program: Program, *, script: bool
) -> None:
    """The content security policy allows the redirect of the form, and nothing was sent before the click."""
    login = AwsLogin(redirect_uri=program.url)
    page = opened(visit, portal, session, _asked(portal, login), java_script_enabled=script)
    assert program.seen == []
    page.get_by_role("button", name="Approve sign-in").first.click()
    page.wait_for_url(f"{program.url}?**")
    found = parse_qs(urlsplit(program.seen[0]).query)
    assert found["state"] == [login.state]
    assert len(found["code"][0]) == 43


def test_the_code_for_another_device_can_be_copied(portal: Portal, visit: Visit, session: str) -> None:
    """The page shows it whole, with a button that copies it."""
    login = AwsLogin(CROSS, f"{portal.url}/v1/sessions/confirmation")
    page = opened(visit, portal, session, _asked(portal, login))
    page.get_by_role("button", name="Approve sign-in").first.click()
    shown = page.get_by_label("Authorization code", exact=True).inner_text()
    assert parse_qs(base64.b64decode(shown).decode())["state"] == [login.state]
    expect(page.get_by_role("button", name="Copy the code")).to_be_visible()
    assert _violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_is_accessible(portal: Portal, visit: Visit, session: str, scheme: Any, width: int) -> None:
    """Axe finds no violation, and a phone shows it without scrolling to the side."""
    login = AwsLogin(CROSS, f"{portal.url}/v1/sessions/confirmation")
    how = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page = opened(visit, portal, session, _asked(portal, login), **how)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert _violations(page) == []


def _violations(page: Page) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    return [each["id"] for each in axe.Axe().run(page).response["violations"]]
