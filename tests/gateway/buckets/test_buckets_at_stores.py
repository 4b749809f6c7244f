"""Buckets and bucket policies with boto3, through the gateway, at real stores."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from tests.documents import allow, deny, document
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.bootstrap import RootKey


@pytest.fixture(scope="module", params=["moto_store", "seaweedfs"])
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store) as running:
        yield running


@pytest.fixture(scope="module")
def other(gateway: RunningGateway) -> RootKey:
    """Return the root key of a second account."""
    return gateway.server.new_account()


def refused(call: Any, **params: Any) -> tuple[str, int]:
    """Return the code and the status of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_bucket_belongs_to_the_account_that_created_it(gateway: RunningGateway, other: RootKey) -> None:
    """Another account neither sees the bucket in a list nor can use it, and its name is taken."""
    bucket, theirs = gateway.new_bucket(), gateway.s3(other)
    assert bucket in [one["Name"] for one in gateway.s3().list_buckets()["Buckets"]]
    assert bucket not in [one["Name"] for one in theirs.list_buckets()["Buckets"]]
    constraint = {"LocationConstraint": "eu-test-1"}
    taken = refused(theirs.create_bucket, Bucket=bucket, CreateBucketConfiguration=constraint)
    assert taken == ("BucketAlreadyExists", 409)
    own = refused(gateway.s3().create_bucket, Bucket=bucket, CreateBucketConfiguration=constraint)
    assert own == ("BucketAlreadyOwnedByYou", 409)
    assert gateway.s3(region="us-east-1").create_bucket(Bucket=bucket)["Location"] == f"/{bucket}"
    assert refused(theirs.list_objects_v2, Bucket=bucket) == ("AccessDenied", 403)
    assert refused(theirs.delete_bucket, Bucket=bucket) == ("AccessDenied", 403)


def test_a_bucket_that_the_store_had_before_is_never_given_away(gateway: RunningGateway) -> None:
    """Its name is taken, and it is in no list."""
    bucket, s3 = gateway.store.new_bucket(), gateway.s3(region="us-east-1")
    gateway.store.client().put_object(Bucket=bucket, Key="secret", Body=b"x")
    with gateway.server.there.store.read() as reader:
        assert reader.find_by_id(f"bucket/{bucket}") is None
    adopted = bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    # A store with one account adopts such buckets; with two accounts, it does not.
    code = refused(
        gateway.s3().create_bucket, Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-test-1"}
    )
    assert code == (("BucketAlreadyOwnedByYou" if adopted else "BucketAlreadyExists"), 409)
    assert gateway.store.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_only_an_empty_bucket_is_deleted(gateway: RunningGateway) -> None:
    """Whatever the store does with a bucket that has objects."""
    bucket, s3 = gateway.new_bucket(), gateway.s3()
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert refused(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.head_bucket, Bucket=bucket)[1] == 404
    assert refused(s3.delete_bucket, Bucket=bucket) == ("NoSuchBucket", 404)


def test_a_bucket_with_old_versions_is_not_deleted(gateway: RunningGateway) -> None:
    """A delete marker hides the object from the list of objects only."""
    bucket, s3 = gateway.new_bucket(), gateway.s3()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert refused(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)


def test_a_bucket_policy_grants_access_across_accounts(gateway: RunningGateway, other: RootKey) -> None:
    """Both accounts must allow; a Deny holds for the owner's callers too."""
    bucket, owner = gateway.new_bucket(), gateway.s3()
    for key in ("shared/a", "secret/a"):
        owner.put_object(Bucket=bucket, Key=key, Body=b"x")
    reader, unpermitted = gateway.role(ALLOW_ALL, root=other), gateway.role(root=other)
    assert refused(reader.get_object, Bucket=bucket, Key="shared/a") == ("AccessDenied", 403)
    text = document(
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/shared/*", Principal={"AWS": other.account}),
        deny("s3:GetObject", f"arn:aws:s3:::{bucket}/secret/*", Principal="*"),
    )
    owner.put_bucket_policy(Bucket=bucket, Policy=text)
    assert json.loads(owner.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(text)
    assert reader.get_object(Bucket=bucket, Key="shared/a")["Body"].read() == b"x"
    assert refused(unpermitted.get_object, Bucket=bucket, Key="shared/a") == ("AccessDenied", 403)
    assert refused(reader.put_object, Bucket=bucket, Key="shared/a", Body=b"y") == ("AccessDenied", 403)
    inside = gateway.role(ALLOW_ALL)
    assert inside.get_object(Bucket=bucket, Key="shared/a")["Body"].read() == b"x"
    assert refused(inside.get_object, Bucket=bucket, Key="secret/a") == ("AccessDenied", 403)
    assert refused(gateway.s3().get_object, Bucket=bucket, Key="secret/a") == ("AccessDenied", 403)
    owner.delete_bucket_policy(Bucket=bucket)
    assert refused(reader.get_object, Bucket=bucket, Key="shared/a") == ("AccessDenied", 403)
    assert refused(owner.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)


def test_the_policy_of_a_bucket_is_its_owners(gateway: RunningGateway, other: RootKey) -> None:
    """An allowed caller of another account gets 405, and the root user repairs a policy that denies everything."""
    bucket, owner = gateway.new_bucket(), gateway.s3()
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    owner.put_bucket_policy(Bucket=bucket, Policy=document(allow("s3:*", arns, Principal={"AWS": other.account})))
    theirs = gateway.role(ALLOW_ALL, root=other)
    assert refused(theirs.get_bucket_policy, Bucket=bucket) == ("MethodNotAllowed", 405)
    assert refused(theirs.delete_bucket_policy, Bucket=bucket) == ("MethodNotAllowed", 405)
    owner.put_bucket_policy(Bucket=bucket, Policy=document(deny("s3:*", arns, Principal="*")))
    assert refused(gateway.role(ALLOW_ALL).delete_bucket_policy, Bucket=bucket) == ("AccessDenied", 403)
    assert refused(owner.list_objects_v2, Bucket=bucket) == ("AccessDenied", 403)
    owner.delete_bucket_policy(Bucket=bucket)
    assert owner.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_public_access_needs_two_steps(gateway: RunningGateway, other: RootKey) -> None:
    """The public access block of a new bucket refuses a public policy, and limits one that exists."""
    bucket, owner = gateway.new_bucket(), gateway.s3()
    owner.put_object(Bucket=bucket, Key="a", Body=b"x")
    text = document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*"))
    url = f"{gateway.url}/{bucket}/a"
    assert refused(owner.put_bucket_policy, Bucket=bucket, Policy=text) == ("AccessDenied", 403)
    owner.delete_public_access_block(Bucket=bucket)
    assert refused(owner.get_public_access_block, Bucket=bucket) == ("NoSuchPublicAccessBlockConfiguration", 404)
    owner.put_bucket_policy(Bucket=bucket, Policy=text)
    assert owner.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    with urlopen(url, timeout=60) as answer:  # noqa: S310 - the gateway's own URL
        assert answer.read() == b"x"
    assert gateway.role(ALLOW_ALL, root=other).get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    owner.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True, "BlockPublicPolicy": True}
    )
    block = owner.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert (block["RestrictPublicBuckets"], block["BlockPublicAcls"]) == (True, False)
    with pytest.raises(OSError, match="403"):
        urlopen(url, timeout=60)  # noqa: S310 - the gateway's own URL
    assert refused(gateway.role(ALLOW_ALL, root=other).get_object, Bucket=bucket, Key="a") == ("AccessDenied", 403)
    assert gateway.role(ALLOW_ALL).get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_ownership_and_location_are_answered_by_the_gateway(gateway: RunningGateway) -> None:
    """ACLs are off, and the location is the region of the creation."""
    bucket, s3 = gateway.new_bucket(), gateway.s3()
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": rules})
    other_rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    assert refused(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=other_rules)[1] == 400
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-test-1"
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read")[0] == "AccessControlListNotSupported"
    refusal = refused(s3.create_bucket, Bucket=bucket + "x", ACL="public-read")
    assert refusal[0] == "AccessControlListNotSupported"


def test_a_malformed_policy_is_refused_in_the_words_of_s3(gateway: RunningGateway) -> None:
    """The client shows code and message."""
    bucket, s3 = gateway.new_bucket(), gateway.s3()
    text = document(allow("s3:GetObject", "arn:aws:s3:::another-bucket/*", Principal="*"))
    with pytest.raises(ClientError, match="Policy has invalid resource") as caught:
        s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert caught.value.response["Error"]["Code"] == "MalformedPolicy"
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy="{" + " " * 30_000 + "}")[0] == "MalformedPolicy"
