"""Objects through the gateway: what a caller may do, and what it is told."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.gateway.refusals import refusal, refused_with
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer
from tests.sockets import free_port

GET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
DENY_TAGS = {"Effect": "Deny", "Action": ["s3:GetObject*Tagging", "s3:PutObjectTagging"], "Resource": "*"}
LIST = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}


CEPH = pytest.param("radosgw", marks=(pytest.mark.slow, pytest.mark.component("radosgw")))


@pytest.fixture(scope="module", params=["moto_store", "seaweedfs", CEPH])
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store) as running:
        yield running


@pytest.fixture
def bucket(gateway: RunningGateway) -> str:
    """Create a bucket of the first account."""
    return gateway.new_bucket()


def test_an_assumed_role_puts_gets_lists_and_deletes(gateway: RunningGateway, bucket: str) -> None:
    """The four calls that every program makes."""
    s3 = gateway.role(ALLOW_ALL)
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="a/b c")["Body"].read() == b"hello"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b c"]
    s3.delete_object(Bucket=bucket, Key="a/b c")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_denied_object_is_refused_in_the_words_of_s3(gateway: RunningGateway, bucket: str) -> None:
    """The message names the caller, the action and the reason."""
    gateway.s3().put_object(Bucket=bucket, Key="secret", Body=b"x")
    s3 = gateway.role(ALLOW_ALL, {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/secret"})
    response = refusal(s3.get_object, Bucket=bucket, Key="secret").response
    assert response["Error"]["Code"] == "AccessDenied"
    assert response["Error"]["Message"].endswith(
        f'is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{bucket}/secret" '
        "with an explicit deny in an identity-based policy"
    )
    sealed = response["ResponseMetadata"]["HTTPHeaders"]["x-daypass-authorization-message"]
    assert 60 <= len(sealed) <= 2048


def test_the_sealed_message_of_a_denial_can_be_decoded(gateway: RunningGateway, bucket: str) -> None:
    """STS opens it for a caller of the same account."""
    response = refusal(gateway.role(LIST).get_object, Bucket=bucket, Key="x").response
    sealed = response["ResponseMetadata"]["HTTPHeaders"]["x-daypass-authorization-message"]
    assert "s3:GetObject" in gateway.sts().decode_authorization_message(EncodedMessage=sealed)["DecodedMessage"]


def test_a_denied_head_has_its_reason_in_a_header(gateway: RunningGateway, bucket: str) -> None:
    """`aws s3 cp` begins a download with HeadObject, whose answer has no body."""
    response = refusal(gateway.role(LIST).head_object, Bucket=bucket, Key="x").response
    assert response["Error"]["Code"] == "403"
    sealed = response["ResponseMetadata"]["HTTPHeaders"]["x-daypass-authorization-message"]
    assert "s3:GetObject" in gateway.sts().decode_authorization_message(EncodedMessage=sealed)["DecodedMessage"]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [((GET,), (403, "AccessDenied")), ((GET, LIST), (404, "NoSuchKey"))],
)
def test_a_missing_object_is_hidden_from_a_caller_that_must_not_list(
    gateway: RunningGateway, bucket: str, statements: tuple[Any, ...], expected: tuple[int, str]
) -> None:
    """GET answers 403 or 404, HEAD the same status without a body, and a copy likewise."""
    s3 = gateway.role(*statements, {"Effect": "Allow", "Action": "s3:Put*", "Resource": "*"}, *_tags())
    assert refused_with(s3.get_object, Bucket=bucket, Key="none") == expected
    assert refused_with(s3.head_object, Bucket=bucket, Key="none")[0] == expected[0]
    source = {"Bucket": bucket, "Key": "none"}
    assert refused_with(s3.copy_object, Bucket=bucket, Key="copy", CopySource=source) == expected


def _tags() -> tuple[Any, ...]:
    return ({"Effect": "Allow", "Action": ["s3:GetObjectTagging", "s3:PutObjectTagging"], "Resource": "*"},)


def test_a_hidden_object_looks_like_a_denied_one(gateway: RunningGateway, bucket: str) -> None:
    """The answers about an object that is denied and one that does not exist have one form."""
    gateway.s3().put_object(Bucket=bucket, Key="denied", Body=b"x")
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/denied"}
    s3 = gateway.role(GET, deny)
    answers = [refusal(s3.head_object, Bucket=bucket, Key=key).response for key in ("denied", "absent")]
    shown = [set(answer["ResponseMetadata"]["HTTPHeaders"]) - {"x-daypass-authorization-message"} for answer in answers]
    assert shown[0] == shown[1]


def test_a_denied_folder_is_not_changed_by_its_name(gateway: RunningGateway, bucket: str) -> None:
    """At SeaweedFS, a PUT or DELETE of `secret` would delete the object `secret/`. Other callers may use the name."""
    gateway.s3().put_object(Bucket=bucket, Key="secret/", Body=b"")
    denied = gateway.role(ALLOW_ALL, {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*/secret/*"})
    allowed = gateway.role({**ALLOW_ALL, "Resource": ["arn:aws:s3:::*/secret", f"arn:aws:s3:::{bucket}"]})
    for change in (denied.delete_object, denied.put_object):
        with suppress(ClientError):
            change(Bucket=bucket, Key="secret")
        denied.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "secret"}]})
        assert "secret/" in [one["Key"] for one in gateway.s3().list_objects_v2(Bucket=bucket)["Contents"]]
    allowed.put_object(Bucket=bucket, Key="secret", Body=b"x")
    assert allowed.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"x"


def test_a_session_policy_limits_a_session(gateway: RunningGateway, bucket: str) -> None:
    """The role may do everything, its session may read one prefix."""
    gateway.s3().put_object(Bucket=bucket, Key="public/x", Body=b"1")
    gateway.s3().put_object(Bucket=bucket, Key="private/x", Body=b"1")
    allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/public/*"}
    s3 = gateway.role(ALLOW_ALL, session=[allowed])
    assert s3.get_object(Bucket=bucket, Key="public/x")["Body"].read() == b"1"
    message = str(refusal(s3.get_object, Bucket=bucket, Key="private/x"))
    assert "because no session policy allows the s3:GetObject action" in message


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, False),
        ({"StringEquals": {"s3:authType": "REST-HEADER"}}, True),
        ({"StringEquals": {"s3:ResourceAccount": "123456789012"}}, True),
        ({"StringEquals": {"s3:ResourceAccount": "210987654321"}}, False),
        ({"StringEquals": {"aws:RequestedRegion": "eu-test-1"}}, True),
    ],
)
def test_conditions_see_the_request(
    gateway: RunningGateway, bucket: str, condition: dict[str, Any], *, allowed: bool
) -> None:
    """One statement with one condition decides."""
    s3 = gateway.role({**ALLOW_ALL, "Condition": condition})
    if allowed:
        s3.put_object(Bucket=bucket, Key="x", Body=b"1")
    else:
        assert refused_with(s3.put_object, Bucket=bucket, Key="x", Body=b"1") == (403, "AccessDenied")


def test_a_listing_is_limited_to_a_prefix(gateway: RunningGateway, bucket: str) -> None:
    """s3:prefix is the prefix of the request."""
    s3 = gateway.role({**LIST, "Condition": {"StringLike": {"s3:prefix": "home/*"}}})
    s3.list_objects_v2(Bucket=bucket, Prefix="home/alice")
    assert refused_with(s3.list_objects_v2, Bucket=bucket, Prefix="") == (403, "AccessDenied")
    assert refused_with(s3.list_objects, Bucket=bucket) == (403, "AccessDenied")


def test_delete_objects_is_decided_for_each_key(gateway: RunningGateway, bucket: str) -> None:
    """Denied keys are errors in a 200, and stay."""
    for key in ("a", "keep/b", "c"):
        gateway.s3().put_object(Bucket=bucket, Key=key, Body=b"1")
    deny = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/keep/*"}
    s3 = gateway.role(ALLOW_ALL, deny)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("a", "keep/b", "c")]})
    assert sorted(one["Key"] for one in answer["Deleted"]) == ["a", "c"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("keep/b", "AccessDenied")]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["keep/b"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "keep/b"}], "Quiet": True})
    assert "Deleted" not in answer
    assert len(answer["Errors"]) == 1


def test_the_account_owns_every_object(gateway: RunningGateway, bucket: str) -> None:
    """ACLs are read-only, with full control of the account; its name at the store does not appear."""
    s3 = gateway.role(ALLOW_ALL)
    s3.put_object(Bucket=bucket, Key="x", Body=b"1")
    bucket_acl, object_acl = s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="x")
    assert bucket_acl["Owner"] == object_acl["Owner"]
    assert [grant["Permission"] for grant in object_acl["Grants"]] == ["FULL_CONTROL"]
    listed = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]
    assert listed["Owner"]["ID"] == bucket_acl["Owner"]["ID"]
    assert refused_with(s3.get_object_acl, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    refused = (400, "AccessControlListNotSupported")
    assert refused_with(s3.put_object_acl, Bucket=bucket, Key="x", ACL="public-read") == refused
    own = {name: object_acl[name] for name in ("Owner", "Grants")}
    s3.put_object_acl(Bucket=bucket, Key="x", AccessControlPolicy=own)
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=own)
    own["Grants"][0]["Permission"] = "READ"
    assert refused_with(s3.put_object_acl, Bucket=bucket, Key="x", AccessControlPolicy=own) == refused
    assert refused_with(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == refused
    assert refused_with(s3.put_object, Bucket=bucket, Key="y", ACL="public-read") == refused


@pytest.mark.parametrize("version", [None, "null", "3sL4kqtJlcpXroDTDmJ"])
@pytest.mark.parametrize("call", ["get_object_acl", "put_object_acl"])
def test_the_acl_of_a_missing_object_does_not_exist(
    gateway: RunningGateway, bucket: str, call: str, version: str | None
) -> None:
    """The gateway answers these itself, and asks the store first; a caller that must not list does not learn it."""
    acl = {} if call == "get_object_acl" else {"ACL": "bucket-owner-full-control"}
    named = {"VersionId": version} if version else {}
    code = "NoSuchVersion" if version else "NoSuchKey"
    refused = refused_with(getattr(gateway.s3(), call), Bucket=bucket, Key="none", **acl, **named)
    assert refused == (404, code)
    acls = {"Effect": "Allow", "Action": ["s3:*Acl"], "Resource": "*"}
    refused = refused_with(getattr(gateway.role(acls), call), Bucket=bucket, Key="none", **acl, **named)
    assert refused == (403, "AccessDenied")


def test_the_acl_of_an_object_at_a_store_that_is_down_is_not_known() -> None:
    """The client can try again."""
    with running_gateway(StoreServer("moto", free_port())) as gateway:
        refused = refused_with(gateway.s3().get_object_acl, Bucket="a-bucket", Key="x")
    assert refused == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    ("service", "call", "setting"),
    [
        ("sts", "get_caller_identity", "Set AWS_ENDPOINT_URL_STS to the address of `daypass serve`"),
        ("iam", "list_users", "Set AWS_ENDPOINT_URL_IAM to the address of `daypass serve`"),
        ("sso-admin", "list_instances", "set AWS_ENDPOINT_URL_S3 to this address instead"),
        ("ec2", "describe_instances", "set AWS_ENDPOINT_URL_S3 to this address instead"),
        ("dynamodb", "list_tables", "set AWS_ENDPOINT_URL_S3 to this address instead"),
        ("codebuild", "list_projects", "set AWS_ENDPOINT_URL_S3 to this address instead"),
        ("lambda", "list_functions", "set AWS_ENDPOINT_URL_S3 to this address instead"),
        ("route53", "list_hosted_zones", "set AWS_ENDPOINT_URL_S3 to this address instead"),
    ],
)
def test_a_call_of_another_service_names_the_setting(
    gateway: RunningGateway, service: str, call: str, setting: str
) -> None:
    """A profile's endpoint_url sends the calls of every service to one address."""
    root = gateway.server.root
    client = boto3.client(
        service,
        "eu-test-1",
        endpoint_url=gateway.url,
        aws_access_key_id=root.access_key_id,
        aws_secret_access_key=root.secret_access_key,
    )
    response = refusal(getattr(client, call)).response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (400, "InvalidRequest")
    assert (
        f"This is the S3 gateway, which serves S3 alone. The request is signed for {service.partition('-')[0]}"
        in (response["Error"]["Message"])
    )
    assert setting in response["Error"]["Message"]
    event = gateway.audit.first(
        lambda record: record.action == "RequestForAnotherService" and str(record.parameters).count(service[:3]) > 0
    )
    assert event.fault is not None


def test_an_unsigned_call_of_sts_names_the_setting(gateway: RunningGateway) -> None:
    """AssumeRoleWithWebIdentity does not have a signature, and S3 does not have POST on `/`."""
    form = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(gateway.url, form, timeout=10)  # noqa: S310 - our own address
    body = refused.value.read()
    assert (refused.value.code, b"AWS_ENDPOINT_URL_STS" in body, b"<ErrorResponse>" in body) == (400, True, True)


def test_a_caller_can_expect_an_owner(gateway: RunningGateway, bucket: str) -> None:
    """The expectation is checked here, and does not go to the store."""
    s3, account = gateway.role(ALLOW_ALL), gateway.server.root.account
    s3.put_object(Bucket=bucket, Key="x", Body=b"1", ExpectedBucketOwner=account)
    refused = refused_with(s3.get_object, Bucket=bucket, Key="x", ExpectedBucketOwner="210987654321")
    assert refused == (403, "AccessDenied")


def test_a_multipart_upload_is_located_at_the_gateway(gateway: RunningGateway, bucket: str) -> None:
    """The Location of the store is not the client's business."""
    s3 = gateway.role(ALLOW_ALL)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big file")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="big file", UploadId=upload, PartNumber=1, Body=b"1" * 5_242_880)
    assert len(s3.list_parts(Bucket=bucket, Key="big file", UploadId=upload)["Parts"]) == 1
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="big file",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    assert done["Location"] == f"{gateway.url}/{bucket}/big%20file"
    assert s3.head_object(Bucket=bucket, Key="big file")["ContentLength"] == 5_242_880


def test_a_multipart_upload_names_its_checksum(gateway: RunningGateway, bucket: str) -> None:
    """A client computes the checksum of each part with this algorithm."""
    upload = gateway.s3().create_multipart_upload(Bucket=bucket, Key="big", ChecksumAlgorithm="SHA256")
    assert upload.get("ChecksumAlgorithm") == (None if gateway.store.name == "ceph" else "SHA256")  # Ceph 16 has none


def test_a_copy_needs_permissions_on_both_objects(gateway: RunningGateway, bucket: str) -> None:
    """Reading the source, writing the target, and the tags of both."""
    gateway.s3().put_object(Bucket=bucket, Key="source", Body=b"1")
    gateway.role(ALLOW_ALL).copy_object(Bucket=bucket, Key="a", CopySource={"Bucket": bucket, "Key": "source"})
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/source"}
    s3 = gateway.role(ALLOW_ALL, deny)
    refused = refused_with(s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "source"})
    assert refused == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("tagged", "more", "allowed"),
    [
        (False, {}, True),
        (True, {}, False),
        (True, {"TaggingDirective": "REPLACE"}, True),
        (False, {"version": "null"}, False),
    ],
)
def test_the_tags_of_a_source_need_permissions_if_it_has_tags(
    gateway: RunningGateway, bucket: str, more: dict[str, str], *, tagged: bool, allowed: bool
) -> None:
    """As on S3. A store may ignore the version in a question about tags, thus a version needs them always."""
    gateway.s3().put_object(Bucket=bucket, Key="source", Body=b"1", **({"Tagging": "a=b"} if tagged else {}))
    s3 = gateway.role({"Effect": "Allow", "Action": ["s3:GetObject*", "s3:PutObject"], "Resource": "*"}, DENY_TAGS)
    version = {"VersionId": more["version"]} if "version" in more else {}
    members = {name: value for name, value in more.items() if name != "version"}
    source = {"Bucket": bucket, "Key": "source", **version}
    if "TaggingDirective" in more:
        allowed = gateway.store.name != "ceph"  # Ceph 16 copies the tags all the same
    if allowed:
        s3.copy_object(Bucket=bucket, Key="target", CopySource=source, **members)
        assert not gateway.s3().get_object_tagging(Bucket=bucket, Key="target")["TagSet"]
    else:
        refused = refused_with(s3.copy_object, Bucket=bucket, Key="target", CopySource=source, **members)
        assert refused == (403, "AccessDenied")


def test_presigned_urls_work_as_their_signer(gateway: RunningGateway, bucket: str) -> None:
    """A URL for one object is no URL for another one."""
    s3 = gateway.role(ALLOW_ALL, signature="s3v4")
    s3.put_object(Bucket=bucket, Key="x", Body=b"shared")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"}, ExpiresIn=60)
    assert urllib.request.urlopen(url, timeout=60).read() == b"shared"  # noqa: S310 - our own address
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("/x?", "/y?"), timeout=60)  # noqa: S310 - our own address
    assert (refused.value.code, b"SignatureDoesNotMatch" in refused.value.read()) == (403, True)


def test_a_store_is_not_visible_in_an_answer(gateway: RunningGateway, bucket: str) -> None:
    """Headers of the store do not reach the client, and the request id is the gateway's."""
    gateway.s3().put_object(Bucket=bucket, Key="x", Body=b"1")
    answer = gateway.s3().get_object(Bucket=bucket, Key="x")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert not {"server", "via", "x-amz-id-2", "access-control-allow-origin"} & set(headers)
    assert gateway.audit.of(answer).action == "GetObject"


VERSIONS = {
    "Effect": "Allow",
    "Action": ["s3:GetObjectVersion", "s3:DeleteObjectVersion", "s3:GetObjectVersionTagging", "s3:PutObject"],
    "Resource": "*",
}
FOREIGN_VERSION = "0123456789abcdef0123456789abcdef"


def test_a_permission_for_versions_does_not_open_the_object_of_a_bucket_without_them(
    gateway: RunningGateway, bucket: str
) -> None:
    """Stores ignore the ID there: SeaweedFS returns and deletes the object, and moto deletes it."""
    gateway.s3().put_object(Bucket=bucket, Key="k", Body=b"x")
    s3 = gateway.role(VERSIONS)
    version = {"Bucket": bucket, "Key": "k", "VersionId": FOREIGN_VERSION}
    denied = (403, "AccessDenied")
    assert refused_with(s3.get_object, **version) == denied
    assert refused_with(s3.head_object, **version)[0] == 403
    assert refused_with(s3.delete_object, **version) == denied
    assert refused_with(s3.get_object_tagging, **version) == denied
    source = {"Bucket": bucket, "Key": "k", "VersionId": FOREIGN_VERSION}
    assert refused_with(s3.copy_object, Bucket=bucket, Key="copy", CopySource=source) == denied
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": FOREIGN_VERSION}]})
    assert [one["Code"] for one in answer["Errors"]] == ["AccessDenied"]
    assert gateway.s3().get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_permission_for_versions_opens_them(gateway: RunningGateway, bucket: str) -> None:
    """They do not open the current object. After versioning was suspended, they need the permission for it too."""
    owner = gateway.s3()
    owner.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (owner.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"first", b"second"))
    owner.put_object(Bucket=bucket, Key="k", Body=b"third")
    s3 = gateway.role(VERSIONS)
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"first"
    assert refused_with(s3.get_object, Bucket=bucket, Key="k") == (403, "AccessDenied")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=first)
    assert refusal(owner.get_object, Bucket=bucket, Key="k", VersionId=first)
    owner.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert refused_with(s3.delete_object, Bucket=bucket, Key="k", VersionId=second) == (403, "AccessDenied")
    assert owner.get_object(Bucket=bucket, Key="k")["Body"].read() == b"third"
