"""`daypass master-key rotate` on a SQLite store: its steps, its words, and the file beside the store."""

import base64
import json
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daypass.cli.main import cli
from daypass.config import Config
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything

OLD, NEW = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return the URL of a store that does not exist yet."""
    return f"sqlite:///{tmp_path / 'daypass.db'}"


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove keys of the caller."""
    for name in ("DAYPASS_MASTER_KEY", "DAYPASS_MASTER_KEY_FILE", "DAYPASS_NEW_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)


def rotate(store: str, *words: str, environment: Mapping[str, str] | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["master-key", "rotate", "--store", store, *words], env=dict(environment or {}))


def sealed_by(store: str, text: str = "") -> bytes:
    """Seal a secret with the store's vault."""
    there = open_everything(Config(store=store), MasterKeySource(text=text))
    try:
        return there.vault.encrypt(b"secret", bound_to="a")
    finally:
        there.store.close()


def opens(store: str, sealed: bytes, text: str = "") -> bool:
    """Return whether the store opens a secret. Raises StoreOpenError for a wrong key."""
    there = open_everything(Config(store=store), MasterKeySource(text=text))
    try:
        return there.vault.decrypt(sealed, bound_to="a") == b"secret"
    finally:
        there.store.close()


def document(result: Result) -> dict[str, Any]:
    """Return the JSON of a command that succeeded."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_generated_key_is_replaced_in_its_file(store: str, tmp_path: Path) -> None:
    """The new file has mode 0600, and neither the old key nor another file is left."""
    sealed, file = sealed_by(store), tmp_path / "master.key"
    old = file.read_bytes()
    done = rotate(store)
    assert done.exit_code == 0, done.output
    assert f"{file} has a new master key." in done.output
    assert file.read_bytes() != old
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (tmp_path / "master.key.new").exists()
    assert opens(store, sealed)
    file.write_bytes(old)
    assert "was created with another one" in rotate(store).output


class KilledError(Exception):
    """The process was killed here."""


@pytest.mark.parametrize("step", ["add_master_key", "make_durable", "finish_master_key"])
def test_a_crash_leaves_a_store_that_opens(store: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step the file opens the store, and the next run ends the rotation."""

    def kill(*_: object) -> None:
        raise KilledError

    sealed = sealed_by(store)
    with monkeypatch.context() as patch:
        patch.setattr(f"daypass.storage.generated_key.{step}", kill)
        assert isinstance(rotate(store).exception, KilledError)
    assert opens(store, sealed)
    assert document(rotate(store, "--output", "json"))["NewMasterKey"] is None
    assert opens(store, sealed)


def test_a_given_key_is_rotated_in_two_steps(store: str, tmp_path: Path) -> None:
    """Between them both keys open the store, and the messages say the next step."""
    sealed = sealed_by(store, text=OLD)
    old, new = {"DAYPASS_MASTER_KEY": OLD}, {"DAYPASS_MASTER_KEY": NEW}
    refused = rotate(store, environment=old)
    assert (refused.exit_code, "DAYPASS_NEW_MASTER_KEY_FILE" in refused.output) == (6, True)
    added = document(rotate(store, "--output", "json", environment={**old, "DAYPASS_NEW_MASTER_KEY": NEW}))
    assert (added["Step"], added["NewMasterKey"]) == ("added", "key")
    assert "--finish" in added["NextStep"]
    assert opens(store, sealed, text=OLD)
    assert opens(store, sealed, text=NEW)
    assert rotate(store, "--finish", environment=old).exit_code == 6
    assert "alone opens" in rotate(store, "--finish", environment=new).output
    assert rotate(store, "--dry-run", environment=old).exit_code == 6
    assert "No rotation is under way" in rotate(store, "--finish", environment=new).output
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    steps = [each["requestParameters"]["step"] for each in events if each["eventName"] == "RotateMasterKey"]
    assert steps == ["add", "finish"]
    for secret in (OLD, NEW):
        assert secret not in (tmp_path / "audit.jsonl").read_text()


def test_a_wrong_new_key_changes_nothing(store: str, tmp_path: Path) -> None:
    """A short one, an open file, both settings, and the present key are refused before a write."""
    sealed_by(store, text=OLD)
    there = tmp_path / "new"
    there.write_text(NEW)
    there.chmod(0o644)
    before = (tmp_path / "daypass.db").read_bytes()
    for given, message in (
        ({"DAYPASS_NEW_MASTER_KEY": "short"}, "DAYPASS_NEW_MASTER_KEY is too short"),
        ({"DAYPASS_NEW_MASTER_KEY_FILE": str(there)}, "chmod 600"),
        ({"DAYPASS_NEW_MASTER_KEY_FILE": str(there), "DAYPASS_NEW_MASTER_KEY": NEW}, "both set"),
        ({"DAYPASS_NEW_MASTER_KEY": OLD}, "is the present one"),
        ({"DAYPASS_NEW_MASTER_KEY": "vault:https://h/transit/key?auth=ldap"}, "use token, kubernetes, approle"),
    ):
        done = rotate(store, environment={"DAYPASS_MASTER_KEY": OLD, **given})
        assert done.exit_code == 6
        assert message in done.output
    assert (tmp_path / "daypass.db").read_bytes() == before


def test_a_new_data_key_needs_upgraded_nodes(store: str) -> None:
    """Then each secret is encrypted again, and the old key stays for a minute."""
    sealed = sealed_by(store)
    refused = rotate(store, "--new-data-key")
    assert (refused.exit_code, "version 0.1.0" in refused.output) == (6, True)
    done = document(rotate(store, "--new-data-key", "--all-nodes-upgraded", "--output", "json"))
    assert (done["Step"], done["DataKeys"], done["Secrets"]["Older"] > 0) == ("resealed", 2, True)
    assert document(rotate(store, "--dry-run", "--output", "json"))["Secrets"]["Older"] == 0
    early = rotate(store, "--finish")
    assert early.exit_code == 6
    assert "repeat the command in" in early.output
    assert opens(store, sealed)
    assert "another" not in rotate(store, "--dry-run").output


def test_two_steps_at_once_are_refused(store: str) -> None:
    """It is a mistake of the command line."""
    done = rotate(store, "--finish", "--cancel")
    assert (done.exit_code, "Give one of" in done.output) == (2, True)
