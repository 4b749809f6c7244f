"""S3 through nginx with the shipped configuration: reads go to the store, everything else through the gateway."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from tests.gateway.proxies.shipped_proxies import shipped_proxy
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.config import Config
from daypass.wiring_gateway import LOOPBACK

pytestmark = pytest.mark.component("nginx")


@dataclass
class Fronted:
    """nginx in front of a gateway and its store."""

    port: int
    gateway: RunningGateway

    def s3(self, credentials: Any) -> Any:
        """Return an S3 client of nginx."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="eu-test-1",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=BotoConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )


@pytest.fixture(scope="module")
def fronted(seaweedfs: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """Run nginx in front of a gateway and SeaweedFS."""
    config = replace(Config(), trusted_proxies=LOOPBACK)
    with running_gateway(seaweedfs, config=config) as gateway:
        ports = {7882: gateway.proxies.port, 7880: gateway.path.port, 8333: seaweedfs.port}
        with shipped_proxy("nginx-s3.conf", tmp_path_factory.mktemp("nginx"), ports) as port:
            yield Fronted(port, gateway)


def test_objects_are_put_read_listed_and_deleted(fronted: Fronted) -> None:
    """The calls that every program makes, with a session."""
    bucket, s3 = fronted.gateway.new_bucket(), fronted.s3(fronted.gateway.credentials(ALLOW_ALL))
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"0123456789", Metadata={"color": "red"})
    found = s3.get_object(Bucket=bucket, Key="a/b c")
    assert (found["Body"].read(), found["Metadata"]) == (b"0123456789", {"color": "red"})
    assert s3.get_object(Bucket=bucket, Key="a/b c", Range="bytes=2-4")["Body"].read() == b"234"
    assert s3.head_object(Bucket=bucket, Key="a/b c")["ContentLength"] == 10
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b c"]
    s3.upload_part(
        Bucket=bucket,
        Key="parts",
        PartNumber=1,
        UploadId=s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"],
        Body=b"x" * 6_000_000,
    )
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/b c"}]})
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="a/b c")


def test_a_read_goes_from_nginx_to_the_store(fronted: Fronted) -> None:
    """The gateway's own listener does not see it, and the event is written once."""
    bucket, s3 = fronted.gateway.new_bucket(), fronted.s3(fronted.gateway.credentials(ALLOW_ALL))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    fronted.gateway.audit.audit_records.clear()
    answer = s3.get_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    assert [record.action for record in fronted.gateway.audit.audit_records] == ["GetObject"]
    assert "x-amz-id-2" not in answer
    assert not any(name.startswith("x-daypass") for name in answer)


def test_the_store_is_not_visible_in_the_headers(fronted: Fronted) -> None:
    """SeaweedFS names the user that it knows, which is the gateway."""
    bucket, s3 = fronted.gateway.new_bucket(), fronted.s3(fronted.gateway.credentials(ALLOW_ALL))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    headers = s3.get_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    assert not [name for name in headers if name.startswith("seaweed") or name in {"via", "set-cookie", "x-amz-id-2"}]


def test_a_refusal_is_s3s_error_document(fronted: Fronted) -> None:
    """auth_request keeps no body, so the gateway answers the request again."""
    bucket = fronted.gateway.new_bucket()
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    s3 = fronted.s3(fronted.gateway.credentials(ALLOW_ALL, deny))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert "explicit deny" in refused.value.response["Error"]["Message"]


def test_a_missing_object_is_hidden(fronted: Fronted) -> None:
    """A caller that may not list the bucket does not learn whether a key exists."""
    bucket = fronted.gateway.new_bucket()
    s3 = fronted.s3(
        fronted.gateway.credentials(
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        )
    )
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError) as refused:
            call(Bucket=bucket, Key="missing")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_address_of_the_client_counts(fronted: Fronted) -> None:
    """aws:SourceIp is the client's address, not nginx's header of a client."""
    bucket = fronted.gateway.new_bucket()
    condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    s3 = fronted.s3(
        fronted.gateway.credentials({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition})
    )

    def forge(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-For"] = "203.0.113.9"

    s3.meta.events.register("before-send.s3", forge)  # after signing: nginx replaces the header
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=bucket)


def test_a_conditional_read_keeps_its_status(fronted: Fronted) -> None:
    """304 passes through nginx; 412 comes from the gateway."""
    bucket, s3 = fronted.gateway.new_bucket(), fronted.s3(fronted.gateway.credentials(ALLOW_ALL))
    tag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    for condition, status in (({"IfNoneMatch": tag}, 304), ({"IfMatch": '"other"'}, 412)):
        with pytest.raises(ClientError) as answer:
            s3.get_object(Bucket=bucket, Key="k", **condition)
        assert answer.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
