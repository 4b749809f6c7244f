"""Several sign-ins in one browser: tabs are independent, and their number is limited."""

import pytest
from playwright.sync_api import Page
from tests.portal.browser.test_saml_in_a_browser import shown
from tests.portal.command import Command
from tests.portal.conftest import Portal, Visit
from tests.portal.test_handover import lasting, take

from daypass.portal.login import pending_login

pytestmark = pytest.mark.slow


def tab(page: Page, url: str) -> Page:
    """Open another tab of the same browser."""
    other = page.context.new_page()
    other.goto(url)
    return other


def cookies(page: Page, prefix: str) -> list[str]:
    """Return the names of the cookies with a prefix."""
    return [each["name"] for each in page.context.cookies() if each["name"].startswith(prefix)]


def test_two_tabs_both_get_their_role(portal: Portal, visit: Visit) -> None:
    """Both tabs share the session."""
    first = visit(f"{portal.url}/login")
    first.get_by_role("link", name="localhost").click()
    first.get_by_role("heading", name="Your roles").wait_for()
    second = tab(first, f"{portal.url}/login")
    second.get_by_role("heading", name="Your roles").wait_for()
    take(first, "developer")
    assert portal.whoami(*shown(first)).endswith("assumed-role/developer/alice")
    take(second, "readonly")
    assert portal.whoami(*shown(second)).endswith("assumed-role/readonly/alice")
    assert lasting(first) == {"sign-in", "provider", "roles"}


def test_two_tabs_may_be_on_their_way_at_once(portal: Portal, visit: Visit) -> None:
    """Both tabs are at the provider at the same time, and return in reverse order."""
    portal.idp.waits = True
    first = visit(f"{portal.url}/login")
    first.get_by_role("link", name="localhost").click()
    second = tab(first, f"{portal.url}/login")
    second.get_by_role("link", name="localhost").click()
    for page in (second, first):
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("heading", name="Your roles").wait_for()
    for page in (first, second):
        take(page, "developer")
    assert shown(first) != shown(second)


def test_a_browser_holds_a_few_beginnings(portal: Portal, visit: Visit) -> None:
    """If many pages start sign-ins, requests stay small, and the latest sign-in completes."""
    portal.idp.waits = True
    page = visit(f"{portal.url}/login")
    for _ in range(pending_login.MOST + 3):
        page.goto(f"{portal.url}/login")
        page.get_by_role("link", name="localhost").click()
        page.get_by_role("button", name="Continue").wait_for()
    assert len(cookies(page, pending_login.PREFIX)) == pending_login.MOST
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Your roles").wait_for()
    assert len(cookies(page, pending_login.PREFIX)) == pending_login.MOST - 1


def test_two_codes_may_be_typed_in_two_tabs(portal: Portal, visit: Visit) -> None:
    """Two commands wait; the second code does not affect the first one's link to the provider."""
    commands = [Command(portal.url, "device") for _ in range(2)]
    first = visit(f"{portal.url}/device")
    pages = [first, tab(first, f"{portal.url}/device")]
    for page, command in zip(pages, commands, strict=True):
        page.get_by_label("Code").fill(command.begun["user_code"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name="localhost").wait_for()
    for page, command in zip(pages, commands, strict=True):
        page.get_by_role("link", name="localhost").click()
        page.get_by_role("button", name="Approve").first.click()
        page.get_by_role("heading", name="Sign-in approved").wait_for()
        assert command.redeem()[0] == 200
