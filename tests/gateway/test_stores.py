"""The stores of the tests: what the other tests rely on."""

from tests.gateway.stores import StoreServer


def test_seaweedfs_folds_keys(seaweedfs: StoreServer) -> None:
    """Rule: the tests have a store whose idea of a key differs from S3's."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    client.put_object(Bucket=bucket, Key="a//b", Body=b"x")
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b"]


def test_moto_keeps_keys(moto_store: StoreServer) -> None:
    """Rule: the tests have a store that keeps a key as it was sent."""
    bucket, client = moto_store.new_bucket(), moto_store.client()
    client.put_object(Bucket=bucket, Key="a//b", Body=b"x")
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a//b"]
