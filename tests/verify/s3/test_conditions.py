"""Condition keys of requests, and the statements that they decide."""

import json
from datetime import timedelta

import msgspec
import pytest
from tests.verify.s3.s3_requests import ACCOUNT, CALLER, NOW, parse, verified

from daypass.policy.authorization_request import NewConditionKeys
from daypass.policy.compiled import PolicySet, compile_document, compile_set
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.source import PolicySource, PolicyType
from daypass.verify.decision import decide
from daypass.verify.s3.documents.xml_bodies import NAMESPACE
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.permissions.actions import permissions
from daypass.verify.s3.permissions.body_conditions import BODY_KEYS, body_keys
from daypass.verify.s3.permissions.conditions import ConnectionFacts, permission_keys, request_keys, tag_keys
from daypass.verify.s3.permissions.lookups import LookUp, look_ups, named_keys, unknown_keys

PLAIN = ConnectionFacts("192.0.2.7", False, "", "eu-central-1")
TLS = ConnectionFacts("2001:db8::1", True, "TLSv1.3", "eu-central-1")

_CREATE_BUCKET = (
    f"<CreateBucketConfiguration xmlns='{NAMESPACE}'><LocationConstraint>eu-central-1</LocationConstraint>"
    "</CreateBucketConfiguration>"
)


def _keys(request: S3Request, *, presigned: bool = False, connection: ConnectionFacts = PLAIN) -> NewConditionKeys:
    return request_keys(request, verified(presigned=presigned), connection=connection, now=NOW)


def _policy(*statements: dict[str, object]) -> PolicySet:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    document = parse_document(text, DocumentKind.IDENTITY)
    return compile_set([compile_document(document, PolicySource(PolicyType.IDENTITY, "p"))])


def _statement(
    effect: str, action: str | list[str], condition: object = None, resource: str = "*"
) -> dict[str, object]:
    found: dict[str, object] = {"Effect": effect, "Action": action, "Resource": resource}
    return found if condition is None else {**found, "Condition": condition}


def _is_allowed(request: S3Request, *statements: dict[str, object], presigned: bool = False) -> bool:
    caller = msgspec.structs.replace(CALLER, policies=Policies(_policy(*statements)))
    keys = _keys(request, presigned=presigned)
    return all(
        isinstance(
            decide(
                caller,
                one.action,
                one.resource,
                permission_keys(keys, one, account=ACCOUNT, resource_keys={}),
                resource_account=ACCOUNT,
            ),
            Allowed,
        )
        for one in permissions(request)
    )


def test_keys_of_the_head() -> None:
    """Every request has them."""
    request = parse("GET", "/b01/k", {"User-Agent": "aws-cli/2", "Referer": "https://a.test/"})
    assert _keys(request) == {
        "aws:currenttime": "2026-11-30T12:00:00Z",
        "aws:epochtime": "1796040000",
        "aws:securetransport": "false",
        "aws:requestedregion": "eu-central-1",
        "aws:viaawsservice": "false",
        "aws:sourceip": "192.0.2.7",
        "aws:useragent": "aws-cli/2",
        "aws:referer": "https://a.test/",
        "s3:authtype": "REST-HEADER",
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:signatureage": "0",
        "s3:x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    assert _keys(request, connection=TLS)["s3:tlsversion"] == "1.3"
    assert _keys(request, connection=TLS)["aws:securetransport"] == "true"


def test_keys_of_the_signature() -> None:
    """A presigned URL has another type, an age and an unsigned payload; an anonymous request has none of them."""
    request = parse("GET", "/b01/k", presigned=True)
    old = verified(presigned=True, signed_at=NOW - timedelta(minutes=10, milliseconds=5))
    keys = request_keys(request, old, connection=PLAIN, now=NOW)
    assert keys["s3:authtype"] == "REST-QUERY-STRING"
    assert keys["s3:signatureage"] == "600005"
    assert keys["s3:x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    early = request_keys(request, verified(signed_at=NOW + timedelta(minutes=1)), connection=PLAIN, now=NOW)
    assert early["s3:signatureage"] == "0"
    anonymous = request_keys(parse("GET", "/b01/k", anonymous=True), None, connection=PLAIN, now=NOW)
    assert not [key for key in anonymous if key.startswith("s3:")]
    form = parse("POST", "/b01", {"Content-Type": "multipart/form-data; boundary=x"})
    assert _keys(form)["s3:authtype"] == "POST"


def test_the_age_of_the_mfa_is_that_of_the_moment() -> None:
    """The caller's other keys do not depend on the moment."""
    caller = msgspec.structs.replace(CALLER, mfa_at=int(NOW.timestamp()) - 90)
    signed = msgspec.structs.replace(verified(), caller=caller)
    keys = request_keys(parse("GET", "/b01/k"), signed, connection=PLAIN, now=NOW)
    assert keys["aws:multifactorauthage"] == "90"
    assert "aws:multifactorauthage" not in _keys(parse("GET", "/b01/k"))


def test_keys_of_a_list() -> None:
    """A parameter that is absent is not a key; an empty one is."""
    keys = _keys(parse("GET", "/b01?list-type=2&prefix=a%2F&delimiter=%2F&max-keys=10"))
    assert (keys["s3:prefix"], keys["s3:delimiter"], keys["s3:max-keys"]) == ("a/", "/", "10")
    assert "s3:prefix" not in _keys(parse("GET", "/b01"))
    assert _keys(parse("GET", "/b01?prefix="))["s3:prefix"] == ""


def test_keys_of_an_upload() -> None:
    """Headers of the operation, computed days, tags."""
    headers = {
        "x-amz-acl": "bucket-owner-full-control",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:111122223333:key/k",
        "x-amz-website-redirect-location": "/ü",
        "x-amz-object-lock-mode": "COMPLIANCE",
        "x-amz-object-lock-retain-until-date": "2026-12-30T13:00:00+01:00",
        "x-amz-object-lock-legal-hold": "OFF",
        "x-amz-tagging": "Team=a+b&x=1",
        "If-None-Match": "*",
    }
    keys = _keys(parse("PUT", "/b01/k", headers))
    assert {key: value for key, value in keys.items() if key.startswith("s3:") and "signature" not in key} == {
        "s3:authtype": "REST-HEADER",
        "s3:x-amz-content-sha256": keys["s3:x-amz-content-sha256"],
        "s3:if-none-match": "*",
        "s3:objectcreationoperation": "true",
        "s3:x-amz-acl": "bucket-owner-full-control",
        "s3:x-amz-storage-class": "STANDARD_IA",
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:111122223333:key/k",
        "s3:x-amz-website-redirect-location": "/ü",
        "s3:object-lock-mode": "COMPLIANCE",
        "s3:object-lock-retain-until-date": "2026-12-30T12:00:00Z",
        "s3:object-lock-remaining-retention-days": "30.00",
        "s3:object-lock-legal-hold": "OFF",
        "s3:requestobjecttag/team": "a b",
        "s3:requestobjecttag/x": "1",
        "s3:requestobjecttagkeys": ("Team", "x"),
    }


def test_a_header_of_another_operation_is_not_a_key() -> None:
    """It does not go to the store, and must not satisfy a condition."""
    spurious = {"x-amz-server-side-encryption": "aws:kms", "If-Match": "x", "x-amz-tagging": "a=1"}
    for method, target in (("PUT", "/b01/k?partNumber=1&uploadId=u"), ("GET", "/b01/k"), ("DELETE", "/b01")):
        keys = _keys(parse(method, target, spurious))
        assert not keys.keys() & {
            "s3:x-amz-server-side-encryption",
            "s3:if-match",
            "s3:requestobjecttag/a",
            "s3:requestobjecttagkeys",
        }


def test_a_permission_has_the_keys_of_its_action() -> None:
    """With a key of another action, an Allow would hold that does not on AWS."""
    upload = parse("PUT", "/b01/k", {"x-amz-tagging": "a=1", "x-amz-acl": "private", "x-amz-storage-class": "STANDARD"})
    by_action = {
        one.action: {
            key
            for key in permission_keys(_keys(upload), one, account=ACCOUNT, resource_keys={})
            if key.startswith(("s3:x-amz-acl", "s3:x-amz-storage", "s3:request", "s3:objectcreation"))
        }
        for one in permissions(upload)
    }
    tags = {"s3:requestobjecttag/a", "s3:requestobjecttagkeys"}
    acl = {"s3:x-amz-acl", "s3:x-amz-storage-class"}
    assert by_action == {
        "s3:PutObject": tags | acl | {"s3:objectcreationoperation"},
        "s3:PutObjectAcl": acl,
        "s3:PutObjectTagging": tags,
    }


@pytest.mark.parametrize(
    ("method", "target", "headers", "key", "value"),
    [
        ("GET", "/?prefix=pub", {}, "s3:prefix", "pub"),
        ("GET", "/b01?uploads&prefix=pub", {}, "s3:prefix", "pub"),
        ("GET", "/b01/k?retention&versionId=v1", {}, "s3:VersionId", "v1"),
        ("PUT", "/b01/k", {"x-amz-copy-source": "b02/pub/a"}, "s3:x-amz-copy-source", "b02/pub/a"),
    ],
)
def test_an_allow_does_not_hold_by_a_key_of_another_action(
    method: str, target: str, headers: dict[str, str], key: str, value: str
) -> None:
    """S3 does not have the key for one of the needed actions."""
    request = parse(method, target, headers)
    assert not _is_allowed(request, _statement("Allow", "s3:*", {"StringEquals": {key: value}}))
    assert _is_allowed(request, _statement("Allow", "s3:*"))


@pytest.mark.parametrize("until", ["2026-12-30", "tomorrow", "2026-12-30T12:00:00", ""])
def test_a_retention_date_has_a_zone(until: str) -> None:
    """Another reading of the store would be another retention."""
    request = parse("PUT", "/b01/k", {"x-amz-object-lock-retain-until-date": until})
    with pytest.raises(S3Error, match="InvalidArgument"):
        _keys(request)


def test_only_operations_that_complete_an_object_create_it() -> None:
    """Source: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets"."""
    condition = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    rules = (_statement("Allow", "s3:*"), _statement("Deny", "s3:PutObject", condition))
    assert not _is_allowed(parse("PUT", "/b01/k"), *rules)
    assert _is_allowed(parse("PUT", "/b01/k", {"If-None-Match": "*"}), *rules)
    assert _is_allowed(parse("POST", "/b01/k?uploads"), *rules)
    assert _is_allowed(parse("PUT", "/b01/k?partNumber=1&uploadId=u"), *rules)
    assert not _is_allowed(parse("POST", "/b01/k?uploadId=u"), *rules)


def test_a_version_is_that_of_the_permission() -> None:
    """The version of a copy source is a key of the permission on the source alone."""
    rules = (
        _statement("Allow", "s3:*"),
        _statement("Deny", "s3:GetObjectVersion", {"StringNotEquals": {"s3:VersionId": "v1"}}),
    )
    assert _is_allowed(parse("GET", "/b01/k?versionId=v1"), *rules)
    assert not _is_allowed(parse("GET", "/b01/k?versionId=v2"), *rules)
    copy = {"x-amz-copy-source": "b02/a?versionId=v1", "x-amz-tagging-directive": "REPLACE"}
    assert _is_allowed(parse("PUT", "/b01/k", copy), *rules)
    assert not _is_allowed(parse("PUT", "/b01/k", {**copy, "x-amz-copy-source": "b02/a?versionId=v2"}), *rules)


def test_a_copy_source_is_one_string_for_every_spelling() -> None:
    """Without a leading slash, decoded, without the version."""
    limited = _statement("Allow", "s3:PutObject*", {"StringLike": {"s3:x-amz-copy-source": "b02/pub/*"}})
    rules = (limited, _statement("Allow", ["s3:GetObject*", "s3:PutObjectTagging"]))
    for source in ("b02/pub/a", "/b02/pub/a", "b02%2Fpub%2Fa", "b02/pub/a?versionId=v1"):
        assert _is_allowed(parse("PUT", "/b01/k", {"x-amz-copy-source": source}), *rules)
    assert not _is_allowed(parse("PUT", "/b01/k", {"x-amz-copy-source": "b02/secret/a"}), *rules)


def test_tags_that_differ_in_case_alone_count_against_the_caller() -> None:
    """Names of condition keys are not case-sensitive, names of tags are."""
    request = parse("PUT", "/b01/k", {"x-amz-tagging": "team=red&Team=blue"})
    for value in ("red", "blue"):
        condition = {"StringEquals": {"s3:RequestObjectTag/team": value}}
        assert not _is_allowed(request, _statement("Allow", "s3:*", condition))
        assert not _is_allowed(request, _statement("Allow", "s3:*"), _statement("Deny", "s3:*", condition))
    assert tag_keys((("a", "1"), ("A", "2"), ("b", "3")))["s3:requestobjecttag/a"] == ("1", "2")


def test_a_large_number_of_keys_is_compared_as_a_number() -> None:
    """The text of max-keys is digits."""
    rule = _statement("Allow", "s3:*", {"NumericLessThanEquals": {"s3:max-keys": "10"}})
    assert _is_allowed(parse("GET", "/b01?max-keys=0010"), rule)
    assert not _is_allowed(parse("GET", "/b01?max-keys=11"), rule)
    assert not _is_allowed(parse("GET", "/b01"), rule)


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        (
            "PutObjectTagging",
            "<Tagging><TagSet><Tag><Key>A</Key><Value>1</Value></Tag></TagSet></Tagging>",
            {"s3:requestobjecttag/a": "1", "s3:requestobjecttagkeys": ("A",)},
        ),
        (
            "PutObjectRetention",
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2026-12-01T12:00:00Z</RetainUntilDate></Retention>",
            {
                "s3:object-lock-mode": "GOVERNANCE",
                "s3:object-lock-retain-until-date": "2026-12-01T12:00:00Z",
                "s3:object-lock-remaining-retention-days": "1.00",
            },
        ),
        ("PutObjectLegalHold", "<LegalHold><Status>ON</Status></LegalHold>", {"s3:object-lock-legal-hold": "ON"}),
        (
            "CreateBucket",
            _CREATE_BUCKET,
            {"s3:locationconstraint": "eu-central-1"},
        ),
        ("CreateBucket", "", {}),
    ],
)
def test_keys_of_a_body(operation: str, body: str, expected: dict[str, object]) -> None:
    """These operations are judged with their body."""
    assert body_keys(operation, body.encode(), NOW) == expected
    assert operation in BODY_KEYS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Tagging>",
        b"<Other><TagSet/></Other>",
        b"<Tagging><TagSet/><TagSet/></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value>1</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a<!-- x -->b</Key><Value>1</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key><![CDATA[a]]></Key><Value>1</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key x='1'>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><Tagging><TagSet/></Tagging>",
        b"<?xml version='1.0' encoding='latin-1'?><Tagging><TagSet/></Tagging>",
        "<?xml version='1.0' encoding='utf-16'?><Tagging><TagSet/></Tagging>".encode("utf-16"),
        b"<Tagging><TagSet>x<Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag></TagSet></Tagging>",
        b"<Tagging xmlns='urn:other'><TagSet/></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key><Value> 1</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a&#10;</Key><Value>1</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet/></Tagging><Tagging/>",
    ],
)
def test_a_body_that_a_store_could_read_otherwise_is_refused(body: bytes) -> None:
    """The store parses the same bytes with another parser."""
    with pytest.raises(S3Error):
        body_keys("PutObjectTagging", body, NOW)


def test_values_of_a_lock_are_exact() -> None:
    """A store might trim or fold them."""
    for body in (b"<Retention><Mode> GOVERNANCE</Mode></Retention>", b"<Retention><Mode>governance</Mode></Retention>"):
        with pytest.raises(S3Error, match="MalformedXML"):
            body_keys("PutObjectRetention", body, NOW)


def test_look_ups_are_found_in_conditions_and_variables() -> None:
    """Only statements about the action count."""
    policy = _policy(
        _statement("Deny", "s3:GetObject", {"StringEquals": {"S3:existingobjecttag/Class": "secret"}}),
        _statement("Allow", "s3:List*", None, "arn:aws:s3:::${aws:ResourceTag/team, 'none'}"),
        _statement("Allow", "s3:PutObject", {"StringEquals": {"aws:username": "${s3:BucketTag/owner}"}}),
    )
    assert look_ups(iter([policy]), "s3:GetObject") == {LookUp.OBJECT_TAGS}
    assert look_ups(iter([policy]), "s3:ListBucket") == {LookUp.BUCKET_TAGS}
    assert look_ups(iter([policy]), "s3:PutObject") == {LookUp.BUCKET_TAGS}
    assert look_ups(iter([policy]), "s3:ListAllMyBuckets") == frozenset()
    assert look_ups(iter([policy]), "s3:DeleteObject") == frozenset()
    assert named_keys(policy, "s3:GetObject") == {"s3:existingobjecttag/class"}


def test_a_key_that_cannot_be_known_is_reported() -> None:
    """A Deny that names it would miss."""
    policy = _policy(
        _statement("Allow", "s3:*"),
        _statement("Deny", "s3:PutInventoryConfiguration", {"Null": {"s3:InventoryAccessibleOptionalFields": "false"}}),
    )
    assert unknown_keys(iter([policy]), "s3:PutInventoryConfiguration") == {"s3:inventoryaccessibleoptionalfields"}
    assert unknown_keys(iter([policy]), "s3:GetObject") == frozenset()
