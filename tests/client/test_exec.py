"""`daypass exec`: the child's terminal, signals and exit code are its own."""

import json
import signal
import subprocess

import pytest
from tests.client.machine import ACCOUNT, Machine

DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/"
WORDS = ("exec", "--profile", "ann", "--role", "deploy")


def test_the_child_s_exit_code_is_passed_on(machine: Machine) -> None:
    """The exit code is the child's."""
    assert machine.daypass(*WORDS, "--", "sh", "-c", "exit 42").code == 42


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*WORDS, "--", "/nonexistent/command"), 127),
        ((*WORDS, "--", "/etc/passwd"), 126),
        (("exec", "--profile", "nobody", "--", "true"), 125),
        (("exec", "--nonsense"), 125),
        ((*WORDS, "--", "sh", "-c", "kill -TERM $$"), 143),
    ],
)
def test_own_failures_have_codes_of_their_own(machine: Machine, words: tuple[str, ...], code: int) -> None:
    """125 for daypass, 126 for a command that cannot be run, 127 for a missing one, 128+n for a signal."""
    assert machine.daypass(*words).code == code


def test_standard_input_is_the_child_s(machine: Machine) -> None:
    """Daypass does not read it."""
    assert machine.daypass(*WORDS, "--", "cat", stdin="all of it\n").out == "all of it\n"


def test_inherited_credentials_are_cleared(machine: Machine) -> None:
    """The child has one set of credentials; other settings stay."""
    inherited = {
        "AWS_PROFILE": "ann",
        "AWS_SECURITY_TOKEN": "old",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/x",
        "AWS_PAGER": "",
    }
    done = machine.daypass(*WORDS, "--", "env", **inherited)
    seen = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    assert not {"AWS_PROFILE", "AWS_SECURITY_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"} & set(seen)
    assert seen["AWS_PAGER"] == ""
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")


def test_a_signal_reaches_the_child(machine: Machine) -> None:
    """SIGTERM to daypass ends the child, which handles it itself."""
    script = 'trap "echo caught; exit 7" TERM; echo ready; while :; do sleep 0.05; done'
    process = subprocess.Popen(
        ["daypass", *WORDS, "--", "sh", "-c", script], env=machine.environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert (process.communicate(timeout=30)[0], process.returncode) == ("caught\n", 7)


def test_a_long_job_is_served_on_loopback(machine: Machine) -> None:
    """The real AWS CLI gets its keys from the endpoint, not from its environment."""
    script = "env | grep -c ^AWS_ACCESS_KEY_ID; aws sts get-caller-identity"
    done = machine.daypass(*WORDS, "--server", "--", "sh", "-c", script)
    count, _, rest = done.out.partition("\n")
    assert count == "0"
    assert json.loads(rest)["Arn"].startswith(DEPLOY)


@pytest.mark.parametrize("change", ['-H "Authorization: wrong"', "", '-H "Host: evil.example" -H "Authorization: $T"'])
def test_the_loopback_endpoint_answers_its_job_alone(machine: Machine, change: str) -> None:
    """A request without the token, or with another Host, is rejected."""
    program = (
        "import os, sys, urllib.request, urllib.error\n"
        "headers = dict(each.split(': ', 1) for each in sys.argv[1:])\n"
        "headers = {k: v.replace('$T', os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']) for k, v in headers.items()}\n"
        "asked = urllib.request.Request(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'], headers=headers)\n"
        "try: urllib.request.urlopen(asked)\n"
        "except urllib.error.HTTPError as error: print(error.code)"
    )
    headers = [each for each in change.replace('-H "', "").split('"') if each.strip()]
    done = machine.daypass(*WORDS, "--server", "--", "python3", "-c", program, *map(str.strip, headers))
    assert done.out == "403\n", done
