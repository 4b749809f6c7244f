"""Calls of `sts OPERATION`, the parameters in the cache key, and the absence of telemetry."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.client.machine import ACCOUNT, Machine

from daypass.testing.saml import Assertion, SamlIdentityProvider

ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
ASSUME = ("assume", "deploy", "--profile", "ann", "--output", "process")
# Log each address that a Python process connects to or looks up, one per line.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        place = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments
        with open(os.environ["WATCHED"], "a") as file:
            print(event, *(place[:2] if isinstance(place, tuple) else [place]), file=file)
sys.addaudithook(watch)
"""


def _key(machine: Machine, *words: str, **environment: str) -> str:
    return str(machine.good(*ASSUME, *words, **environment).json["AccessKeyId"])


@pytest.mark.slow
def test_nothing_is_sent_but_to_the_server_that_is_named(machine: Machine) -> None:
    """No telemetry: all connections go to the one server, and no host name is looked up."""
    (machine.home / "sitecustomize.py").write_text(WATCH)
    watched = machine.home / "watched"
    environment = {"PYTHONPATH": str(machine.home), "WATCHED": str(watched)}
    commands: tuple[tuple[str, ...], ...] = (
        ("--help",),
        ("profile", "add", "deploy", "--role", ROLE, "--source-profile", "ann"),
        ("credential-process", "--profile", "deploy"),
        ("whoami", "--profile", "deploy"),
        ("exec", "--profile", "deploy", "--", "true"),
        ("sts", "get-caller-identity", "--profile", "ann"),
        ("doctor", "--profile", "ann"),
        ("logout", "--all"),
    )
    for words in commands:
        machine.daypass(*words, **environment)
    place = machine.server.url.removeprefix("http://").replace(":", " ")
    seen = set(watched.read_text().splitlines())
    assert f"socket.connect {place}" in seen
    assert seen <= {f"socket.connect {place}", f"socket.getaddrinfo {place}"}, seen
    # Local commands make no calls.
    watched.unlink()
    for words in (
        ("--version",),
        ("profile", "list"),
        ("status",),
        ("roles",),
        ("env", "--unset"),
        ("completion", "zsh"),
    ):
        machine.good(*words, **environment)
    assert not watched.exists()


# Each of these differs from the plain request.
OTHERS: tuple[tuple[str, ...], ...] = (
    ("--session-name", "other"),
    ("--duration", "50m"),
    ("--external-id", "e-1"),
    ("--tag", "a=1"),
    ("--policy-arn", f"arn:aws:iam::{ACCOUNT}:policy/none"),
    ("--region", "us-west-2"),
)


@pytest.mark.slow
def test_what_is_kept_is_kept_by_every_parameter(machine: Machine) -> None:
    """Each request has its own entry, and the same request has the same one."""
    machine.iam.create_policy(
        PolicyName="none",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
        ),
    )
    plain = _key(machine)
    others = {words: _key(machine, *words) for words in OTHERS}
    assert len({plain, *others.values()}) == 1 + len(OTHERS)
    assert _key(machine) == plain
    assert _key(machine, *OTHERS[0]) == others[OTHERS[0]]
    localhost = machine.server.url.replace("127.0.0.1", "localhost")
    assert _key(machine, "--endpoint-url", localhost) != plain


@pytest.mark.slow
def test_no_cache_neither_uses_nor_keeps(machine: Machine, tmp_path: Path) -> None:
    """`DAYPASS_CACHE_DIR` and `XDG_CACHE_HOME` select the folder; `--fresh` replaces an entry."""
    own, base = tmp_path / "own", tmp_path / "base"
    nothing = _key(machine, "--no-cache", DAYPASS_CACHE_DIR=str(own))
    assert not list(own.rglob("*.json"))
    kept = _key(machine, DAYPASS_CACHE_DIR=str(own))
    assert _key(machine, "--no-cache", DAYPASS_CACHE_DIR=str(own)) not in {kept, nothing}
    fresh = _key(machine, "--fresh", DAYPASS_CACHE_DIR=str(own))
    assert fresh not in {kept, nothing}
    assert _key(machine, DAYPASS_CACHE_DIR=str(own)) == fresh
    assert _key(machine, XDG_CACHE_HOME=str(base)) != fresh
    assert [len(list(folder.glob("credentials/*.json"))) for folder in (own, base / "daypass")] == [1, 1]
    assert not (machine.home / ".cache").exists()


@pytest.mark.slow
def test_keys_of_the_environment_are_part_of_what_is_kept(machine: Machine) -> None:
    """The same request with another key has another entry."""
    made = [machine.iam.create_access_key(UserName="ann")["AccessKey"]]
    kept = machine.credentials.read_text()
    keys = [
        {"AWS_ACCESS_KEY_ID": made[0]["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made[0]["SecretAccessKey"]},
        {
            "AWS_ACCESS_KEY_ID": kept.split("aws_access_key_id = ")[1].split()[0],
            "AWS_SECRET_ACCESS_KEY": kept.split("aws_secret_access_key = ")[1].split()[0],
        },
    ]
    words = ("assume", ROLE, "--output", "process")
    answers = [
        machine.good(*words, AWS_ENDPOINT_URL=machine.server.url, **each).json["AccessKeyId"]
        for each in (*keys, keys[0])
    ]
    assert answers[0] == answers[2] != answers[1]


def _printed(machine: Machine, *words: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = machine.good("sts", *words, "--profile", "ann", "--output", "json").json
    return found


@pytest.mark.slow
def test_each_operation_is_called_by_the_aws_cli_s_words(machine: Machine) -> None:
    """Flags, `--no-` flags, `--option=value`, a document of all parameters, and files."""
    key_id = machine.credentials.read_text().split("aws_access_key_id = ")[1].split()[0]
    assert _printed(machine, "get-access-key-info", f"--access-key-id={key_id}") == {"Account": ACCOUNT}
    assert "Credentials" in _printed(machine, "get-session-token", "--duration-seconds", "900")
    federated = _printed(machine, "get-federation-token", "--name", "bob", "--tags", "Key=a,Value=1")
    assert federated["FederatedUser"]["Arn"].endswith(":federated-user/bob")
    document = {"RoleArn": ROLE, "RoleSessionName": "json", "DurationSeconds": 900}
    file = machine.home / "all.json"
    file.write_text(json.dumps(document))
    for said in (json.dumps(document), f"file://{file}"):
        answer = _printed(machine, "assume-role", "--cli-input-json", said, "--role-session-name", "word")
        assert answer["AssumedRoleUser"]["Arn"].endswith("/deploy/word")  # what is said beside it wins
    refused = machine.daypass(
        "sts", "assume-role", "--role-arn", f"{ROLE}x", "--role-session-name", "s1", AWS_PROFILE="ann"
    )
    assert (refused.code, refused.out) == (4, "")
    encoded = machine.daypass("sts", "decode-authorization-message", "--encoded-message", "x", "--profile", "ann")
    assert (encoded.code, encoded.out, len(encoded.err.splitlines())) == (4, "", 1), encoded


@pytest.mark.parametrize("output", ["json", "yaml", "text", "table"])
def test_a_query_chooses_before_it_is_printed(machine: Machine, output: str) -> None:
    """In every format; a missing member is null, as in the AWS CLI."""
    words = ("sts", "get-caller-identity", "--profile", "ann", "--output", output)
    chosen = machine.good(*words, "--query", "{A: Account, N: Nothing}").out
    match output:
        case "json":
            assert json.loads(chosen) == {"A": ACCOUNT, "N": None}
        case "yaml":
            assert yaml.safe_load(chosen) == {"A": ACCOUNT, "N": None}
        case "text":
            assert chosen == f"{ACCOUNT}\tNone\n"
        case _:
            assert ACCOUNT in chosen
            assert "arn:" not in chosen


def test_a_response_and_a_token_are_inspected_by_the_command(machine: Machine, tmp_path: Path) -> None:
    """Whole processes: the exit code is the verdict, and standard output has the reason."""
    idp = SamlIdentityProvider()
    metadata, response = tmp_path / "idp.xml", tmp_path / "response"
    metadata.write_text(idp.metadata_xml())
    offered = f"{ROLE},arn:aws:iam::{ACCOUNT}:saml-provider/corp"
    response.write_text(idp.response(Assertion(roles=(offered,)), now=datetime.now(UTC)))
    words = ("saml", "inspect", str(response), "--metadata", str(metadata))
    store = {"DAYPASS_STORE": f"sqlite:///{tmp_path}/none.db"}
    good = machine.daypass(*words, **store)
    assert (good.code, ROLE in good.out) == (0, True), good
    part = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "iss": "https://i.example"}).encode()).decode().rstrip("=")
    )
    token = tmp_path / "token"
    token.write_text(f"{part}.{part}.")
    shown = machine.daypass("token", "inspect", str(token), **store)
    assert shown.code == 5, shown
    assert "FAIL" in shown.out


@pytest.mark.slow
def test_prompts_never_go_to_a_stream(machine: Machine) -> None:
    """With `--no-input` a command that needs a prompt fails at once and names the option to use."""
    machine.good("profile", "add", "web", "--role", ROLE, "--issuer", "https://127.0.0.1:1", "--client-id", "c")
    machine.good("profile", "add", "corp", "--role", ROLE, "--saml")
    cases: tuple[tuple[tuple[str, ...], int, str], ...] = (
        (("session-token", "--profile", "ann", "--mfa-serial", "arn:mfa", "--no-input"), 3, "--mfa-command"),
        (("renew", "web", "--no-input"), 3, "daypass login oidc --profile web"),
        (("credential-process", "--profile", "corp"), 3, "daypass login saml --profile corp"),
        (("env", "--profile", "corp", "--no-input"), 3, "daypass login saml --profile corp"),
        (
            ("login", "saml", "--via", "paste", "--no-input", "--endpoint-url", machine.server.url),
            3,
            "--assertion-file",
        ),
    )
    for words, code, help_words in cases:
        done = machine.daypass(*words, stdin="123456\n")
        assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1), (words, done)
        assert help_words in done.err, (words, done)


def test_an_interruption_is_130(machine: Machine) -> None:
    """Ctrl-C while a command waits for its MFA command: no traceback."""
    interrupting = "sh -c 'kill -INT $PPID; exec cat'"
    words = ("session-token", "--profile", "ann", "--mfa-serial", "arn:aws:mfa", "--mfa-command", interrupting)
    # A shell that runs the tests in the background lets its children ignore the signal.
    done = machine.run("env", "--default-signal=INT", "daypass", *words)
    assert (done.code, done.out) == (130, ""), done
    assert "Traceback" not in done.err
