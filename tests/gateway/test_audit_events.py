"""Audit events of a gateway: S3 data events in CloudTrail's shape."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from tests.gateway.refusals import refusal
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.audit.event import AuditRecord, to_event
from daypass.audit.lines import LARGEST_UNPROVEN_LINE, to_line
from daypass.gateway.audit_events import ExchangeLog, RequestExchange
from daypass.gateway.plan import Peer
from daypass.gateway.settings import GatewaySettings
from daypass.verify.caller import ANONYMOUS, static_caller
from daypass.verify.s3.errors import s3_error


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway in front of moto."""
    with running_gateway(moto_store) as running:
        yield running


def written(record: AuditRecord) -> dict[str, Any]:
    """Return the event of a record as it is written."""
    event: dict[str, Any] = json.loads(msgspec.json.encode(to_event(record, "id")))
    return event


def event_of(gateway: RunningGateway, response: Any) -> dict[str, Any]:
    """Return the event of the request that a response belongs to."""
    return written(gateway.audit.of(response))


def test_an_upload_is_a_data_event(gateway: RunningGateway) -> None:
    """Every member that CloudTrail's S3 events have and a gateway knows."""
    bucket = gateway.new_bucket()
    credentials = gateway.credentials(ALLOW_ALL)
    answer = gateway.s3(credentials).put_object(Bucket=bucket, Key="a b", Body=b"hello", Tagging="class=open")
    event = event_of(gateway, answer)
    account = gateway.server.root.account
    assert event["requestID"] == answer["ResponseMetadata"]["RequestId"]
    assert (event["eventSource"], event["eventName"]) == ("s3.amazonaws.com", "PutObject")
    assert (event["awsRegion"], event["sourceIPAddress"]) == ("eu-test-1", "127.0.0.1")
    assert event["requestParameters"]["bucketName"] == bucket
    assert event["requestParameters"]["key"] == "a b"
    assert event["resources"] == [
        {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/a b"},
        {"accountId": account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
    ]
    assert (event["managementEvent"], event["readOnly"], event["eventCategory"]) == (False, False, "Data")
    assert event["recipientAccountId"] == account
    data = event["additionalEventData"]
    assert (data["SignatureVersion"], data["AuthenticationMethod"]) == ("SigV4", "AuthHeader")
    assert data["bytesTransferredIn"] >= 5
    identity = event["userIdentity"]
    assert (identity["type"], identity["accessKeyId"]) == ("AssumedRole", credentials["AccessKeyId"])
    assert identity["arn"].startswith(f"arn:aws:sts::{account}:assumed-role/")
    text = json.dumps(event)
    assert credentials["SessionToken"] not in text
    assert credentials["SecretAccessKey"] not in text


def test_a_download_counts_its_bytes(gateway: RunningGateway) -> None:
    """The event is written after the answer."""
    bucket = gateway.new_bucket()
    gateway.s3().put_object(Bucket=bucket, Key="x", Body=b"1" * 1000)
    answer = gateway.s3().get_object(Bucket=bucket, Key="x")
    answer["Body"].read()
    event = event_of(gateway, answer)
    assert (event["eventName"], event["readOnly"]) == ("GetObject", True)
    assert event["additionalEventData"]["bytesTransferredOut"] == 1000


def test_a_denial_has_its_code_and_reason(gateway: RunningGateway) -> None:
    """The caller and the object are in it."""
    bucket = gateway.new_bucket()
    event = event_of(gateway, refusal(gateway.role().get_object, Bucket=bucket, Key="x").response)
    assert event["errorCode"] == "AccessDenied"
    assert "because no identity-based policy allows the s3:GetObject action" in event["errorMessage"]
    assert event["userIdentity"]["type"] == "AssumedRole"


def test_a_refusal_of_the_store_has_its_status(gateway: RunningGateway) -> None:
    """A missing object is an event with the store's error code."""
    bucket = gateway.new_bucket()
    missing = refusal(gateway.s3().get_object, Bucket=bucket, Key="none").response
    assert event_of(gateway, missing)["errorCode"] == "NoSuchKey"


def test_an_anonymous_caller_is_named_as_by_cloudtrail(gateway: RunningGateway) -> None:
    """The account is ANONYMOUS_PRINCIPAL, and the refusal is one that anyone can cause."""
    config = BotoConfig(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    nobody = boto3.client("s3", endpoint_url=gateway.url, region_name="us-east-1", config=config)
    record = gateway.audit.of(refusal(nobody.get_object, Bucket=gateway.new_bucket(), Key="x").response)
    assert written(record)["userIdentity"] == {"type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL"}
    assert record.is_unproven_refusal


def test_a_wrong_signature_names_the_key_that_it_tried(gateway: RunningGateway) -> None:
    """The caller is not known, and the key exists."""
    key = {"AccessKeyId": gateway.server.root.access_key_id, "SecretAccessKey": "wrong"}
    record = gateway.audit.of(refusal(gateway.s3(key).list_buckets).response)
    assert record.fault is not None
    assert record.code == "SignatureDoesNotMatch"
    assert (record.fault.names_known_key, record.is_unproven_refusal) == (True, True)
    assert written(record)["userIdentity"] == {"type": "Unknown", "accessKeyId": key["AccessKeyId"]}


def test_a_presigned_url_is_not_in_its_event(gateway: RunningGateway) -> None:
    """Whoever reads the log must not be able to use the URL."""
    bucket = gateway.new_bucket()
    s3 = gateway.role(ALLOW_ALL, signature="s3v4")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket, "Prefix": "p"}, ExpiresIn=60)
    answer = urllib.request.urlopen(url, timeout=60)  # noqa: S310 - our own address
    answer.read()
    event = written(gateway.audit.with_id(answer.headers["x-amz-request-id"]))
    assert event["additionalEventData"]["AuthenticationMethod"] == "QueryString"
    assert event["requestParameters"]["prefix"] == "p"
    assert "ignature=" not in json.dumps(event)


def test_an_upload_that_was_cut_is_not_a_success(gateway: RunningGateway) -> None:
    """The client went away in the middle of the body."""
    bucket = gateway.new_bucket()
    s3 = gateway.role(ALLOW_ALL, signature="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "cut"}, ExpiresIn=60)
    target = url.removeprefix(gateway.url)
    host = gateway.url.removeprefix("http://")
    client = gateway.path.connect()
    client.send(f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 500000\r\n\r\n".encode() + b"x" * 100_000)
    client.socket.close()
    record = gateway.audit.first(lambda each: (each.parameters or {}).get("key") == "cut")
    assert (record.action, record.code) == ("PutObject", "IncompleteBody")
    assert "Contents" not in gateway.s3().list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(
    ("key", "is_proven", "longest"),
    [
        ("\x01" * 1_024, False, LARGEST_UNPROVEN_LINE),
        ("\x01" * 1_024, True, 16_384),
        ("\ud800", False, LARGEST_UNPROVEN_LINE),  # cannot be in a path, and must not lose the event
    ],
)
def test_an_event_is_written_for_any_key(key: str, longest: int, *, is_proven: bool) -> None:
    """The line of a request that anyone can send is short."""
    written_records: list[AuditRecord] = []
    log = ExchangeLog(written_records.append, lambda _: None, lambda *_: None, lambda *_: None, lambda: True)
    exchange = RequestExchange(log, "id", Peer("192.0.2.1", secure=False), None, datetime.now(UTC))
    exchange.operation, exchange.bucket, exchange.key = "GetObject", "bucket", key
    exchange.caller = static_caller("123456789012", "alice", access_key_id="AKID") if is_proven else ANONYMOUS
    exchange.refuse(s3_error("AccessDenied"))
    exchange.done(status=403, bytes_in=0, bytes_out=0)
    line = to_line(written_records[0], "id")
    assert json.loads(line)["errorCode"] == "AccessDenied"
    assert len(line) <= longest


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, ["PutObject", "GetObject"]), (1.0, ["PutObject", "GetObject", "GetObject"])]
)
def test_successful_reads_can_be_sampled(moto_store: StoreServer, share: float, expected: list[str]) -> None:
    """Without reads, changes and refusals remain."""
    with running_gateway(moto_store, GatewaySettings(audit_reads=share)) as gateway:
        bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL)
        s3.put_object(Bucket=bucket, Key="x", Body=b"1")
        s3.get_object(Bucket=bucket, Key="x")["Body"].read()
        last = gateway.audit.of(refusal(s3.get_object, Bucket=bucket, Key="none").response)
        names = [record.action for record in gateway.audit.audit_records]
    assert last.code == "NoSuchKey"
    assert names[1:] == expected
