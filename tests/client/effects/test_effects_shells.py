"""Credentials in use: `env`, `exec`, `shell`, `console` and `completion`, in the installed shells."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.client.machine import ACCOUNT, Machine
from tests.client.test_terminal import Seated
from tests.http_servers import HttpRequest, HttpSite

DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/"
WORDS = ("--profile", "ann", "--role", "deploy")
SET = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "DAYPASS_SESSION",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_IAM",
)
# Leftover variables that would select other credentials.
OLD = {
    "AWS_PROFILE": "old",
    "AWS_DEFAULT_PROFILE": "old",
    "AWS_SECURITY_TOKEN": "old",
    "AWS_ACCESS_KEY": "old",
    "AWS_SECRET_KEY": "old",
    "AWS_ROLE_ARN": "old",
    "AWS_ROLE_SESSION_NAME": "old",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/old",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/old",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "old",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/old",
    "AWS_SSO_ACCOUNT_ID": "old",
    "AWS_SSO_ROLE_NAME": "old",
    "AWS_VAULT": "old",
}


def _seen(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "fish"])
def test_a_shell_that_reads_the_lines_has_these_credentials_and_no_others(machine: Machine, shell: str) -> None:
    """All variables that could override them are unset; `--unset` removes every key again."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    form = "fish" if shell == "fish" else "sh"
    reading = {"fish": "{} | source"}.get(shell, 'eval "$({})"')
    env = reading.format(f"daypass env {' '.join(WORDS)} --shell {form}")
    unset = reading.format(f"daypass env --unset --shell {form}")
    done = machine.run(shell, "-c", f"{env}\nenv\necho ----\n{unset}\nenv", **OLD)
    assert done.code == 0, done
    during, after = (_seen(part) for part in done.out.split("----\n"))
    assert set(SET) <= set(during)
    assert not set(OLD) & set(during)
    assert (during["DAYPASS_SESSION"], during["AWS_REGION"]) == ("deploy", "eu-west-1")
    assert during["AWS_ENDPOINT_URL_STS"] == during["AWS_ENDPOINT_URL_IAM"] == machine.server.url
    assert not {*SET[:4], "DAYPASS_SESSION", *OLD} & set(after)


def test_a_command_gets_the_gateway_of_its_profile(machine: Machine) -> None:
    """The services section names it; a variable of the person is stronger."""
    with machine.config.open("a") as config:
        config.write("[profile g]\nservices = g\n[services g]\ns3 =\n  endpoint_url = http://127.0.0.1:7\n")
        config.write("[profile deploy]\nservices = g\ndaypass_method = role\ndaypass_source_profile = ann\n")
        config.write(f"daypass_role_arn = arn:aws:iam::{ACCOUNT}:role/deploy\n")
        config.write(f"daypass_endpoint_url = {machine.server.url}\n")
    words = ("exec", "--profile", "deploy")
    assert _seen(machine.good(*words, "--", "env").out)["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:7"
    assert _seen(machine.good(*words, "--server", "--", "env").out)["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:7"
    own = machine.good(*words, "--", "env", AWS_ENDPOINT_URL_S3="http://127.0.0.1:8").out
    assert _seen(own)["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:8"


def test_the_lines_are_those_of_the_person_s_shell(machine: Machine) -> None:
    """SHELL selects the shell by default. In each form, `unset` commands come first."""
    machine.good("assume", "deploy", "--profile", "ann")
    forms = {
        "sh": ("unset AWS_PROFILE", "export AWS_ACCESS_KEY_ID=ASIA"),
        "fish": ("set -e AWS_PROFILE", "set -gx AWS_ACCESS_KEY_ID 'ASIA"),
        "powershell": (
            "Remove-Item -ErrorAction SilentlyContinue Env:AWS_PROFILE",
            "$Env:AWS_ACCESS_KEY_ID = 'ASIA",
        ),
        "cmd": ('set "AWS_PROFILE="', 'set "AWS_ACCESS_KEY_ID=ASIA'),
    }
    for shell, (clearing, setting) in forms.items():
        lines = machine.good("env", *WORDS, "--shell", shell, AWS_PROFILE="old").out.splitlines()
        assert lines[0] == clearing
        assert lines[1].startswith(setting)
        assert len(lines) == 1 + len(SET)
    assert machine.good("env", *WORDS, SHELL="/usr/bin/fish").out.startswith(forms["fish"][1])
    assert machine.good("env", *WORDS, SHELL="/usr/bin/pwsh").out.startswith(forms["powershell"][1])


def test_the_keys_of_a_profile_itself_are_printed_without_a_role(machine: Machine) -> None:
    """Long-term keys have no token and no expiry, so no expiry is printed."""
    lines = machine.good("env", "--profile", "ann", "--shell", "sh").out
    assert "export AWS_ACCESS_KEY_ID=AKIA" in lines
    assert "AWS_SESSION_TOKEN" not in lines
    assert "AWS_CREDENTIAL_EXPIRATION" not in lines
    refused = machine.daypass("env", "--profile", "ann", "--duration", "1h")
    assert (refused.code, refused.out) == (2, "")
    assert "Name one with --role" in refused.err


def test_exec_clears_all_that_could_win(machine: Machine) -> None:
    """The child has the variables of `env`; variables that are not credentials stay unchanged."""
    done = machine.daypass("exec", *WORDS, "--", "env", **OLD, AWS_PAGER="less", DAYPASS_SESSION="old")
    seen = _seen(done.out)
    assert not set(OLD) & set(seen)
    assert set(SET) <= set(seen)
    assert (seen["DAYPASS_SESSION"], seen["AWS_PAGER"]) == ("deploy", "less")


ASK = """
import json, os, urllib.request
asked = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
asked.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
with urllib.request.urlopen(asked) as answer:
    kept = answer.headers["Cache-Control"]
    print(json.dumps([os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], kept, sorted(os.environ), json.load(answer)]))
"""


@pytest.mark.parametrize("command", ["exec", "shell"])
def test_the_loopback_endpoint_answers_as_a_container_s_does(machine: Machine, command: str) -> None:
    """It listens on 127.0.0.1 only, has the members that SDKs read, and no key is in the environment."""
    script = machine.home / "ask.py"
    script.write_text(ASK)
    if command == "exec":
        done = machine.daypass("exec", *WORDS, "--server", "--", "python3", str(script))
    else:
        done = machine.daypass("shell", *WORDS, "--server", stdin=f"python3 {script}\nexit 0\n", SHELL="/bin/sh")
    assert done.code == 0, done
    url, kept, names, answer = done.json
    assert (urlsplit(url).hostname, kept) == ("127.0.0.1", "no-store")
    assert len(urlsplit(url).path) > 20
    assert set(answer) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert answer["AccessKeyId"].startswith("ASIA")
    assert not set(SET[:4]) & set(names)


def test_a_shell_of_one_s_own_has_the_credentials_and_its_exit_code(machine: Machine) -> None:
    """It is the person's own shell. Its credentials end with it."""
    script = "aws sts get-caller-identity --query Arn --output text; exit 5\n"
    done = machine.daypass("shell", *WORDS, stdin=script, SHELL="/bin/sh", AWS_PROFILE="old")
    assert (done.code, done.out.startswith(DEPLOY)) == (5, True), done
    gone = machine.daypass("shell", *WORDS, SHELL="/nonexistent/sh")
    assert (gone.code, gone.out) == (127, "")
    assert "Command /nonexistent/sh was not found" in gone.err


def test_an_interrupted_job_decides_for_itself(machine: Machine) -> None:
    """Ctrl-C at a terminal goes to the child: daypass waits for its end and returns its exit code."""
    script = 'trap "exit 9" INT; echo ready >/dev/tty; while :; do read line </dev/tty; done'
    seated = Seated(machine, "daypass", "exec", *WORDS, "--", "sh", "-c", script)
    seated.sees("ready")
    seated.types("\x03")
    assert seated.ends()[0] == 9


@contextmanager
def _sign_in_host(status: int, body: bytes) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    asked: list[dict[str, list[str]]] = []

    def answer(request: HttpRequest) -> None:
        asked.append(parse_qs(request.body().decode()))
        request.reply(status, body)

    with HttpSite(answer) as site:
        yield f"{site.url}/federation", asked


def test_the_sign_in_host_is_found_where_it_is_configured(machine: Machine) -> None:
    """In the profile or the environment. The link has the destination, and `--open` opens it in the browser."""
    page = "https://console.example.com/home"
    opened = machine.home / "opened"
    browser = machine.home / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new; mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    with _sign_in_host(200, b'{"SigninToken": "t"}') as (host, asked):
        words = ("console", *WORDS, "--destination", page)
        link = machine.good(*words, DAYPASS_SIGN_IN_URL=host).out
        machine.good("profile", "set", "ann", f"daypass_sign_in_url={host}")
        assert machine.good(*words).out == link
        done = machine.good(*words, "--open", BROWSER=f"{browser} %s")
    assert done.out == ""
    assert opened.read_text() == link.strip()
    query = parse_qs(urlsplit(link.strip()).query)
    assert (query["Action"], query["Destination"], query["SigninToken"]) == (["login"], [page], ["t"])
    assert [each["Action"] for each in asked] == [["getSigninToken"]] * 3
    assert set(json.loads(asked[0]["Session"][0])) == {"sessionId", "sessionKey", "sessionToken"}


@pytest.mark.slow
def test_a_console_link_is_refused_with_what_helps(machine: Machine) -> None:
    """No host, long-term keys, a host that refuses, a host without TLS, and an unreachable host."""
    with _sign_in_host(400, b"{}") as (host, _):
        cases: list[tuple[tuple[str, ...], int, str]] = [
            (WORDS, 6, "--sign-in-url"),
            (("--profile", "ann", "--sign-in-url", host), 2, "--role"),
            ((*WORDS, "--sign-in-url", host), 4, "status 400"),
            ((*WORDS, "--sign-in-url", "http://signin.example.com/"), 6, "https://"),
            ((*WORDS, "--sign-in-url", "https://127.0.0.1:1/"), 7, "127.0.0.1:1"),
        ]
        for words, code, help_words in cases:
            done = machine.daypass("console", *words)
            assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1), done
            assert help_words in done.err


@pytest.mark.parametrize(
    ("shell", "script", "shown"),
    [
        (
            "bash",
            ". <(daypass completion bash)\nCOMP_CWORD=1 COMP_WORDS=(: who)\n_daypass_completion $0\necho $COMPREPLY",
            "whoami",
        ),
        ("fish", "daypass completion fish | source; complete -C 'daypass who'", "whoami"),
        ("zsh", 'autoload -U compinit; compinit -D; eval "$(daypass completion zsh)"; echo ${_comps[daypass]}', "_day"),
    ],
)
def test_a_real_shell_takes_the_completion(machine: Machine, shell: str, script: str, shown: str) -> None:
    """The printed script is run in its shell, which then completes commands."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = machine.run(shell, "-c", script, "daypass")
    assert shown in done.out, done


def test_options_and_choices_are_completed_too(machine: Machine) -> None:
    """The words after a command are completed, and so are the sub-commands of a group."""
    for words, expected in (
        ("daypass env --sh", "--shell"),
        ("daypass profile re", "rename"),
        ("daypass exec --r", "--role"),
    ):
        done = subprocess.run(
            ["daypass"],
            env={
                **machine.environment,
                "_DAYPASS_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"plain,{expected}" in done.stdout.split()
