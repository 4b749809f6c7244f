"""Buckets of accounts through the gateway: owners, other accounts, everyone."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from tests.gateway.refusals import refusal, refused_with
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, Statement, document, running_gateway
from tests.gateway.stores import StoreServer

from daypass.bootstrap import RootKey
from daypass.gateway.settings import GatewaySettings
from daypass.testing.plugin import client_factory

OTHER = "210987654321"
PUBLIC: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
OPEN = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": False,
}


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway for two accounts in front of moto."""
    with running_gateway(moto_store, accounts=(OTHER,), settings=GatewaySettings(domains=("s3.test",))) as running:
        yield running


@pytest.fixture
def bucket(gateway: RunningGateway) -> str:
    """Create a bucket of the first account, with an object."""
    name = gateway.new_bucket()
    gateway.s3().put_object(Bucket=name, Key="x", Body=b"hello")
    return name


@pytest.fixture
def other(gateway: RunningGateway) -> RootKey:
    """Return the root key of the second account."""
    return gateway.others[0]


def anonymous(gateway: RunningGateway) -> Any:
    """Return a client that does not sign."""
    return boto3.client(
        "s3",
        endpoint_url=gateway.url,
        region_name="us-east-1",
        config=BotoConfig(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


def grant(gateway: RunningGateway, bucket: str, *statements: dict[str, Any]) -> None:
    """Set the bucket policy, after the public access block was removed."""
    s3 = gateway.s3()
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OPEN)
    resources = {"Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    s3.put_bucket_policy(Bucket=bucket, Policy=document(*({**one, **resources} for one in statements)))


def test_list_buckets_has_the_buckets_of_the_caller(gateway: RunningGateway, bucket: str, other: RootKey) -> None:
    """Another account's buckets are not in it, and neither is a bucket that nothing maps."""
    unmapped = gateway.store.new_bucket()
    names = [one["Name"] for one in gateway.s3().list_buckets()["Buckets"]]
    assert bucket in names
    theirs = [one["Name"] for one in gateway.s3(other).list_buckets()["Buckets"]]
    assert bucket not in theirs
    assert unmapped not in (*names, *theirs)


def test_list_buckets_has_pages(gateway: RunningGateway, bucket: str) -> None:
    """Every bucket is in one page."""
    second = gateway.new_bucket()
    token: dict[str, str] = {}
    s3, found = gateway.s3(), []
    while True:
        page = s3.list_buckets(MaxBuckets=1, Prefix="gw-", **token)
        found += [one["Name"] for one in page["Buckets"]]
        if "ContinuationToken" not in page:
            break
        token = {"ContinuationToken": page["ContinuationToken"]}
    assert found == sorted(set(found))
    assert {bucket, second} <= set(found)


def test_a_bucket_that_nothing_maps_does_not_exist(gateway: RunningGateway) -> None:
    """Also for the owner of the gateway, and for a copy."""
    unmapped = gateway.store.new_bucket()
    s3 = gateway.s3()
    assert refused_with(s3.get_object, Bucket=unmapped, Key="x") == (404, "NoSuchBucket")
    assert refused_with(s3.list_objects_v2, Bucket=unmapped) == (404, "NoSuchBucket")
    mine = gateway.new_bucket()
    source = {"Bucket": unmapped, "Key": "x"}
    assert refused_with(s3.copy_object, Bucket=mine, Key="y", CopySource=source) == (404, "NoSuchBucket")


def test_a_bucket_name_belongs_to_one_account(gateway: RunningGateway, bucket: str, other: RootKey) -> None:
    """The first account has it, the second one may not take it."""
    made = {"Bucket": bucket, "CreateBucketConfiguration": {"LocationConstraint": "eu-test-1"}}
    assert refused_with(gateway.s3(other).create_bucket, **made) == (409, "BucketAlreadyExists")
    assert refused_with(gateway.s3().create_bucket, **made) == (409, "BucketAlreadyOwnedByYou")


@pytest.mark.parametrize(
    ("in_bucket", "in_role", "allowed"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_another_account_needs_both_policies(
    gateway: RunningGateway, bucket: str, other: RootKey, *, in_bucket: bool, in_role: bool, allowed: bool
) -> None:
    """The bucket policy and the caller's own policies, as on AWS."""
    if in_bucket:
        grant(gateway, bucket, {**PUBLIC, "Principal": {"AWS": OTHER}})
    s3 = gateway.role(*((ALLOW_ALL,) if in_role else ()), root=other)
    if allowed:
        assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"hello"
    else:
        assert refused_with(s3.get_object, Bucket=bucket, Key="x") == (403, "AccessDenied")


def test_another_account_does_not_learn_about_the_bucket_policy(
    gateway: RunningGateway, bucket: str, other: RootKey
) -> None:
    """A denial by the owner's side has no reason."""
    error = refusal(gateway.role(ALLOW_ALL, root=other).get_object, Bucket=bucket, Key="x").response["Error"]
    assert error["Message"] == "Access Denied"


def test_a_bucket_policy_allows_within_the_account(gateway: RunningGateway, bucket: str) -> None:
    """A role without permissions gets one object of the bucket, and a Deny beats its own Allow."""
    s3 = gateway.role()
    assert refused_with(s3.get_object, Bucket=bucket, Key="x") == (403, "AccessDenied")
    grant(gateway, bucket, {**PUBLIC, "Principal": {"AWS": gateway.last_role}})
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"hello"
    grant(gateway, bucket, {**PUBLIC, "Effect": "Deny"})
    assert refused_with(gateway.role(ALLOW_ALL).get_object, Bucket=bucket, Key="x") == (403, "AccessDenied")


def test_everyone_reads_a_public_bucket(gateway: RunningGateway, bucket: str) -> None:
    """Only what the policy allows, and without overrides of response headers."""
    nobody = anonymous(gateway)
    assert refused_with(nobody.get_object, Bucket=bucket, Key="x") == (403, "AccessDenied")
    grant(gateway, bucket, PUBLIC)
    assert nobody.get_object(Bucket=bucket, Key="x")["Body"].read() == b"hello"
    assert refused_with(nobody.put_object, Bucket=bucket, Key="x", Body=b"1") == (403, "AccessDenied")
    assert refused_with(nobody.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    assert refused_with(nobody.get_object, Bucket=bucket, Key="none") == (403, "AccessDenied")
    override = {"Bucket": bucket, "Key": "x", "ResponseContentType": "text/html"}
    assert refused_with(nobody.get_object, **override) == (400, "InvalidRequest")
    assert refused_with(nobody.list_buckets) == (403, "AccessDenied")
    gateway.s3().put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "RestrictPublicBuckets": True}
    )
    assert refused_with(nobody.get_object, Bucket=bucket, Key="x") == (403, "AccessDenied")


def test_a_public_policy_is_refused_by_default(gateway: RunningGateway, bucket: str) -> None:
    """Every new bucket has a public access block."""
    policy = document({**PUBLIC, "Resource": f"arn:aws:s3:::{bucket}/*"})
    assert refused_with(gateway.s3().put_bucket_policy, Bucket=bucket, Policy=policy) == (403, "AccessDenied")


def test_bucket_policies_and_blocks_are_read_and_deleted(gateway: RunningGateway, bucket: str) -> None:
    """They are at the gateway, never at the store."""
    s3 = gateway.s3()
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]
    grant(gateway, bucket, PUBLIC)
    assert "s3:GetObject" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert refused_with(gateway.store.client().get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused_with(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


def test_only_an_empty_bucket_is_deleted(gateway: RunningGateway, bucket: str) -> None:
    """The name is free afterwards."""
    s3 = gateway.s3()
    assert refused_with(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="x")
    s3.delete_bucket(Bucket=bucket)
    assert refused_with(s3.head_bucket, Bucket=bucket)[0] == 404


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        ("put_bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i.html"}}}),
        ("get_bucket_website", {}),
        ("put_bucket_notification_configuration", {"NotificationConfiguration": {}}),
        ("put_bucket_logging", {"BucketLoggingStatus": {}}),
        ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Enabled"}}),
        (
            "put_bucket_cors",
            {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
        ),
        ("delete_bucket_cors", {}),
        ("get_bucket_replication", {}),
        ("delete_bucket_replication", {}),
        ("list_bucket_inventory_configurations", {}),
        ("get_object_torrent", {"Key": "x"}),
        (
            "select_object_content",
            {
                "Key": "x",
                "Expression": "SELECT 1",
                "ExpressionType": "SQL",
                "InputSerialization": {"CSV": {}},
                "OutputSerialization": {"CSV": {}},
            },
        ),
    ],
)
def test_what_would_act_outside_the_gateway_is_not_forwarded(
    gateway: RunningGateway, bucket: str, call: str, parameters: dict[str, Any]
) -> None:
    """The root user of the account may not either."""
    assert refused_with(getattr(gateway.s3(), call), Bucket=bucket, **parameters) == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        ("put_object", {"Body": b"1"}),
        ("copy_object", {"CopySource": "{bucket}/x"}),
        ("create_multipart_upload", {}),
    ],
)
def test_a_redirect_of_a_website_is_refused_by_name(
    gateway: RunningGateway, bucket: str, call: str, parameters: dict[str, str]
) -> None:
    """The profiles do not have the website operations, and a store could serve the redirect outside the gateway."""
    s3 = gateway.s3()
    s3.put_object(Bucket=bucket, Key="x", Body=b"1")
    given = {name: value.format(bucket=bucket) if name == "CopySource" else value for name, value in parameters.items()}
    members = {"Bucket": bucket, "Key": "y", "WebsiteRedirectLocation": "https://evil.test/", **given}
    response = refusal(getattr(s3, call), **members).response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["Error"]["Header"] == "x-amz-website-redirect-location"
    assert refused_with(s3.head_object, Bucket=bucket, Key="y")[0] == 404


@pytest.mark.parametrize(("tag", "allowed"), [("open", True), ("secret", False)])
def test_tags_of_an_object_decide(gateway: RunningGateway, bucket: str, tag: str, *, allowed: bool) -> None:
    """They are looked up at the store when a policy names them."""
    gateway.s3().put_object(Bucket=bucket, Key="tagged", Body=b"1", Tagging=f"class={tag}")
    s3 = gateway.role(
        {**ALLOW_ALL, "Action": "s3:GetObject", "Condition": {"StringEquals": {"s3:ExistingObjectTag/class": "open"}}}
    )
    if allowed:
        assert s3.get_object(Bucket=bucket, Key="tagged")["Body"].read() == b"1"
    else:
        assert refused_with(s3.get_object, Bucket=bucket, Key="tagged") == (403, "AccessDenied")


def test_tags_of_a_request_decide(gateway: RunningGateway, bucket: str) -> None:
    """In a header, and in a body that is read before the decision."""
    s3 = gateway.role({**ALLOW_ALL, "Condition": {"StringEqualsIfExists": {"s3:RequestObjectTag/class": "open"}}})
    s3.put_object(Bucket=bucket, Key="t", Body=b"1", Tagging="class=open")
    refused = refused_with(s3.put_object, Bucket=bucket, Key="t", Body=b"1", Tagging="class=secret")
    assert refused == (403, "AccessDenied")
    s3.put_object_tagging(Bucket=bucket, Key="t", Tagging={"TagSet": [{"Key": "class", "Value": "open"}]})
    tags = {"TagSet": [{"Key": "class", "Value": "secret"}]}
    assert refused_with(s3.put_object_tagging, Bucket=bucket, Key="t", Tagging=tags) == (403, "AccessDenied")
    assert gateway.s3().get_object_tagging(Bucket=bucket, Key="t")["TagSet"] == [{"Key": "class", "Value": "open"}]


def test_a_large_policy_is_decided_on_a_thread(gateway: RunningGateway, bucket: str) -> None:
    """A decision that takes long does not stop the event loop, and is the same."""
    patterns = [f"arn:aws:s3:::*{number}*a*b*c*d*e*f*g*" for number in range(100)]
    heavy = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": patterns}
    s3 = gateway.role(ALLOW_ALL, heavy)
    key = "y" * 1000
    s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"1"


def test_a_revoked_session_ends_with_the_next_request(gateway: RunningGateway, bucket: str) -> None:
    """The gateway sees the change of the store as the server does."""
    caller = client_factory(gateway.server)
    iam = caller("iam")
    iam.create_user(UserName="leaver")
    iam.put_user_policy(UserName="leaver", PolicyName="s3", PolicyDocument=document(ALLOW_ALL))
    key = iam.create_access_key(UserName="leaver")["AccessKey"]
    s3 = gateway.s3(key)
    s3.get_object(Bucket=bucket, Key="x")
    iam.update_access_key(UserName="leaver", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused_with(s3.get_object, Bucket=bucket, Key="x") == (403, "InvalidAccessKeyId")


def test_a_change_counts_for_a_read_like_the_last_one(gateway: RunningGateway, bucket: str) -> None:
    """The gateway keeps a part of the plan of such reads, and never the decision."""
    iam = client_factory(gateway.server)("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    s3, owner = gateway.s3(key), gateway.s3()

    def read() -> tuple[int, str]:
        try:
            return s3.get_object(Bucket=bucket, Key="x")["ResponseMetadata"]["HTTPStatusCode"], ""
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]

    def allow(*statements: Statement) -> None:
        iam.put_user_policy(UserName="reader", PolicyName="s3", PolicyDocument=document(*statements))

    denied, deny = (403, "AccessDenied"), {**ALLOW_ALL, "Effect": "Deny"}
    assert read() == denied
    allow(ALLOW_ALL)
    assert [read() for _ in range(3)] == [(200, "")] * 3
    allow(ALLOW_ALL, deny)
    assert read() == denied
    allow(ALLOW_ALL)
    assert [read() for _ in range(3)] == [(200, "")] * 3
    resource = {"Resource": f"arn:aws:s3:::{bucket}/*", "Principal": "*"}
    owner.put_bucket_policy(Bucket=bucket, Policy=document({**deny, **resource}))
    assert read() == denied
    owner.delete_bucket_policy(Bucket=bucket)
    assert [read() for _ in range(3)] == [(200, "")] * 3
    iam.update_access_key(UserName="reader", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert read() == (403, "InvalidAccessKeyId")


def test_a_presigned_url_ends_with_its_session(gateway: RunningGateway, bucket: str) -> None:
    """Although the URL itself would be valid for longer."""
    s3 = gateway.role(ALLOW_ALL, signature="s3v4")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"}, ExpiresIn=20_000)
    assert urllib.request.urlopen(url, timeout=60).read() == b"hello"  # noqa: S310 - our own address
    with gateway.moved(timedelta(hours=2)), pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=60)  # noqa: S310 - our own address
    assert (refused.value.code, b"<Code>ExpiredToken</Code>" in refused.value.read()) == (400, True)


def test_scope_down_policies_limit_a_session_everywhere(gateway: RunningGateway, bucket: str) -> None:
    """Signed headers, a presigned URL, and a bucket policy that names the session: the layer must allow it too."""
    may_scope = {"Effect": "Allow", "Action": "sts:GetScopedCredentials", "Resource": "*"}
    session = gateway.credentials(ALLOW_ALL, may_scope)
    reading = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/x"})
    narrow = client_factory(gateway.server)("sts", session).get_scoped_credentials(Policy=reading)["Credentials"]
    s3 = gateway.s3(narrow, signature_version="s3v4")
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"hello"
    arn = gateway.last_role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/test"
    grant(gateway, bucket, {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": ["s3:PutObject", "s3:ListBucket"]})
    assert refused_with(s3.put_object, Bucket=bucket, Key="x", Body=b"changed") == (403, "AccessDenied")
    assert refused_with(s3.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    assert refused_with(s3.get_object, Bucket=bucket, Key="y") == (403, "AccessDenied")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "x"}, ExpiresIn=60)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, b"changed", method="PUT"), timeout=60)  # noqa: S310 - our own address
    assert refused.value.code == 403
    assert gateway.s3().get_object(Bucket=bucket, Key="x")["Body"].read() == b"hello"


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/{bucket}/x", {"Host": "127.0.0.1"}, 200),
        ("/x", {"Host": "{bucket}.s3.test"}, 200),
        ("/x", {"Host": "{bucket}.s3.test:8080"}, 200),
        ("/{bucket}/x", {"Host": "{bucket}.s3.test"}, 403),  # the key {bucket}/x, which does not exist
        ("/{bucket}/x", {"Host": "s3.test"}, 200),
        ("/{bucket}/x", {"Host": "{bucket}.s3.other"}, 400),
        ("//{bucket}/x", {"Host": "127.0.0.1"}, 400),
    ],
)
def test_the_bucket_is_in_the_path_or_in_the_host(
    gateway: RunningGateway, bucket: str, path: str, headers: dict[str, str], expected: int
) -> None:
    """Never in both, and in the Host header below a configured domain alone."""
    grant(gateway, bucket, PUBLIC)
    request = urllib.request.Request(  # noqa: S310 - our own address
        gateway.url + path.format(bucket=bucket),
        headers={name: value.format(bucket=bucket) for name, value in headers.items()},
    )
    try:
        status = urllib.request.urlopen(request, timeout=60).status  # noqa: S310 - our own address
    except urllib.error.HTTPError as refused:
        status = refused.code
    assert status == expected
