"""The ID of a multipart upload is valid for the key that was decided, and for no other."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.gateway.refusals import refused_with
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer
from tests.gateway.test_check import by_name, check_of

from daypass.gateway.stores.check import WRONG_PROFILE, FindingOutcome
from daypass.gateway.stores.profiles import PROFILES
from daypass.gateway.stores.store_lists import read_uploads

MISSING = (404, "NoSuchUpload")


@pytest.fixture(scope="module", params=["moto_store", "seaweedfs"])
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store. moto does not look at the key of an upload."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store) as running:
        yield running


def begin(gateway: RunningGateway, key: str) -> tuple[dict[str, Any], str]:
    """Begin an upload of one part, and return its bucket, key and ID, and the part's ETag."""
    bucket, s3 = gateway.new_bucket(), gateway.s3()
    upload = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    return upload, s3.upload_part(**upload, PartNumber=1, Body=b"the part")["ETag"]


def test_an_upload_of_another_key_is_not_found(gateway: RunningGateway) -> None:
    """A caller that may write one folder cannot finish, change, list or abort the uploads of another one."""
    upload, etag = begin(gateway, "secret/x")
    arn = f"arn:aws:s3:::{upload['Bucket']}"
    caller = gateway.role({"Effect": "Allow", "Action": "s3:*", "Resource": [arn, f"{arn}/public/*"]})
    other = {**upload, "Key": "public/x"}
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    caller.put_object(Bucket=upload["Bucket"], Key="public/source", Body=b"source")
    source = {"Bucket": upload["Bucket"], "Key": "public/source"}
    assert refused_with(caller.upload_part, **other, PartNumber=1, Body=b"another") == MISSING
    assert refused_with(caller.upload_part_copy, **other, PartNumber=1, CopySource=source) == MISSING
    assert refused_with(caller.complete_multipart_upload, **other, MultipartUpload=parts) == MISSING
    assert refused_with(caller.list_parts, **other) == MISSING
    assert refused_with(caller.abort_multipart_upload, **other) == MISSING
    done = gateway.s3().complete_multipart_upload(**upload, MultipartUpload=parts)
    assert done["Key"] == "secret/x"
    assert gateway.s3().get_object(Bucket=upload["Bucket"], Key="secret/x")["Body"].read() == b"the part"


def test_one_of_several_uploads_of_a_key_is_found(gateway: RunningGateway) -> None:
    """Keys with the same beginning, and more uploads of the key, do not hide it."""
    upload, _ = begin(gateway, "k")
    s3 = gateway.s3()
    for key in ("k", "k/longer", "j"):
        s3.create_multipart_upload(Bucket=upload["Bucket"], Key=key)
    assert len(s3.list_parts(**upload)["Parts"]) == 1
    s3.abort_multipart_upload(**upload)
    assert refused_with(s3.list_parts, **upload) == MISSING


@pytest.mark.slow
def test_the_check_finds_a_store_that_does_not_look_at_the_key(moto_store: StoreServer) -> None:
    """A profile that says otherwise is wrong, also at the start of a gateway."""
    check = check_of(moto_store, replace(PROFILES["moto"], binds_uploads=True))
    for findings in (check.findings(), check.quick_findings()):
        found = by_name(findings)["upload ids"]
        assert (found.outcome, found.code) == (FindingOutcome.FAILED, WRONG_PROFILE)


PAGE = b"""<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><KeyMarker/>
<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker><IsTruncated>true</IsTruncated>
<Upload><Key>a</Key><UploadId>1</UploadId><Initiator><ID>9</ID></Initiator></Upload>
<Upload><Key>a</Key><UploadId>2</UploadId></Upload></ListMultipartUploadsResult>"""


def test_a_page_of_uploads_is_read() -> None:
    """Only a whole list is a list."""
    page = read_uploads(PAGE)
    assert page is not None
    assert page.uploads == {("a", "1"), ("a", "2")}
    assert page.next_markers == ("a", "2")
    assert read_uploads(PAGE[:-5]) is None
    assert read_uploads(b"<Error/>") is None
