"""Importing buckets from the answers of `aws s3api`."""

import json
from typing import Any

import pytest
from tests.apply.directory import Directory
from tests.documents import allow, deny, document
from tests.importing.details import ORIGIN, page, role, trust
from tests.importing.test_import import HERE, brought, found, make, reasons

from daypass.apply.file.nodes import ApplyFileError
from daypass.directory.buckets import find_bucket
from daypass.directory.entities.bucket_entities import StoredBucket

READER = f"arn:aws:iam::{ORIGIN}:role/reader"
ROLES = page(roles=[role("reader", trust(AWS=ORIGIN))])


def buckets(*names: str, **more: Any) -> str:
    """Return the answer of list-buckets."""
    listed = [{"Name": name, "CreationDate": "2024-01-01T00:00:00+00:00", **more} for name in names]
    return json.dumps({"Buckets": listed, "Owner": {"ID": "a" * 64}})


def policies(**by_bucket: Any) -> str:
    """Return the answers of get-bucket-policy by bucket."""
    return json.dumps({"BucketPolicies": {name: {"Policy": text} for name, text in by_bucket.items()}})


def reading(*principals: str, **more: Any) -> str:
    """Return a bucket policy."""
    return document(allow("s3:GetObject", "arn:aws:s3:::data/*", Principal={"AWS": list(principals)}, **more))


def stored(directory: Directory, name: str = "data") -> StoredBucket:
    """Return the record of a bucket."""
    with directory.there.store.read() as reader:
        bucket = find_bucket(reader, name)
    assert bucket is not None
    return bucket


def test_buckets_come_with_their_policies_and_blocks() -> None:
    """The account id is replaced in the policy, as in every other document."""
    directory = Directory()
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False}
    blocks = json.dumps({"PublicAccessBlocks": {"data": {"PublicAccessBlockConfiguration": block}}})
    text = ROLES + buckets("data", "plain", BucketRegion="eu-west-1") + policies(data=reading(READER, ORIGIN)) + blocks
    imported = brought(directory, text, rewrite=True, backend="ceph1")
    data = found(directory, "bucket", "data")
    assert data.value("policy") == json.loads(reading(f"arn:aws:iam::{HERE}:role/reader", HERE))
    assert (data.value("backend"), data.value("region")) == ("ceph1", "eu-west-1")
    assert data.value("publicAccessBlock") == {
        "blockPublicAcls": True,
        "ignorePublicAcls": True,
        "blockPublicPolicy": False,
        "restrictPublicBuckets": False,
    }
    assert "AROA" in stored(directory).policy
    assert found(directory, "bucket", "plain").value("policy") is None
    assert "bucket" not in reasons(imported)
    assert brought(directory, text, rewrite=True, backend="ceph1").outcome.plan.changes == ()


@pytest.mark.parametrize(
    "policy",
    [
        "{",
        None,
        document(deny("s3:*", "arn:aws:s3:::other/*", Principal="*")),
        document(deny("s3:*", "arn:aws:s3:::data/*", Principal={"CanonicalUser": "a" * 64})),
        document(allow("s3:*", "arn:aws:s3:::data/*", Principal={"AWS": "arn:aws:iam::cloudfront:user/x"})),
    ],
)
def test_an_unreadable_policy_denies_everything(policy: Any) -> None:
    """It may have been a Deny."""
    directory = Directory()
    imported = brought(directory, ROLES + buckets("data") + policies(data=policy))
    statement = found(directory, "bucket", "data").value("policy")["Statement"][0]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert "bucket data: its policy is not valid" in reasons(imported)


def test_a_principal_that_does_not_exist_never_matches() -> None:
    """Without --rewrite, the account of the file is another one."""
    directory = Directory()
    imported = brought(directory, ROLES + policies(data=reading(READER)))
    assert READER not in stored(directory).policy
    assert found(directory, "bucket", "data").unresolved == {READER}
    assert READER in reasons(imported)


def test_an_unreadable_block_blocks_everything() -> None:
    """An answer of another form is not believed."""
    directory = Directory()
    blocks = {"PublicAccessBlocks": {"data": {"PublicAccessBlockConfiguration": {"BlockPublicAcls": "no"}}}}
    imported = brought(directory, ROLES + json.dumps(blocks))
    assert set(found(directory, "bucket", "data").value("publicAccessBlock").values()) == {True}
    assert "public access block cannot be read" in reasons(imported)


def test_a_bucket_of_another_account_stays_there() -> None:
    """The loss is listed, and everything else is imported."""
    directory = Directory()
    other = "444455556666"
    make(directory, other)
    brought(directory, buckets("data"), account=other)
    imported = brought(directory, ROLES + buckets("data", "mine"))
    assert stored(directory).account == other
    assert stored(directory, "mine").account == HERE
    assert f"belongs to account {other}" in reasons(imported)


def test_a_file_of_buckets_alone_needs_an_account() -> None:
    """The answers of S3 do not contain the account id."""
    directory = Directory()
    with pytest.raises(ApplyFileError, match="--account"):
        brought(directory, buckets("data"), account="")
    brought(directory, buckets("data"))
    assert stored(directory).account == HERE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"Buckets": [{}]}), "it has no Name"),
        (json.dumps({"Buckets": {}}), "expected a list"),
        (json.dumps({"BucketPolicies": []}), "expected an object"),
        (policies(data=reading(ORIGIN)) + policies(data=reading(HERE)), "twice, with different content"),
        (buckets("data") + buckets("data", BucketRegion="x"), "twice, with different content"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, words: str) -> None:
    """The store is unchanged."""
    directory = Directory()
    before = directory.revision()
    with pytest.raises(ApplyFileError, match=words):
        brought(directory, ROLES + text)
    assert directory.revision() == before
