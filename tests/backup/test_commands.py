"""`daypass backup` and `daypass restore`, as an operator runs them."""

import json
import stat
from pathlib import Path

import pyrage
from tests.backup.conftest import (
    IDENTITY,
    NEW_MASTER,
    PASSPHRASE,
    RECIPIENT,
    command,
    content_of,
    identity_file,
    query,
)
from tests.upgrade.conftest import recorded

from daypass.cli.shared.exit_codes import Exit


def test_a_backup_with_a_passphrase_is_restored_under_a_new_master_key(old_copy: str, tmp_path: Path) -> None:
    """The file is private, the old master key is not needed, and both commands leave an audit event."""
    file, log = tmp_path / "daypass.backup", tmp_path / "audit.jsonl"
    given = {"DAYPASS_BACKUP_PASSPHRASE": PASSPHRASE, "DAYPASS_AUDIT_LOG": str(log)}
    told = json.loads(command("backup", str(file), "--store", old_copy, "--output", "json", variables=given).stdout)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (told["Bytes"], told["Rows"]["records"]) == (file.stat().st_size, query(old_copy, _COUNT)[0][0] - 1)
    assert "the master key" in told["NotIncluded"]
    content = file.read_bytes()
    assert content.startswith(b"daypass-backup 1\n")
    assert recorded()["master_key"].encode() not in content

    new = f"sqlite:///{tmp_path}/elsewhere/daypass.db"
    wrong = {**given, "DAYPASS_BACKUP_PASSPHRASE": f"{PASSPHRASE}!", "DAYPASS_MASTER_KEY": NEW_MASTER}
    refused = command("restore", str(file), "--store", new, code=Exit.CONFIGURATION, variables=wrong)
    assert "the passphrase does not open this backup" in refused.output

    words = ("restore", str(file), "--store", new, "--output", "json")
    answer = json.loads(command(*words, variables={**given, "DAYPASS_MASTER_KEY": ""}).stdout)
    assert answer["RevokedAll"] is False
    assert answer["Unknown"]["From"] == told["Created"] == answer["Created"]
    assert any("revoke" in note for note in answer["Unknown"]["Notes"])
    assert content_of(new) == content_of(old_copy)
    key = tmp_path / "elsewhere/master.key"
    assert stat.S_IMODE(key.stat().st_mode) == stat.S_IMODE(key.with_name("daypass.db").stat().st_mode) == 0o600
    assert sorted(each.name for each in key.parent.iterdir()) == ["daypass.db", "master.key"]
    command("account", "list", "--store", new, variables={"DAYPASS_MASTER_KEY": ""})

    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["eventName"], each["eventSource"]) for each in events] == [
        ("Backup", "daypass"),
        ("Restore", "daypass"),
    ]
    assert events[0]["requestParameters"]["sha256"] == told["Sha256"]
    assert events[1]["requestParameters"]["revokedAll"] is False
    assert events[0]["userAgent"].startswith("daypass backup by ")


_COUNT = "SELECT count(*) FROM records"


def test_a_backup_travels_through_pipes_for_a_recipient(old_copy: str, tmp_path: Path) -> None:
    """Standard output has the backup alone, and `sed` and `age` open it."""
    made = command("backup", "-", "--store", old_copy, "--recipient", RECIPIENT)
    assert "Backed up revision" in made.stderr
    assert "the audit log" in made.stderr
    body = made.stdout_bytes[made.stdout_bytes.index(b"\n\n") + 2 :]
    assert pyrage.decrypt(body, [IDENTITY])
    new = f"sqlite:///{tmp_path}/new.db"
    words = ("restore", "-", "--store", new, "--identity", str(identity_file(tmp_path)))
    told = command(*words, "--revoke-all", data=made.stdout_bytes).stdout
    assert "Every session and sign-in that was issued until now has ended." in told
    assert len(query(new, "SELECT 1 FROM records WHERE kind = 'sealing_key'")) == 1
    assert content_of(new, ["claims", "last_uses"]) == content_of(old_copy, ["claims", "last_uses"])


def test_nothing_is_overwritten(old_copy: str, tmp_path: Path) -> None:
    """Yesterday's backup stays."""
    file = tmp_path / "daypass.backup"
    file.write_text("yesterday")
    refused = command("backup", str(file), "--store", old_copy, "--recipient", RECIPIENT, code=Exit.CONFIGURATION)
    assert "exists already: choose another name" in refused.output
    assert file.read_text() == "yesterday"
    assert list(tmp_path.iterdir()) == [file]


def test_each_missing_or_unusable_key_is_named(old_copy: str, tmp_path: Path, backup: bytes) -> None:
    """The message says which option or variable to use."""
    words = ("backup", str(tmp_path / "b"), "--store", old_copy)
    assert "set DAYPASS_BACKUP_PASSPHRASE" in command(*words, code=Exit.CONFIGURATION).output
    short = command(*words, code=Exit.CONFIGURATION, variables={"DAYPASS_BACKUP_PASSPHRASE": "x" * 15})
    assert "at least 16 characters" in short.output
    for recipient, why in (("age1x", "not an age recipient"), (str(IDENTITY), "got a secret key")):
        refused = command(*words, "--recipient", recipient, code=Exit.CONFIGURATION)
        assert why in refused.output
        assert str(IDENTITY) not in refused.output
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    file.chmod(0o644)
    opened = command(*words, code=Exit.CONFIGURATION, variables={"DAYPASS_BACKUP_PASSPHRASE_FILE": str(file)})
    assert "is open to other users: run `chmod 600" in opened.output
    both = {"DAYPASS_BACKUP_PASSPHRASE": PASSPHRASE, "DAYPASS_BACKUP_PASSPHRASE_FILE": str(file)}
    assert "both set" in command(*words, code=Exit.CONFIGURATION, variables=both).output

    saved = tmp_path / "saved"
    saved.write_bytes(backup)
    back = ("restore", str(saved), "--store", f"sqlite:///{tmp_path}/r.db")
    assert "use --identity FILE" in command(*back, code=Exit.CONFIGURATION).output
    empty = tmp_path / "empty"
    empty.touch(0o600)
    assert "has no age identity" in command(*back, "--identity", str(empty), code=Exit.CONFIGURATION).output
    assert "does not exist" not in command("restore", str(tmp_path), *back[2:], code=Exit.CONFIGURATION).output
    assert "cannot be read" in command("restore", str(tmp_path / "no"), *back[2:], code=Exit.CONFIGURATION).output
    saved.write_bytes(backup[:-1])
    cut = command(*back, "--identity", str(identity_file(tmp_path)), code=Exit.CONFIGURATION)
    assert f"{saved} is not a complete backup: it was cut or changed" in cut.output
    assert not (tmp_path / "r.db").exists()


def test_a_store_in_memory_has_no_backup(tmp_path: Path, backup: bytes) -> None:
    """It is refused by name."""
    words = ("--store", "memory:")
    made = command("backup", str(tmp_path / "b"), *words, "--recipient", RECIPIENT, code=Exit.CONFIGURATION)
    assert "a store in memory ends with its process" in made.output
    (tmp_path / "saved").write_bytes(backup)
    key = ("--identity", str(identity_file(tmp_path)))
    back = command("restore", str(tmp_path / "saved"), *words, *key, code=Exit.CONFIGURATION)
    assert "a store in memory ends with its process" in back.output
