"""Options work where they are offered, and are refused where they would have no effect."""

import json
from datetime import UTC, datetime, timedelta

import click
import pytest
from tests.client.in_process import here
from tests.client.machine import ACCOUNT, Machine
from tests.sts.authenticator import Authenticator

from daypass.cli.main import COMMANDS, FOR_PEOPLE, cli
from daypass.cli.people.login import command as login
from daypass.cli.shared.completion import add_completion
from daypass.client.durations import say_duration

ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
ADD = ("profile", "add", "p")
ANN = ("--source-profile", "ann")

# Options of `profile add` -> words of the refusal.
REFUSED = {
    ("--role", "deploy", "--role", "second", *ANN, "--duration", "4h"): "at most",
    ("--role", "deploy", *ANN, "--duration", "13h"): "12 h",
    ("--role", "deploy", *ANN, "--duration", "5m"): "15 min",
    ("--role", "deploy", "--source-profile", "of-role", "--duration", "2h"): "1 h for a role that another role assumes",
    ("--session", *ANN, "--duration", "37h"): "36 h",
    ("--session", "--source-profile", "of-role"): "cannot get another session",
    ("--session", *ANN, "--external-id", "x"): "--external-id does not apply",
    ("--session", *ANN, "--tag", "a=b"): "--tag does not apply",
    ("--role", ROLE, "--token-file", "t", "--external-id", "x"): "--external-id does not apply",
    ("--role", ROLE, "--token-file", "t", "--mfa-serial", "auto"): "--mfa-serial does not apply",
    ("--role", ROLE, "--saml", "--session-name", "x"): "--session-name does not apply",
    ("--role", "deploy", *ANN, "--provider-arn", "x"): "--provider-arn does not apply",
    ("--role", "deploy", *ANN, "--scopes", "openid"): "--scopes does not apply",
    ("--role", "deploy", *ANN, "--mfa-code", "123456"): "--mfa-command",
    ("--role", ROLE, *ANN, "--plain", "--tag", "a=b"): "no place for --tag",
    ("--role", ROLE, *ANN, "--plain", "--policy", "{}"): "no place for --policy",
    ("--role", ROLE, *ANN, "--plain", "--source-identity", "x"): "no place for --source-identity",
    ("--role", ROLE, *ANN, "--plain", "--duration", "13h"): "12 h",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_profile_that_can_never_work_is_not_written(machine: Machine, words: tuple[str, ...]) -> None:
    """STS would refuse each of its requests, or the option would have no effect."""
    with machine.config.open("a") as config:
        config.write(f"[profile of-role]\ndaypass_method = role\ndaypass_role_arn = {ROLE}\n")
    before = machine.config.read_text()
    done = here(machine, *ADD, *words)
    expected = REFUSED[words].replace("at most", "1 h for a role that another role assumes")
    assert (done.code, expected in done.err) == (2, True), done
    assert machine.config.read_text() == before


@pytest.mark.parametrize(
    ("words", "vias"),
    [
        ((), ["auto", "browser", "device"]),
        (("saml",), ["auto", "browser", "device", "paste"]),
        (("oidc",), ["auto", "browser", "device", "loopback", "paste"]),
    ],
)
def test_login_offers_the_ways_that_work(words: tuple[str, ...], vias: list[str]) -> None:
    """The help and the parser have the same choices."""
    assert isinstance(login, click.Group)
    command = login.commands[words[0]] if words else login
    parameters = {parameter.name: parameter for parameter in command.params}
    assert isinstance(parameters["via"].type, click.Choice)
    assert list(parameters["via"].type.choices) == vias
    assert "duration" in parameters
    assert getattr(parameters["portal_url"], "hidden", False) == (words == ("oidc",))


@pytest.mark.parametrize("words", [("login",), ("login", "saml"), ("login", "oidc"), ("renew", "p")])
def test_a_sign_in_without_a_terminal_fails_at_once(machine: Machine, words: tuple[str, ...]) -> None:
    """It would wait for minutes for a person who sees neither a page nor a code."""
    with machine.config.open("a") as config:
        config.write(f"[profile p]\ndaypass_method = saml\ndaypass_endpoint_url = {machine.server.url}\n")
        config.write(f"daypass_role_arn = {ROLE}\n")
    place = ("--endpoint-url", machine.server.url) if words[0] == "login" else ()
    done = machine.daypass(*words, *place)
    assert (done.code, "--via device" in done.err) == (3, True), done


def test_every_file_profile_and_role_is_completed() -> None:
    """A parameter whose value is a file says so, as do those for profiles and roles."""
    context = click.Context(cli)
    missing = []

    def walk(command: click.Command, path: str) -> None:
        for parameter in command.params:
            is_text = isinstance(parameter.type, click.types.StringParamType)
            shown = (parameter.metavar or "").strip("[].")
            is_file = shown.startswith("FILE")
            is_value = is_file or shown in {"PROFILE", "ROLE"} or parameter.name == "profile"
            if is_text and is_value and path != "gateway" and "profile" not in path:
                found = parameter.shell_complete(context, "x")
                if is_file and [item.type for item in found] != ["file"]:
                    missing.append(f"{path} {parameter.name}")
                if parameter._custom_shell_complete is None:
                    missing.append(f"{path} {parameter.name}")
        for name, each in getattr(command, "commands", {}).items():
            walk(each, f"{path} {name}")

    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        add_completion(command, name, for_people=name in FOR_PEOPLE)
        if name in FOR_PEOPLE:
            walk(command, name)
    assert missing == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("daypass exec --profile a", ["ann"]),
        ("daypass renew ", ["ann", "deployer"]),
        ("daypass credential-process d", ["deployer"]),
        ("daypass profile set d", ["deployer"]),
        ("daypass assume ", ["deploy", f"{ACCOUNT}/deploy"]),
        ("daypass exec --role de", ["deploy"]),
        ("daypass login --role arn:", [ROLE]),
        ("daypass login saml --via p", ["paste"]),
        ("daypass login oidc --token-file to", ["to"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_values_are_completed_in_each_shell(machine: Machine, shell: str, line: str, offered: list[str]) -> None:
    """The shells ask with the words typed so far, each in its own form."""
    with machine.config.open("a") as config:
        config.write(f"[profile deployer]\nrole_arn = {ROLE}\nsource_profile = ann\n")
    words = line.split(" ")
    more = {"COMP_WORDS": line, "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1)}
    done = here(machine, _DAYPASS_COMPLETE=f"{shell}_complete", **more)
    lines = done.out.splitlines()
    found = lines[1::3] if shell == "zsh" else [each.partition(",")[2].partition("\t")[0] for each in lines]
    assert found == offered, done


def test_credential_process_takes_a_profile_as_renew_does(machine: Machine) -> None:
    """Two names that differ are refused."""
    here(machine, "profile", "add", "p", "--role", "deploy", *ANN)
    assert here(machine, "credential-process", "p").json["Version"] == 1
    done = here(machine, "credential-process", "p", "--profile", "ann")
    assert (done.code, "Name one profile" in done.err) == (2, True), done


def test_the_environments_profile_is_the_source_of_a_saved_one(machine: Machine) -> None:
    """`--save` writes the profile whose keys made the session."""
    assert here(machine, "assume", "deploy", "--save", "p", AWS_PROFILE="ann").code == 0
    assert "daypass_source_profile = ann" in machine.config.read_text()
    assert here(machine, "credential-process", "p").json["AccessKeyId"].startswith("ASIA")


def test_a_session_has_its_arn(machine: Machine) -> None:
    """GetSessionToken does not say it, so STS is asked."""
    done = here(machine, "session-token", "--profile", "ann", "--output", "json")
    assert done.json["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"


def test_logout_ends_the_sessions_of_the_profiles_keys(machine: Machine) -> None:
    """Also those that were made without a profile of their own."""
    here(machine, "assume", "deploy", "--profile", "ann")
    here(machine, "session-token", "--profile", "ann")
    assert here(machine, "logout", "ann").err == "Deleted 2 cached sessions of ann.\n"
    assert here(machine, "status").out == ""


def test_status_has_one_line_for_a_profile_or_role(machine: Machine) -> None:
    """It is the session that commands use; a role without a profile has its name."""
    here(machine, "profile", "add", "p", "--role", "deploy", *ANN)
    here(machine, "credential-process", "p")
    (path,) = (machine.home / ".cache/daypass/credentials").glob("*.json")
    document = json.loads(path.read_text())
    old = {**document, "key": "0" * 64}
    old["credentials"] = {**document["credentials"], "Expiration": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    path.with_name(f"{'0' * 64}.json").write_text(json.dumps(old))
    here(machine, "assume", "deploy", "second", "--profile", "ann")
    lines = here(machine, "status").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["role second", "p"], lines
    assert [line.split("  ")[0].strip() for line in here(machine, "status", "p").out.splitlines()] == ["p"]
    assert all("1 h" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3599.9, "1 h"), (3570, "1 h"), (3569, "59 min"), (3600, "1 h"), (59, "59 s"), (0, "no time"), (86399, "24 h")],
)
def test_a_duration_is_rounded_to_a_minute(seconds: float, words: str) -> None:
    """A second after a sign-in of an hour, an hour is left."""
    assert say_duration(seconds) == words


def test_a_refusal_names_mfa_if_the_caller_has_a_device(machine: Machine, device: Authenticator) -> None:
    """A role whose policy asks for MFA refuses like any other, and the person may not know why."""
    done = here(machine, "assume", "careful", "--profile", "ann")
    assert (done.code, "use --mfa-serial auto" in done.err) == (4, True), done
    assert device.serial


def test_a_refusal_does_not_name_mfa_to_a_caller_without_a_device(machine: Machine) -> None:
    """It would send the person to a device that does not exist."""
    done = here(machine, "assume", "missing", "--profile", "ann")
    assert (done.code, "--mfa-serial" in done.err) == (4, False), done


@pytest.mark.parametrize("content", ["x", "ab", "no token", "a.b.c", "{}"])
def test_a_token_that_is_not_one_is_named(machine: Machine, content: str) -> None:
    """The file, or the command that printed it; botocore would name only its own parameter."""
    path = machine.home / "token"
    path.write_text(content)
    words = ("login", "oidc", "--role", ROLE, "--endpoint-url", machine.server.url)
    done = here(machine, *words, "--token-file", str(path))
    assert (done.code, f"The content of the token file {path} is not" in done.err) == (5, True), done
    done = here(machine, *words, "--token-command", f"cat {path}")
    assert (done.code, "The output of --token-command is not" in done.err) == (5, True), done
