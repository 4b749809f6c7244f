"""The pages for operators: seen by those who may, and by nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.portal.conftest import ACCOUNT, OTHER, Portal, Visit

from daypass.portal.operator import _refusals
from daypass.testing.plugin import client_factory

MAY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}


@pytest.fixture
def allowed(portal: Portal) -> Iterator[None]:
    """Let developers look."""
    iam = client_factory(portal.server)("iam")
    iam.put_role_policy(RoleName="developer", PolicyName="look", PolicyDocument=json.dumps(MAY))
    yield
    iam.delete_role_policy(RoleName="developer", PolicyName="look")


def test_whoever_may_sees_their_own_account(portal: Portal, visit: Visit, allowed: None) -> None:
    """The graph, the refusals and the keys; nothing of another account."""
    page = enter(portal, visit, "developer")
    page.get_by_role("heading", name="Who can assume what").wait_for()
    text = page.locator("main").text_content() or ""
    assert "role/developer" in text
    assert OTHER not in text
    assert page.locator("svg .line").count() == page.locator("tbody tr").count() > 0
    page.get_by_role("link", name="Refusals").click()
    page.get_by_role("heading", name="Recent refusals").wait_for()
    page.get_by_role("link", name="Keys").click()
    page.get_by_text("active", exact=True).wait_for()
    page.get_by_role("button", name="Leave").click()
    page.wait_for_url("**/login")
    page.goto(f"{portal.url}/operator")
    page.get_by_text("not signed in").wait_for()


def test_whoever_may_not_sees_nothing(portal: Portal, visit: Visit) -> None:
    """The permission is that of iam:GetAccountAuthorizationDetails, asked as AWS asks it."""
    page = enter(portal, visit, "readonly")
    page.get_by_text("iam:GetAccountAuthorizationDetails").wait_for()
    page.goto(f"{portal.url}/operator/keys")
    page.get_by_text("not signed in").wait_for()


def test_a_permission_that_is_taken_away_ends_the_look(portal: Portal, visit: Visit, allowed: None) -> None:
    """Each page asks anew."""
    page = enter(portal, visit, "developer")
    page.get_by_role("heading", name="Who can assume what").wait_for()
    iam = client_factory(portal.server)("iam")
    iam.put_role_policy(
        RoleName="developer", PolicyName="look", PolicyDocument=json.dumps(MAY).replace("iam:*", "s3:*")
    )
    page.goto(f"{portal.url}/operator/keys")
    page.get_by_text("iam:GetAccountAuthorizationDetails").wait_for()


def test_refusals_are_read_from_the_end_of_the_log(tmp_path: Path) -> None:
    """Newest first, of one account alone, and a half line is no harm."""
    log = tmp_path / "audit.jsonl"
    events = [
        {"eventName": f"A{number}", "errorCode": "AccessDenied", "userIdentity": {"accountId": account}}
        for number, account in enumerate((ACCOUNT, OTHER, ACCOUNT))
    ]
    fine = {"eventName": "B", "userIdentity": {"accountId": ACCOUNT}}
    log.write_text("half a line}\n" + "\n".join(map(json.dumps, [*events, fine])) + "\n")
    assert [each["action"] for each in _refusals(str(log), ACCOUNT)] == [":A2", ":A0"]
    assert _refusals(str(tmp_path / "none"), ACCOUNT) == []


def enter(portal: Portal, visit: Visit, role: str) -> Page:
    """Sign in, take a role and go on to the operator pages."""
    page = visit(f"{portal.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.locator("li.role", has=page.get_by_text(role, exact=True)).get_by_role("button").click()
    page.get_by_role("button", name="Operator pages").click()
    page.wait_for_load_state()
    return page
