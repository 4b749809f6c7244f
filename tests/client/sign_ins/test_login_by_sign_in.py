"""`daypass login` at a server that keeps sign-ins: in a browser, with a code, and at servers of version 0.1.0."""

import re
import subprocess
import urllib.request
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.client.sign_ins.conftest import ACCOUNT, OTHER, SignedIn
from tests.client.sign_ins.test_server_sign_in import NAMES, profile_names
from tests.sso.browser import handle_in
from tests.sso.people.conftest import new_scene

from daypass.client.problems import BrowserSignInError
from daypass.client.sign_in.sso_api import Registration, SignInPrompt, by_device, list_roles
from daypass.config import Config


class Login:
    """A `daypass login` whose browser the test plays."""

    def __init__(self, machine: SignedIn, *words: str) -> None:
        self.machine = machine
        self.process = subprocess.Popen(
            ["daypass", "login", "--endpoint-url", machine.server.url, *words],
            env={**machine.environment, "BROWSER": "true %s"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()

    @property
    def target(self) -> str:
        """The path of the page that the command opens."""
        found = re.search(rf"{self.machine.server.url}(/\S+)", self.said)
        assert found is not None, self.said
        return found[1]

    def answer(self, button: str = "Approve") -> str:
        """Click a button of the approval page; return the last page in the browser."""
        browser = self.machine.browser()
        page = browser.get(self.target)
        assert "daypass on " in page.text
        sent = browser.post("/authorize", {"Handle": handle_in(page), button: "yes"})
        with urllib.request.urlopen(sent.headers["location"], timeout=10) as last:  # noqa: S310 - our own listener
            assert "code=" not in last.url
            return str(last.read().decode())

    def ends(self) -> tuple[int, str]:
        """Return the exit code and standard output."""
        out, err = self.process.communicate(timeout=60)
        self.said += err
        return self.process.returncode, out


@pytest.fixture
def stranger(machine: SignedIn) -> SignedIn:
    """Return a machine that is not signed in."""
    machine.store.drop(machine.server.url)
    return machine


@pytest.mark.slow
def test_one_sign_in_serves_the_profile_and_later_ones(stranger: SignedIn) -> None:
    """The person approves once; `profile sync` and `status` need nothing else."""
    login = Login(stranger, "--role", "admin")
    assert "You are signed in" in login.answer()
    assert login.ends() == (0, ""), login.said
    assert f"signed in as arn:aws:sts::{OTHER}:assumed-role/admin/alice" in login.said
    assert "export AWS_PROFILE=admin" in login.said
    shown = stranger.good("profile", "show", "admin", "--output", "json").json
    assert (shown["daypass_method"], shown["daypass_role_arn"]) == ("portal", f"arn:aws:iam::{OTHER}:role/admin")
    (session,) = [row for row in stranger.good("status", "--output", "json").json if row["Profile"] == "admin"]
    assert session["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/admin/alice"
    stranger.good("profile", "sync")
    assert profile_names(stranger) == NAMES
    assert stranger.kept.ends > stranger.server.clock.now().timestamp()
    # Another sign-in uses the same registration, because servers limit the registrations of a network.
    client = stranger.kept.client_id
    stranger.good("logout", "--all")
    again = Login(stranger, "--role", "admin")
    again.answer()
    assert again.ends() == (0, ""), again.said
    assert stranger.kept.client_id == client


def test_all_roles_at_once(stranger: SignedIn) -> None:
    """`login --all` writes a profile for each role."""
    login = Login(stranger, "--all")
    login.answer()
    assert login.ends() == (0, ""), login.said
    assert profile_names(stranger) == NAMES
    assert stranger.good("credential-process", "--profile", "readonly").json["Version"] == 1


@pytest.mark.slow
def test_the_finished_profile_of_the_aws_cli_is_printed(stranger: SignedIn) -> None:
    """`--output sso` prints all sections that the AWS CLI needs, and writes no file."""
    login = Login(stranger, "--output", "sso", "--role", f"{ACCOUNT}/developer")
    login.answer()
    code, out = login.ends()
    assert code == 0, login.said
    for line in ("[profile developer]", "sso_role_name = developer", "sso_region = us-east-1", "[services daypass-"):
        assert line in out
    assert not stranger.config.exists()


@pytest.mark.slow
def test_several_roles_without_a_terminal_are_listed(stranger: SignedIn) -> None:
    """The sign-in is kept, so that the next command needs no browser."""
    login = Login(stranger)
    login.answer()
    assert login.ends() == (3, ""), login.said
    assert "--all" in login.said
    assert f"arn:aws:iam::{OTHER}:role/admin" in login.said
    stranger.good("profile", "sync")


def test_a_person_who_declines_is_told_so(stranger: SignedIn) -> None:
    """Exit code 8, and no sign-in is kept."""
    login = Login(stranger)
    assert "Not signed in" in login.answer("Decline")
    assert login.ends() == (8, ""), login.said
    assert stranger.store.find(stranger.server.url) is None


@pytest.mark.slow
def test_a_profile_signs_in_again_by_itself(stranger: SignedIn) -> None:
    """`login --profile` keeps its role and its method."""
    stranger.config.parent.mkdir()
    stranger.config.write_text(
        f"[profile old]\nregion = us-east-1\ndaypass_method = saml\ndaypass_endpoint_url = {stranger.server.url}\n"
        f"daypass_role_arn = arn:aws:iam::{OTHER}:role/team/admin\n"
    )
    login = Login(stranger, "--profile", "old")
    login.answer()
    assert login.ends() == (0, ""), login.said
    assert "daypass_method = saml" in stranger.config.read_text()
    assert ":role/team/admin" in stranger.config.read_text()
    assert stranger.good("credential-process", "--profile", "old").json["Version"] == 1


@pytest.mark.slow
def test_a_registration_that_the_server_has_forgotten_is_replaced(stranger: SignedIn) -> None:
    """The command does not send the person to a page that refuses it."""
    stranger.store.keep_registration(stranger.server.url, "forgotten", "secret", 1e11)
    login = Login(stranger, "--role", "admin")
    login.answer()
    assert login.ends() == (0, ""), login.said


@pytest.mark.parametrize("button", ["Approve", "Decline"])
def test_a_code_typed_elsewhere(stranger: SignedIn, registration: Registration, button: str) -> None:
    """The command polls until the person has decided in any browser."""
    browser, prompts = stranger.browser(), list[SignInPrompt]()

    def sleep(_: float) -> None:
        stranger.server.clock.move(timedelta(seconds=10))
        if not decided:
            page = browser.post("/device", {"code": prompts[0].user_code})
            browser.post("/device/approval", {"Handle": handle_in(page), button: "yes"})
            decided.append(button)

    decided: list[str] = []
    if button == "Decline":
        with pytest.raises(BrowserSignInError, match="declined"):
            by_device(stranger.server.url, registration, prompts.append, sleep=sleep)
        return
    tokens = by_device(stranger.server.url, registration, prompts.append, sleep=sleep)
    assert len(list_roles(stranger.server.url, tokens.access)) == len(NAMES)


def test_a_server_that_keeps_no_sign_ins_is_asked_as_before(stranger: SignedIn) -> None:
    """Servers of version 0.1.0, and those that switch the API off, hand over one role (docs/handover.md)."""
    with new_scene(Config(sign_in_api=False)) as scene:
        machine = replace(stranger, server=scene.server, scene=scene)
        login = Login(machine)
        try:
            assert "shows the code" in login.said
            assert login.process.stderr is not None
            assert "/handover/at/" in login.process.stderr.readline()
        finally:
            login.process.kill()
            login.process.communicate()
        assert machine.daypass("login", "--endpoint-url", scene.url, "--output", "sso").code in {6, 3}


def test_without_a_prompt_the_command_fails_at_once(stranger: SignedIn) -> None:
    """A sign-in needs a browser."""
    done = stranger.daypass("login", "--endpoint-url", stranger.server.url, "--no-input")
    assert (done.code, done.out) == (3, "")
