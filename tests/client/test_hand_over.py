"""`daypass login` at a server that hands over one role: a person clicks in a real browser (docs/handover.md)."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine
from tests.portal.conftest import Portal, Visit, chromium, furnish, manners, running_portal, visit
from tests.portal.test_handover import hand_over, sign_in

from daypass.config import Config
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server

__all__ = ["chromium", "manners", "visit"]  # fixtures, which pytest finds by name
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/"


class Waiting:
    """A `daypass login` that waits for its person."""

    def __init__(self, machine: Machine, *words: str) -> None:
        self.machine = machine
        self.process = subprocess.Popen(
            ["daypass", "login", "saml", "--endpoint-url", machine.server.url, *words],
            env=machine.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def says(self, pattern: str) -> str:
        """Return the matching output of the command."""
        assert self.process.stderr is not None
        for line in iter(self.process.stderr.readline, ""):
            self.said += line
            found = re.search(pattern, line)
            if found:
                return found[1]
        raise AssertionError(self.said)

    def ends(self) -> int:
        """Return the exit code."""
        self.said += self.process.communicate(timeout=30)[1]
        return self.process.returncode


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """Run a server that hands over one role, as version 0.1.0 does."""
    with running_portal(Config(sign_in_api=False)) as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, portal: Portal) -> Machine:
    """Return a machine without keys, whose browser the test plays."""
    home = tmp_path / "home"
    home.mkdir()
    return Machine(home, portal.server, {"BROWSER": "true %s"})


@pytest.mark.slow
def test_a_click_on_this_machine(machine: Machine, portal: Portal, visit: Visit) -> None:
    """The page shows the same code as the terminal; afterwards every tool has credentials."""
    waiting = Waiting(machine)
    code, url = waiting.says(r"the code ([A-Z]{4}-[A-Z]{4})"), waiting.says(r"(http\S+)")
    page = visit(url)
    assert code in (page.get_by_role("region", name="A command line requests").text_content() or "")
    sign_in(page, portal)
    hand_over(page, "developer")
    assert waiting.ends() == 0, waiting.said
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "developer")
    assert shown.json["Arn"] == f"{SESSION}developer/alice", shown


@pytest.mark.slow
def test_a_code_typed_elsewhere(machine: Machine, portal: Portal, visit: Visit) -> None:
    """In a shell without a display, any browser can be used."""
    waiting = Waiting(machine, "--via", "device", "--profile", "far")
    line = waiting.says(r"(open \S+ and enter the code \S+)\.")
    _, url, *_, code = line.split()
    page = visit(url)
    page.get_by_label("Code").fill(code)
    page.keyboard.press("Enter")
    sign_in(page, portal)
    hand_over(page, "readonly")
    assert waiting.ends() == 0, waiting.said
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "far")
    assert shown.json["Arn"] == f"{SESSION}readonly/alice", shown


@pytest.mark.slow
def test_every_role_at_once(machine: Machine, portal: Portal, visit: Visit) -> None:
    """With --all the command gets the encrypted assertion and redeems it for each role."""
    waiting = Waiting(machine, "--all")
    page = visit(waiting.says(r"(http\S+)"))
    sign_in(page, portal)
    hand_over(page, "admin")
    assert waiting.ends() == 0, waiting.said
    listed = machine.good("profile", "list", "--output", "json", "--query", "[].Name").json
    assert listed == ["admin", "developer", "readonly"]


@pytest.mark.slow
def test_an_assertion_is_taken_to_another_sts(tmp_path: Path, portal: Portal, visit: Visit) -> None:
    """The portal sends the encrypted assertion to the command, which redeems it at another STS, as for AWS."""
    recipients = Config(saml_recipients=(f"{portal.url}/saml",))
    with running_server(account="345678901234", config=recipients) as elsewhere:
        pairs = furnish(client_factory(elsewhere)("iam"), portal.idp, {"far": 3_600})
        said = portal.idp.assertion
        portal.idp.assertion = replace(said, roles=(*said.roles, *pairs))
        home = tmp_path / "home"
        home.mkdir()
        machine = Machine(home, elsewhere, {"BROWSER": "true %s"})
        waiting = Waiting(machine, "--portal-url", portal.url)
        page = visit(waiting.says(r"(http\S+)"))
        sign_in(page, portal)
        hand_over(page, "far")
        assert waiting.ends() == 0, waiting.said
        shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "far")
        assert shown.json["Arn"] == "arn:aws:sts::345678901234:assumed-role/far/alice", shown
