"""Keys that a person has put into the environment or a file: spoiled, exchanged or expired."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.client.inside import Ended, enter, type_in
from tests.slow_cases import quick_first

from daypass.client.sign_in.mfa import run_for_text

ID, SECRET = "AKIA0123456789ABCDEF", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzSECRETKEY"
Type = Callable[..., Ended]

# What spoils a value: in the environment, and (unless the parser of files removes it) in a file.
SPOILED: dict[str, tuple[str, str, str]] = {
    "carriage return": ("{}\r", "", "ends with a line break"),
    "newline": ("{}\n", "", "ends with a line break"),
    "space behind": ("{} ", "", "begins or ends with a space"),
    "space before": (" {}", "", "begins or ends with a space"),
    "space inside": ("{} x", "{} x", "has a space in it"),
    "double quotes": ('"{}"', '"{}"', "has quotation marks"),
    "single quotes": ("'{}'", "'{}'", "has quotation marks"),
    "one quote": ('{}"', '"{}', "has quotation marks"),
    "typographic quotes": ("\u201c{}\u201d", "\u201c{}\u201d", "has quotation marks"),
    "comment": ("{} # mine", "{} # mine", "has a comment behind the value"),
    "other comment": ("{} ;mine", "{}\t; mine", "has a comment behind the value"),
    "zero-width space": ("{}\u200b", "\u200b{}", "has the character U+200B"),
    "byte order mark": ("\ufeff{}", "\ufeff{}", "has the character U+FEFF"),
    "no-break space": ("{}\u00a0x", "{}\u00a0x", "has the character U+00A0"),
    "Cyrillic letter": ("\u0410{}", "\u0410{}", "has the character U+0410"),
    "Latin-1 byte": ("{}\udce9", "", "has a byte that is not UTF-8"),
    "control character": ("{}\x1b[0m", "{}\x7f", "has the character U+00"),
    "name": ("AWS_ACCESS_KEY_ID={}", "aws_secret_access_key={}", "has a name in front of the value"),
    "very long": ("{}" + "x" * 5000, "{}" + "x" * 5000, "has 50"),
    "blank": (" ", "", "is empty"),
}
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPTIONS = ("aws_access_key_id", "aws_secret_access_key")
COMMANDS: dict[str, tuple[str, ...]] = {
    "whoami": ("whoami",),
    "assume": ("assume", "arn:aws:iam::123456789012:role/r", "--no-input"),
    "session-token": ("session-token",),
    "federation-token": ("federation-token", "guest"),
    "credential-process": ("credential-process",),
    "env": ("env",),
    "sts": ("sts", "get-caller-identity"),
    "roles": ("roles", "--in-account"),
    "console": ("console", "--sign-in-url", "https://console.example/"),
    "exec": ("exec", "--", "true"),
    "shell": ("shell",),
}
ENDPOINT = "http://127.0.0.1:1"  # no request is sent to it


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    """Return the function that runs a command in an empty home, with further variables."""

    def run(*words: str, **variables: str) -> Ended:
        place = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_STS": ENDPOINT}
        enter(monkeypatch, {**place, "AWS_ENDPOINT_URL_IAM": ENDPOINT, **variables})
        return type_in(words, monkeypatch, capfd)

    return run


def file_of(home: Path, name: str, **values: str) -> Path:
    """Write a file with the profile `ann`."""
    path = home / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    header = "[profile ann]" if name == "config" else "[ann]"
    path.write_text("\n".join([header, *(f"{key} = {value}" for key, value in values.items()), ""]))
    return path


@pytest.mark.parametrize("position", [0, 1], ids=["id", "secret"])
@pytest.mark.parametrize("kind", SPOILED)
def test_a_spoiled_variable_is_named(kind: str, position: int, typed: Type) -> None:
    """The message says what is wrong, and does not quote the value."""
    pattern, _, words = SPOILED[kind]
    values = [ID, SECRET]
    values[position] = pattern.format(values[position])
    done = typed("whoami", **dict(zip(VARIABLES, values, strict=True)))
    assert (done.code, done.out) == (6, ""), done
    assert done.err.startswith(f"daypass: {VARIABLES[position]} {words}"), done.err
    assert len(done.err.splitlines()) == 1
    assert SECRET not in done.err


@pytest.mark.parametrize("name", ["credentials", "config"])
@pytest.mark.parametrize("kind", [kind for kind, (_, in_file, _) in SPOILED.items() if in_file])
def test_a_spoiled_key_in_a_file_is_named(kind: str, name: str, typed: Type, tmp_path: Path) -> None:
    """The message names the setting, the profile and the file."""
    _, pattern, words = SPOILED[kind]
    path = file_of(tmp_path, name, aws_access_key_id=ID, aws_secret_access_key=pattern.format(SECRET))
    done = typed("whoami", "--profile", "ann")
    assert (done.code, done.out) == (6, ""), done
    assert done.err.startswith(f"daypass: aws_secret_access_key of profile 'ann' in {path} {words}"), done.err
    assert SECRET not in done.err


@pytest.mark.parametrize("name", ["credentials", "config"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"aws_access_key_id": "", "aws_secret_access_key": ""}, "aws_access_key_id of profile 'ann'"),
        ({"aws_access_key_id": ID, "aws_secret_access_key": ""}, "aws_secret_access_key of profile 'ann'"),
        ({"aws_access_key_id": ID}, "is not set"),
        ({"aws_access_key_id": SECRET, "aws_secret_access_key": ID}, "are exchanged"),
        ({"aws_access_key_id": "<your key>", "aws_secret_access_key": SECRET}, "has a space in it"),
        ({"aws_access_key_id": ID, "aws_secret_access_key": SECRET, "aws_session_token": '"t"'}, "aws_session_token"),
    ],
)
def test_keys_of_a_file_that_cannot_be(
    name: str, values: dict[str, str], words: str, typed: Type, tmp_path: Path
) -> None:
    """Empty, incomplete and exchanged values are found before a request is sent."""
    path = file_of(tmp_path, name, **values)
    done = typed("whoami", "--profile", "ann")
    assert (done.code, done.out) == (6, ""), done
    assert words in done.err
    assert str(path) in done.err


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": ID}, "AWS_SECRET_ACCESS_KEY is not set"),
        ({"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY is empty"),
        ({"AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": ID}, "are exchanged"),
        ({"AWS_ACCESS_KEY_ID": "AKIA-1", "AWS_SECRET_ACCESS_KEY": SECRET}, "is not a valid access key ID"),
        (
            {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "t\r"},
            "AWS_SESSION_TOKEN ends with a line break",
        ),
        (
            {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SECURITY_TOKEN": "'t'"},
            "AWS_SECURITY_TOKEN has quotation marks",
        ),
    ],
)
def test_keys_of_the_environment_that_cannot_be(variables: dict[str, str], words: str, typed: Type) -> None:
    """The message names the variable."""
    done = typed("whoami", **variables)
    assert (done.code, words in done.err) == (6, True), done


KEYS = {"AWS_ACCESS_KEY_ID": ID.replace("AKIA", "ASIA"), "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "t"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_a_spoiled_key_and_an_expired_session(command: str, typed: Type) -> None:
    """A spoiled key ends a command with 6, an expired session with 5, and `exec` with its own code."""
    done = typed(*COMMANDS[command], **{**KEYS, "AWS_ACCESS_KEY_ID": f"{ID}\r"})
    assert (done.code, done.out) == (125 if command == "exec" else 6, ""), done
    assert "AWS_ACCESS_KEY_ID ends with a line break" in done.err
    done = typed(*COMMANDS[command], **KEYS, AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z")
    assert (done.code, done.out) == (125 if command == "exec" else 5, ""), done
    assert "daypass env --unset" in done.err


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2020-01-01T00:00:00Z", "expired at 2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00+05:00", "expired at 2019-12-31T19:00:00Z"),
        ("2020-01-01T00:00:00.123Z", "expired at 2020-01-01T00:00:00Z"),
        ("2020-01-01 00:00:00", "expired at 2020-01-01T00:00:00Z"),
        ("20200101T000000Z", "expired at 2020-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+23:59", "is not a valid time"),
        ("garbage", "is not a valid time"),
        ("in an hour", "is not a valid time"),
        ("\u0660", "is not a valid time"),
    ],
)
def test_an_expired_session_of_the_environment_is_told_as_such(end: str, words: str, typed: Type) -> None:
    """Its variable is named, and the way out."""
    done = typed("whoami", **KEYS, AWS_CREDENTIAL_EXPIRATION=end)
    assert (done.code, done.out) == (5, ""), done
    assert words in done.err
    assert "AWS_CREDENTIAL_EXPIRATION" in done.err
    assert 'eval "$(daypass env --unset)"' in done.err


@pytest.mark.parametrize("end", ["", "2999-01-01T00:00:00Z", "2999-01-01T00:00:00", "2999-01-01T00:00:00+02:00"])
def test_a_session_that_has_not_expired_is_used(end: str, typed: Type) -> None:
    """It reaches the endpoint, which does not respond here."""
    done = typed("env", **KEYS, AWS_CREDENTIAL_EXPIRATION=end)
    assert (done.code, KEYS["AWS_ACCESS_KEY_ID"] in done.out) == (0, True), done


def test_unset_works_with_whatever_is_there(typed: Type, tmp_path: Path) -> None:
    """It is the way out that other messages name."""
    file_of(tmp_path, "config", role_arn="arn:aws:iam::123456789012:role/r")
    done = typed("env", "--unset", "--shell", "sh", **KEYS, AWS_PROFILE="ann", AWS_CREDENTIAL_EXPIRATION="garbage")
    assert (done.code, "unset AWS_CREDENTIAL_EXPIRATION" in done.out.splitlines()) == (0, True), done


def process(home: Path, text: str) -> str:
    """Write a program, and return the credential_process that runs it."""
    path = home / "program.py"
    path.write_text(text)
    return f"{shlex.quote(sys.executable)} {path}"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("import sys; sys.exit('daypass: It is over.')", 6, "It is over."),
        ("import sys; print('daypass: It is over.', file=sys.stderr); sys.exit(5)", 5, "It is over."),
        ("import sys; print('daypass: No.', file=sys.stderr); sys.exit(4)", 4, "No."),
        ("import sys; print('It is locked.', file=sys.stderr); sys.exit(4)", 3, "profile 'ann' failed: It is locked."),
        ("import sys; sys.exit(9)", 3, "with exit code 9."),
        ("print('{')", 6, "is not valid JSON"),
        ("print('[]')", 6, "is not valid JSON"),
        ("print('{}')", 6, "is not valid JSON"),
        ("print('{\"Version\": 2}')", 6, "Version is not 1"),
        ('print(\'{"Version": 1, "AccessKeyId": "a b"}\')', 6, "no valid access key id"),
        ("import sys; assert not sys.stdin.read(); print('{\"Version\": 1}')", 6, "no valid access key id"),
    ],
)
def test_a_failed_credential_process_is_told_once(
    text: str, code: int, words: str, typed: Type, tmp_path: Path
) -> None:
    """The exit code is Daypass's own if Daypass is the program. Other programs have failed to sign in."""
    file_of(tmp_path, "config", credential_process=process(tmp_path, text))
    done = typed("whoami", "--profile", "ann")
    assert (done.code, done.out) == (code, ""), done
    assert words in done.err
    assert "custom-process" not in done.err
    assert not re.search("daypass:.*daypass:", done.err)


def test_a_credential_process_that_is_missing_is_named(typed: Type, tmp_path: Path) -> None:
    """It is a fault of the configuration."""
    file_of(tmp_path, "config", credential_process="/nonexistent/program")
    done = typed("whoami", "--profile", "ann")
    assert (done.code, "cannot be run: No such file" in done.err) == (6, True), done


LOOPS = {
    "direct": "daypass credential-process --profile ann",
    "with a role": "daypass credential-process --profile ann --role arn:aws:iam::123456789012:role/r",
    "in a shell": "sh -c 'exec daypass credential-process --profile ann'",
    "other command": "sh -c 'daypass exec --profile ann -- true'",
    "assume": "daypass assume arn:aws:iam::123456789012:role/r --profile ann --output process",
    "by the variable": "env AWS_PROFILE=ann daypass credential-process",
}


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("command", ["whoami", "credential-process", "assume"])
def test_a_process_that_runs_for_itself_is_refused(command: str, kind: str, typed: Type, tmp_path: Path) -> None:
    """A process finds its profile among those that wait for it, and starts no further one."""
    file_of(tmp_path, "config", credential_process=LOOPS[kind])
    done = typed(*COMMANDS[command], "--profile", "ann", DAYPASS_RUNNING_PROFILES="other\tann")
    assert (done.code, "uses itself as its source" in done.err) == (6, True), done


@pytest.mark.parametrize("kind", quick_first(LOOPS))
def test_a_loop_of_processes_ends(kind: str, typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real programs: the second one refuses, and its exit code comes out."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    file_of(tmp_path, "config", credential_process=LOOPS[kind])
    done = typed("whoami", "--profile", "ann")
    assert (done.code, "uses itself as its source" in done.err) == (6, True), done


@pytest.mark.parametrize(
    ("option", "setting"),
    [("--token-command", "daypass_method = oidc\ndaypass_token_command"), ("--mfa-command", "")],
)
def test_a_command_for_a_code_or_a_token_that_leads_to_itself_ends(
    option: str, setting: str, typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process refuses. Its message is on standard error, before that of the first."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    role = "arn:aws:iam::123456789012:role/r"
    again = "daypass credential-process --profile ann"
    lines = [f"{setting} = {again}"] if setting else [f"daypass_mfa_serial = m\ndaypass_mfa_command = {again}"]
    lines += [] if setting else ["daypass_method = role\ndaypass_source_profile = keys"]
    text = "\n".join(["[profile ann]", *lines, f"daypass_role_arn = {role}", "[profile keys]", ""])
    keys = f"aws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(text + keys)
    done = typed("credential-process", "--profile", "ann")
    assert done.code == 6, done
    assert f"{option} runs Daypass, which runs the same command again" in done.err


def test_a_command_for_a_code_does_not_read_a_redirected_input(
    tmp_path: Path,
) -> None:
    """The input belongs to the command of `daypass exec`."""
    path = tmp_path / "input"
    path.write_text("first line\n")
    with path.open() as file:
        saved = os.dup(0)
        os.dup2(file.fileno(), 0)
        try:
            assert run_for_text("cat", "--mfa-command") == ""
        finally:
            os.dup2(saved, 0)
            os.close(saved)
