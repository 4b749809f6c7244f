"""Uploads by an HTML form: boto3's forms, policies, and bodies that no store may get."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.relay import send_planned
from tests.gateway.stores import StoreServer
from tests.verify.s3.transforms import PROFILES, StoreModel, seed_of, store_signature
from urllib3.filepost import encode_multipart_formdata

from daypass.verify import KeyClaim, KeyGrant, StaticKeys, VerifyError, VerifyReason, static_caller
from daypass.verify.s3.bodies.bodies import BodyProfile
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.forms.form_data import MAX_FIELDS, FormFields, FormReader
from daypass.verify.s3.forms.post_form import (
    PostAnswer,
    PostForm,
    parse_post_form,
    plan_post_body,
    post_answer,
    verify_post,
)
from daypass.verify.signature import VerifiedRequest
from daypass.verify.signature_profile import s3_profile

ACCOUNT = "111122223333"
KEY_ID, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "a-session-token"
BOUNDARY = "----form-boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}".encode()
FILE = b"hello \r\n--form\r\n----" * 5_000
SERVICE = s3_profile(lambda region: region == "us-east-1")
ALLOW = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def make_keys() -> StaticKeys:
    """Return a provider with the key of a session."""
    keys = StaticKeys()
    keys.add(static_caller(ACCOUNT, "alice", ALLOW, access_key_id=KEY_ID), secret=SECRET, token=TOKEN)
    return keys


def signed_fields(
    key: str = "dir/${filename}", fields: Mapping[str, str] | None = None, conditions: list[Any] | None = None
) -> dict[str, str]:
    """Return the fields of a form that boto3 signs."""
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=TOKEN,
        config=Config(signature_version="s3v4"),
    )
    form = client.generate_presigned_post("bucket", key, Fields=dict(fields or {}), Conditions=conditions)
    return dict(form["fields"])


def encode(fields: Mapping[str, str], file: bytes = FILE, filename: str = "a.txt") -> bytes:
    """Return the form as urllib3 writes it, with the file last."""
    body, _ = encode_multipart_formdata([*fields.items(), ("file", (filename, file))], boundary=BOUNDARY)
    return bytes(body)


def read(body: bytes, step: int = 1_000_000, length: int | None = None) -> tuple[FormFields, bytes]:
    """Return the fields, and the bytes from the first one of the file."""
    reader = FormReader(CONTENT_TYPE, len(body) if length is None else length)
    for at in range(0, len(body), step):
        found = reader.feed(body[at : at + step])
        if found is not None:
            return found, found.rest + body[at + step :]
    raise AssertionError("the file did not begin")


def judge(
    fields: Mapping[str, str], *, file: bytes = FILE, now: datetime | None = None, bucket: str = "bucket"
) -> tuple[VerifiedRequest | None, PostForm]:
    """Return the signer and the object of a form."""
    form, _ = read(encode(fields, file))
    verified = verify_post(form, bucket, make_keys(), service=SERVICE, now=now or datetime.now(UTC))
    return verified, parse_post_form(form, bucket)


def test_a_form_of_boto3_is_verified() -> None:
    """Rule: the signature of the policy shows the caller, and ${filename} is replaced."""
    extra = {"acl": "private", "Content-Type": "text/plain", "x-amz-meta-a": "b", "success_action_status": "201"}
    verified, form = judge(signed_fields(fields=extra, conditions=[{name: value} for name, value in extra.items()]))
    assert verified is not None
    assert verified.caller.account == ACCOUNT
    assert (form.request.key, form.status, form.file_length) == ("dir/a.txt", 201, len(FILE))
    assert form.request.headers == {b"x-amz-acl": b"private", b"content-type": b"text/plain", b"x-amz-meta-a": b"b"}


def test_a_form_without_a_signature_is_anonymous() -> None:
    """Rule: a bucket policy decides about an anonymous form."""
    verified, form = judge({"key": "a"})
    assert verified is None
    assert form.request.key == "a"


@pytest.mark.parametrize(
    "change",
    [
        {"x-amz-signature": "0" * 64},
        {"x-amz-signature": ""},
        {"x-amz-security-token": "another"},
        {"x-amz-algorithm": "AWS4-HMAC-SHA1"},
        {"x-amz-date": "20200101T000000Z"},
        {"x-amz-credential": f"{KEY_ID}/20200101/us-east-1/s3/aws4_request"},
        {"x-amz-credential": KEY_ID},
        {"policy": base64.b64encode(b"{}").decode()},
        {"policy": ""},
        {"key": "other/a.txt"},
        {"extra": "x"},
        {"x-amz-copy-source": "other/key"},
        {"AWSAccessKeyId": KEY_ID},
        {"success_action_redirect": "https://example.com"},
    ],
    ids=str,
)
def test_a_changed_form_is_refused(change: dict[str, str]) -> None:
    """Rule: the policy covers every field, and the signature covers the policy."""
    fields = {**signed_fields(), **change}
    with pytest.raises((S3Error, VerifyError)):
        judge(fields)


def own_fields(
    changed: Mapping[str, str] | None = None,
    *,
    scope: str = "us-east-1/s3/aws4_request",
    signed_at: datetime | None = None,
    without: str = "",
) -> dict[str, str]:
    """Return the fields of a form whose signature is right, whatever else is wrong.

    `scope` is that behind the date. The policy does not name the field `without`.
    """
    signed_at = signed_at or datetime.now(UTC)
    stamp = signed_at.strftime("%Y%m%dT%H%M%SZ")
    fields = {
        "key": "a",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{KEY_ID}/{stamp[:8]}/{scope}",
        "x-amz-date": stamp,
        "x-amz-security-token": TOKEN,
        **(changed or {}),
    }
    named = {"bucket": "bucket", **fields}
    conditions = [{name: value} for name, value in named.items() if name != without]
    expiration = (signed_at + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields["policy"] = base64.b64encode(
        json.dumps({"expiration": expiration, "conditions": conditions}).encode()
    ).decode()
    key = ("AWS4" + SECRET).encode()
    for part in (stamp[:8], *scope.split("/")):
        key = hmac.digest(key, part.encode(), "sha256")
    return {**fields, "x-amz-signature": hmac.digest(key, fields["policy"].encode(), "sha256").hex()}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (own_fields(scope="us-east-1/inventory/aws4_request"), VerifyReason.WRONG_SERVICE),
        (own_fields(scope="eu-west-1/s3/aws4_request"), VerifyReason.WRONG_REGION),
        (own_fields(scope="us-east-1/s3/aws4"), VerifyReason.WRONG_TERMINATOR),
        (own_fields({"x-amz-algorithm": "AWS4-HMAC-SHA1"}), VerifyReason.ALGORITHM),
        (own_fields({"AWSAccessKeyId": KEY_ID}), VerifyReason.SIGNATURE_VERSION_2),
    ],
    ids=lambda value: value.name if isinstance(value, VerifyReason) else "",
)
def test_a_right_signature_of_something_else_is_refused(fields: dict[str, str], reason: VerifyReason) -> None:
    """Rule: a form has the scope and the algorithm of this service, also if its signature is right."""
    judge(own_fields())
    with pytest.raises(VerifyError) as refused:
        judge(fields)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        (timedelta(minutes=-15), True),
        (timedelta(minutes=-15, seconds=-1), False),
        (timedelta(days=7), True),
        (timedelta(days=7, seconds=1), False),
    ],
)
def test_the_signature_of_a_form_lives_for_a_week(age: timedelta, *, accepted: bool) -> None:
    """Rule: as long as a presigned URL, although the policy expires later. Both bounds are inclusive."""
    now = datetime.now(UTC).replace(microsecond=0)
    fields = own_fields(signed_at=now - age)
    if accepted:
        judge(fields, now=now)
        return
    with pytest.raises(VerifyError):
        judge(fields, now=now)


def test_a_form_ends_with_its_session() -> None:
    """Rule: a provider with a stale cache cannot make the forms of a session outlive it."""
    now = datetime.now(UTC)

    class ForgetfulKeys(StaticKeys):
        def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:  # noqa: ARG002 - it forgets the time
            return super().find(claim, datetime.fromtimestamp(0, UTC))

    keys = ForgetfulKeys()
    session = static_caller(ACCOUNT, "alice", ALLOW, access_key_id=KEY_ID, expires=int(now.timestamp()))
    keys.add(session, secret=SECRET, token=TOKEN)
    form, _ = read(encode(own_fields()))
    with pytest.raises(VerifyError) as refused:
        verify_post(form, "bucket", keys, service=SERVICE, now=now)
    assert refused.value.reason is VerifyReason.EXPIRED_TOKEN


@pytest.mark.parametrize("without", ["bucket", "key", "x-amz-credential"])
def test_a_policy_names_the_bucket_and_every_field(without: str) -> None:
    """Rule: a signed policy that leaves one open is not a permission for every value of it."""
    with pytest.raises(S3Error, match="AccessDenied"):
        judge(own_fields(without=without))


def test_a_policy_has_one_range_of_lengths() -> None:
    """Rule: of two ranges, a reader could take either."""
    ranges = [["content-length-range", 0, 10_000], ["content-length-range", 0, 1]]
    with pytest.raises(S3Error, match="InvalidPolicyDocument"):
        judge(signed_fields(conditions=ranges))


def test_the_form_of_another_bucket_is_refused() -> None:
    """Rule: the policy names its bucket."""
    with pytest.raises(S3Error, match="Policy Condition failed"):
        judge(signed_fields(), bucket="other")


def test_a_policy_expires() -> None:
    """Rule: a policy is not valid at its expiration."""
    fields = signed_fields()
    policy = json.loads(base64.b64decode(fields["policy"]))
    expiration = datetime.fromisoformat(policy["expiration"])
    judge(fields, now=expiration - timedelta(seconds=1))
    with pytest.raises(S3Error, match="Policy expired"):
        judge(fields, now=expiration)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ([len(FILE), len(FILE)], None),
        ([0, len(FILE) - 1], "EntityTooLarge"),
        ([len(FILE) + 1, len(FILE) + 2], "EntityTooSmall"),
        ([5, 1], "InvalidPolicyDocument"),
        ([0], "InvalidPolicyDocument"),
        ([0, None], "InvalidPolicyDocument"),
    ],
)
def test_the_length_of_the_file_is_limited(limits: list[Any], code: str | None) -> None:
    """Rule: content-length-range limits the file, and is checked before its first byte."""
    fields = signed_fields(conditions=[["content-length-range", *limits]])
    if code is None:
        judge(fields)
        return
    with pytest.raises(S3Error, match=code):
        judge(fields)


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        (["starts-with", "$x-amz-meta-a", "ab"], "abc", True),
        (["starts-with", "$X-Amz-Meta-A", ""], "abc", True),
        (["starts-with", "$x-amz-meta-a", "b"], "abc", False),
        (["eq", "$x-amz-meta-a", "abc"], "abc", True),
        (["eq", "$x-amz-meta-a", "ab"], "abc", False),
        ({"x-amz-meta-a": "abc"}, "abc", True),
        ({"x-amz-meta-a": "ABC"}, "abc", False),
    ],
)
def test_conditions_about_fields(condition: Any, value: str, *, holds: bool) -> None:
    """Rule: names of fields ignore case, values do not."""
    fields = signed_fields(fields={"x-amz-meta-a": value}, conditions=[condition])
    if holds:
        judge(fields)
        return
    with pytest.raises(S3Error, match="Policy Condition failed"):
        judge(fields)


def test_a_content_type_may_be_a_list() -> None:
    """Rule: each type of a list must start with the value."""
    condition = [["starts-with", "$Content-Type", "image/"]]
    judge(signed_fields(fields={"Content-Type": "image/jpg,image/png"}, conditions=condition))
    with pytest.raises(S3Error, match="Policy Condition failed"):
        judge(signed_fields(fields={"Content-Type": "image/jpg,text/html"}, conditions=condition))


def test_tags_become_a_header() -> None:
    """Rule: the tags of a form are judged as those of PutObject."""
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>"
    assert judge({"key": "k", "tagging": tags})[1].request.headers == {b"x-amz-tagging": b"a=b%20c"}


@pytest.mark.parametrize("value", ["a\r\nx-amz-acl: public-read", "a\0", "a\x7f"])
def test_a_field_cannot_add_a_header(value: str) -> None:
    """Rule: a value with a control character is not a header."""
    with pytest.raises(S3Error, match="InvalidArgument"):
        judge({"key": "k", "x-amz-meta-a": value})


@pytest.mark.parametrize("name", ["x-amz-meta-a b", "x-amz-meta-a:b", "x-amz-meta-a_b", "x-amz-meta-\u00fc"])
def test_the_name_of_metadata_is_a_header_name(name: str) -> None:
    """Rule: the name of a field goes into the head for the store."""
    with pytest.raises(S3Error, match="InvalidArgument"):
        judge({"key": "k", name: "v"})


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\0"])
def test_the_name_of_a_field_cannot_add_a_header(end: bytes) -> None:
    """Rule: a control character in a quoted name is refused."""
    body = encode({"key": "k", "x-amz-meta-a": "v"})
    with pytest.raises(S3Error, match="MalformedPOSTRequest"):
        read(body.replace(b"x-amz-meta-a", b"x-amz-meta-a" + end + b"x-amz-acl: public-read" + end + b"b"))


def put(body: bytes, profile: BodyProfile, step: int, length: int | None = None) -> StoreModel:
    """Send a form through its transform, as far as it is not refused."""
    form, rest = read(body, step, length)
    plan = plan_post_body(parse_post_form(form, "bucket"), BOUNDARY.encode(), profile)
    store = StoreModel(plan)
    assert plan.make is not None
    transform = plan.make(seed_of(store_signature(plan)))
    try:
        for at in range(0, len(rest), step):
            store.add(transform.feed(rest[at : at + step]))
        store.add(transform.finish(), last=True)
    except S3Error:
        with pytest.raises(S3Error):
            transform.finish()
    return store


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200_000), st.sampled_from(list(PROFILES.values())), st.sampled_from([0, 1, len(FILE)]))
def test_the_store_gets_the_file(step: int, profile: BodyProfile, size: int) -> None:
    """Rule: the file arrives whole, however the form was split."""
    store = put(encode({"key": "a"}, FILE[:size]), profile, step)
    assert store.complete
    assert store.decoded() == FILE[:size]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1],
        lambda body: body[:-2],
        lambda body: body[: -len(BOUNDARY)],
        lambda body: body[:-1000],
        lambda body: body[:-2] + b"xx",
        lambda body: body[:-4] + b"xx\r\n",
        lambda body: body[:-100_000] + f"\r\n--{BOUNDARY}\r\n".encode() + body[-99_900:],
        lambda body: body.replace(FILE, FILE + f"\r\n--{BOUNDARY}--\r\n".encode() + FILE),
    ],
)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_tampered_form_never_has_an_end(profile: BodyProfile, change: Any) -> None:
    """Rule: the store gets no end before the closing boundary was read, and no file with a boundary in it."""
    whole = encode({"key": "a"})
    for step in (997, 1_000_000):
        for length in (None, len(whole)):
            store = put(change(whole), profile, step, length)
            assert not store.complete


MALFORMED = {
    "no file": lambda: encode_multipart_formdata([("key", "a")], boundary=BOUNDARY)[0],
    "a field twice": lambda: encode_multipart_formdata([("key", "a"), ("Key", "b"), ("file", "x")], BOUNDARY)[0],
    "no disposition": f"--{BOUNDARY}\r\nContent-Type: a/b\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode,
    "no name": f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode,
    "base64": lambda: encode({"key": "a"}).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
    "preamble": lambda: b"x\r\n" + encode({"key": "a"}),
    "large fields": lambda: encode({"key": "a" * MAX_FIELDS}),
    "many fields": lambda: encode({f"x-ignore-{number}": "" for number in range(2_000)}),
    "not UTF-8": lambda: encode({"key": "abc"}).replace(b"abc", b"a\xffc"),
}


@pytest.mark.parametrize("step", [1, 1_000_000])
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_form_is_refused(body: Any, step: int) -> None:
    """Rule: a form has one meaning, and few fields before its file."""
    with pytest.raises(S3Error):
        read(body(), step)


@pytest.mark.parametrize(
    "content_type",
    [b"multipart/form-data", b"multipart/mixed; boundary=a", b"multipart/form-data; boundary=a; charset=b"],
)
def test_a_content_type_has_one_boundary(content_type: bytes) -> None:
    """Rule: another Content-Type is not a form."""
    with pytest.raises(S3Error, match="MalformedPOSTRequest"):
        FormReader(content_type, 100)


def answer(**fields: str) -> PostAnswer:
    """Return the answer to a form with these fields."""
    return post_answer(judge({"key": "a b", **fields})[1], '"etag"', "https://gateway/bucket/a%20b")


def test_the_answer_has_the_status_of_the_form() -> None:
    """Rule: 200 and 204 have no body, 201 describes the object, any other value is 204."""
    assert [answer(success_action_status=status).status for status in ("200", "201", "204", "500", "x")] == [
        200, 201, 204, 204, 204,
    ]  # fmt: skip
    assert b'<ETag>"etag"</ETag>' in answer(success_action_status="201").body


def test_the_answer_redirects_to_a_url() -> None:
    """Rule: a value that is not a URL is ignored; bucket, key and ETag are added."""
    found = answer(success_action_redirect="https://example.com/done?a=b#c")
    expected = b"https://example.com/done?a=b&bucket=bucket&key=a%20b&etag=%22etag%22#c"
    assert (found.status, found.headers[b"location"]) == (303, expected)
    for value in ("javascript:alert(1)", "https://", "//example.com", "https://a b", "https://a\r\nx: y"):
        assert answer(success_action_redirect=value).status == 204


@pytest.mark.parametrize(
    "name", ["moto_store", pytest.param("seaweedfs", marks=[pytest.mark.component("seaweedfs"), pytest.mark.slow])]
)
def test_real_stores_get_the_file_of_a_form(name: str, request: pytest.FixtureRequest) -> None:
    """Rule: a form creates the object at the store."""
    store: StoreServer = request.getfixturevalue(name)
    bucket = store.new_bucket()
    form, rest = read(encode({"key": "a b"}))
    plan = plan_post_body(parse_post_form(form, bucket), BOUNDARY.encode(), BodyProfile())
    assert send_planned(plan, rest, store, f"/{bucket}/a b") == 200
    assert store.client().get_object(Bucket=bucket, Key="a b")["Body"].read() == FILE
