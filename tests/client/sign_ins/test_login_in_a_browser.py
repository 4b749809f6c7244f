"""`daypass login` in a real browser: the identity provider, one click of approval, and the last page."""

from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine
from tests.client.test_hand_over import Waiting
from tests.portal.conftest import Portal, Visit, chromium, manners, portal, visit

__all__ = ["chromium", "manners", "portal", "visit"]  # fixtures, which pytest finds by name


@pytest.mark.slow
def test_a_person_signs_in_once_and_approves_each_command(tmp_path: Path, portal: Portal, visit: Visit) -> None:
    """The second command needs no identity provider; the code is neither in the address bar nor in the history."""
    home = tmp_path / "home"
    home.mkdir()
    machine = Machine(home, portal.server, {"BROWSER": "true %s"})
    first = Waiting(machine, "--role", "developer")
    page = visit(first.says(r"(http\S+)"))
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("button", name="Approve sign-in").click()
    page.get_by_role("heading", name="You are signed in").wait_for()
    assert page.url.endswith("/signed-in")
    assert first.ends() == 0, first.said
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "developer")
    assert shown.json["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice", shown
    second = Waiting(machine, "--all")
    page.goto(second.says(r"(http\S+)"))
    page.get_by_role("button", name="Approve sign-in").click()
    page.get_by_role("heading", name="You are signed in").wait_for()
    assert second.ends() == 0, second.said
    listed = machine.good("profile", "list", "--output", "json", "--query", "[].Name").json
    assert listed == ["admin", "developer", "readonly"]
