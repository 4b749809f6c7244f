"""Several stores behind one gateway, a store that fails, and callers that guess."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.gateway.refusals import refusal, refused_with
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer
from tests.sockets import free_port

from daypass.config import Config
from daypass.gateway.buckets.buckets import BucketMapping
from daypass.gateway.settings import GatewaySettings

ACCOUNT, OTHER = "123456789012", "210987654321"


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer, seaweedfs: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway with two stores and a third one that is down."""
    down = replace(moto_store, port=free_port())
    settings = GatewaySettings(
        buckets=(
            BucketMapping("weed-*", ACCOUNT, "weed"),
            BucketMapping("down-*", OTHER, "down"),
            BucketMapping("other-*", OTHER, "default"),
        )
    )
    stores = {"weed": seaweedfs, "down": down}
    with running_gateway(moto_store, settings, accounts=(OTHER,), more_stores=stores) as running:
        yield running


def create(gateway: RunningGateway, name: str, root: Any = None) -> str:
    """Create a bucket with that name through the gateway."""
    configuration = {"LocationConstraint": "eu-test-1"}
    gateway.s3(root).create_bucket(Bucket=name, CreateBucketConfiguration=configuration)
    return name


def test_a_pattern_decides_the_store_of_a_new_bucket(
    gateway: RunningGateway, seaweedfs: StoreServer, moto_store: StoreServer
) -> None:
    """A name that matches goes to its store, any other one to the first store."""
    weed, plain = create(gateway, "weed-one"), gateway.new_bucket()
    for bucket in (weed, plain):
        gateway.role(ALLOW_ALL).put_object(Bucket=bucket, Key="x", Body=b"1")
    assert seaweedfs.client().get_object(Bucket=weed, Key="x")["Body"].read() == b"1"
    assert moto_store.client().get_object(Bucket=plain, Key="x")["Body"].read() == b"1"


def test_a_list_of_buckets_is_of_all_stores(gateway: RunningGateway, seaweedfs: StoreServer) -> None:
    """Also of buckets that a pattern maps, and that were made at the store."""
    seaweedfs.client().create_bucket(Bucket="weed-made-there")
    plain = gateway.new_bucket()
    names = [one["Name"] for one in gateway.s3().list_buckets()["Buckets"]]
    assert {"weed-made-there", plain} <= set(names)


def test_a_copy_between_stores_is_refused_by_name(gateway: RunningGateway) -> None:
    """Both buckets and permissions exist."""
    weed, plain = create(gateway, "weed-copy"), gateway.new_bucket()
    s3 = gateway.role(ALLOW_ALL)
    s3.put_object(Bucket=weed, Key="x", Body=b"1")
    error = refusal(s3.copy_object, Bucket=plain, Key="x", CopySource={"Bucket": weed, "Key": "x"}).response["Error"]
    assert (error["Code"], error["Message"]) == ("NotImplemented", "A copy between two stores is not implemented.")


@pytest.mark.parametrize(("bucket", "expected"), [("weed-keys", (400, "InvalidURI")), ("", None)])
def test_keys_follow_the_rule_of_their_store(gateway: RunningGateway, bucket: str, expected: Any) -> None:
    """SeaweedFS folds a double slash, moto does not."""
    name = create(gateway, bucket) if bucket else gateway.new_bucket()
    s3 = gateway.role(ALLOW_ALL)
    if expected is None:
        s3.put_object(Bucket=name, Key="a//b", Body=b"1")
        assert s3.get_object(Bucket=name, Key="a//b")["Body"].read() == b"1"
    else:
        assert refused_with(s3.put_object, Bucket=name, Key="a//b", Body=b"1") == expected
        plain = gateway.new_bucket()
        s3.put_object(Bucket=plain, Key="x", Body=b"1")
        source = {"Bucket": name, "Key": "a//b"}
        assert refused_with(s3.copy_object, Bucket=plain, Key="y", CopySource=source) == expected


def test_a_store_that_is_down_is_unavailable(gateway: RunningGateway) -> None:
    """With 503 and Retry-After; nothing is created by halves."""
    root = gateway.others[0]
    response = refusal(gateway.s3(root).get_object, Bucket="down-one", Key="x").response
    assert (response["Error"]["Code"], "retry-after" in response["ResponseMetadata"]["HTTPHeaders"]) == (
        "ServiceUnavailable",
        True,
    )
    configuration = {"CreateBucketConfiguration": {"LocationConstraint": "eu-test-1"}}
    refused = refused_with(gateway.s3(root).create_bucket, Bucket="down-two", **configuration)
    assert refused == (503, "ServiceUnavailable")
    assert refused_with(gateway.s3(root).list_buckets) == (503, "ServiceUnavailable")


def test_tags_that_cannot_be_looked_up_refuse_the_request(gateway: RunningGateway) -> None:
    """A Deny could name them, so the look-up must succeed."""
    condition = {"StringEquals": {"s3:ExistingObjectTag/class": "secret"}}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*", "Condition": condition}
    s3 = gateway.role(ALLOW_ALL, deny, root=gateway.others[0])
    assert refused_with(s3.get_object, Bucket="down-one", Key="x") == (403, "AccessDenied")


def test_another_account_cannot_take_a_name_of_a_pattern(gateway: RunningGateway) -> None:
    """The name belongs to the account of the pattern before the bucket exists."""
    configuration = {"CreateBucketConfiguration": {"LocationConstraint": "eu-test-1"}}
    refused = refused_with(gateway.s3(gateway.others[0]).create_bucket, Bucket="weed-taken", **configuration)
    assert refused == (409, "BucketAlreadyExists")


def test_a_caller_that_guesses_keys_is_slowed_down(moto_store: StoreServer) -> None:
    """Correct signatures of the same address are not."""
    config = Config(unsigned_calls_per_minute=3)
    with running_gateway(moto_store, config=config) as gateway:
        bucket = gateway.new_bucket()
        key = {"AccessKeyId": gateway.server.root.access_key_id, "SecretAccessKey": "wrong"}
        codes = [refused_with(gateway.s3(key).head_bucket, Bucket=bucket)[0] for _ in range(5)]
        assert gateway.s3().head_bucket(Bucket=bucket)
    assert codes == [403, 403, 403, 503, 503]


def test_the_only_account_owns_what_nothing_maps(moto_store: StoreServer) -> None:
    """A bucket that exists at the store is its own, with the public access block."""
    name = moto_store.new_bucket()
    with running_gateway(moto_store) as gateway:
        assert name in [one["Name"] for one in gateway.s3().list_buckets()["Buckets"]]
        gateway.role(ALLOW_ALL).put_object(Bucket=name, Key="x", Body=b"1")
        assert gateway.s3().head_bucket(Bucket=name)["BucketRegion"] == "eu-test-1"


def test_a_list_of_many_buckets_is_complete(moto_store: StoreServer) -> None:
    """The owner of each is looked up, however many they are."""
    names, client = {f"many-{number}" for number in range(80)}, moto_store.client()
    for name in names:
        client.create_bucket(Bucket=name)
    with running_gateway(moto_store) as gateway:
        assert names <= {one["Name"] for one in gateway.s3().list_buckets()["Buckets"]}


def test_an_account_can_adopt_what_nothing_maps(moto_store: StoreServer) -> None:
    """--account decides it among several accounts."""
    name = moto_store.new_bucket()
    with running_gateway(moto_store, GatewaySettings(account=OTHER), accounts=(OTHER,)) as gateway:
        assert gateway.s3(gateway.others[0]).list_objects_v2(Bucket=name)["KeyCount"] == 0
        assert refused_with(gateway.s3().list_objects_v2, Bucket=name) == (403, "AccessDenied")
