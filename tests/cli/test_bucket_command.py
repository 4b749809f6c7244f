"""`daypass bucket` lists, records and removes the buckets of accounts."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.documents import allow, document

from daypass.cli.main import cli

ACCOUNT, OTHER = "123456789012", "210987654321"
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def run(store: str, *words: str, given: str | None = None) -> Result:
    """Run a command on a store."""
    return CliRunner().invoke(cli, [*words, "--store", store], input=given)


def listed(store: str, *words: str) -> list[dict[str, Any]]:
    """Return the recorded buckets."""
    found: list[dict[str, Any]] = json.loads(run(store, "bucket", "list", "--output", "json", *words).stdout)["Buckets"]
    return found


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return a store with two accounts."""
    url = f"sqlite:///{tmp_path / 'd.db'}"
    for account in (ACCOUNT, OTHER):
        assert run(url, "account", "create", "--id", account, "--standalone").exit_code == 0
    return url


def reading(*principals: str) -> str:
    """Return a bucket policy."""
    return document(allow("s3:GetObject", "arn:aws:s3:::data/*", Principal={"AWS": list(principals)}))


def test_a_bucket_is_recorded_changed_and_removed(store: str, tmp_path: Path) -> None:
    """Options that are not given leave the record as it is."""
    made = run(store, "bucket", "set", "data", "--account", ACCOUNT, "--backend", "ceph1", "--region", "eu-west-1")
    assert made.exit_code == 0, made.output
    bucket = listed(store)[0]
    assert bucket.pop("CreateDate").startswith("20")
    expected = {
        "Name": "data",
        "AccountId": ACCOUNT,
        "Backend": "ceph1",
        "Region": "eu-west-1",
        "State": "active",
        "Policy": None,
        "IsPublic": False,
        "PublicAccessBlock": BLOCKED,
    }
    assert bucket == expected
    policy = tmp_path / "policy.json"
    policy.write_text(reading(OTHER))
    changed = run(store, "bucket", "set", "data", "--policy", str(policy), "--output", "json")
    shown = json.loads(changed.stdout)
    shown.pop("CreateDate")
    assert shown == {**expected, "Policy": json.loads(reading(OTHER))}
    assert run(store, "bucket", "set", "data", "--no-policy", "--no-public-access-block").exit_code == 0
    assert listed(store)[0]["Policy"] is None
    assert listed(store)[0]["PublicAccessBlock"] == dict.fromkeys(BLOCKED, False)
    assert run(store, "bucket", "remove", "data").exit_code == 0
    assert listed(store) == []


def test_a_public_policy_is_marked(store: str) -> None:
    """The list says what anonymous callers may see."""
    assert run(store, "bucket", "set", "data", "--account", ACCOUNT, "--policy", "-", given=reading("*")).exit_code == 0
    assert listed(store)[0]["IsPublic"] is True
    assert "public policy" in run(store, "bucket", "list").stdout


def test_the_list_of_one_account(store: str) -> None:
    """Without --account all buckets are listed."""
    for name, account in (("data", ACCOUNT), ("logs", OTHER), ("Old_Name", OTHER)):
        assert run(store, "bucket", "set", name, "--account", account).exit_code == 0
    assert [one["Name"] for one in listed(store, "--account", OTHER)] == ["Old_Name", "logs"]
    assert len(listed(store)) == 3


@pytest.mark.parametrize(
    ("words", "given", "code", "says"),
    [
        (("new",), None, 6, "--account"),
        (("new", "--account", "111111111111"), None, 6, "does not exist"),
        (("a/b", "--account", ACCOUNT), None, 6, "not a valid bucket name"),
        (("theirs", "--account", ACCOUNT), None, 6, f"belongs to account {OTHER}"),
        (("theirs", "--policy", "-"), "{", 6, "must be valid JSON"),
        (("theirs", "--policy", "-"), " ", 6, "--no-policy"),
        (("theirs", "--policy", "-"), reading(OTHER), 6, "Policy has invalid resource"),
        (("theirs", "--policy", "-", "--no-policy"), None, 2, "cannot be used together"),
    ],
)
def test_an_invalid_record_is_refused(
    store: str, words: tuple[str, ...], given: str | None, code: int, says: str
) -> None:
    """The message says what to do, and the store is unchanged."""
    assert run(store, "bucket", "set", "theirs", "--account", OTHER).exit_code == 0
    before = listed(store)
    refused = run(store, "bucket", "set", *words, given=given)
    assert (refused.exit_code, says in refused.output) == (code, True), refused.output
    assert listed(store) == before


def test_an_unknown_principal_is_named(store: str) -> None:
    """An operator may know which principals exist."""
    missing = f"arn:aws:iam::{OTHER}:role/missing"
    refused = run(store, "bucket", "set", "data", "--account", ACCOUNT, "--policy", "-", given=reading(missing))
    assert (refused.exit_code, missing in refused.output) == (6, True)
    assert listed(store) == []


def test_only_a_recorded_bucket_is_removed(store: str) -> None:
    """The message names the command that lists them."""
    refused = run(store, "bucket", "remove", "data")
    assert (refused.exit_code, "daypass bucket list" in refused.output) == (6, True)
    assert "daypass bucket set" in run(store, "bucket", "list").stderr
