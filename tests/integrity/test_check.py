"""`daypass check` accepts a whole store, and names each kind of damage."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.backup.conftest import command
from tests.upgrade.conftest import COPIES, sqlite_copy

from daypass.cli.shared.exit_codes import Exit
from daypass.directory.records import KINDS
from daypass.integrity.contents import SECRETS
from daypass.integrity.findings import CHECKS, MOST_FINDINGS, Findings
from daypass.integrity.link_ends import ENDS
from daypass.integrity.references import REFERENCES

Damage = Callable[[sqlite3.Connection], Any]


@pytest.mark.parametrize("kind", COPIES)
def test_a_store_with_a_record_of_every_kind_is_whole(kind: str, tmp_path: Path) -> None:
    """Each check passes on the store that version 0.1.0 wrote."""
    with COPIES[kind](tmp_path) as url:
        found = json.loads(command("check", "--store", url, "--output", "json").stdout)
    assert (found["Outcome"], found["Code"]) == ("accepted", None), found
    assert [(each["Name"], each["Outcome"]) for each in found["Checks"]] == [(name, "passed") for name in CHECKS]


def _run(*statements: str) -> Damage:
    return lambda connection: [connection.execute(statement) for statement in statements]


def _change(kind: str, change: Callable[[dict[str, Any]], object], where: str = "1") -> Damage:
    """Return the change of the first record of a kind."""

    def damage(connection: sqlite3.Connection) -> None:
        rows = connection.execute(
            f"SELECT rowid, body FROM records WHERE kind = ? AND {where} ORDER BY key",  # noqa: S608 - ours
            (kind,),
        )
        row, body = rows.fetchone()
        content = json.loads(body)
        change(content)
        connection.execute("UPDATE records SET body = ? WHERE rowid = ?", (json.dumps(content).encode(), row))

    return damage


def _swap_secrets(kind: str, member: str) -> Damage:
    """Move a secret to another owner."""

    def damage(connection: sqlite3.Connection) -> None:
        (first, one), (second, two) = connection.execute(
            "SELECT rowid, body FROM records WHERE kind = ? ORDER BY key LIMIT 2", (kind,)
        ).fetchall()
        a, b = json.loads(one), json.loads(two)
        a[member], b[member] = b[member], a[member]
        for row, content in ((first, a), (second, b)):
            connection.execute("UPDATE records SET body = ? WHERE rowid = ?", (json.dumps(content).encode(), row))

    return damage


_HAS_INLINE = "CAST(body AS TEXT) LIKE '%\"inline\":{%'"
DAMAGES: dict[str, tuple[str, str, str, Damage]] = {
    # What was damaged: the check, words of the subject, words of the reason, the damage.
    "body": ("records", "user ", "unreadable", _run("UPDATE records SET body = x'7b' WHERE kind = 'user'")),
    "kind": ("records", "novel ", "unknown", _run("UPDATE records SET kind = 'novel' WHERE kind = 'account_alias'")),
    "names": (
        "records",
        ":user/",
        "names of another record",
        _run("UPDATE records SET sort = sort || '-other' WHERE kind = 'user'"),
    ),
    "moved secret": ("secrets", "access_key ", "does not open", _swap_secrets("access_key", "sealed_secret")),
    "moved sealing key": ("secrets", "sealing_key ", "does not open", _swap_secrets("sealing_key", "sealed_secret")),
    "seed": ("secrets", "mfa_device ", "does not open", _swap_secrets("mfa_device", "sealed_seed")),
    "user of a key": (
        "references",
        "access_key ",
        "the user AIDAGONE",
        _change("access_key", lambda each: each.update(owner="AIDAGONE")),
    ),
    "account": ("references", ":role/", "the account", _run("DELETE FROM records WHERE kind = 'account'")),
    "boundary": (
        "references",
        ":role/",
        "permissions boundary",
        _change("role", lambda each: each.update(boundary="arn:aws:iam::444455556666:policy/gone")),
    ),
    "role of a profile": (
        "references",
        ":instance-profile/",
        "the role AROAGONE",
        _change("instance_profile", lambda each: each.update(role="AROAGONE")),
    ),
    "unit": ("references", "unit ", "the parent ou-gone", _change("unit", lambda each: each.update(parent="ou-gone"))),
    "inline policy": (
        "policies",
        "arn:aws:iam::",
        "does not compile",
        _change("user", lambda each: each["inline"].update({next(iter(each["inline"])): "{"}), _HAS_INLINE),
    ),
    "trust policy": (
        "policies",
        ":role/",
        "the trust policy does not compile",
        _change("role", lambda each: each.update(trust='{"Version": "2012-10-17", "Statement": [{"Effect": "x"}]}')),
    ),
    "managed policy": (
        "policies",
        ":policy/",
        "does not compile",
        _change("policy", lambda each: each["versions"][0].update(document="[]")),
    ),
    "group of a member": ("links", "member from", "target", _run("DELETE FROM records WHERE kind = 'group'")),
    "attached policy": ("links", "attached from", "target", _run("DELETE FROM records WHERE kind = 'policy'")),
    "kind of a link": ("links", "novel from", "unknown", _run("UPDATE links SET kind = 'novel' WHERE kind = 'member'")),
    "count": (
        "counts",
        "role of account",
        "quotas are wrong",
        _run("UPDATE counts SET number = 7000 WHERE kind = 'role'"),
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of a whole store with all additions."""
    with sqlite_copy(tmp_path_factory.mktemp("whole")) as url:
        command("check", "--store", url)
        path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        return path.read_bytes()


@pytest.mark.parametrize("name", DAMAGES)
def test_each_kind_of_damage_is_named(name: str, whole: bytes, tmp_path: Path) -> None:
    """The finding has the ARN of the record, the reason and a remedy, and the exit code says so."""
    check, subject, why, damage = DAMAGES[name]
    path = tmp_path / "daypass.db"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as connection:
        damage(connection)
        connection.commit()
    done = command("check", "--store", f"sqlite:///{path}", "--output", "json", code=Exit.EXPIRED)
    found = json.loads(done.stdout)
    assert (found["Outcome"], found["Code"]) == ("refused", "StoreDamaged")
    of_check = [each for each in found["Checks"] if each["Name"] == check and each["Outcome"] == "failed"]
    matching = [each for each in of_check if subject in each["Subject"] and why in each["Why"]]
    assert matching, of_check
    assert all(each["Hint"] for each in matching)


def test_a_damaged_page_is_found_by_sqlite_itself(whole: bytes, tmp_path: Path) -> None:
    """An index that lacks a row would hide a record."""
    path = tmp_path / "daypass.db"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'links_kind_target_source ON links (kind, target, source)',"
            " 'links_kind_target_source ON links (kind, source, target)') WHERE name = 'links_kind_target_source'"
        )
        connection.commit()
    shown = command("check", "--store", f"sqlite:///{path}", code=Exit.EXPIRED).stdout
    assert "FAIL  database" in shown
    assert "restore a backup" in shown


def test_each_kind_of_record_and_link_has_its_row() -> None:
    """A new type of entity needs a decision about its references."""
    assert set(REFERENCES) == set(KINDS)
    assert set(SECRETS) <= set(KINDS)
    sealed = {type_ for type_ in KINDS if any("sealed" in name for name in type_.__struct_fields__)}
    assert sealed <= set(SECRETS)
    assert len(ENDS) == 12


def test_findings_are_bounded() -> None:
    """A store with a million damaged parts does not fill the memory."""
    findings = Findings()
    for number in range(MOST_FINDINGS + 5):
        findings.add("links", str(number), "why", "hint")
    assert len(findings.of("links")) == MOST_FINDINGS
    assert findings.numbers["links"] == MOST_FINDINGS + 5
