"""Names at a store that mean an object of another name.

SeaweedFS 4.48 keeps the parts of an upload and the versions of an object under names that GetObject accepts, and does
not keep `k` and `k/` apart. A policy about the object does not match these names.
"""

import pytest
from botocore.exceptions import ClientError
from tests.gateway.stores import StoreServer
from tests.verify.s3.s3_requests import needed, parse

from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.permissions.actions import permissions


def _hides(path: str) -> bool:
    try:
        parse("GET", path)
    except S3Error as error:
        return error.code == "InvalidURI"
    return False


def test_the_versions_of_an_object_are_not_other_objects(seaweedfs: StoreServer) -> None:
    """The store returns them for s3:GetObject of another key; the verifier refuses that key."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = client.put_object(Bucket=bucket, Key="secret.txt", Body=b"old")["VersionId"]
    client.put_object(Bucket=bucket, Key="secret.txt", Body=b"new")
    key = f"secret.txt.versions/v_{old}"
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"old"
    assert _hides(f"/{bucket}/{key}")
    assert _hides(f"/{bucket}?prefix=secret.txt.versions/")


def test_the_parts_of_an_upload_are_not_objects(seaweedfs: StoreServer) -> None:
    """The store lists and returns them; the verifier refuses their names and their prefix."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="secret/big")["UploadId"]
    client.upload_part(Bucket=bucket, Key="secret/big", UploadId=upload, PartNumber=1, Body=b"part")
    listed = client.list_objects_v2(Bucket=bucket, Prefix=f".uploads/{upload}/")["Contents"]
    for one in listed:
        assert client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() == b"part"
        assert _hides(f"/{bucket}/{one['Key']}")
    assert listed
    assert _hides(f"/{bucket}?list-type=2&prefix=.uploads%2F{upload}%2F")


def test_an_upload_belongs_to_its_key(seaweedfs: StoreServer) -> None:
    """The verifier judges the key of the path, so the store must compare it with the key of the upload."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="secret/big")["UploadId"]
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.upload_part(Bucket=bucket, Key="public/big", UploadId=upload, PartNumber=1, Body=b"part")
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.abort_multipart_upload(Bucket=bucket, Key="public/big", UploadId=upload)


def test_a_folder_replaces_the_object_of_its_name(seaweedfs: StoreServer) -> None:
    """The store loses `k` and shows its ETag; the verifier needs the permission for it."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    etag = client.put_object(Bucket=bucket, Key="k", Body=b"secret")["ETag"]
    client.put_object(Bucket=bucket, Key="k/x", Body=b"x")
    assert client.head_object(Bucket=bucket, Key="k/")["ETag"] == etag
    client.put_object(Bucket=bucket, Key="k/", Body=b"")
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket=bucket, Key="k")
    assert needed(parse("PUT", f"/{bucket}/k/")) == [f"PutObject {bucket}/k/", f"PutObject {bucket}/k"]


def test_a_deletion_of_an_object_deletes_the_folder_marker(seaweedfs: StoreServer) -> None:
    """The store loses `k/`, with its tags; a caller that is denied the same for `k/` is refused."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    client.put_object(Bucket=bucket, Key="k/", Body=b"")
    client.delete_object(Bucket=bucket, Key="k")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)
    (also,) = [one for one in permissions(parse("DELETE", f"/{bucket}/k")) if one.unless_denied]
    assert (also.action, also.resource) == ("s3:DeleteObject", f"arn:aws:s3:::{bucket}/k/")
