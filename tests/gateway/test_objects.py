"""Objects through the gateway: what a caller may do, and what it is told."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer


@pytest.fixture(scope="module", params=["moto_store", "seaweedfs"])
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store) as running:
        yield running


def test_an_assumed_role_puts_gets_lists_and_deletes(gateway: RunningGateway) -> None:
    """The four calls that every program makes."""
    bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL)
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="a/b c")["Body"].read() == b"hello"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b c"]
    s3.delete_object(Bucket=bucket, Key="a/b c")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_denied_object_is_refused_in_the_words_of_s3(gateway: RunningGateway) -> None:
    """The message names the caller, the action and the reason."""
    bucket = gateway.new_bucket()
    gateway.s3().put_object(Bucket=bucket, Key="secret", Body=b"x")
    s3 = gateway.role(ALLOW_ALL, {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/secret"})
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="secret")
    error = refused.value.response["Error"]
    assert error["Code"] == "AccessDenied"
    assert error["Message"].endswith(
        f'is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{bucket}/secret" '
        "with an explicit deny in an identity-based policy"
    )
    headers = refused.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert 60 <= len(headers["x-daypass-authorization-message"]) <= 2048
