"""`daypass explain` reads the policy of a recorded bucket."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tests.documents import allow, deny, document

from daypass.cli.main import cli

OWNER, OTHER = "111122223333", "444455556666"
OBJECT, OBJECTS = "arn:aws:s3:::data/key", "arn:aws:s3:::data/*"
READ = allow("s3:GetObject", OBJECTS)


def user(account: str, name: str = "ann") -> str:
    """Return the ARN of a user."""
    return f"arn:aws:iam::{account}:user/{name}"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return a store with a bucket, its policy, and users of two accounts."""
    statements = [
        {**READ, "Principal": {"AWS": [user(OTHER), user(OWNER)]}, "Sid": "Named"},
        deny("s3:GetObject", "arn:aws:s3:::data/secret/*", Principal="*", Sid="Secret"),
        {**READ, "Principal": "*", "Sid": "All", "Resource": "arn:aws:s3:::data/public/*"},
    ]
    reader = {"inline": {"own": json.loads(document(allow("s3:*")))}}
    accounts: dict[str, Any] = {
        OWNER: {"users": {"ann": {}, "bob": {}}, "buckets": {"data": {"policy": json.loads(document(*statements))}}},
        OTHER: {"users": {"ann": reader, "bob": {}}},
    }
    accounts[OWNER]["buckets"]["data"]["publicAccessBlock"] = {"restrictPublicBuckets": False}
    file = tmp_path / "f.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "accounts": accounts}))
    url = f"sqlite:///{tmp_path / 'd.db'}"
    applied = CliRunner().invoke(cli, ["apply", str(file), "--store", url])
    assert applied.exit_code == 0, applied.output
    return url


def explained(store: str, principal: str, resource: str = OBJECT, action: str = "s3:GetObject") -> Any:
    """Return the explanation of a request."""
    words = ["explain", "--principal", principal, "--action", action, "--resource", resource, "--output", "json"]
    result = CliRunner().invoke(cli, [*words, "--store", store])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("principal", "resource", "expected"),
    [
        (user(OWNER), OBJECT, "allowed"),
        (user(OWNER, "bob"), OBJECT, "implicitDeny"),
        (user(OWNER, "bob"), "arn:aws:s3:::data/public/x", "allowed"),
        (user(OTHER), OBJECT, "allowed"),
        (user(OTHER), "arn:aws:s3:::data/secret/x", "explicitDeny"),
        (user(OTHER, "bob"), "arn:aws:s3:::data/public/x", "implicitDeny"),
        (user(OTHER), "arn:aws:s3:::data", "implicitDeny"),
        (user(OTHER), "arn:aws:s3:::unknown/key", "allowed"),
    ],
)
def test_the_bucket_policy_decides_too(store: str, principal: str, resource: str, expected: str) -> None:
    """A bucket that is not recorded is taken as one of the caller's account."""
    assert explained(store, principal, resource)["Decision"] == expected


def test_a_restricted_public_bucket_is_explained_without_its_policy(store: str) -> None:
    """The public access block cuts other accounts off."""
    words = ["bucket", "set", "data", "--public-access-block", "--store", store]
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert explained(store, user(OTHER))["Decision"] == "implicitDeny"
    assert explained(store, user(OWNER))["Decision"] == "allowed"


def test_the_text_names_the_statement(store: str) -> None:
    """The policy of the bucket is named as such."""
    words = ["explain", "--principal", user(OTHER), "--action", "s3:GetObject", "--resource"]
    result = CliRunner().invoke(cli, [*words, "arn:aws:s3:::data/secret/x", "--store", store])
    assert "Secret" in result.stdout
    assert "bucket-policy" in result.stdout
