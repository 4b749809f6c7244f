"""`daypass profile`: each sub-command and option is tested by the changes that it makes."""

import configparser
import difflib
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine

from daypass.client.profiles.aws_files import Places
from daypass.client.profiles.profiles import ServerEndpoints, write_config

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
Change = tuple[str, ...]
CHANGES: tuple[Change, ...] = (
    ("add", "new", "--role", f"{ROLE}deploy", "--source-profile", "ann"),
    ("add", "new", "--role", f"{ROLE}deploy", "--source-profile", "ann", "--plain"),
    ("set", "ann", "region=us-west-2", "endpoint_url=", "output=json"),
    ("rename", "ann", "bob"),
    ("rename", "default", "team"),
    ("remove", "user"),
)
# Content that must stay unchanged: comments, odd sections, spellings and newlines.
ODD = b"""# mine
[default]  ; the first
region=eu-west-1

[profile user]
source_profile = ann   # ann's keys
role_arn = arn:aws:iam::123456789012:role/deploy
s3 =
    max_concurrent_requests = 20
  # deep

[preview]
cloudsearch=true
[plugins]\t
caf\xe9 = latin
"""


@pytest.fixture
def odd(machine: Machine) -> Machine:
    """Return a machine whose config file has unusual lines before and after the profile."""
    machine.config.write_bytes(ODD + b"\n" + machine.config.read_bytes() + b"# the end, without a line end")
    machine.credentials.write_bytes(b"; keys\r\n" + machine.credentials.read_bytes())
    return machine


def _texts(machine: Machine) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (machine.config, machine.credentials)}


def _difference(path: Path, before: bytes, after: bytes) -> list[str]:
    old, new = (
        re.sub("(aws_secret_access_key = ).*", r"\1<secret>", _shown(text)).splitlines() for text in (before, after)
    )
    return list(difflib.unified_diff(old, new, str(path), str(path), lineterm=""))


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(change[:2]))
def test_a_dry_run_shows_exactly_what_would_change(odd: Machine, change: Change) -> None:
    """The printed difference is the one that the same command then makes, except for secrets."""
    before = _texts(odd)
    shown = odd.good("profile", *change, "--dry-run")
    assert _texts(odd) == before
    assert odd.good("profile", *change).out == ""
    expected = [line for path, text in _texts(odd).items() for line in _difference(path, before[path], text)]
    assert expected
    assert shown.out.splitlines() == expected


def test_only_requested_settings_change(odd: Machine) -> None:
    """Byte for byte: setting an option and removing it again leaves the file unchanged."""
    before = _texts(odd)
    odd.good("profile", "set", "user", "region=us-west-2")
    changed = odd.config.read_bytes()
    assert changed != before[odd.config]
    assert b"".join(re.split(rb"region *= *us-west-2\n", changed)) == before[odd.config]
    odd.good("profile", "set", "user", "REGION=")
    assert _texts(odd) == before
    odd.good("profile", "add", "new", "--role", f"{ROLE}deploy", "--source-profile", "ann")
    assert odd.config.read_bytes().startswith(before[odd.config])
    assert odd.credentials.read_bytes() == before[odd.credentials]


def test_what_would_change_nothing_says_so(machine: Machine) -> None:
    """A dry run with the existing values."""
    assert machine.good("profile", "set", "ann", "region=eu-west-1", "--dry-run").out == "No changes.\n"


# Options of `profile add` -> the settings that it writes besides the common ones.
ADDED: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (
        ("--role", "1/x", "--source-profile", "ann", "--duration", "45m", "--session-name", "n", "--external-id", "e"),
        {"daypass_duration": "2700", "daypass_session_name": "n", "daypass_external_id": "e"},
    ),
    (
        ("--role", f"{ROLE}a", "--role", f"{ROLE}b", "--source-profile", "ann", "--source-identity", "i"),
        {"daypass_role_arn": f"{ROLE}a {ROLE}b", "daypass_source_identity": "i"},
    ),
    (
        ("--role", f"{ROLE}a", "--source-profile", "ann", "--tag", "a=1", "--tag", "b=2", "--transitive-tag", "a"),
        {"daypass_tags": "a=1 b=2", "daypass_transitive_tags": "a"},
    ),
    (
        ("--role", f"{ROLE}a", "--source-profile", "ann", "--policy", '{\n "x":\n 1}', "--policy-arn", "arn:x"),
        {"daypass_policy": '{ "x": 1}', "daypass_policy_arns": "arn:x"},
    ),
    (
        ("--session", "--source-profile", "ann", "--mfa-serial", "arn:m", "--mfa-command", "code me"),
        {"daypass_method": "session", "daypass_mfa_serial": "arn:m", "daypass_mfa_command": "code me"},
    ),
    (
        ("--role", f"{ROLE}w", "--token-command", "get it"),
        {"daypass_method": "oidc", "daypass_token_command": "get it"},
    ),
    (
        ("--role", f"{ROLE}w", "--issuer", "https://i.example", "--client-id", "c", "--scopes", "openid groups"),
        {"daypass_method": "oidc", "daypass_issuer": "https://i.example", "daypass_scopes": "openid groups"},
    ),
    (
        ("--role", f"{ROLE}s", "--saml", "--provider-arn", "arn:aws:iam::1:saml-provider/c", "--region", "eu-north-1"),
        {"daypass_method": "saml", "daypass_provider_arn": "arn:aws:iam::1:saml-provider/c", "region": "eu-north-1"},
    ),
    (
        ("--role", f"{ROLE}w", "--token-file", "/t", "--plain", "--duration", "1h", "--session-name", "n"),
        {"web_identity_token_file": "/t", "duration_seconds": "3600", "role_session_name": "n", "role_arn": f"{ROLE}w"},
    ),
    (
        ("--role", f"{ROLE}w", "--source-profile", "ann", "--plain", "--external-id", "e", "--mfa-serial", "arn:m"),
        {"source_profile": "ann", "external_id": "e", "mfa_serial": "arn:m"},
    ),
)


@pytest.mark.slow
def test_each_option_of_add_is_written(machine: Machine) -> None:
    """`show` prints it again. The server is in a services section that AWS's tools read."""
    for number, (words, written) in enumerate(ADDED):
        name = f"new{number}"
        told = tuple(word.replace("1/x", f"{ACCOUNT}/x") for word in words)
        machine.good("profile", "add", name, *told, "--endpoint-url", "https://sts.example.com")
        shown = machine.good("profile", "show", name, "--output", "json").json
        assert written.items() <= shown.items()
        assert shown["services"] == "daypass-sts.example.com"
        assert ("credential_process" in shown) == ("--plain" not in words)
        assert shown.get("credential_process", name).endswith(name)
    (section,) = re.findall(r"(?ms)^\[services daypass-sts\.example\.com\]\n(.*?)^\[", machine.config.read_text() + "[")
    assert section.count("endpoint_url = https://sts.example.com\n") == 2


def _config(machine: Machine) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="")
    parser.read_string(machine.config.read_text())
    return parser


S3_PROFILES: tuple[Change, ...] = (
    ("--role", f"{ROLE}deploy", "--source-profile", "ann"),
    ("--role", f"{ROLE}deploy", "--source-profile", "ann", "--plain"),
    ("--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--no-input"),
)


@pytest.mark.parametrize("words", S3_PROFILES, ids=("process", "plain", "keys"))
def test_a_new_profile_signs_s3_with_version_4_and_knows_the_gateway(machine: Machine, words: Change) -> None:
    """`aws s3` goes to the gateway and `aws sts` to the server; later profiles of the server keep the gateway."""
    at = ("--endpoint-url", "https://sts.example.com")
    machine.good("profile", "add", "a", *words, *at, "--s3-endpoint-url", "https://s3.example.com", stdin="s" * 40)
    machine.good("profile", "add", "b", *words, *at, stdin="s" * 40)
    written = _config(machine)
    for name in ("a", "b"):
        assert written[f"profile {name}"]["s3"] == "\nsignature_version = s3v4"
        assert written[f"profile {name}"]["services"] == "daypass-sts.example.com"
    section = written["services daypass-sts.example.com"]
    assert {service: value.strip() for service, value in section.items()} == {
        "sts": "endpoint_url = https://sts.example.com",
        "iam": "endpoint_url = https://sts.example.com",
        "s3": "endpoint_url = https://s3.example.com",
    }


def test_a_profile_keeps_its_own_settings_for_s3(machine: Machine) -> None:
    """A version that the person chose stays, and so do the other settings."""
    own = "[profile k]\ns3 =\n  max_queue_size = 9\n{}\n"
    add = (
        "profile",
        "add",
        "--access-key-id",
        "AKIAIOSFODNN7EXAMPLE",
        "--no-input",
        "--endpoint-url",
        "https://s.example",
    )
    server = ServerEndpoints("d", "https://s.example")
    for line, version in (("", "s3v4"), ("  signature_version = s3\n", "s3")):
        machine.config.write_text(own.format(line))
        places = Places(machine.config, machine.credentials)
        for _again in range(2):
            write_config(places, "k", {}, server=server, dry_run=False)
        lines = _config(machine)["profile k"]["s3"].split("\n")
        assert sorted(filter(None, lines)) == ["max_queue_size = 9", f"signature_version = {version}"]
    assert "s3" not in machine.good(*add[:2], "aws", *add[2:5], "--dry-run").out  # a profile of AWS itself


def test_a_gateway_needs_its_server_and_a_url(machine: Machine) -> None:
    """Exit code 2, with the remedy."""
    keys = ("profile", "add", "k", "--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--no-input")
    for words, remedy in (
        (("https://s.example",), "--endpoint-url"),
        (("s.example", "--endpoint-url", "https://x"), "URL"),
    ):
        done = machine.daypass(*keys, "--s3-endpoint-url", *words, stdin="s" * 40)
        assert (done.code, remedy in done.err) == (2, True), done


REFUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("add", "ann", "--role", "r"), "already"),
    (("add", "new"), "--session"),
    (("add", "new", "--session", "--saml", "--role", "r"), "Use only one of"),
    (("add", "new", "--role", f"{ROLE}r"), "source"),
    (("add", "new", "--role", f"{ROLE}a", "--role", f"{ROLE}b", "--source-profile", "ann", "--plain"), "one role"),
    (("add", "new", "--role", f"{ROLE}r", "--plain"), "--token-file"),
    (("set", "ann", "aws_secret_access_key=x"), "credentials file"),
    (("set", "ann", "AWS_ACCESS_KEY_ID=x"), "credentials file"),
    (("rename", "ann", "user"), "already"),
    (("rename", "ann", "a]b"), "profile name"),
)


@pytest.mark.slow
def test_what_cannot_be_written_is_not(odd: Machine) -> None:
    """Exit code 2, one sentence, and both files unchanged."""
    before = _texts(odd)
    for words, help_words in REFUSED:
        done = odd.daypass("profile", *words)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), (words, done)
        assert help_words in done.err, (words, done)
    for words in (("show", "x"), ("set", "x", "a=b"), ("rename", "x", "y"), ("remove", "x")):
        done = odd.daypass("profile", *words)
        assert (done.code, done.out, len(done.err.splitlines())) == (6, "", 1), (words, done)
    assert _texts(odd) == before


def test_a_profile_that_is_removed_is_gone_with_what_was_kept(machine: Machine) -> None:
    """Its keys and its session are removed too; profiles that used it as a source are named."""
    machine.good("profile", "add", "deploy", "--role", f"{ROLE}deploy", "--source-profile", "ann")
    machine.good("renew", "deploy")
    done = machine.good("profile", "remove", "deploy")
    assert machine.good("status", "--output", "json").json == []
    machine.good("profile", "add", "deploy", "--role", f"{ROLE}deploy", "--source-profile", "ann")
    done = machine.good("profile", "remove", "ann")
    assert "deploy used it as their source" in done.err
    assert "AKIA" not in machine.credentials.read_text()
    assert machine.good("profile", "list", "--output", "json", "--query", "[].Name").json == ["deploy"]


def test_keys_are_written_only_with_a_secret_that_could_be_one(machine: Machine, tmp_path: Path) -> None:
    """The secret is read from standard input. One with a newline is rejected."""
    place: Callable[[str], dict[str, str]] = lambda name: {  # noqa: E731 - a name for the two files of one case
        "AWS_CONFIG_FILE": str(tmp_path / name / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / name / "credentials"),
    }
    words = ("profile", "add", "k", "--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--no-input")
    for number, secret in enumerate(("", "a" * 20 + "\x01" * 20, "a b" * 14)):
        done = machine.daypass(*words, stdin=secret + "\n", **place(str(number)))
        assert done.code == 4, (secret, done)
        assert not (tmp_path / str(number) / "credentials").exists()
    dry = machine.good(*words, "--dry-run", **place("dry"))
    assert "+aws_secret_access_key = <secret>" in dry.out
    assert not (tmp_path / "dry/credentials").exists()
    machine.good(*words, "--region", "eu-west-1", stdin="s" * 40, **place("good"))
    written = tmp_path / "good/credentials"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    keys = f"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {'s' * 40}\n"
    assert written.read_text().strip() == f"[k]\n{keys}".strip()


def test_how_each_profile_gets_its_credentials_is_listed(odd: Machine) -> None:
    """In every output format, without secrets."""
    rows = odd.good("profile", "list", "--output", "json").json
    assert {"Name": "user", "How": "role_arn with a source"} in rows
    assert {"Name": "ann", "How": "keys in the credentials file"} in rows
    assert {"Name": "default", "How": "no credentials of its own"} in rows
    secret = odd.credentials.read_text().split("aws_secret_access_key = ")[1].split()[0]
    for output in ("text", "json", "table", "yaml"):
        shown = odd.good("profile", "show", "ann", "--output", output).out
        assert "<secret>" in shown
        assert secret not in shown
