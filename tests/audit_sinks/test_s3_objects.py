"""The sink `s3`: CloudTrail's layout, and objects that a retry replaces."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.audit_sinks.receivers import line, receiving_webhooks
from tests.gateway.stores import ACCESS_KEY_ID, SECRET, StoreServer

from daypass.audit.delivery.destination import DeliveryError
from daypass.audit.delivery.formats import format_of
from daypass.audit.delivery.s3_objects import S3ObjectSink, to_objects
from daypass.audit.delivery.sink_settings import AuditSinkSetting

_LINES = [
    line(1).rstrip(),
    line(2, recipientAccountId="210987654321").rstrip(),
    line(3).rstrip(),
    line(4, userIdentity={"type": "Unknown"}, awsRegion="us-east-1").rstrip(),
    line(5, eventTime="2026-12-01T00:00:00Z").rstrip(),
]
_KEY = re.compile(
    r"logs/AWSLogs/(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4}/\d\d/\d\d)/"
    r"\1_CloudTrail_\2_(\d{8}T\d{4}Z)_[A-Z2-7]{16}\.json\.gz"
)


def _setting(**more: Any) -> AuditSinkSetting:
    given = {"bucket": "logs", "prefix": "logs", "profile": "x", "timeout_seconds": 2, **more}
    return AuditSinkSetting("archive", "s3", **given)


def test_objects_have_cloudtrails_names_and_content() -> None:
    """One object for each account, region and day. An unknown caller has the account of twelve zeros."""
    objects = to_objects(_LINES, _setting(), format_of("cloudtrail"))
    names = [match.groups() for match in map(_KEY.fullmatch, (each.key for each in objects)) if match]
    assert names == [
        ("123456789012", "eu-central-1", "2026/11/30", "20261130T2215Z"),
        ("210987654321", "eu-central-1", "2026/11/30", "20261130T2215Z"),
        ("000000000000", "us-east-1", "2026/11/30", "20261130T2215Z"),
        ("123456789012", "eu-central-1", "2026/12/01", "20261201T0000Z"),
    ]
    records = [json.loads(gzip.decompress(each.content))["Records"] for each in objects]
    assert [[record["requestID"] for record in each] for each in records] == [["r-1", "r-3"], ["r-2"], ["r-4"], ["r-5"]]


def test_the_same_batch_has_the_same_objects() -> None:
    """A retry after a crash replaces them. Another batch has other names."""
    once, again = (to_objects(_LINES, _setting(), format_of("cloudtrail")) for _ in range(2))
    assert once == again
    other = to_objects([*_LINES, line(6).rstrip()], _setting(), format_of("cloudtrail"))
    assert once[0].key not in {each.key for each in other}


def test_ocsf_has_a_folder_of_its_own() -> None:
    """Readers of CloudTrail's layout must not meet another form."""
    (found,) = to_objects(_LINES[:1], _setting(format="ocsf", prefix=""), format_of("ocsf"))
    assert found.key.startswith("AWSLogs/123456789012/OCSF/eu-central-1/2026/11/30/123456789012_OCSF_")
    assert json.loads(gzip.decompress(found.content))["class_uid"] == 6003


def test_a_store_that_refuses_is_named(tmp_path: Path) -> None:
    """The reason has the code of the store, and no secret."""
    with receiving_webhooks(None) as store:  # it answers 501 to PUT
        sink = S3ObjectSink(_setting(url=f"http://127.0.0.1:{store.port}", **_key_file(tmp_path)), bytes)
        with pytest.raises(DeliveryError, match="the store answered 501"):
            sink.send(_LINES)


@pytest.mark.parametrize("text", ["", "[]", '{"AccessKeyId": "a"}'])
def test_a_wrong_key_file_is_refused_at_the_start(text: str, tmp_path: Path) -> None:
    """The message says the form, and repeats no part of the file."""
    path = tmp_path / "key.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="must be JSON: "):
        S3ObjectSink(_setting(profile="", key_file=str(path)), bytes)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["seaweedfs", "moto_store"])
def test_real_stores_take_the_objects(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The second time, the objects are the same ones."""
    server: StoreServer = request.getfixturevalue(store)
    bucket = server.new_bucket()
    setting = _setting(url=server.url, bucket=bucket, **_key_file(tmp_path))
    for _ in range(2):
        S3ObjectSink(setting, format_of("cloudtrail")).send(_LINES)
    listed = server.client().list_objects_v2(Bucket=bucket)["Contents"]
    assert len(listed) == 4
    assert all(_KEY.fullmatch(each["Key"]) for each in listed)
    body = server.client().get_object(Bucket=bucket, Key=listed[0]["Key"])["Body"].read()
    assert json.loads(gzip.decompress(body))["Records"]


@pytest.mark.slow
def test_seaweedfs_refuses_a_wrong_key(seaweedfs: StoreServer, tmp_path: Path) -> None:
    """A signature that does not match is a failure that the operator sees."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"AccessKeyId": ACCESS_KEY_ID, "SecretAccessKey": "wrong"}))
    path.chmod(0o600)
    setting = _setting(url=seaweedfs.url, bucket=seaweedfs.new_bucket(), profile="", key_file=str(path))
    with pytest.raises(DeliveryError, match="the store answered 403 SignatureDoesNotMatch"):
        S3ObjectSink(setting, bytes).send(_LINES)


def _key_file(folder: Path) -> dict[str, str]:
    path = folder / "key.json"
    path.write_text(json.dumps({"AccessKeyId": ACCESS_KEY_ID, "SecretAccessKey": SECRET}))
    path.chmod(0o600)
    return {"key_file": str(path), "profile": ""}
