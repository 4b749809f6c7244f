"""A gateway on another machine: it has no secret, no master key and no store of accounts."""

import os
import secrets
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from tests.gateway.refusals import refusal
from tests.gateway.remote_gateway import REGION, RemoteGateway, remote_gateway
from tests.gateway.running_gateway import ALLOW_ALL, document
from tests.gateway.stores import StoreServer
from tests.gateway.uploads_at_stores.test_forms import send
from tests.storage.postgresql import fresh_database, own_cluster

from daypass.directory.revocations import revoke_key
from daypass.gateway.settings import GatewaySettings
from daypass.testing.plugin import client_factory
from daypass.verify.remote_server.server_connection import ServerConnection
from daypass.wiring_gateway import server_warning

_PATIENCE = 20.0


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RemoteGateway]:
    """Run a remote gateway in front of moto."""
    with remote_gateway(moto_store) as running:
        yield running


def code_of(call: Any) -> str:
    """Return the error code of a call, or an empty string."""
    try:
        call()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return ""


def seconds_until(call: Any, code: str) -> float:
    """Return how long it takes until a call is refused with a code."""
    start = time.monotonic()
    while code_of(call) != code:
        assert time.monotonic() - start < _PATIENCE, code_of(call)
    return time.monotonic() - start


def test_an_assumed_role_puts_gets_lists_and_deletes(gateway: RemoteGateway) -> None:
    """The bucket is recorded at the server, and its objects are at the store."""
    bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL)
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="a/b c")["Body"].read() == b"hello"
    assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    s3.delete_object(Bucket=bucket, Key="a/b c")
    s3.delete_bucket(Bucket=bucket)
    assert code_of(lambda: s3.list_objects_v2(Bucket=bucket)) == "NoSuchBucket"


def test_scope_down_policies_of_the_server_decide(gateway: RemoteGateway) -> None:
    """The server sends them with the caller."""
    bucket = gateway.new_bucket()
    gateway.s3().put_object(Bucket=bucket, Key="x", Body=b"hello")
    session = gateway.credentials(ALLOW_ALL, {"Effect": "Allow", "Action": "sts:*", "Resource": "*"})
    sts = client_factory(gateway.server)("sts", session)
    reading = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    s3 = gateway.s3(sts.get_scoped_credentials(Policy=reading)["Credentials"])
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"hello"
    refused = refusal(s3.put_object, Bucket=bucket, Key="x", Body=b"changed")
    assert "because no session policy allows the s3:PutObject action" in str(refused)


def test_policies_of_the_server_decide(gateway: RemoteGateway) -> None:
    """Identity, session and bucket policies, compiled from documents that travel by their hash."""
    bucket = gateway.new_bucket()
    gateway.s3().put_object(Bucket=bucket, Key="k", Body=b"x")
    limited = gateway.role(
        ALLOW_ALL, session=[{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]
    )
    assert limited.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert code_of(lambda: limited.put_object(Bucket=bucket, Key="k", Body=b"y")) == "AccessDenied"
    deny = document(
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    )
    gateway.s3().put_bucket_policy(Bucket=bucket, Policy=deny)
    assert seconds_until(lambda: limited.get_object(Bucket=bucket, Key="k"), "AccessDenied") < _PATIENCE


def test_an_html_form_is_verified_at_the_server(gateway: RemoteGateway) -> None:
    """The server grants a key for the signed policy of a form too."""
    bucket = gateway.new_bucket()
    form = gateway.role(ALLOW_ALL).generate_presigned_post(bucket, "from-a-form")
    answer = send(form["url"], form["fields"], b"content")
    assert answer.status == 204, answer.body
    assert gateway.s3().get_object(Bucket=bucket, Key="from-a-form")["Body"].read() == b"content"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA"}, "InvalidAccessKeyId"),
        ({"aws_secret_access_key": "x" * 40}, "SignatureDoesNotMatch"),
        ({"aws_session_token": "AAAA"}, "InvalidToken"),
        ({"region_name": "us-east-1"}, "SignatureDoesNotMatch"),
    ],
)
def test_a_claim_that_the_server_refuses_is_refused_in_the_words_of_s3(
    gateway: RemoteGateway, change: dict[str, str], code: str
) -> None:
    """The answer is the one of a gateway beside the store, each time it is asked."""
    root = gateway.server.root
    parts = {
        "aws_access_key_id": root.access_key_id,
        "aws_secret_access_key": root.secret_access_key,
        "region_name": REGION,
        **change,
    }
    options = BotoConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=gateway.url, config=options, **parts)
    assert [code_of(s3.list_buckets) for _ in range(2)] == [code, code]


def test_a_client_that_invents_names_is_slowed_down(moto_store: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each invented bucket or key is a question to the server. Known callers go on."""
    monkeypatch.setattr("daypass.wiring_gateway._NEW_NAMES_PER_MINUTE", 20)
    with remote_gateway(moto_store) as gateway:
        bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL)
        s3.list_objects_v2(Bucket=bucket)
        anyone = gateway.s3(signature_version=UNSIGNED)
        codes = [code_of(lambda name=f"invented-{number}": anyone.list_objects_v2(Bucket=name)) for number in range(25)]
        assert codes[0] == "AccessDenied"
        assert codes[-1] == "SlowDown"
        invented = gateway.s3({"AccessKeyId": "AKIAINVENTED00000001", "SecretAccessKey": "x" * 40})
        assert code_of(lambda: invented.list_objects_v2(Bucket=bucket)) == "SlowDown"
        assert code_of(lambda: s3.list_objects_v2(Bucket=bucket)) == ""


def test_a_gateway_that_may_not_manage_buckets_says_so(gateway: RemoteGateway) -> None:
    """The refusal is no failure of the server: the operator can change it, and trying again does not."""
    iam = client_factory(gateway.server)("iam")
    deny = document({"Effect": "Deny", "Action": "daypass:ManageBuckets", "Resource": "*"})
    iam.put_user_policy(UserName="edge", PolicyName="less", PolicyDocument=deny)
    try:
        location = {"LocationConstraint": REGION}
        error = refusal(gateway.s3().create_bucket, Bucket="not-managed", CreateBucketConfiguration=location)
    finally:
        iam.delete_user_policy(UserName="edge", PolicyName="less")
    response = error.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (403, "AccessDenied")
    assert "daypass:ManageBuckets" in response["Error"]["Message"]
    assert "arn:" not in response["Error"]["Message"]  # the user of the gateway is not the caller's business


@pytest.mark.slow
def test_a_revocation_arrives_within_a_second(gateway: RemoteGateway) -> None:
    """The bar: p99 of the time from the revocation to the first refusal is at most a second."""
    bucket, times = gateway.new_bucket(), []
    iam = client_factory(gateway.server)("iam")
    iam.create_user(UserName="short")
    iam.put_user_policy(UserName="short", PolicyName="s3", PolicyDocument=document(ALLOW_ALL))
    for _ in range(20):
        key = iam.create_access_key(UserName="short")["AccessKey"]
        session = client_factory(gateway.server)("sts", key).get_session_token()["Credentials"]
        s3 = gateway.s3(session)
        s3.list_objects_v2(Bucket=bucket)
        now = int(gateway.server.clock.now().timestamp())
        with gateway.server.there.store.write() as writer:
            revoke_key(writer, key["AccessKeyId"], before=now + 60, now=now)
        times.append(seconds_until(lambda s3=s3: s3.list_objects_v2(Bucket=bucket), "InvalidToken"))
        iam.delete_access_key(UserName="short", AccessKeyId=key["AccessKeyId"])
    assert quantiles(times, n=100)[-1] <= 1.0, sorted(times)


@pytest.mark.slow
def test_a_gateway_that_is_cut_off_refuses_after_the_bound(moto_store: StoreServer) -> None:
    """It serves what it knows until the bound, and then refuses every request with 503."""
    with remote_gateway(moto_store, stale_seconds=5) as gateway:
        bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        s3.get_object(Bucket=bucket, Key="k")
        assert gateway.link is not None
        gateway.link.is_cut.set()
        cut = time.monotonic()
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        seconds_until(lambda: s3.get_object(Bucket=bucket, Key="k"), "ServiceUnavailable")
        assert 4.0 <= time.monotonic() - cut <= 6.0
        gateway.link.is_cut.clear()
        assert seconds_until(lambda: s3.get_object(Bucket=bucket, Key="k"), "") < _PATIENCE


@pytest.mark.slow
@pytest.mark.component("postgresql")
def test_a_server_without_its_database_does_not_extend_the_bound(moto_store: StoreServer) -> None:
    """The server still answers the gateway, but not with "no change"."""
    cluster = own_cluster()
    if isinstance(cluster, str) or "DAYPASS_TEST_POSTGRESQL" in os.environ:
        pytest.skip("this test stops its own PostgreSQL")
    with (
        fresh_database() as url,
        remote_gateway(moto_store, stale_seconds=5, server_store=url, master_key=secrets.token_hex(32)) as gateway,
    ):
        bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        s3.get_object(Bucket=bucket, Key="k")
        stopping = time.monotonic()
        cluster.stop()
        try:
            cut = time.monotonic()
            seconds_until(lambda: s3.get_object(Bucket=bucket, Key="k"), "ServiceUnavailable")
            refused = time.monotonic()
            # The last word of the database may be older than the end of its stop.
            assert refused - stopping >= 4.0
            assert refused - cut <= 6.0
        finally:
            cluster.start()
        assert seconds_until(lambda: s3.get_object(Bucket=bucket, Key="k"), "") < _PATIENCE


def test_a_gateway_learns_at_its_start_whether_the_server_accepts_it(gateway: RemoteGateway) -> None:
    """A wrong name is not found out by the first request."""
    link = gateway.link
    assert link is not None
    settings = GatewaySettings(server=gateway.server.url, resource_server="wrong")
    assert server_warning(settings, link) == ""
    wrong = ServerConnection(settings.server, "wrong", link.credentials, region="us-east-1")
    try:
        warning = server_warning(settings, wrong)
    finally:
        wrong.close()
    assert warning.startswith("the server refuses this gateway, the resource server 'wrong': ")
    assert "Check --resource-server with `daypass resource-server list`" in warning
