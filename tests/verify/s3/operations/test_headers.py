"""Headers of a request, also those in the query of a presigned URL."""

import pytest
from tests.verify.s3.s3_requests import code_of, needed, parse

from daypass.verify.s3.errors import S3Error


@pytest.mark.parametrize("acl", ["private", "bucket-owner-full-control"])
def test_an_access_control_list_without_effect_is_accepted(acl: str) -> None:
    """Buckets behave as BucketOwnerEnforced."""
    assert needed(parse("PUT", "/b01/k", {"x-amz-acl": acl})) == ["PutObject b01/k", "PutObjectAcl b01/k"]


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("PUT", "/b01/k", {"x-amz-acl": "public-read"}),
        ("PUT", "/b01/k", {"x-amz-acl": "Private"}),
        ("PUT", "/b01/k", {"x-amz-acl": ""}),
        ("PUT", "/b01/k", {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}),
        ("PUT", "/b01", {"x-amz-acl": "authenticated-read"}),
        ("PUT", "/b01/k?acl", {"x-amz-acl": "public-read-write"}),
        ("POST", "/b01/k?uploads", {"x-amz-grant-full-control": "id=1"}),
    ],
)
def test_other_access_control_lists_are_refused(method: str, target: str, headers: dict[str, str]) -> None:
    """A store would obey them, and grant access that no policy of this server knows."""
    assert code_of(method, target, headers) == "AccessControlListNotSupported"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-foo": "1"}, "NotImplemented"),
        ({"x-amz-mfa": "arn 123456"}, "NotImplemented"),
        ({"x-amz-write-offset-bytes": "1"}, "NotImplemented"),
        ({"x-amz-object-lock-event-hold": "ON"}, "NotImplemented"),
        ({"x-amz-object-lock-mode": "governance"}, "InvalidArgument"),
        ({"x-amz-object-lock-legal-hold": "on"}, "InvalidArgument"),
        ({"x-amz-storage-class": "X" * 5000}, "RequestHeaderSectionTooLarge"),
        ({"x-amz-meta-a": "x" * 9000}, "MetadataTooLarge"),
        ({"x-amz-tagging": "a=1&a=2"}, "InvalidArgument"),
        ({"x-amz-tagging": "&".join(f"k{n}=1" for n in range(11))}, "BadRequest"),
        ({"x-amz-tagging": "=1"}, "InvalidTag"),
        ({"x-amz-tagging": f"k={'v' * 257}"}, "InvalidTag"),
        ({"x-amz-tagging": "%zz=1"}, "InvalidArgument"),
        (
            {
                "x-amz-user-agent": "js",
                "x-amz-api-version": "2006-03-01",
                "x-amz-meta-a": "1",
                "x-amz-checksum-crc32": "x",
            },
            "",
        ),
        ({"x-amz-rename-source": "of another operation"}, ""),
    ],
)
def test_headers_that_are_not_known_are_refused(headers: dict[str, str], code: str) -> None:
    """S3 could know them one day; a header of another operation is without effect."""
    assert code_of("PUT", "/b01/k", headers) == code


def test_a_directive_has_one_spelling() -> None:
    """A store that does not know `replace` would copy the tags."""
    headers = {"x-amz-copy-source": "b02/a", "x-amz-tagging-directive": "replace"}
    assert code_of("PUT", "/b01/k", headers) == "InvalidArgument"


def test_tags_get_one_spelling() -> None:
    """The store sets the tags that were judged."""
    request = parse("PUT", "/b01/k", {"x-amz-tagging": "team+a=1&%62=%3D+&c"})
    assert request.headers[b"x-amz-tagging"] == b"team%20a=1&b=%3D%20&c="
    assert needed(request) == ["PutObject b01/k", "PutObjectTagging b01/k"]


def test_aws_chunked_is_not_a_coding_of_the_object() -> None:
    """It describes the body of the request alone."""
    for sent, kept in (
        ("aws-chunked", b""),
        ("aws-chunked,gzip", b"gzip"),
        ("gzip, AWS-Chunked", b"gzip"),
        ("br", b"br"),
    ):
        assert parse("PUT", "/b01/k", {"Content-Encoding": sent}).headers[b"content-encoding"] == kept


@pytest.mark.parametrize("sent", ["xaws-chunked", "aws-chunked;q=1", "aws-chunked x", "gzip, aws-chunked2"])
def test_a_coding_like_aws_chunked_is_refused(sent: str) -> None:
    """A store that searches the header for the word would decode a body that is not in chunks."""
    with pytest.raises(S3Error) as refused:
        parse("PUT", "/b01/k", {"Content-Encoding": sent})
    assert refused.value.code == "InvalidArgument"


def test_headers_in_the_query_of_a_presigned_url_are_headers() -> None:
    """SDKs for JavaScript and Go put x-amz-* there, in any case of letters."""
    target = "/b01/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0&x-amz-tagging=a%3D1&X-Amz-Meta-Color=blue%20"
    request = parse("PUT", target + "&x-id=PutObject", presigned=True)
    assert request.parameters == {}
    assert request.headers[b"x-amz-tagging"] == b"a=1"
    assert request.headers[b"x-amz-meta-color"] == b"blue"
    assert needed(request) == ["PutObject b01/k", "PutObjectTagging b01/k"]
    copied = parse("PUT", "/b01/k?X-Amz-Copy-Source=b02%2Fsecret", presigned=True)
    assert copied.operation == "CopyObject"
    assert "GetObject b02/secret" in needed(copied)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("x-amz-acl=private", {"x-amz-acl": "private"}),
        ("x-amz-acl=private&X-Amz-Acl=private", {}),
        ("x-amz-meta-a=1%0d%0aX-Amz-Acl:%20public-read", {}),
        ("x-amz-meta-a=%00", {}),
        ("x-amz-meta-%0d%0aa=1", {}),
        ("x-amz-=1", {}),
        ("x-amz-date=20261130T120000Z", {}),
        ("X-Amz-Content-Sha256=" + "0" * 64, {}),
    ],
)
def test_a_hoisted_header_is_given_once_and_is_one_header(query: str, headers: dict[str, str]) -> None:
    """Stores differ in which of two they obey, and a line break would begin another header."""
    assert code_of("PUT", f"/b01/k?{query}", headers, presigned=True) in {
        "InvalidArgument",
        "InvalidURI",
        "AuthorizationQueryParametersError",
    }


def test_a_hoisted_payload_must_be_the_verified_one() -> None:
    """The signature covers the value that the verifier used."""
    parse("PUT", "/b01/k?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", presigned=True)
    with pytest.raises(S3Error, match="AuthorizationQueryParametersError"):
        parse("PUT", "/b01/k?X-Amz-Content-Sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER", presigned=True)


def test_a_request_does_not_show_its_headers() -> None:
    """A traceback or a log could contain a token or a customer's encryption key."""
    secrets = {"x-amz-security-token": "TOKEN", "x-amz-server-side-encryption-customer-key": "CUSTOMERKEY"}
    request = parse("GET", "/b01/k", secrets)
    assert repr(request) == "<GetObject /b01/k>"
    assert request.__rich_repr__() == [("operation", "GetObject"), ("path", b"/b01/k")]
