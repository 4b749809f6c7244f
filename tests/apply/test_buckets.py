"""Buckets in a file: their owners, backends and policies."""

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from tests.apply.directory import ACCOUNT, Directory
from tests.documents import allow, deny, document

from daypass.apply.file.nodes import ApplyFileError
from daypass.directory.buckets import delete_bucket, find_bucket, insert_bucket, load_bucket
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.operations.settings import Quotas

OTHER = "999988887777"
TRUST = json.loads(document({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}))
ROLE = {"roles": {"reader": {"trust": TRUST}}}
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"


def policy(*principals: str, bucket: str = "data") -> dict[str, Any]:
    """Return a bucket policy that lets principals read."""
    statement = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": list(principals)})
    read: dict[str, Any] = json.loads(document(statement))
    return read


def file_of(sections: dict[str, Any], *, name: str = "default", others: dict[str, Any] | None = None) -> str:
    """Return a file with sections of one account."""
    return yaml.safe_dump({"version": 1, "name": name, "accounts": {ACCOUNT: sections, **(others or {})}})


def stored(directory: Directory, name: str = "data") -> StoredBucket:
    """Return the record of a bucket."""
    with directory.there.store.read() as reader:
        found = find_bucket(reader, name)
    assert found is not None
    return found


def test_a_file_records_buckets_and_their_policies() -> None:
    """The policy may name a role of the same file; the second apply changes nothing."""
    directory = Directory()
    bucket = {
        "backend": "ceph1",
        "region": "eu-west-1",
        "policy": policy(READER),
        "publicAccessBlock": {"restrictPublicBuckets": False},
    }
    text = file_of({**ROLE, "buckets": {"data": bucket, "plain": {}}})
    assert len(directory.apply(text).plan.changes) == 4
    made = stored(directory)
    assert (made.account, made.backend, made.region, made.state) == (ACCOUNT, "ceph1", "eu-west-1", "active")
    assert made.public_access_block == PublicAccessBlock(restrict_public_buckets=False)
    assert "AROA" in made.policy
    assert stored(directory, "plain").public_access_block == PublicAccessBlock()
    assert directory.apply(text).plan.changes == ()
    exported = directory.export()
    block = {
        "blockPublicAcls": True,
        "ignorePublicAcls": True,
        "blockPublicPolicy": True,
        "restrictPublicBuckets": False,
    }
    assert yaml.safe_load(exported)["accounts"][ACCOUNT]["buckets"] == {
        "data": {**bucket, "publicAccessBlock": block},
        "plain": {},
    }
    fresh = Directory()
    fresh.apply(exported)
    assert fresh.export() == exported


def test_a_changed_bucket_is_changed_in_place() -> None:
    """An attribute that the file no longer names returns to its default."""
    directory = Directory()
    directory.apply(file_of({**ROLE, "buckets": {"data": {"backend": "a", "policy": policy(READER)}}}))
    before = stored(directory)
    plan = directory.apply(file_of({**ROLE, "buckets": {"data": {"backend": "b"}}})).plan
    assert {one.attribute for one in plan.changes[0].differences} == {"backend", "policy"}
    after = stored(directory)
    assert (after.backend, after.policy, after.foreign, after.created) == ("b", "", {}, before.created)


def test_a_file_removes_only_the_buckets_that_it_recorded() -> None:
    """With --prune, the section of the file is complete."""
    directory = Directory()
    directory.apply(file_of({"buckets": {"data": {}}}))
    with directory.there.store.write() as writer:
        insert_bucket(
            writer,
            StoredBucket(
                name="other", account=ACCOUNT, backend="", created=stored(directory).created, public_access_block=None
            ),
        )
    directory.apply(file_of({"buckets": {}}))
    with directory.there.store.read() as reader:
        assert find_bucket(reader, "data") is None
    assert stored(directory, "other").public_access_block is None
    directory.apply(file_of({"buckets": {}}), prune=True)
    with directory.there.store.read() as reader:
        assert find_bucket(reader, "other") is None


def test_a_bucket_that_was_made_again_is_not_owned() -> None:
    """Ownership follows the bucket, not its name."""
    directory = Directory()
    directory.apply(file_of({"buckets": {"data": {}}}))
    old = stored(directory)
    with directory.there.store.write() as writer:
        delete_bucket(writer, old)
        insert_bucket(
            writer,
            StoredBucket(
                name="data",
                account=ACCOUNT,
                backend="",
                created=old.created + timedelta(seconds=1),
                public_access_block=PublicAccessBlock(),
            ),
        )
    directory.apply(file_of({}))
    assert stored(directory).created != old.created


def test_a_bucket_can_move_to_another_account_in_one_file() -> None:
    """It is removed first."""
    directory = Directory()
    directory.apply(file_of({"buckets": {"data": {}}}, others={OTHER: {}}))
    directory.apply(file_of({"buckets": {}}, others={OTHER: {"buckets": {"data": {}}}}))
    assert stored(directory).account == OTHER


REFUSED = [
    ({"data": {"policy": policy(READER, bucket="else")}}, "MalformedPolicy: Policy has invalid resource"),
    ({"data": {"policy": policy("arn:aws:iam::123456789012:role/gone")}}, "which does not exist"),
    ({"data": {"policy": policy("arn:aws:iam::444455556666:role/gone")}}, "Invalid principal in policy"),
    ({"theirs": {}}, f"the bucket belongs to account {OTHER}"),
    ({"a": {}}, "expected the name of a bucket"),
    ({"data": {"policy": {"Version": "2012-10-17"}}}, "no Statement"),
    ({"data": {"publicAccessBlock": {"all": True}}}, "unknown field"),
]


@pytest.mark.parametrize(("buckets", "words"), REFUSED)
def test_an_impossible_bucket_stops_the_file(buckets: dict[str, Any], words: str) -> None:
    """The message names the place, and the store is unchanged."""
    directory = Directory()
    directory.apply(file_of(ROLE, others={OTHER: {"buckets": {"theirs": {}}}}))
    before = directory.export()
    with pytest.raises(ApplyFileError, match=words) as caught:
        directory.apply(file_of({**ROLE, "buckets": buckets}, name="second"))
    assert "buckets" in str(caught.value)
    assert directory.export() == before


def test_the_quota_of_buckets_is_kept() -> None:
    """Each account has its own."""
    directory = Directory(quotas=Quotas(buckets=1))
    with pytest.raises(ApplyFileError, match="too many buckets"):
        directory.apply(file_of({"buckets": {"one": {}, "two": {}}}))


def test_principals_that_do_not_exist_never_match() -> None:
    """As for a trust policy: an Allow does not match a role that is created later."""
    directory = Directory()
    later = f"arn:aws:iam::{OTHER}:role/later"
    bucket = {"policy": policy(later), "strangers": [later]}
    text = file_of({"buckets": {"data": bucket}})
    directory.apply(text)
    assert later not in stored(directory).policy
    assert directory.apply(text).plan.changes == ()
    assert yaml.safe_load(directory.export())["accounts"][ACCOUNT]["buckets"]["data"] == bucket


def test_a_record_whose_creation_did_not_end_becomes_active() -> None:
    """The operator states that the bucket exists."""
    directory = Directory()
    directory.apply(file_of({}))
    with directory.there.store.write() as writer:
        insert_bucket(
            writer,
            StoredBucket(
                name="data",
                account=ACCOUNT,
                backend="",
                created=directory.there.clock.now(),
                public_access_block=PublicAccessBlock(),
                state="creating",
            ),
        )
    assert "buckets" not in directory.export()
    directory.apply(file_of({"buckets": {"data": {}}}))
    assert stored(directory).state == "active"


def test_a_policy_of_the_file_decides_as_one_of_the_api() -> None:
    """The Deny of another account's role holds by its name, too."""
    directory = Directory()
    directory.apply(file_of(ROLE, others={OTHER: ROLE}))
    named = f"arn:aws:iam::{OTHER}:role/reader"
    statement = deny("s3:*", "arn:aws:s3:::data/*", Principal={"AWS": named})
    directory.apply(file_of({"buckets": {"data": {"policy": json.loads(document(statement))}}}, name="b"))
    with directory.there.store.read() as reader:
        loaded = load_bucket(reader, "data")
    assert loaded is not None
    assert loaded.policy is not None
    names = {one.value for one in loaded.policy.policies[0].document.statements[0].principals or ()}
    assert named in names
    assert any(name.startswith("AROA") for name in names)
