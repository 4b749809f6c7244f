"""Unusual configuration files: syntax errors are reported, and special files are left unchanged."""

import os
import stat
from pathlib import Path

import pytest
from tests.client.machine import Machine

from daypass.client.problems import MisconfiguredError
from daypass.client.profiles.aws_files import edit

ADD = ("profile", "add", "q", "--role", "deploy", "--source-profile", "ann")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf[profile x]\nregion = a\n", "byte order mark"),
        ("[profile x]\nregion = a\n".encode("utf-16"), "byte order mark"),
        (b"hello world\n[profile x]\n", "line 1 is not a"),
        (b"[profile x]\nhello world\n", "line 2 is not a"),
        (b"[profile x]\r\nregion = a\r\nhello\r\n", "line 3 is not a"),
        (b"region = a\n[profile x]\n", "line 1 is not a [section], and no section is above it"),
        (b"[[[", "line 1 is not a"),
        (b"\x00\x01\x02", "line 1 is not a"),
        (b"[profile x]\n" + b"#" * 5_000_000, "larger than 4 MB"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(machine: Machine, content: bytes, words: str) -> None:
    """Every command prints the same message with exit code 6, and the file is unchanged."""
    machine.config.write_bytes(content)
    for command in (("whoami",), ("credential-process", "--profile", "x"), ("doctor",), ADD):
        done = machine.daypass(*command)
        assert done.code == 6, done
        assert words in done.err + done.out
        assert str(machine.config) in done.err + done.out
        assert "Traceback" not in done.err
    assert machine.config.read_bytes() == content


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[profile ann]\nregion = a\n", "has the section [profile ann] twice"),
        ("[profile y]\nregion = a\nregion = b\n", "has region twice in [profile y]"),
        ("# gr\udcf6\udcdfe\n", "that are not UTF-8"),
        ("[profile y]\ns3 =\n  path\n", "is not a [section] or a setting"),
    ],
)
def test_the_doctor_names_what_only_aws_s_tools_mind(machine: Machine, more: str, words: str) -> None:
    """Botocore rejects these files without a position, and every command names the line as the doctor does."""
    with machine.config.open("a", errors="surrogateescape") as config:
        config.write(more)
    done = machine.daypass("doctor")
    assert (done.code, words in done.out) == (6, True), done
    assert "line" in done.out
    for command in (("whoami", "--profile", "ann"), ("assume", "deploy", "--profile", "ann")):
        shown = machine.daypass(*command)
        assert (shown.code, words in shown.err, "line" in shown.err) == (6, True, True), shown


def test_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    """AWS_CONFIG_FILE=/dev/null is a common way to disable the file; root could rename a file over it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path):
        with pytest.raises(MisconfiguredError, match="not a regular file"):
            edit(path, lambda text: text + "[x]\n")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [link, pipe]  # no lock was put beside it


def test_nothing_is_read_from_no_file(machine: Machine) -> None:
    """An empty device is read as an empty file."""
    done = machine.daypass("profile", "list", AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    assert (done.code, done.out) == (0, ""), done


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o400, 0o600])
def test_keys_are_their_owner_s_alone_after_a_write(machine: Machine, mode: int) -> None:
    """Also if the file had another mode; a read-only file is replaced if its folder is writable."""
    machine.credentials.chmod(mode)
    words = ("--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--no-input")
    machine.good("profile", "add", "new", *words, stdin="s" * 40)
    assert stat.S_IMODE(machine.credentials.stat().st_mode) == 0o600


@pytest.mark.slow
def test_the_line_ends_of_the_file_are_kept(machine: Machine) -> None:
    """A file that was written on Windows stays one."""
    text = machine.config.read_bytes().replace(b"\n", b"\r\n")
    machine.config.write_bytes(text)
    machine.good(*ADD)
    written = machine.config.read_bytes()
    assert written.startswith(text)
    assert written.count(b"\n") == written.count(b"\r\n")
    assert machine.run("aws", "sts", "get-caller-identity", "--profile", "q").code == 0


def test_a_link_into_nowhere_becomes_a_file_there(machine: Machine) -> None:
    """A symbolic link to a missing file creates that file."""
    there = machine.home / "dotfiles/aws/config"
    machine.config.unlink()
    machine.config.symlink_to(there)
    machine.good(
        "profile", "add", "x", "--role", "deploy", "--source-profile", "ann", "--endpoint-url", machine.server.url
    )
    assert machine.config.is_symlink()
    assert "[profile x]" in there.read_text()


def test_a_profile_with_keys_works_in_every_tool_as_it_is(machine: Machine) -> None:
    """Without a wrapper, option or region: the profile has all settings."""
    machine.config.unlink()
    keys = machine.credentials.read_text()
    key, secret = (line.partition(" = ")[2] for line in keys.splitlines()[1:3])
    machine.credentials.unlink()
    place = ("--endpoint-url", machine.server.url)
    machine.good("profile", "add", "mine", "--access-key-id", key, "--no-input", *place, stdin=secret)
    assert machine.run("aws", "sts", "get-caller-identity", "--profile", "mine").code == 0
