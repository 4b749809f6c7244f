"""A store with a record of every kind, its backup, and what a restore left behind.

The store is that of version 0.1.0 (tests/upgrade), whose sessions can be used.
"""

import io
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pyrage
import pytest
from click.testing import CliRunner, Result
from tests.upgrade.conftest import COPIES, recorded, then

from daypass.cli.main import cli
from daypass.config import Config
from daypass.storage.address import parse_address
from daypass.storage.backup.age_files import BackupKeys
from daypass.storage.backup.restore_backup import Replacement, RestoreKeys, RestorePlan, RestoreSummary, restore_backup
from daypass.storage.backup.restore_targets import prepare_target
from daypass.storage.backup.write_backup import BackupSource, write_backup
from daypass.storage.master_key import MasterKeySource, parse_master_key
from daypass.storage.sql.table_rows import CONTENT
from daypass.wiring_store import open_everything

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
NEW_MASTER = "11" * 32
PASSPHRASE = "correct horse battery staple"


def silent(_done: int, _total: int) -> None:
    """Show no progress."""


def back_up(url: str, *, key: str = "", advance: Any = silent) -> bytes:
    """Return a backup of a store for IDENTITY."""
    there = open_everything(Config(store=url), MasterKeySource(text=key or recorded()["master_key"]))
    out = io.BytesIO()
    try:
        source = BackupSource(there.store, there.vault, "0.2.0", then)
        write_backup(source, out, BackupKeys(recipients=(RECIPIENT,)), advance)
    finally:
        there.store.close()
    return out.getvalue()


def restore(
    content: bytes, url: str, replacement: Replacement | None = None, *, master_key: str = NEW_MASTER
) -> RestoreSummary:
    """Restore a backup under another master key."""
    address = parse_address(url)
    prepare_target(address)
    keys = RestoreKeys(identities={"identity": str(IDENTITY)})
    master = parse_master_key(master_key, source="the test")
    plan = RestorePlan(address, keys, lambda: master, replacement or Replacement())
    return restore_backup(io.BytesIO(content), plan, silent)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url) as database:
        return [tuple(row) for row in database.execute(statement.encode()).fetchall()]


def content_of(url: str, tables: Sequence[str] = (*CONTENT, "counts")) -> dict[str, list[str]]:
    """Return the rows of a store, without the wrapped data key."""
    found: dict[str, list[str]] = {name: sorted(map(repr, query(url, f"SELECT * FROM {name}"))) for name in tables}  # noqa: S608 - our names
    return {name: [row for row in rows if not row.startswith("('vault', ''")] for name, rows in found.items()}


@pytest.fixture(scope="session")
def old_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a store that tests only read."""
    with COPIES["sqlite"](tmp_path_factory.mktemp("old")) as url:
        yield url


@pytest.fixture(scope="session")
def backup(old_copy: str) -> bytes:
    """Return a backup of that store."""
    return back_up(old_copy)


def command(
    *words: str, code: int = 0, data: bytes | None = None, variables: Mapping[str, str] | None = None
) -> Result:
    """Run a command with the old master key and more variables."""
    given = {"DAYPASS_MASTER_KEY": recorded()["master_key"], "DAYPASS_AUDIT_LOG": "none", **(variables or {})}
    done = CliRunner().invoke(cli, words, env=given, input=data)
    assert done.exit_code == code, done.output
    return done


def identity_file(folder: Path) -> Path:
    """Write IDENTITY as `age-keygen` does."""
    path = folder / "identity.txt"
    path.write_text(f"# public key: {RECIPIENT}\n{IDENTITY}\n")
    path.chmod(0o600)
    return path
