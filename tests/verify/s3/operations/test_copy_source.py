"""The copy source has many spellings and one meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verify.s3.s3_requests import code_of, needed, parse

from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.copy_source import parse_copy_source
from daypass.verify.s3.operations.object_keys import EXACT, FOLDED


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("b02/a/b", ("b02", "a/b", "", "b02/a/b")),
        ("/b02/a/b", ("b02", "a/b", "", "b02/a/b")),
        ("b02%2Fa%2Fb", ("b02", "a/b", "", "b02/a/b")),
        ("%62%30%32/a", ("b02", "a", "", "b02/a")),
        ("b02/a%20b+c", ("b02", "a b c", "", "b02/a%20b%20c")),
        ("b02/a%2Bb", ("b02", "a+b", "", "b02/a%2Bb")),
        ("b02/ü", ("b02", "ü", "", "b02/%C3%BC")),
        ("b02/a?versionId=v1", ("b02", "a", "v1", "b02/a?versionId=v1")),
        ("b02/a%3FversionId=v1", ("b02", "a?versionId=v1", "", "b02/a%3FversionId%3Dv1")),
    ],
)
def test_each_spelling_becomes_one(value: str, source: tuple[str, str, str, str]) -> None:
    """What is judged is what the store gets."""
    found = parse_copy_source(value.encode(), lambda _bucket: FOLDED)
    assert (found.bucket, found.key, found.version_id, found.header.decode()) == source


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "InvalidArgument"),
        ("b02", "InvalidArgument"),
        ("b02/", "InvalidArgument"),
        ("/b02", "InvalidArgument"),
        ("//b02/a", "InvalidBucketName"),
        ("b02//secret/a", "InvalidURI"),
        ("b02/secret%5Ca", "InvalidURI"),
        ("b02/a/../secret/a", "InvalidURI"),
        ("b02/%2e%2e/b03/a", "InvalidURI"),
        ("../b02/a", "InvalidBucketName"),
        ("b02/a%00", "InvalidURI"),
        ("b02/a?versionId=", "InvalidArgument"),
        ("b02/a?versionId=v1&x=1", "InvalidArgument"),
        ("b02/a?versionId=..%2Fx", "InvalidArgument"),
        ("b02/a?x=1", "InvalidArgument"),
        ("b02/a?", "InvalidArgument"),
        ("arn:aws:s3:us-east-1:111122223333:accesspoint/a/object/k", "NotImplemented"),
        ("http://b02/a", "InvalidBucketName"),
    ],
)
def test_other_sources_are_refused(value: str, code: str) -> None:
    """The store might read another object out of them."""
    with pytest.raises(S3Error) as refused:
        parse_copy_source(value.encode(), lambda _bucket: FOLDED)
    assert refused.value.code == code


def test_the_rule_is_that_of_the_source_bucket() -> None:
    """The source can be at another store than the target."""
    rules = {"b02": EXACT, "b03": FOLDED}
    assert parse_copy_source(b"b02/a//b", rules.__getitem__).key == "a//b"
    with pytest.raises(S3Error, match="InvalidURI"):
        parse_copy_source(b"b03/a//b", rules.__getitem__)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_the_one_spelling_means_the_same_object(text: str) -> None:
    """Parsing the forwarded header again gives the same source."""
    try:
        found = parse_copy_source(f"b02/{text}".encode(), lambda _bucket: EXACT)
    except S3Error:
        return
    assert parse_copy_source(found.header, lambda _bucket: EXACT) == found
    assert found.header.isascii()


def test_a_copy_needs_the_permission_on_its_source() -> None:
    """Tags are needed only if the source has some."""
    copy = parse(
        "PUT", "/b01/k", {"x-amz-copy-source": "/b02%2Fsecret?versionId=v1", "x-amz-tagging-directive": "COPY"}
    )
    assert needed(copy) == [
        "PutObject b01/k",
        "GetObjectVersion b02/secret",
        "GetObjectVersionTagging b02/secret",
        "PutObjectTagging b01/k",
    ]
    replaced = parse("PUT", "/b01/k", {"x-amz-copy-source": "b02/a", "x-amz-tagging-directive": "REPLACE"})
    assert needed(replaced) == ["PutObject b01/k", "GetObject b02/a"]
    part = parse("PUT", "/b01/k?partNumber=1&uploadId=u", {"x-amz-copy-source": "b02/a"})
    assert needed(part) == ["PutObject b01/k", "GetObject b02/a"]


def test_a_copy_source_of_another_operation_has_no_effect() -> None:
    """It is not read and does not go to the store."""
    assert parse("GET", "/b01/k", {"x-amz-copy-source": "b02/a"}).copy_source is None
    assert code_of("PUT", "/b01/k?acl", {"x-amz-copy-source": "b02/a"}) == "MethodNotAllowed"
