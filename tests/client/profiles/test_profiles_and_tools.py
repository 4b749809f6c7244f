"""Profiles as they are written, used by the real AWS CLI and boto3 with no wrapper."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine

from daypass.client.profiles.aws_files import edit

DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/"


def _add_deploy(machine: Machine, *words: str) -> None:
    machine.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann", *words)


@pytest.mark.slow
@pytest.mark.parametrize("form", [(), ("--plain",)])
def test_the_aws_cli_and_boto3_use_a_profile_as_it_is(machine: Machine, form: tuple[str, ...]) -> None:
    """A credential process, or AWS's own settings: plain tools find the server and the role."""
    _add_deploy(machine, *form)
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "deploy")
    assert shown.json["Arn"].startswith(DEPLOY), shown
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    assert machine.run(sys.executable, "-c", program, AWS_PROFILE="deploy").out.startswith(DEPLOY)
    assert machine.run("aws", "iam", "list-users", "--profile", "deploy").code == 0


def test_no_secret_is_on_disk_unless_requested(machine: Machine) -> None:
    """The default is a credential process, so the two files contain no keys."""
    before = machine.credentials.read_bytes()
    _add_deploy(machine)
    machine.good("credential-process", "--profile", "deploy")
    assert machine.credentials.read_bytes() == before
    assert "ASIA" not in machine.config.read_text()


@pytest.mark.slow
def test_a_chain_of_roles_is_assumed_in_order(machine: Machine) -> None:
    """Each role is assumed with the one before; a name alone is in that role's account."""
    done = machine.good("assume", "deploy", "second", "--profile", "ann", "--output", "json")
    assert done.json["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/second/")


@pytest.mark.slow
def test_the_lines_for_the_shell_do_what_they_say(machine: Machine) -> None:
    """`eval "$(daypass env)"` sets these credentials and unsets those of another profile."""
    script = (
        'export AWS_PROFILE=ann; eval "$(daypass env --role deploy)"; aws sts get-caller-identity; echo $AWS_PROFILE'
    )
    done = machine.run("sh", "-c", script)
    arn, _, rest = done.out.rpartition("}")
    assert json.loads(arn + "}")["Arn"].startswith(DEPLOY)
    assert rest.strip() == ""


def test_a_second_answer_comes_from_the_cache(machine: Machine) -> None:
    """The same request gets the same credentials; another request does not."""
    _add_deploy(machine)
    first = machine.good("credential-process", "--profile", "deploy").json
    assert machine.good("credential-process", "--profile", "deploy").json == first
    other = machine.good("credential-process", "--profile", "deploy", "--session-name", "other").json
    assert other["AccessKeyId"] != first["AccessKeyId"]
    assert (
        machine.good("credential-process", "--profile", "deploy", "--fresh").json["AccessKeyId"] != first["AccessKeyId"]
    )


def test_kept_credentials_are_their_owner_s_alone(machine: Machine) -> None:
    """Only their owner can read the cache's folder and files."""
    machine.good("assume", "deploy", "--profile", "ann")
    folder = machine.home / ".cache/daypass/credentials"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.slow
def test_credentials_with_less_than_fifteen_minutes_left_are_not_served(machine: Machine) -> None:
    """A short session is used once: the next call gets a new one."""
    words = ("assume", "deploy", "--profile", "ann", "--duration", "15m", "--output", "json")
    first, second = machine.good(*words).json, machine.good(*words).json
    assert first["Credentials"]["AccessKeyId"] != second["Credentials"]["AccessKeyId"]


@pytest.mark.slow
def test_another_key_of_the_source_is_another_answer(machine: Machine) -> None:
    """Credentials of one key are never returned for another."""
    _add_deploy(machine)
    first = machine.good("credential-process", "--profile", "deploy").json
    machine.good("profile", "remove", "ann")
    machine.add_keys("ann", machine.iam.create_access_key(UserName="ann")["AccessKey"])
    assert machine.good("credential-process", "--profile", "deploy").json["AccessKeyId"] != first["AccessKeyId"]


@pytest.mark.slow
def test_many_processes_at_once_make_one_call(machine: Machine) -> None:
    """One process refreshes; the others wait and use its result."""
    _add_deploy(machine)
    started = [
        subprocess.Popen(
            ["daypass", "credential-process", "--profile", "deploy"],
            env=machine.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    keys = {json.loads(process.communicate(timeout=60)[0])["AccessKeyId"] for process in started}
    assert len(keys) == 1


@pytest.mark.slow
def test_a_cached_answer_is_quick(machine: Machine) -> None:
    """It loads neither botocore nor anything of the server's."""
    _add_deploy(machine)
    machine.good("credential-process", "--profile", "deploy")
    program = (
        "import sys; from daypass.cli.main import main\n"
        "try: main(['credential-process', '--profile', 'deploy'])\n"
        "finally: print([name for name in ('botocore', 'rich', 'daypass.wiring', 'filelock', 'sqlalchemy', 'lxml')"
        " if name in sys.modules], file=sys.stderr)"
    )
    assert machine.run(sys.executable, "-c", program).err == "[]\n"


def test_a_file_with_odd_content_comes_back_byte_for_byte(machine: Machine) -> None:
    """Comments, odd sections, invalid UTF-8 and a link: only the requested setting changes."""
    real = machine.home / "dotfiles-credentials"
    odd = (
        machine.credentials.read_bytes()
        + b"\r\n# caf\xe9\r\n[other]\r\naws_access_key_id=AKIA1234 ; x\r\n\tdeep = 1\r\n"
    )
    real.write_bytes(odd)
    machine.credentials.unlink()
    machine.credentials.symlink_to(real)
    real.chmod(0o644)
    words = ("--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--endpoint-url", machine.server.url, "--no-input")
    machine.good("profile", "add", "new", *words, stdin="s" * 40)
    assert machine.credentials.is_symlink()
    assert real.read_bytes().startswith(odd)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    machine.good("profile", "remove", "new")
    assert real.read_bytes().rstrip() == odd.rstrip()


def test_a_dry_run_shows_the_difference_without_secrets(machine: Machine) -> None:
    """The files stay unchanged, and the output hides the removed secrets."""
    before = machine.credentials.read_bytes(), machine.config.read_bytes()
    done = machine.good("profile", "remove", "ann", "--dry-run")
    assert "-aws_secret_access_key = <secret>" in done.out
    assert before[0].decode().split("aws_secret_access_key = ")[1].split()[0] not in done.out + done.err
    assert (machine.credentials.read_bytes(), machine.config.read_bytes()) == before


@pytest.mark.slow
def test_a_renamed_profile_goes_on_working(machine: Machine) -> None:
    """Its process and the profiles that use it as their source are updated."""
    _add_deploy(machine)
    machine.good("profile", "rename", "ann", "bob")
    machine.good("profile", "rename", "deploy", "ship")
    assert machine.run("aws", "sts", "get-caller-identity", "--profile", "ship").json["Arn"].startswith(DEPLOY)


def test_keys_that_would_win_over_a_process_are_pointed_at(machine: Machine) -> None:
    """A profile is not written if existing keys would override it."""
    done = machine.daypass("assume", "deploy", "--profile", "ann", "--save", "ann")
    assert done.code == 2
    assert "would override" in done.err


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """Each reads again under the lock before it writes."""
    path = tmp_path / "credentials"
    program = (
        "import sys; from pathlib import Path; from daypass.client.profiles.aws_files import edit\n"
        "from daypass.client.profiles.ini_edit import set_options\n"
        "for i in range(20): edit(Path(sys.argv[1]), lambda t: set_options(t, f'{sys.argv[2]}{i}', {'a': '1'}))"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "xy"]
    assert [process.wait(60) for process in started] == [0, 0]
    assert path.read_text().count("[") == 40


def test_a_writer_that_takes_no_lock_is_not_overwritten(tmp_path: Path) -> None:
    """A file that changed meanwhile is read again."""
    path = tmp_path / "credentials"
    path.write_text("[a]\n")
    seen: list[str] = []

    def change(text: str) -> str:
        if not seen:
            path.write_text("[b]\n")
            os.utime(path, (time.time() + 5, time.time() + 5))
        seen.append(text)
        return text + "[c]\n"

    assert edit(path, change).after == "[b]\n[c]\n"
    assert seen == ["[a]\n", "[b]\n"]


@pytest.mark.parametrize(
    ("words", "code", "help_words"),
    [
        (("assume", "nosuch", "--profile", "ann"), 4, "whoami"),
        (("assume", "x", "--profile", "nobody"), 6, "profile list"),
        (("whoami",), 3, "daypass login"),
        (("assume", "deploy", "--profile", "ann", "--endpoint-url", "http://127.0.0.1:1"), 7, "server runs"),
        (("assume", "deploy", "--profile", "ann", "--mfa-serial", "x" * 9, "--no-input"), 3, "--mfa-code"),
        (("assume", "deploy", "--profile", "ann", "--mfa-serial", "x" * 9, "--mfa-code", "12"), 5, "six digits"),
        (("session-token", "--profile", "ann", "--mfa-serial", "auto"), 6, "You do not have an MFA device."),
        (("login", "--endpoint-url", "http://127.0.0.1:1", "--no-input"), 3, "`daypass login oidc --token-file FILE`"),
        (("assume", "deploy", "--duration", "soon"), 2, "45m"),
        (("profile", "set", "ann", "x"), 2, "KEY=VALUE"),
        (("profile", "add", "a]b", "--role", "r", "--source-profile", "ann"), 2, "profile name"),
    ],
)
def test_a_failure_is_a_sentence_with_the_next_step(
    machine: Machine, words: tuple[str, ...], code: int, help_words: str
) -> None:
    """Each kind has its exit code, and only the sentence is printed."""
    done = machine.daypass(*words)
    assert (done.code, done.out) == (code, ""), done
    assert help_words in done.err
    assert "Traceback" not in done.err


def test_a_cache_that_cannot_be_is_no_obstacle(machine: Machine) -> None:
    """Without a writable cache, credentials are requested each time, without a traceback."""
    folder = machine.home / ".cache/daypass"
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where a folder should be")
    assert machine.daypass("assume", "deploy", "--profile", "ann").code == 0
    assert machine.daypass("status").code == 0
    assert machine.daypass("logout", "--all").code == 0
