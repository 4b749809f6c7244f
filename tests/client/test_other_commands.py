"""Other commands: any operation of STS, `status`, `whoami`, `doctor` and `console`."""

import json
from urllib.parse import parse_qs

import pytest
import yaml
from tests.client.machine import ACCOUNT, Machine
from tests.http_servers import HttpRequest, HttpSite
from tests.slow_cases import quick_first

ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
ASSUME = ("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "abc", "--profile", "ann")


@pytest.mark.parametrize("output", ["json", "text"])
@pytest.mark.parametrize("query", quick_first(["{who: Arn, what: UserId}", "", "Arn", "[Account, Arn]"]))
def test_answers_are_printed_as_the_aws_cli_prints_them(machine: Machine, output: str, query: str) -> None:
    """The same command line gives the same text."""
    words = ["get-caller-identity", "--profile", "ann", "--output", output, *(["--query", query] if query else [])]
    assert machine.good("sts", *words).out == machine.run("aws", "sts", *words).out


def test_answers_are_printed_as_tables_and_yaml(machine: Machine) -> None:
    """Both contain the whole response."""
    words = ("sts", "get-caller-identity", "--profile", "ann", "--output")
    assert yaml.safe_load(machine.good(*words, "yaml").out)["Account"] == ACCOUNT
    assert f"arn:aws:iam::{ACCOUNT}:user/ann" in machine.good(*words, "table").out


def test_parameters_have_the_aws_cli_s_names_and_forms(machine: Machine) -> None:
    """Structures by Key=…,Value=… or JSON, lists by words, documents from files."""
    policy = machine.home / "policy.json"
    policy.write_text('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}')
    further = ("--tags", "Key=a,Value=1", "Key=b,Value=2", "--transitive-tag-keys", "a", "b")
    done = machine.good(
        *ASSUME, *further, "--policy", f"file://{policy}", "--duration-seconds", "900", "--output", "json"
    )
    assert done.json["AssumedRoleUser"]["Arn"].endswith("/deploy/abc")
    tags = json.dumps([{"Key": "a", "Value": "1"}])
    assert machine.good(*ASSUME, "--tags", tags, "--query", "PackedPolicySize").code == 0


@pytest.mark.parametrize(
    ("words", "help_words"),
    [
        (("sts", "assume-rol"), "assume-role-with-saml"),
        ((*ASSUME, "--rle", "x"), "--role-arn"),
        ((*ASSUME, "--duration-seconds", "soon"), "integer"),
        ((*ASSUME, "--tags", "a=1"), "Key="),
        ((*ASSUME, "--query", "a["), "JMESPath"),
        (("sts", "get-caller-identity", "stray"), "does not follow a --parameter"),
    ],
)
def test_a_parameter_that_cannot_be_is_explained(machine: Machine, words: tuple[str, ...], help_words: str) -> None:
    """The message names valid parameters."""
    done = machine.daypass(*words)
    assert (done.code, done.out) == (2, ""), done
    assert help_words in done.err


def test_status_tells_scripts_what_is_good(machine: Machine) -> None:
    """0 if it is valid, 3 if the cache is empty, 5 if it does not last long enough."""
    machine.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    assert machine.daypass("status", "--check", "deploy").code == 3
    machine.good("renew", "deploy")
    assert machine.daypass("status", "--check", "deploy").code == 0
    assert machine.daypass("status", "--check", "--for", "2h", "deploy").code == 5
    assert machine.good("status", "--output", "json", "--query", "[0].Profile").json == "deploy"
    machine.good("logout", "deploy")
    assert machine.daypass("status", "--check", "deploy").code == 3


def test_whoami_says_what_shadows_what(machine: Machine) -> None:
    """Keys in the environment override AWS_PROFILE, and a person may not know about them."""
    lines = machine.good("env", "--profile", "ann", "--shell", "sh").out
    script = f"{lines}\nexport AWS_PROFILE=ann\ndaypass whoami --output json"
    seen = machine.run("sh", "-c", script).json
    assert seen["From"] == "AWS_ACCESS_KEY_ID in the environment"
    assert seen["Shadowed"] == ["profile ann: keys in the credentials file"]
    assert seen["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"


def test_aws_profile_wins_and_an_empty_one_is_unset(machine: Machine) -> None:
    """As for the AWS CLI v2 and most SDKs; `whoami` names the profile that other tools would use."""
    with machine.config.open("a") as config:
        config.write("[profile other]\nregion = eu-west-1\n")
    done = machine.good("whoami", "--output", "json", AWS_PROFILE="ann", AWS_DEFAULT_PROFILE="other")
    assert done.json["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"
    assert "profile other of AWS_DEFAULT_PROFILE" in done.json["Shadowed"][0]
    shown = machine.good("whoami", "--output", "json", AWS_PROFILE="", AWS_DEFAULT_PROFILE="ann").json
    assert (shown["Arn"], shown["Shadowed"]) == (f"arn:aws:iam::{ACCOUNT}:user/ann", [])


def test_a_failed_credential_process_is_quoted_as_one_sentence(machine: Machine) -> None:
    """The line breaks around the program's message do not become punctuation."""
    with machine.config.open("a") as config:
        config.write("[profile broken]\ncredential_process = sh -c 'echo It is locked. >&2; exit 1'\n")
    done = machine.daypass("whoami", "--profile", "broken")
    assert (done.code, done.err) == (3, "daypass: The credential_process of profile 'broken' failed: It is locked.\n")


def test_the_doctor_names_the_remedy(machine: Machine) -> None:
    """A file that others can read, a missing program, a missing source: each with its remedy."""
    machine.credentials.chmod(0o644)
    with machine.config.open("a") as config:
        config.write("[profile gone]\ncredential_process = /nonexistent/daypass x\n")
        config.write("[profile orphan]\nrole_arn = x\nsource_profile = nobody\n")
    done = machine.daypass("doctor", "--profile", "ann")
    assert done.code == 6
    for words in ("chmod 600", "/nonexistent/daypass", "Profile nobody does not exist", "clock", "responds"):
        assert words in done.out, done.out


def test_the_doctor_is_content_with_a_healthy_machine(machine: Machine) -> None:
    """It finds no problems and suggests no changes."""
    machine.credentials.chmod(0o600)
    assert machine.daypass("doctor", "--profile", "ann").code == 0


def test_a_console_link_is_made_where_a_sign_in_host_is_configured(machine: Machine) -> None:
    """The session is sent in a body, never in a URL; the link has only the sign-in token."""
    asked: list[tuple[str, bytes]] = []

    def sign_in(request: HttpRequest) -> None:
        asked.append((request.path, request.body()))
        request.reply(200, b'{"SigninToken": "tok/en+"}')

    with HttpSite(sign_in) as site:
        host = f"{site.url}/federation"
        done = machine.good("console", "--profile", "ann", "--role", "deploy", "--sign-in-url", host)
    assert done.out.startswith(f"{host}?Action=login")
    assert "SigninToken=tok%2Fen%2B" in done.out
    (path, body) = asked[0]
    assert path == "/federation"
    assert json.loads(parse_qs(body.decode())["Session"][0])["sessionId"].startswith("ASIA")
    assert machine.daypass("console", "--profile", "ann", "--role", "deploy").code == 6


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(machine: Machine, shell: str) -> None:
    """The lines are for a shell's start file."""
    assert "_DAYPASS_COMPLETE" in machine.good("completion", shell).out


def test_bash_completes_commands(machine: Machine) -> None:
    """The printed lines ask us, and we answer."""
    done = machine.daypass(_DAYPASS_COMPLETE="bash_complete", COMP_WORDS="daypass who", COMP_CWORD="1")
    assert done.out == "plain,whoami\n"
