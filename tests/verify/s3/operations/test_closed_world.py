"""Requests that do not have exactly one meaning are refused."""

import pytest
from tests.verify.s3.s3_requests import code_of, parse

from daypass.verify.s3.errors import S3Error


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", "/", "ListBuckets"),
        ("HEAD", "/b01", "HeadBucket"),
        ("HEAD", "/b01/", "HeadBucket"),
        ("GET", "/b01/?list-type=2&prefix=a%2F&delimiter=%2F&encoding-type=url", "ListObjectsV2"),
        ("GET", "/b01?delimiter=%2F&max-keys=1000&prefix=", "ListObjects"),
        ("GET", "/b01?location", "GetBucketLocation"),
        ("GET", "/b01?versioning=", "GetBucketVersioning"),
        ("GET", "/b01?analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("GET", "/b01?analytics", "ListBucketAnalyticsConfigurations"),
        ("POST", "/b01?delete", "DeleteObjects"),
        ("GET", "/b01/k", "GetObject"),
        ("GET", "/b01/k?versionId=null&partNumber=2", "GetObject"),
        ("GET", "/b01/k?uploadId=2~abc", "ListParts"),
        ("PUT", "/b01/k?partNumber=1&uploadId=abc", "UploadPart"),
        ("PUT", "/b01/k?x-id=PutObject", "PutObject"),
        ("PUT", "/b01/k?partNumber=1&uploadId=abc&x-id=UploadPart", "UploadPart"),
        ("POST", "/b01/k?uploads", "CreateMultipartUpload"),
        ("OPTIONS", "/b01/k?uploads&x", "Preflight"),
    ],
)
def test_requests_of_clients_are_routed(method: str, target: str, operation: str) -> None:
    """The spellings that SDKs use are operations."""
    assert parse(method, target).operation == operation


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        # A store that ignores the unknown name would delete or return the object.
        ("DELETE", "/b01/k?policy=", "InvalidArgument"),
        ("GET", "/b01/k?ACL", "InvalidArgument"),
        ("GET", "/b01/k?cors", "InvalidArgument"),
        ("GET", "/b01/k?lifecycle", "InvalidArgument"),
        ("GET", "/b01/k?unknown=1", "InvalidArgument"),
        ("GET", "/b01/k?acl&tagging", "MethodNotAllowed"),
        ("GET", "/b01/k?acl=1", "MethodNotAllowed"),
        ("POST", "/b01/k?acl", "MethodNotAllowed"),
        ("GET", "/b01/k?versionId=1&versionId=2", "InvalidArgument"),
        ("GET", "/b01/k?%76ersionId=1&versionId=1", "InvalidArgument"),
        ("GET", "/b01/k?versionId=", "InvalidArgument"),
        ("GET", "/b01/k?versionId=..%2Fx", "InvalidArgument"),
        ("GET", "/b01/k?uploadId=..%2F..%2Fx", "NoSuchUpload"),
        ("PUT", "/b01/k?uploadId=x", "InvalidArgument"),
        ("PUT", "/b01/k?partNumber=1", "InvalidArgument"),
        ("GET", "/b01/k?x-id=PutObject", "InvalidArgument"),
        ("GET", "/b01?list-type=1", "MethodNotAllowed"),
        ("GET", "/b01?max-keys=-1", "InvalidArgument"),
        ("GET", "/b01?max-keys=1e3", "InvalidArgument"),
        ("GET", "/b01?max-keys=%D9%A1", "InvalidArgument"),
        ("GET", "/b01?session", "NotImplemented"),
        ("PUT", "/b01/k?renameObject", "MethodNotAllowed"),
        ("PUT", "/b01/k?encryption", "NotImplemented"),
        ("POST", "/b01?metadataConfiguration", "NotImplemented"),
        ("GET", "/b01/k?annotation&annotationName=a", "NotImplemented"),
        ("POST", "/", "MethodNotAllowed"),
        ("HEAD", "/", "MethodNotAllowed"),
        ("PATCH", "/b01/k", "MethodNotAllowed"),
        ("TRACE", "/b01/k", "MethodNotAllowed"),
        ("get", "/b01/k", "MethodNotAllowed"),
        ("POST", "/b01/k", "MethodNotAllowed"),
        ("GET", "/b01/k?x-amz-acl=private", "InvalidArgument"),
        ("GET", "/b01/k?%ff", "InvalidURI"),
        ("GET", "/b01/k?response-content-type=a%0D%0Ax-evil%3A1", "InvalidArgument"),
        ("GET", "/b01/k?response-expires=%0A", "InvalidArgument"),
        ("GET", "/b01/k?prefix=%zz", "InvalidURI"),
    ],
)
def test_other_requests_are_refused(method: str, target: str, code: str) -> None:
    """An unknown or repeated parameter is not ignored."""
    assert code_of(method, target) == code


def test_a_form_is_an_operation_of_its_own() -> None:
    """POST to a bucket is an HTML form only with the media type of one."""
    assert parse("POST", "/b01", {"Content-Type": "multipart/form-data; boundary=x"}).operation == "PostObject"
    assert code_of("POST", "/b01", {"Content-Type": "application/x-www-form-urlencoded"}) == "MethodNotAllowed"


def test_an_anonymous_caller_cannot_choose_headers_of_the_answer() -> None:
    """Response-content-type and others need a signature, as on S3."""
    assert code_of("GET", "/b01/k?response-content-type=text%2Fhtml") == ""
    assert code_of("GET", "/b01/k?response-content-type=text%2Fhtml", anonymous=True) == "InvalidRequest"


@pytest.mark.parametrize(
    "bucket", ["ab", "a" * 64, "Bucket", "b_1", "-ab", "ab-", "a..b", ".abc", "a%00b", "a%20b", "b%2501", "ünd"]
)
def test_a_bucket_name_must_be_valid(bucket: str) -> None:
    """A name that a file system or a URL could read otherwise does not reach a store."""
    assert code_of("GET", f"/{bucket}/k") in {"InvalidBucketName", "InvalidURI"}


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("b01.s3.test", "/a/b", ("b01", "a/b")),
        ("B01.S3.test:8443", "/", ("b01", "")),
        ("s3.test", "/b02/a", ("b02", "a")),
        ("127.0.0.1:7880", "/b02/a", ("b02", "a")),
        ("[::1]:7880", "/b02/a", ("b02", "a")),
        ("S3.Test:80", "/b02/a", ("b02", "a")),
        ("127.0.0.1", "/10.0.0.1/a", ("10.0.0.1", "a")),
        ("s3.test", "/a.b/c", ("a.b", "c")),
        ("LOCALHOST:7880", "/b02/a", ("b02", "a")),
        ("b01.s3.example", "/a", ("b01", "a")),
    ],
)
def test_the_bucket_is_in_the_host_below_a_configured_domain_only(
    host: str, path: str, expected: tuple[str, str]
) -> None:
    """A domain itself, an address and localhost are path style."""
    request = parse("GET", path, {"Host": host}, domains=("s3.test", "s3.example"))
    assert (request.bucket, request.key) == expected
    assert request.canonical_path == ("/" + "/".join(part for part in expected if part)).encode()


@pytest.mark.parametrize("host", ["b01.other.test", "evils3.test", "s3.test.", "[x]:80", "127.1", "a.localhost", ""])
def test_another_host_is_refused_if_there_are_domains(host: str) -> None:
    """GATEWAY.md, virtual hosts: never both, and the words name the setting."""
    with pytest.raises(S3Error) as refused:
        parse("GET", "/b02/a", {"Host": host}, domains=("s3.test",))
    assert (refused.value.code, refused.value.status) == ("InvalidRequest", 400)
    assert "s3.test" in refused.value.message
    assert "--domain" in refused.value.message
    assert parse("GET", "/b02/a", {"Host": host}).bucket == "b02"  # without domains, every host is path style


@pytest.mark.parametrize("host", ["a.b.s3.test", "10.0.0.1.s3.test", "x.s3.test", "b_1.s3.test", ".s3.test"])
def test_a_dotted_or_invalid_name_in_the_host_is_refused(host: str) -> None:
    """Dotted names and addresses are for path style."""
    try:
        parse("GET", "/k", {"Host": host}, domains=("s3.test",))
    except Exception as error:  # noqa: BLE001 - the code is what matters
        assert getattr(error, "code", "") == "InvalidBucketName"  # noqa: PT017
    else:
        pytest.fail("routed")
