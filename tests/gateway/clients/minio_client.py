"""Use minio-py: `python minio_client.py`, with the variables of endpoints.py."""

import io
import os
import urllib.request
from datetime import timedelta
from importlib import import_module
from pathlib import Path

minio = import_module("minio")
common = import_module("minio.commonconfig")
delete = import_module("minio.deleteobjects")
bucket, big = os.environ["S3_BUCKET"], os.environ["S3_BIG_FILE"]
scheme, address = os.environ["S3_ENDPOINT"].split("://")
client = minio.Minio(
    address,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    session_token=os.environ["AWS_SESSION_TOKEN"],
    secure=scheme == "https",
    region="eu-test-1",
)
client.put_object(
    bucket_name=bucket,
    object_name="minio/a b",
    data=io.BytesIO(b"hello"),
    length=5,
    metadata={"color": "red"},
    content_type="text/plain",
)
answer = client.get_object(bucket_name=bucket, object_name="minio/a b")
assert answer.read() == b"hello"
assert client.get_object(bucket_name=bucket, object_name="minio/a b", offset=1, length=2).read() == b"el"
stat = client.stat_object(bucket_name=bucket, object_name="minio/a b")
assert (stat.size, stat.metadata["x-amz-meta-color"]) == (5, "red")
with Path(big).open("rb") as file:
    client.put_object(bucket_name=bucket, object_name="minio/big", data=file, length=-1, part_size=5 * 2**20)
client.fget_object(bucket_name=bucket, object_name="minio/big", file_path=big + ".minio")
assert Path(big).read_bytes() == Path(big + ".minio").read_bytes()
source = {"bucket_name": bucket, "object_name": "minio/a b"}
client.copy_object(bucket_name=bucket, object_name="minio/copy", source=common.CopySource(**source))
names = [one.object_name for one in client.list_objects(bucket_name=bucket, prefix="minio/", recursive=True)]
assert names == ["minio/a b", "minio/big", "minio/copy"]
url = client.presigned_get_object(bucket_name=bucket, object_name="minio/copy", expires=timedelta(minutes=1))
assert urllib.request.urlopen(url).read() == b"hello"
url = client.presigned_put_object(bucket_name=bucket, object_name="minio/put", expires=timedelta(minutes=1))
assert urllib.request.urlopen(urllib.request.Request(url, data=b"x", method="PUT")).status == 200
client.remove_object(bucket_name=bucket, object_name="minio/put")
errors = client.remove_objects(bucket_name=bucket, delete_object_list=[delete.DeleteObject(name) for name in names])
assert list(errors) == []
assert list(client.list_objects(bucket_name=bucket, prefix="minio/", recursive=True)) == []
assert client.bucket_exists(bucket_name=bucket)
