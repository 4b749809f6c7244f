"""The client without the server: `pip install daypass` brings the commands for people and no library of the server.

Each test runs twice: with the server's modules hidden in this environment, and, marked slow, in a new environment that
holds the wheel and its dependencies alone. The server that the commands speak to runs in the environment of the tests.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.client.client_only import hide_the_server, install_the_client
from tests.client.machine import ACCOUNT, BIN, Machine, prepared
from tests.client.test_hand_over import Waiting, portal
from tests.dependencies import canonical, declared, everything_of
from tests.portal.conftest import Portal, Visit, chromium, manners, visit
from tests.portal.test_handover import hand_over, sign_in

from daypass.cli.main import FOR_OPERATORS, FOR_PEOPLE
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.server import RunningServer

__all__ = ["chromium", "manners", "portal", "visit"]  # fixtures, which pytest finds by name
NEEDS_SERVER = "This command needs the server: pip install 'daypass[server]'"
# Modules of Python that Windows does not have.
POSIX_MODULES = "fcntl grp pwd resource termios"
WAYS: dict[str, Callable[[Path], Path]] = {"hidden": hide_the_server, "installed": install_the_client}
INSTALLED = pytest.param("installed", marks=[pytest.mark.slow, pytest.mark.timeout(600)])


@pytest.fixture(scope="module", params=["hidden", INSTALLED])
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with the program `daypass`, which has the client alone."""
    return WAYS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture
def person(programs: Path, tmp_path: Path, served: RunningServer) -> Machine:
    """Return a machine that has the client alone, and a profile with keys."""
    machine = prepared(tmp_path / "home", served)
    return replace(machine, more={"PATH": f"{programs}:/usr/bin:/bin"})


@pytest.fixture
def alone(programs: Path, tmp_path: Path, served: RunningServer) -> Machine:
    """Return a machine that has the client alone, and no profile."""
    (tmp_path / "home").mkdir()
    return Machine(tmp_path / "home", served, {"PATH": f"{programs}:/usr/bin:/bin"})


def test_every_command_is_listed(alone: Machine) -> None:
    """A person learns that the operators' commands exist."""
    shown = alone.good("--help").out
    assert {line.split()[0] for line in shown.splitlines() if line.startswith("  ")} >= {*FOR_PEOPLE, *FOR_OPERATORS}
    assert alone.good("--version").out.startswith("daypass ")


@pytest.mark.parametrize("name", sorted(FOR_PEOPLE))
def test_the_help_of_a_command_for_people_needs_no_server(alone: Machine, name: str) -> None:
    """The client runs on Windows as well, so the module loads without those that only POSIX systems have."""
    assert alone.good(name, "--help", HIDDEN_MODULES=POSIX_MODULES).out.startswith(f"Usage: daypass {name}")


@pytest.mark.parametrize("name", sorted(FOR_OPERATORS))
def test_a_command_for_operators_says_what_to_install(alone: Machine, name: str) -> None:
    """Exit code 6 and this sentence, for its help and its sub-commands too."""
    for words in (("--help",), ("list", "--store", "sqlite:///x", "--", "-x")):
        done = alone.daypass(name, *words)
        assert (done.code, done.out, done.err) == (6, "", f"daypass: {NEEDS_SERVER}\n"), words


@pytest.mark.parametrize("words", [(), ("-h",), ("--version",), ("rotate", "-h"), ("--output=json",), ("--",)])
def test_no_word_after_the_name_changes_that(alone: Machine, words: tuple[str, ...]) -> None:
    """The command has sub-commands and options only where the server is installed."""
    assert alone.daypass("keys", *words).code == 6


@pytest.mark.parametrize("name", ["keys", "serve"])
def test_completion_after_a_command_for_operators_offers_no_words(alone: Machine, name: str) -> None:
    """A key that is pressed must not print an error into the line."""
    typed = {"COMP_WORDS": f"daypass {name} list --", "COMP_CWORD": "3"}
    done = alone.daypass(_DAYPASS_COMPLETE="bash_complete", **typed)
    assert (done.code, done.out.strip(), done.err) == (0, "", "")


def test_completion_is_printed_and_answers(alone: Machine) -> None:
    """The lines ask the same program, which knows every command."""
    for shell in ("bash", "zsh", "fish"):
        assert "_DAYPASS_COMPLETE" in alone.good("completion", shell).out
    done = alone.daypass(_DAYPASS_COMPLETE="bash_complete", COMP_WORDS="daypass ke", COMP_CWORD="1")
    assert done.out == "plain,keys\n"


def test_a_profile_with_keys_answers_in_every_form(alone: Machine) -> None:
    """The profile is made, used, listed and removed by the commands."""
    alone.iam.create_user(UserName="bea")
    try:
        key = alone.iam.create_access_key(UserName="bea")["AccessKey"]
        words = ("--access-key-id", key["AccessKeyId"], "--endpoint-url", alone.server.url, "--region", "eu-west-1")
        alone.good("profile", "add", "bea", *words, "--no-input", stdin=key["SecretAccessKey"])
        for output in ("text", "json", "table", "yaml"):
            shown = alone.good("whoami", "--profile", "bea", "--output", output).out
            assert "user/bea" in shown
        whose = ("sts", "get-caller-identity", "--profile", "bea", "--query", "Account")
        assert alone.good(*whose).out == f"{ACCOUNT}\n"
        assert "bea" in alone.good("profile", "list").out
        alone.good("profile", "remove", "bea")
        alone.iam.delete_access_key(UserName="bea", AccessKeyId=key["AccessKeyId"])
    finally:
        alone.iam.delete_user(UserName="bea")


@pytest.mark.slow
def test_a_role_is_assumed_and_used(person: Machine) -> None:
    """Each command that hands out credentials does, and AWS's own CLI takes them from the profile."""
    role = ("--profile", "ann", "--role", "deploy")
    seen = person.good("assume", "deploy", "--profile", "ann", "--output", "process")
    assert seen.json["AccessKeyId"].startswith("ASIA")
    assert person.good("credential-process", *role).json["Version"] == 1
    assert "AWS_SESSION_TOKEN" in person.good("env", *role, "--shell", "sh").out
    assert person.good("exec", *role, "--", "daypass", "whoami").out.count("assumed-role/deploy/")
    person.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    by_aws = person.run(str(BIN / "aws"), "sts", "get-caller-identity", "--profile", "deploy")
    assert "assumed-role/deploy/" in by_aws.out, by_aws
    person.good("status", "--check", "deploy")
    person.good("renew", "deploy")
    person.good("logout", "deploy")


@pytest.mark.slow
def test_the_other_commands_answer(person: Machine) -> None:
    """Sessions of one's own and of others, the roles at hand, the checks of the machine."""
    assert person.good("session-token", "--profile", "ann", "--output", "process").json["SessionToken"]
    federated = person.good("federation-token", "guest", "--profile", "ann", "--output", "process")
    assert federated.json["SessionToken"]
    assert re.search("^user guest  ", person.good("status").out, re.MULTILINE)
    assert "role/deploy" in person.good("roles", "--profile", "ann", "--in-account").out
    person.credentials.chmod(0o600)
    assert "responds" in person.good("doctor", "--profile", "ann").out
    unset = person.daypass("console", "--profile", "ann", "--role", "deploy")
    assert unset.code == 6
    assert "sign-in" in unset.err


def test_a_saml_response_signs_in(alone: Machine) -> None:
    """The response is read to learn its roles, which takes no XML library."""
    idp, name = SamlIdentityProvider(), "corp"
    provider = alone.iam.create_saml_provider(Name=name, SAMLMetadataDocument=idp.metadata_xml())["SAMLProviderArn"]
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithSAML"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    alone.iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document)
    try:
        offered = Assertion(roles=(f"arn:aws:iam::{ACCOUNT}:role/reader,{provider}",), session_name="alice")
        response = idp.response(offered, now=alone.server.clock.now())
        words = ("--assertion-file", "-", "--endpoint-url", alone.server.url, "--region", "eu-west-1")
        alone.good("login", "saml", *words, stdin=response)
        assert "assumed-role/reader/alice" in alone.good("whoami", "--profile", "reader").out
    finally:
        alone.iam.delete_role(RoleName="reader")
        alone.iam.delete_saml_provider(SAMLProviderArn=provider)


@pytest.mark.slow
def test_a_browser_signs_in(programs: Path, tmp_path: Path, portal: Portal, visit: Visit) -> None:
    """With --all the server seals the assertion to the command, which opens it."""
    (tmp_path / "home").mkdir()
    path = f"{programs}:/usr/bin:/bin"
    machine = Machine(tmp_path / "home", portal.server, {"BROWSER": "true %s", "PATH": path})
    waiting = Waiting(machine, "--all")
    page = visit(waiting.says(r"(http\S+)"))
    sign_in(page, portal)
    hand_over(page, "admin")
    assert waiting.ends() == 0, waiting.said
    assert "assumed-role/admin/" in machine.good("whoami", "--profile", "admin").out


@pytest.mark.parametrize("programs", [INSTALLED], indirect=True)
def test_no_library_of_the_server_is_installed(programs: Path) -> None:
    """`pip list` shows the client's libraries and everything that they require."""
    listed = subprocess.run([programs / "pip", "list", "--format", "json"], capture_output=True, text=True, check=True)
    installed = {canonical(each["name"]) for each in json.loads(listed.stdout)}
    assert installed - {"daypass", "pip", "setuptools", "wheel"} == everything_of(declared())
    assert not installed & (everything_of(declared("server")) - everything_of(declared()))


def test_the_client_verifies_requests_to_services(programs: Path) -> None:
    """`daypass.verify` and its middlewares need no library of the server."""
    program = (programs / "daypass").read_text(encoding="utf-8")
    modules = (
        "daypass.verify, daypass.verify.asgi, daypass.verify.wsgi, daypass.verify.remote, daypass.verify.signature"
    )
    if programs.name == "bin":
        command = [str(programs / "python"), "-c", f"import {modules}"]
    else:
        script = programs / "import_verify.py"
        head = program.partition("from daypass.cli.main")[0]
        script.write_text(f"{head}\nimport {modules}\n", encoding="utf-8")
        command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
