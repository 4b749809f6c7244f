"""What clients of S3 send is routed to the operation that they mean.

The rows were written after requests that were recorded from these clients. Names of buckets and keys are invented.
"""

import pytest
from tests.verify.s3.s3_requests import parse

_LIST = "encoding-type=url&list-type=2"
_SDK = {"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": "AAAAAA=="}
_STREAMED = {
    "content-encoding": "aws-chunked",
    "transfer-encoding": "chunked",
    "expect": "100-continue",
    "x-amz-decoded-content-length": "3000",
    "x-amz-sdk-checksum-algorithm": "CRC32",
    "x-amz-trailer": "x-amz-checksum-crc32",
}
_PRESIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
)


@pytest.mark.parametrize(
    ("client", "method", "target", "headers", "operation"),
    [
        ("boto3", "PUT", "/data/b/f", _SDK, "PutObject"),
        ("boto3", "PUT", "/data/b/f", _STREAMED, "PutObject"),
        ("boto3", "GET", f"/data?delimiter=%2F&{_LIST}&prefix=&start-after=b%2Fa", {}, "ListObjectsV2"),
        ("boto3", "GET", "/data/b/f", {"x-amz-checksum-mode": "ENABLED", "range": "bytes=0-8388607"}, "GetObject"),
        ("boto3", "POST", "/data?delete", {**_SDK, "content-type": "application/xml"}, "DeleteObjects"),
        ("aws-cli", "POST", "/data/f?uploads", {"x-amz-checksum-algorithm": "CRC32"}, "CreateMultipartUpload"),
        ("aws-cli", "PUT", "/data/f?uploadId=2c&partNumber=1", _STREAMED, "UploadPart"),
        ("aws-cli", "POST", "/data/f?uploadId=2c", {"content-type": "application/xml"}, "CompleteMultipartUpload"),
        ("aws-sdk-js", "PUT", "/data/f?x-id=PutObject", {**_SDK, "amz-sdk-request": "attempt=1; max=3"}, "PutObject"),
        ("aws-sdk-js", "GET", "/data/f?x-id=GetObject", {"x-amz-user-agent": "aws-sdk-js/3"}, "GetObject"),
        ("aws-sdk-js", "GET", "/data?list-type=2&prefix=js%2F", {}, "ListObjectsV2"),
        ("pyarrow", "POST", "/data/t.parquet?uploads", {}, "CreateMultipartUpload"),
        ("pyarrow", "GET", "/data?list-type=2&max-keys=1&prefix=pa%2F", {}, "ListObjectsV2"),
        ("duckdb", "GET", "/data?encoding-type=url&list-type=2&prefix=d%2F", {}, "ListObjectsV2"),
        ("rclone", "GET", "/data?delimiter=%2F&max-keys=1000&prefix=r%2F", {}, "ListObjects"),
        ("rclone", "GET", "/data?versioning=", {}, "GetBucketVersioning"),
        ("rclone", "PUT", "/data/f?partNumber=1&uploadId=2c&x-id=UploadPart", {"content-md5": "x"}, "UploadPart"),
        ("rclone", "PUT", "/data/f?x-id=PutObject", {"x-amz-meta-mtime": "1764504000.1"}, "PutObject"),
        ("rclone", "DELETE", "/data/f?x-id=DeleteObject", {}, "DeleteObject"),
        ("s5cmd", "GET", "/data?delimiter=%2F&list-type=2&prefix=", {}, "ListObjectsV2"),
        ("s5cmd", "POST", "/data?delete=", {"content-md5": "x"}, "DeleteObjects"),
        (
            "minio-py",
            "GET",
            "/data?delimiter=&encoding-type=url&list-type=2&max-keys=9&prefix=m",
            {},
            "ListObjectsV2",
        ),
        ("minio-py", "POST", "/data?delete=", {"content-md5": "x"}, "DeleteObjects"),
        ("minio-py", "GET", "/data?location=", {}, "GetBucketLocation"),
        ("s3cmd", "GET", "/data/?location", {}, "GetBucketLocation"),
        (
            "s3cmd",
            "POST",
            "/data/f?uploads",
            {"x-amz-meta-s3cmd-attrs": "x", "x-amz-storage-class": "STANDARD"},
            "CreateMultipartUpload",
        ),
        ("s3fs", "PUT", "/data/fs/%C3%BC%20%2B.txt", _STREAMED, "PutObject"),
    ],
)
def test_requests_of_clients(client: str, method: str, target: str, headers: dict[str, str], operation: str) -> None:
    """No header or parameter of these clients is refused."""
    assert parse(method, target, headers).operation == operation, client


@pytest.mark.parametrize(
    ("method", "query", "operation"),
    [
        ("GET", "x-amz-checksum-mode=ENABLED&x-id=GetObject", "GetObject"),
        ("PUT", "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject", "PutObject"),
        ("PUT", "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Storage-Class=STANDARD", "PutObject"),
        ("GET", "response-content-disposition=attachment&versionId=v1", "GetObject"),
        ("PUT", "partNumber=2&uploadId=2~abc", "UploadPart"),
    ],
)
def test_presigned_requests_of_clients(method: str, query: str, operation: str) -> None:
    """Some clients put headers into the query, and name the operation."""
    request = parse(method, f"/data/f?{_PRESIGNED}&{query}&X-Amz-Security-Token=t&X-Amz-Signature=0", presigned=True)
    assert request.operation == operation
    assert not [name for name in request.parameters if name.lower().startswith("x-")]
