"""`daypass login` without a server: it uses the only server in the profiles, but not for requests to AWS."""

import subprocess
from pathlib import Path

import pytest
from tests.client.machine import Machine

from daypass.cli.shared.sign_in import is_by_server
from daypass.client.credential_request import CredentialRequest
from daypass.client.profiles.aws_files import Places
from daypass.client.profiles.endpoints import known_servers
from daypass.client.profiles.profiles import load_profiles

OTHER = "[services far]\nsts =\n  endpoint_url = https://sts.far.example\n"
BY_SERVER = (("login",), ("login", "saml"), ("login", "oidc"), ("login", "saml", "--all"))


def until_it_waits(machine: Machine, *words: str, **more: str) -> list[str]:
    """Return the output of a sign-in until it waits for the person."""
    process = subprocess.Popen(
        ["daypass", *words, "--via", "device"],
        env={**machine.environment, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said = []
    with process:
        assert process.stderr is not None
        for line in iter(process.stderr.readline, ""):
            said.append(line)
            if "enter the code" in line:
                break
        process.kill()
    return said


@pytest.mark.parametrize("words", BY_SERVER)
def test_the_only_server_is_signed_in_at(machine: Machine, words: tuple[str, ...]) -> None:
    """Standard error names the server."""
    first, second = until_it_waits(machine, *words)
    assert first == f"daypass: Signing in to {machine.server.url}, the only server in your profiles.\n"
    assert f"{machine.server.url}/" in second


@pytest.mark.parametrize("words", BY_SERVER)
def test_of_several_none_is_guessed(machine: Machine, words: tuple[str, ...]) -> None:
    """The message lists the servers and names the option."""
    with machine.config.open("a") as config:
        config.write(OTHER)
    done = machine.daypass(*words, "--via", "device")
    assert (done.code, done.out) == (2, ""), done
    assert len(done.err.splitlines()) == 1
    for part in (machine.server.url, "https://sts.far.example", "--endpoint-url"):
        assert part in done.err


@pytest.mark.parametrize("named", ["variable", "profile"])
def test_a_server_that_is_named_is_not_guessed(machine: Machine, named: str) -> None:
    """The variables and the current profile set the server, as for every AWS tool."""
    with machine.config.open("a") as config:
        config.write(OTHER)
    there = {"AWS_ENDPOINT_URL_STS": machine.server.url} if named == "variable" else {"AWS_PROFILE": "ann"}
    (only,) = until_it_waits(machine, "login", "saml", **there)
    assert f"{machine.server.url}/" in only


def test_who_asks_for_no_configured_endpoints_gets_none(machine: Machine) -> None:
    """AWS's own switch applies here too."""
    done = machine.daypass("login", "--via", "device", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true")
    assert (done.code, done.out) == (2, ""), done
    assert "No server to sign in to" in done.err


@pytest.mark.parametrize(
    ("method", "wanted", "file"),
    [
        ("saml", {}, "response.txt"),
        ("saml", {"via": "paste"}, ""),
        ("oidc", {"via": "paste"}, ""),
        ("oidc", {"via": "loopback"}, ""),
        ("oidc", {"token_file": "/run/token"}, ""),
        ("oidc", {"token_command": "token"}, ""),
        ("oidc", {"issuer": "https://id.example", "client_id": "x"}, ""),
    ],
)
def test_a_proof_at_hand_goes_where_it_is_meant_to_go(method: str, wanted: dict[str, str], file: str) -> None:
    """A token or an assertion without an endpoint is for AWS and is not sent to another server."""
    assert not is_by_server(method, CredentialRequest(method, **wanted), {"assertion_file": file})  # type: ignore[arg-type] # texts


def test_a_profile_of_aws_stays_one(machine: Machine) -> None:
    """Renewing one that was signed in to at AWS does not make it one of the server's."""
    with machine.config.open("a") as config:
        config.write("[profile far]\ndaypass_method = saml\ndaypass_role_arn = arn:aws:iam::123456789012:role/x\n")
    before = machine.config.read_bytes()
    for words in (("login", "saml", "--profile", "far"), ("renew", "far")):
        done = machine.daypass(*words)
        assert "only server" not in done.err
        assert done.code == 2, done
    assert machine.config.read_bytes() == before


def test_aws_itself_is_no_server_to_sign_in_at(tmp_path: Path) -> None:
    """A regional endpoint of AWS in the files is AWS; the same server written twice is one."""
    config = tmp_path / "config"
    config.write_text(
        "[profile a]\nendpoint_url = https://sts.eu-west-1.amazonaws.com\n"
        "[profile b]\nendpoint_url = https://sts.example\n"
        "[profile c]\nservices = s\ndaypass_endpoint_url = https://sts.example/\n"
        "[services s]\nsts =\n  endpoint_url = https://sts.example\niam =\n  endpoint_url = https://iam.example\n"
    )
    profiles = load_profiles(Places(config, tmp_path / "none"))
    assert known_servers({}, profiles) == ("https://sts.example",)


@pytest.mark.parametrize("command", ["renew", "logout"])
def test_the_profile_at_hand_is_meant(machine: Machine, command: str) -> None:
    """Without a name, AWS_PROFILE selects the profile; without it a message lists the options."""
    machine.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    machine.good("credential-process", "--profile", "deploy")
    nobody = machine.daypass(command)
    assert (nobody.code, nobody.out) == (2, "")
    assert "AWS_PROFILE" in nobody.err
    machine.good(command, AWS_PROFILE="deploy")
    code = machine.daypass("status", "--check", "deploy").code
    assert code == (0 if command == "renew" else 3)
    wrong = machine.daypass(command, AWS_PROFILE="nobody")
    assert wrong.code == 6, wrong


@pytest.mark.slow
def test_logout_forgets_the_profile_at_hand_and_no_other(machine: Machine) -> None:
    """The message names the profile."""
    for name in ("deploy", "other"):
        machine.good("profile", "add", name, "--role", "deploy", "--source-profile", "ann")
        machine.good("credential-process", "--profile", name)
    assert machine.good("logout", AWS_PROFILE="deploy").err == "Deleted 1 cached session of deploy.\n"
    assert machine.good("status", "--check", "other").code == 0
