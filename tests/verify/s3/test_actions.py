"""The permissions of requests, row by row."""

import pytest
from tests.verify.s3.s3_requests import needed, parse

from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.object_keys import EXACT, FOLDED
from daypass.verify.s3.operations.request import check_expected_owners, with_form
from daypass.verify.s3.operations.routes import OPERATIONS, Level
from daypass.verify.s3.permissions.actions import (
    ACTIONS,
    EVERY_BUCKET,
    Permission,
    current_permission,
    delete_permissions,
    list_permission,
    permissions,
    tag_bucket_permission,
)

_PUT = ["PutObject b01/k"]


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("PUT", "/b01", {}, ["CreateBucket b01"]),
        (
            "PUT",
            "/b01",
            {
                "x-amz-acl": "private",
                "x-amz-bucket-object-lock-enabled": "True",
                "x-amz-object-ownership": "BucketOwnerEnforced",
            },
            [
                "CreateBucket b01",
                "PutBucketAcl b01",
                "PutBucketObjectLockConfiguration b01",
                "PutBucketVersioning b01",
                "PutBucketOwnershipControls b01",
            ],
        ),
        ("PUT", "/b01", {"x-amz-bucket-object-lock-enabled": "false"}, ["CreateBucket b01"]),
        ("HEAD", "/b01", {}, ["ListBucket b01"]),
        ("GET", "/b01?versions", {}, ["ListBucketVersions b01"]),
        ("GET", "/b01?uploads", {}, ["ListBucketMultipartUploads b01"]),
        ("DELETE", "/b01?cors", {}, ["PutBucketCORS b01"]),
        ("DELETE", "/b01?policy", {}, ["DeleteBucketPolicy b01"]),
        ("DELETE", "/b01?publicAccessBlock", {}, ["PutBucketPublicAccessBlock b01"]),
        ("GET", "/b01?object-lock", {}, ["GetBucketObjectLockConfiguration b01"]),
        ("GET", "/b01/k", {}, ["GetObject b01/k"]),
        ("HEAD", "/b01/k", {}, ["GetObject b01/k"]),
        ("GET", "/b01/k?versionId=v1", {}, ["GetObjectVersion b01/k"]),
        ("GET", "/b01/k?versionId=null", {}, ["GetObjectVersion b01/k"]),
        ("GET", "/b01/k?torrent", {}, ["GetObjectTorrent b01/k"]),
        ("GET", "/b01/k?uploadId=u", {}, ["ListMultipartUploadParts b01/k"]),
        (
            "GET",
            "/b01/k?attributes",
            {"x-amz-object-attributes": "ETag"},
            ["GetObject b01/k", "GetObjectAttributes b01/k"],
        ),
        (
            "GET",
            "/b01/k?attributes&versionId=1",
            {"x-amz-object-attributes": "ETag"},
            ["GetObjectVersion b01/k", "GetObjectVersionAttributes b01/k"],
        ),
        ("GET", "/b01/k?tagging&versionId=1", {}, ["GetObjectVersionTagging b01/k"]),
        ("PUT", "/b01/k?tagging", {}, ["PutObjectTagging b01/k"]),
        ("DELETE", "/b01/k?tagging&versionId=1", {}, ["DeleteObjectVersionTagging b01/k"]),
        ("GET", "/b01/k?acl", {}, ["GetObjectAcl b01/k"]),
        ("GET", "/b01/k?legal-hold&versionId=1", {}, ["GetObjectLegalHold b01/k"]),
        ("PUT", "/b01/k?retention", {}, ["PutObjectRetention b01/k"]),
        (
            "PUT",
            "/b01/k?retention",
            {"x-amz-bypass-governance-retention": "TRUE"},
            ["PutObjectRetention b01/k", "BypassGovernanceRetention b01/k"],
        ),
        ("DELETE", "/b01/k", {}, ["DeleteObject b01/k"]),
        ("DELETE", "/b01/k?versionId=1", {}, ["DeleteObjectVersion b01/k"]),
        (
            "DELETE",
            "/b01/k?versionId=1",
            {"x-amz-bypass-governance-retention": "true"},
            ["DeleteObjectVersion b01/k", "BypassGovernanceRetention b01/k"],
        ),
        ("DELETE", "/b01/k", {"x-amz-bypass-governance-retention": "false"}, ["DeleteObject b01/k"]),
        (
            "PUT",
            "/b01/k",
            {
                "x-amz-object-lock-mode": "GOVERNANCE",
                "x-amz-object-lock-retain-until-date": "2027-01-01T00:00:00Z",
                "x-amz-object-lock-legal-hold": "ON",
                "x-amz-tagging": "a=1",
            },
            ["PutObject b01/k", "PutObjectRetention b01/k", "PutObjectLegalHold b01/k", "PutObjectTagging b01/k"],
        ),
        (
            "PUT",
            "/b01/k",
            {"x-amz-object-lock-retain-until-date": "x"},
            ["PutObject b01/k", "PutObjectRetention b01/k"],
        ),
        ("POST", "/b01/k?uploads", {"x-amz-tagging": "a=1"}, ["PutObject b01/k", "PutObjectTagging b01/k"]),
        ("POST", "/b01/k?uploadId=u", {}, ["PutObject b01/k"]),
        ("DELETE", "/b01/k?uploadId=u", {}, ["AbortMultipartUpload b01/k"]),
        ("POST", "/b01/k?restore", {}, ["RestoreObject b01/k"]),
        ("POST", "/b01/k?select&select-type=2", {}, ["GetObject b01/k"]),
    ],
)
def test_permissions(method: str, target: str, headers: dict[str, str], expected: list[str]) -> None:
    """GATEWAY's table: the operation, and the parts that add a permission."""
    assert needed(parse(method, target, headers)) == expected


def test_every_row_has_a_permission_that_is_always_needed() -> None:
    """An operation without a permission would be allowed to every caller."""
    for name, rows in ACTIONS.items():
        assert rows[0].when.__name__ == "_always", name
        level = OPERATIONS[name].level
        for row in rows:
            assert row.target == "all" if level is Level.SERVICE else row.target != "all", name
            assert level is Level.OBJECT or name == "PostObject" or row.target in {"all", "bucket"}, name


def test_a_list_of_buckets_needs_the_permission_on_all_of_them() -> None:
    """Policies name `*` or `arn:aws:s3:::*`."""
    (one,) = permissions(parse("GET", "/"))
    assert (one.action, one.resource, one.bucket) == ("s3:ListAllMyBuckets", EVERY_BUCKET, "")


def test_permissions_of_a_body_are_not_taken_from_the_head() -> None:
    """An empty answer would be read as nothing to refuse."""
    for request in (
        parse("POST", "/b01?delete"),
        parse("POST", "/b01", {"Content-Type": "multipart/form-data; boundary=x"}),
        parse("OPTIONS", "/b01/k"),
    ):
        with pytest.raises(LookupError):
            permissions(request)


def test_each_key_of_delete_objects_is_a_permission() -> None:
    """A version, and the bypass of governance mode, need their own actions."""
    plain = parse("POST", "/b01?delete", rule=EXACT)
    bypassing = parse("POST", "/b01?delete", {"x-amz-bypass-governance-retention": "true"}, rule=EXACT)
    assert [(one.action, one.resource) for one in delete_permissions(plain, "a", "")] == [
        ("s3:DeleteObject", "arn:aws:s3:::b01/a")
    ]
    (version,) = delete_permissions(plain, "a", "v1")
    assert (version.action, version.version_id) == ("s3:DeleteObjectVersion", "v1")
    assert [one.action for one in delete_permissions(bypassing, "a", "v1")] == [
        "s3:DeleteObjectVersion",
        "s3:BypassGovernanceRetention",
    ]


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("PUT", "/b01/k", {}),
        ("DELETE", "/b01/k", {}),
        ("PUT", "/b01/k?tagging", {}),
        ("GET", "/b01/k?tagging", {}),
        ("PUT", "/b01/k", {"x-amz-copy-source": "b02/s", "x-amz-tagging-directive": "REPLACE"}),
    ],
)
def test_a_change_may_be_one_of_the_folder_marker(method: str, target: str, headers: dict[str, str]) -> None:
    """Rule: what is denied for `k/` is denied for `k`, but it need not be allowed."""
    also = [one for one in permissions(parse(method, target, headers)) if one.unless_denied]
    assert [one.resource for one in also] == ["arn:aws:s3:::b01/k/"]
    assert not [one for one in permissions(parse(method, target, headers, rule=EXACT)) if one.unless_denied]
    assert [one.unless_denied for one in delete_permissions(parse("POST", "/b01?delete"), "k", "")] == [False, True]


def test_a_folder_is_also_the_object_of_its_name_at_a_store_that_folds() -> None:
    """A policy about `k` must hold for `k/`, which may be the same object."""
    assert needed(parse("PUT", "/b01/a/k/")) == ["PutObject b01/a/k/", "PutObject b01/a/k"]
    assert needed(parse("GET", "/b01/a/k%2F?versionId=1")) == ["GetObjectVersion b01/a/k/", "GetObjectVersion b01/a/k"]
    assert needed(parse("PUT", "/b01/a/k/", rule=EXACT)) == ["PutObject b01/a/k/"]
    assert needed(parse("GET", "/b01/")) == ["ListBucket b01"]
    copy = {"x-amz-copy-source": "b02/s/", "x-amz-tagging-directive": "REPLACE"}
    assert needed(parse("PUT", "/b01/k", copy)) == ["PutObject b01/k", "GetObject b02/s/", "GetObject b02/s"]
    request = parse("POST", "/b01?delete")
    assert [one.resource for one in delete_permissions(request, "k/", "")] == [
        "arn:aws:s3:::b01/k/",
        "arn:aws:s3:::b01/k",
    ]
    exact = parse("POST", "/b01?delete", rule=EXACT)
    assert [one.resource for one in delete_permissions(exact, "k/", "")] == ["arn:aws:s3:::b01/k/"]


def test_a_form_needs_the_permissions_of_its_fields() -> None:
    """Fields are headers, and the same rules hold for them."""
    form = parse("POST", "/b01", {"Content-Type": "multipart/form-data; boundary=x"})
    filled = with_form(form, "up/ü", {b"x-amz-tagging": b"a=1", b"x-amz-meta-c": b"1"}, FOLDED)
    assert needed(filled) == ["PutObject b01/up/ü", "PutObjectTagging b01/up/ü"]
    assert filled.canonical_path == b"/b01/up/%C3%BC"
    for fields in ({b"x-amz-acl": b"public-read"}, {b"x-amz-foo": b"1"}):
        with pytest.raises(S3Error):
            with_form(form, "up/a", fields, FOLDED)
    with pytest.raises(S3Error, match="InvalidURI"):
        with_form(form, "up/../secret", {}, FOLDED)


def test_the_expected_owner_is_compared() -> None:
    """Source: Amazon S3 User Guide, "Verifying bucket ownership with bucket owner condition"."""
    request = parse("GET", "/b01/k", {"x-amz-expected-bucket-owner": "111122223333"})
    check_expected_owners(request, "111122223333")
    with pytest.raises(S3Error, match="AccessDenied"):
        check_expected_owners(request, "444455556666")
    copy = parse("PUT", "/b01/k", {"x-amz-copy-source": "b02/a", "x-amz-source-expected-bucket-owner": "444455556666"})
    check_expected_owners(copy, "111122223333", "444455556666")
    with pytest.raises(S3Error, match="AccessDenied"):
        check_expected_owners(copy, "111122223333", "111122223333")


def test_other_permissions_name_the_bucket() -> None:
    """For tags of a new bucket, and for 404 or 403."""
    assert tag_bucket_permission(parse("PUT", "/b01")).resource == "arn:aws:s3:::b01"
    assert list_permission("b01").action == "s3:ListBucket"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("s3:GetObjectVersion", "s3:GetObject"),
        ("s3:DeleteObjectVersion", "s3:DeleteObject"),
        ("s3:GetObjectVersionTagging", "s3:GetObjectTagging"),
        ("s3:PutObjectRetention", "s3:PutObjectRetention"),
    ],
)
def test_the_permission_for_the_current_object_of_a_version(action: str, expected: str) -> None:
    """A store that ignores the ID performs the operation on that object."""
    found = current_permission(Permission(action, "arn:aws:s3:::b01/k", "b01", "v", is_source=True))
    assert found == Permission(expected, "arn:aws:s3:::b01/k", "b01", is_source=True)
