"""Restores that are killed, and large stores."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.backup.conftest import PASSPHRASE
from tests.large_stores import Shape, open_store
from tests.process.daypass import BIN, ROOT, clean_environment, run
from tests.storage.postgresql import fresh_database

from daypass.cli.shared.exit_codes import Exit

pytestmark = pytest.mark.slow
GIVEN = {**ROOT, "DAYPASS_MASTER_KEY": "22" * 32, "DAYPASS_AUDIT_LOG": "none", "DAYPASS_BACKUP_PASSPHRASE": PASSPHRASE}


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty store."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/daypass.db"
    else:
        with fresh_database() as url:
            yield url


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_killed_restore_leaves_no_store(kind: str, tmp_path: Path) -> None:
    """Half of a large backup arrived. The next attempt succeeds."""
    source, file = f"sqlite:///{tmp_path}/source.db", tmp_path / "daypass.backup"
    environment = {**GIVEN, "DAYPASS_MASTER_KEY": "33" * 32}
    os.environ["DAYPASS_MASTER_KEY"] = environment["DAYPASS_MASTER_KEY"]
    try:
        filled = open_store(source)
        Shape(300, 10, 10).fill(filled)
        filled.close()
    finally:
        del os.environ["DAYPASS_MASTER_KEY"]
    assert run("backup", str(file), "--store", source, environment=environment).returncode == Exit.OK
    content = file.read_bytes()
    folder = tmp_path / "there"
    folder.mkdir()
    with store_of(kind, folder) as url:
        process = subprocess.Popen(
            [str(BIN), "restore", "-", "--store", url],
            env=clean_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        # The pipe takes 64 KiB, so the process has read the rest when this returns.
        process.stdin.write(content[:-1])
        process.stdin.flush()
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        process.stdin.close()
        if kind == "sqlite":
            assert not (folder / "daypass.db").exists()
        assert run("restore", str(file), "--store", url, environment=environment).returncode == Exit.OK
        assert run("check", "--store", url, environment=environment).returncode == Exit.OK


def test_a_large_store_needs_little_memory(tmp_path: Path) -> None:
    """1,000 accounts with 10,000 roles take less than 300 MiB, most of it for scrypt."""
    url, file = f"sqlite:///{tmp_path}/daypass.db", tmp_path / "daypass.backup"
    filled = open_store(url)
    Shape(1000, 10, 10).fill(filled)
    filled.close()
    environment = {**GIVEN, "DAYPASS_MASTER_KEY": ""}
    program = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    for words in (
        ("backup", str(file), "--store", url, "--output", "json"),
        ("restore", str(file), "--store", f"sqlite:///{tmp_path}/new/daypass.db", "--output", "json"),
        ("check", "--store", url),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, str(BIN), *words],
            env=clean_environment(environment),
            capture_output=True,
            text=True,
            check=True,
        )
        code, kilobytes = done.stdout.splitlines()[-1].split()
        assert (int(code), int(kilobytes) < 300 * 1024) == (0, True), done
