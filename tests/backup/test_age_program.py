"""The program age opens what `daypass backup` writes, and its keys open a backup for `daypass restore`."""

import os
import pty
import subprocess
from pathlib import Path

import pyrage
import pytest
from tests.backup.conftest import IDENTITY, PASSPHRASE, RECIPIENT, command, content_of, identity_file
from tests.components import find_program

pytestmark = [pytest.mark.slow, pytest.mark.component("age")]

# As docs/backup.md has them.
_IDENTITY = "sed -n '/BEGIN AGE/,/END AGE/p' daypass.backup > identity.age"
_ARCHIVE = "sed '1,/^$/d' daypass.backup | age -d -i {key} > archive"


def _program(name: str) -> str:
    program = find_program(name)
    assert program is not None
    return program


def _at_a_terminal(script: str, folder: Path, answer: str) -> int:
    """Run a script that asks for a passphrase, and return its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv("/bin/sh", ["sh", "-c", script])  # noqa: S606 - a shell, as an operator has
    shown = b""
    while b"passphrase" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, f"{answer}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return code


def test_a_key_of_age_restores_a_backup(old_copy: str, tmp_path: Path) -> None:
    """`age-keygen` makes the pair, and the file that it writes opens the backup."""
    key, file, new = tmp_path / "backup-key.txt", tmp_path / "daypass.backup", f"sqlite:///{tmp_path}/new.db"
    made = subprocess.run([_program("age-keygen"), "-o", str(key)], capture_output=True, text=True, check=True)
    recipient = made.stderr.partition("Public key: ")[2].strip()
    command("backup", str(file), "--store", old_copy, "--recipient", recipient)
    command("restore", str(file), "--store", new, "--identity", str(key))
    assert content_of(new) == content_of(old_copy)


def test_age_opens_a_backup_for_a_recipient(old_copy: str, tmp_path: Path) -> None:
    """The archive that it writes is the one that the library reads."""
    command("backup", str(tmp_path / "daypass.backup"), "--store", old_copy, "--recipient", RECIPIENT)
    key = identity_file(tmp_path)
    subprocess.run(["/bin/sh", "-c", _ARCHIVE.format(key=key)], cwd=tmp_path, check=True, timeout=60)
    body = (tmp_path / "daypass.backup").read_bytes().partition(b"\n\n")[2]
    assert (tmp_path / "archive").read_bytes() == pyrage.decrypt(body, [IDENTITY])


def test_age_opens_a_backup_with_a_passphrase(old_copy: str, tmp_path: Path) -> None:
    """The key in the head is a file that age opens with the passphrase, and with no other."""
    given = {"DAYPASS_BACKUP_PASSPHRASE": PASSPHRASE}
    command("backup", str(tmp_path / "daypass.backup"), "--store", old_copy, variables=given)
    script = f"{_IDENTITY} && {_ARCHIVE.format(key='identity.age')} && test -s archive"
    assert _at_a_terminal(script, tmp_path, f"{PASSPHRASE}!") != 0
    assert _at_a_terminal(script, tmp_path, PASSPHRASE) == 0
    assert (tmp_path / "archive").stat().st_size > 1000
