"""Operators' commands on a store and with files of version 0.1.0."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.refusals import refused
from tests.upgrade.conftest import DATA, MEMBER, command, recorded, upgraded

IDENTITY, DETAILS = DATA / "identity.yaml", DATA / "account-details.json"
EVERYTHING_IS_THERE = {"Create": 0, "Change": 0, "Delete": 0}


def summary(store: str, *words: str) -> dict[str, int]:
    """Return the numbers of creations, changes and deletions of a command."""
    shown = json.loads(command(store, *words, "--output", "json").stdout)
    counted = dict.fromkeys(EVERYTHING_IS_THERE, 0)
    for change in shown["Changes"]:
        counted[change["Action"].capitalize()] += 1
    return counted


def test_the_old_file_changes_nothing_in_the_old_store(old_store: str) -> None:
    """A file that was applied before the upgrade has no changes: its marks and secrets still count."""
    assert summary(old_store, "apply", str(IDENTITY)) == EVERYTHING_IS_THERE


def test_the_old_file_makes_a_new_store(tmp_path: Path) -> None:
    """Every field of the old format is read, and a second apply makes no changes."""
    store = f"sqlite:///{tmp_path}/new.db"
    planned = summary(store, "apply", str(IDENTITY), "--dry-run")
    assert planned["Create"] > 20
    assert summary(store, "apply", str(IDENTITY)) == planned
    assert summary(store, "apply", str(IDENTITY)) == EVERYTHING_IS_THERE


def test_a_member_that_leaves_the_old_file_is_deleted(old_sqlite: str, tmp_path: Path) -> None:
    """Ownership survives the upgrade: an entity that the file created is deleted when the file no longer names it."""
    changed = tmp_path / "identity.yaml"
    text = IDENTITY.read_text()
    before, after = text.index("      people-too:\n"), text.index("      pipeline:\n")
    changed.write_text(text[:before] + text[after:])
    assert summary(old_sqlite, "apply", str(changed)) == {**EVERYTHING_IS_THERE, "Delete": 1}


def test_the_old_account_is_imported_where_it_went(old_sqlite: str) -> None:
    """The origin is recorded, and the same import again makes no changes."""
    shown = json.loads(command(old_sqlite, "import", str(DETAILS), "--rewrite", "--output", "json").stdout)
    assert shown["AccountId"] == "777788889999"
    assert EVERYTHING_IS_THERE.items() <= shown["Summary"].items()


def test_old_keys_are_listed(old_sqlite: str) -> None:
    """These are the sealing keys, those that sign web identity tokens and notifications, and those of SAML requests."""
    shown = json.loads(command(old_sqlite, "keys", "list", "--output", "json").stdout)["Keys"]
    purposes = [key["Purpose"] for key in shown]
    assert {purpose: purposes.count(purpose) for purpose in set(purposes)} == {"sealing": 2, "signing": 6, "saml": 1}


def test_old_sessions_are_revoked(old_sqlite: str) -> None:
    """They are revoked by their issuing key, with their descendants.

    Others stay.
    """
    with upgraded(old_sqlite) as there:
        before = ("--issued-before", "2100-01-01T00:00:00Z")
        there.command("sessions", "revoke", "--access-key", "AKIAUPGRADE03EXAMPLE", *before)
        sessions = recorded()["sessions"]
        for name in ("session token", "role", "chained role", "federation"):
            refusal = refused(there.client("sts", sessions[name]["keys"]).get_caller_identity)
            assert refusal.code == "InvalidClientTokenId"
        for name in ("saml", "web identity", "root", "session token with mfa"):
            assert there.client("sts", sessions[name]["keys"]).get_caller_identity()
        there.command("sessions", "revoke", "--role", "people", "--account", MEMBER, *before)
        there.server.clock.move(timedelta(seconds=1))
        assert refused(there.client("iam", sessions["saml"]["keys"]).list_users).code == "AccessDenied"


@pytest.mark.parametrize("words", [["organization", "show"], ["account", "list"], ["saml", "providers"], ["export"]])
def test_old_content_is_shown(old_sqlite: str, words: list[str]) -> None:
    """Every list command shows it."""
    assert command(old_sqlite, *words).stdout


def test_an_export_of_the_old_store_is_applied(old_sqlite: str, tmp_path: Path) -> None:
    """An export of the old store creates an equal store."""
    exported = tmp_path / "exported.yaml"
    exported.write_text(command(old_sqlite, "export").stdout)
    assert summary(old_sqlite, "apply", str(exported))["Delete"] == 0
