"""Use boto3: `python boto3_client.py`, with the variables of endpoints.py."""

import os
import urllib.request
from importlib import import_module
from pathlib import Path

boto3 = import_module("boto3")
transfer = import_module("boto3.s3.transfer")
bucket, big = os.environ["S3_BUCKET"], os.environ["S3_BIG_FILE"]
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"])

s3.put_object(Bucket=bucket, Key="boto3/a b+ü.txt", Body=b"hello", Metadata={"color": "red"}, ContentType="text/plain")
answer = s3.get_object(Bucket=bucket, Key="boto3/a b+ü.txt")
assert answer["Body"].read() == b"hello"
assert (answer["Metadata"], answer["ContentType"]) == ({"color": "red"}, "text/plain")
assert s3.get_object(Bucket=bucket, Key="boto3/a b+ü.txt", Range="bytes=1-2")["Body"].read() == b"el"
assert s3.head_object(Bucket=bucket, Key="boto3/a b+ü.txt")["ContentLength"] == 5
for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
    s3.put_object(Bucket=bucket, Key=f"boto3/{algorithm}", Body=b"hello", ChecksumAlgorithm=algorithm)
    assert s3.get_object(Bucket=bucket, Key=f"boto3/{algorithm}")["Body"].read() == b"hello"

parts = transfer.TransferConfig(multipart_threshold=6_000_000, multipart_chunksize=6_000_000)
s3.upload_file(big, bucket, "boto3/big", Config=parts)
s3.download_file(bucket, "boto3/big", big + ".boto3", Config=parts)
assert Path(big).read_bytes() == Path(big + ".boto3").read_bytes()
s3.copy({"Bucket": bucket, "Key": "boto3/big"}, bucket, "boto3/copied in parts", Config=parts)

s3.copy_object(Bucket=bucket, Key="boto3/copy ü", CopySource={"Bucket": bucket, "Key": "boto3/a b+ü.txt"})
assert s3.head_object(Bucket=bucket, Key="boto3/copy ü")["Metadata"] == {"color": "red"}
assert "boto3/copy ü" in [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="boto3/")["Contents"]]
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="boto3/", PaginationConfig={"PageSize": 2})
keys = [one["Key"] for page in pages for one in page["Contents"]]
assert len(keys) == 9, keys
assert [one["Prefix"] for one in s3.list_objects(Bucket=bucket, Delimiter="/")["CommonPrefixes"]] == ["boto3/"]
s3.put_object_tagging(Bucket=bucket, Key="boto3/big", Tagging={"TagSet": [{"Key": "a", "Value": "b c"}]})
assert s3.get_object_tagging(Bucket=bucket, Key="boto3/big")["TagSet"] == [{"Key": "a", "Value": "b c"}]

url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "boto3/copy ü"})
assert urllib.request.urlopen(url).read() == b"hello"
url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "boto3/put"})
assert urllib.request.urlopen(urllib.request.Request(url, data=b"by URL", method="PUT")).status == 200
assert s3.get_object(Bucket=bucket, Key="boto3/put")["Body"].read() == b"by URL"

s3.delete_object(Bucket=bucket, Key="boto3/put")
deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
assert len(deleted["Deleted"]) == 9
assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="boto3/")
