"""Cross-site forms are refused, whatever their fields and cookies are."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect
from tests.portal.command import Command
from tests.portal.conftest import Portal, Visit
from tests.saml.browser import JSON, Browser

FORMS = ("/login/role", "/saml/role", "/login/decline", "/login/file", "/device", "/operator", "/operator/leave")
FOREIGN = {
    "another origin": {"Origin": "https://evil.example.org"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1"},
    "no origin that it would tell": {"Origin": "null"},
    "another site, as the browser knows": {"Sec_Fetch_Site": "cross-site"},
    "a neighbour of our site": {"Sec_Fetch_Site": "same-site"},
    "our origin, but not as the browser knows": {"Origin": "OURS", "Sec_Fetch_Site": "cross-site"},
}


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("case", FOREIGN)
def test_a_form_comes_from_a_page_of_ours(portal: Portal, path: str, case: str) -> None:
    """The origin is verified first: before the handle, the code and the cookie."""
    headers = {name: portal.url if value == "OURS" else value for name, value in FOREIGN[case].items()}
    command = Command(portal.url, "device")
    fields = {"Handle": "x", "RoleArn": "x", "PrincipalArn": "x", "Format": "sh", "code": command.begun["user_code"]}
    answer = Browser().send(f"{portal.url}{path}", fields, accept=JSON, **headers)
    assert answer.status == 403
    assert answer.document["Error"]["Code"] == "AccessDenied"
    assert "set-cookie" not in answer.headers
    assert command.redeem()[1]["error"] == "authorization_pending"


@pytest.mark.slow
def test_a_foreign_page_does_not_sign_its_visitor_in(portal: Portal, visit: Visit) -> None:
    """Login CSRF in a real browser: a page posts its own response, and the visitor keeps their session."""
    page = visit(f"{portal.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("heading", name="Your roles").wait_for()
    portal.idp.assertion = replace(portal.idp.assertion, name_id="mallory@example.org", session_name="mallory")
    page.goto(f"{portal.idp.url}/dashboard")
    page.get_by_role("heading", name="Another person is signed in here").wait_for()
    page.goto(f"{portal.url}/roles")
    page.get_by_text("Signed in as alice@example.org").wait_for()
    victim = visit(f"{portal.idp.url}/dashboard")
    victim.get_by_role("heading", name="Continue as mallory@example.org?").wait_for()
    victim.goto(f"{portal.url}/roles")
    victim.get_by_role("heading", name="Sign in").wait_for()


@pytest.mark.slow
def test_a_page_that_sends_a_code_for_somebody_gets_nowhere(portal: Portal, visit: Visit) -> None:
    """The attack on codes, in a real browser: a page submits the attacker's code for its visitor."""
    command = Command(portal.url, "device")
    page = visit(f"{portal.idp.url}/dashboard", java_script_enabled=False)  # a cross-site page
    page.set_content(
        f'<form method="post" action="{portal.url}/device"><input name="code" value="{command.begun["user_code"]}">'
        "<button>Win a prize</button></form>"
    )
    page.get_by_role("button", name="Win a prize").click()
    expect(page.get_by_role("heading", name="This request was blocked")).to_be_visible()
    expect(page.get_by_role("link", name="localhost")).to_have_count(0)
