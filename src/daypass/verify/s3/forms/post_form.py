"""An upload by an HTML form (POST Object), as a PutObject request.

Owns the meaning of the fields, the signature of the policy, and the answer. How a gateway uses it:

- FormReader.feed() until it returns the fields;
- verify_post() for the caller, then parse_post_form() for the object, and the decision about it;
- plan_post_body() for the store; the transform is fed with FormFields.rest first;
- post_answer() after the store's success. A redirect is an answer for the browser: no URL is fetched.

A form without policy and signature is anonymous. Signature Version 2 is refused.
Source: Amazon S3 API Reference, "Browser-based uploads using POST".
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from types import MappingProxyType
from urllib.parse import quote, urlsplit

import msgspec

from daypass.authenticate.sigv4.credential import parse_credential
from daypass.authenticate.sigv4.scope import SKEW
from daypass.authenticate.sigv4.signature import ALGORITHM, UnverifiedSignature
from daypass.authenticate.sigv4.timestamp import parse_timestamp
from daypass.errors import IncompleteSignature
from daypass.verify.keys import Keys
from daypass.verify.payload import UNSIGNED
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.s3.bodies.bodies import BodyClaim, BodyPlan, BodyProfile, plan_body
from daypass.verify.s3.bodies.body_transform import BodyTransform
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed
from daypass.verify.s3.documents.xml_bodies import NAMESPACE
from daypass.verify.s3.documents.xml_writer import write_document, write_element
from daypass.verify.s3.errors import s3_error
from daypass.verify.s3.forms.form_data import FormFields, FormFileBody
from daypass.verify.s3.forms.post_policy import check_post_policy, parse_post_policy
from daypass.verify.s3.operations.headers import METADATA_PREFIX
from daypass.verify.s3.operations.object_keys import encode_path
from daypass.verify.s3.operations.object_tags import TAGGING_HEADER, encode_tagging
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT
from daypass.verify.s3.permissions.body_conditions import parse_tag_set
from daypass.verify.signature import VerifiedRequest, find_grant
from daypass.verify.signature_checks import check_scope
from daypass.verify.signature_profile import SignatureProfile

_CREATED, _SEE_OTHER = 201, 303
_OLDEST = timedelta(days=7)  # as long as a presigned URL
_SIGNATURE_FIELDS = ("policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_SIGNATURE_VERSION_2 = frozenset({"awsaccesskeyid", "signature"})
_PLAIN_HEADERS = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
    }
)
_NOT_IN_FORMS = frozenset(
    {
        "x-amz-acl",
        "x-amz-expected-bucket-owner",
        "x-amz-request-payer",
        "x-amz-tagging",
        "x-amz-write-offset-bytes",
    }
)
_HEADERS = (
    _PLAIN_HEADERS
    | {name.decode() for name in OPERATIONS["PutObject"].headers if name.startswith(b"x-amz-")} - _NOT_IN_FORMS
)
_OF_SIGNATURE = frozenset({*_SIGNATURE_FIELDS, "x-amz-security-token"})
_METADATA = METADATA_PREFIX.decode()
_HEADER_NAME = re.compile(r"[a-z0-9.-]{1,256}", re.ASCII)
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)


class PostForm(msgspec.Struct, frozen=True):
    """A form whose fields were read. `request` is the object that it creates.

    `status` and `redirect` are what the browser gets after a success; `redirect` is empty or a URL.
    """

    request: S3Request
    file_length: int
    status: int
    redirect: str


class PostAnswer(msgspec.Struct, frozen=True):
    """The answer after a success."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


def verify_post(
    form: FormFields, bucket: str, keys: Keys, *, service: SignatureProfile, now: datetime
) -> VerifiedRequest | None:
    """Return the verified signer of a form, or None for an anonymous form.

    The form fulfils its policy then. Raises VerifyError, S3Error, and what `keys` raises.
    """
    fields = form.fields
    if not _SIGNATURE_VERSION_2.isdisjoint(fields):
        raise VerifyError(VerifyReason.SIGNATURE_VERSION_2)
    missing = [name for name in _SIGNATURE_FIELDS if not fields.get(name)]
    if len(missing) == len(_SIGNATURE_FIELDS) and "x-amz-security-token" not in fields:
        return None
    if missing:
        raise s3_error(
            "InvalidArgument",
            f"Bucket POST must contain a field named '{missing[0]}'. If it is specified, please check the order of the "
            "fields.",
            ArgumentName=missing[0],
        )
    verified = _verify_signature(fields, keys, service, now)
    policy = parse_post_policy(fields["policy"])
    check_post_policy(policy, _expanded(form), bucket=bucket, length=form.file_length, now=now)
    return verified


def _verify_signature(
    fields: Mapping[str, str], keys: Keys, service: SignatureProfile, now: datetime
) -> VerifiedRequest:
    unverified = _parse_signature(fields)
    check_scope(unverified, service)
    if not -SKEW <= now - unverified.signed_at <= _OLDEST:
        raise VerifyError(VerifyReason.URL_EXPIRED)
    text = fields["policy"]
    grant = find_grant(unverified, text, keys, now)
    if not compare_digest(grant.signing_key.sign(text.encode()).encode(), unverified.signature.encode()):
        raise VerifyError(VerifyReason.SIGNATURE_MISMATCH)
    if grant.caller.expires is not None and now.timestamp() >= grant.caller.expires:
        raise VerifyError(VerifyReason.EXPIRED_TOKEN)
    return VerifiedRequest(
        caller=grant.caller,
        payload=UNSIGNED,
        presigned=False,
        signature=unverified.signature,
        timestamp=unverified.timestamp,
        scope=fields["x-amz-credential"].partition("/")[2],
        signing_key=grant.signing_key,
        signed_headers=frozenset(),
        signed_at=unverified.signed_at,
    )


def _parse_signature(fields: Mapping[str, str]) -> UnverifiedSignature:
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise VerifyError(VerifyReason.ALGORITHM)
    try:
        access_key_id, date, region, service, terminator = parse_credential(fields["x-amz-credential"])
        signed_at = parse_timestamp(fields["x-amz-date"])
    except IncompleteSignature as fault:
        raise VerifyError(VerifyReason.QUERY_MALFORMED, fault.message, fault=fault) from fault
    return UnverifiedSignature(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        terminator=terminator,
        timestamp=fields["x-amz-date"],
        signed_at=signed_at,
        signed_headers=(),
        signature=fields["x-amz-signature"],
        token=fields.get("x-amz-security-token"),
        presigned=True,  # it is valid longer than 15 minutes, until the policy expires
    )


def _expanded(form: FormFields) -> dict[str, str]:
    """Return the fields with the name of the file in the key."""
    fields = dict(form.fields)
    if "key" in fields:
        # Some browsers send the whole path.
        name = re.split(r"[/\\]", form.filename)[-1]
        fields["key"] = fields["key"].replace("${filename}", name)
    return fields


def parse_post_form(form: FormFields, bucket: str) -> PostForm:
    """Return the object that the form creates. Raises S3Error.

    Call verify_post() first, and check the key by the rule of the store.
    """
    fields = _expanded(form)
    key = fields.pop("key", "")
    if not key:
        raise s3_error("UserKeyMustBeSpecified")
    status = fields.pop("success_action_status", "204")
    old = fields.pop("redirect", "")
    redirect = fields.pop("success_action_redirect", old)
    headers = dict(_headers(fields))
    request = S3Request(
        operation=POST_OBJECT,
        method="POST",
        bucket=bucket,
        key=key,
        parameters=MappingProxyType({}),
        headers=MappingProxyType(headers),
        copy_source=None,
        canonical_path=encode_path(bucket, key),
    )
    return PostForm(
        request,
        form.file_length,
        int(status) if status in ("200", "201") else 204,
        redirect if _is_url(redirect) else "",
    )


def _headers(fields: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    headers = []
    for name, value in fields.items():
        if name == "acl":
            headers.append((b"x-amz-acl", _header_value(name, value)))
        elif name == "tagging":
            headers.append((TAGGING_HEADER, encode_tagging(parse_tag_set(value.encode()))))
        elif name in _HEADERS or name.startswith(_METADATA):
            headers.append((name.encode(), _header_value(name, value)))
        elif name.startswith("x-amz-") and name not in _OF_SIGNATURE:
            raise s3_error("InvalidArgument", "This field cannot be in a form.", ArgumentName=name[:256])
    return headers


def _header_value(name: str, value: str) -> bytes:
    # The name comes from a quoted string, in which a line feed may stand: it would add a header to the store's head.
    if _HEADER_NAME.fullmatch(name) is None or _HEADER_VALUE.fullmatch(value) is None:
        raise s3_error("InvalidArgument", "The value of the field is not valid.", ArgumentName=name[:256])
    return value.strip(" \t").encode()


def _is_url(value: str) -> bool:
    try:
        return _URL.fullmatch(value) is not None and bool(urlsplit(value).hostname)
    except ValueError:
        return False


def plan_post_body(form: PostForm, boundary: bytes, profile: BodyProfile) -> BodyPlan:
    """Return how the file goes to a store. Raises S3Error.

    The transform is fed with the body of the form, from the first byte of the file.
    """
    claim = BodyClaim(
        operation="PutObject",
        method="PUT",
        payload=UNSIGNED,
        headers=form.request.headers,
        content_length=form.file_length,
        chunked=False,
    )
    plan = plan_body(claim, profile)

    def make(seed: ChunkSeed) -> BodyTransform:
        return FormFileBody(plan.make and plan.make(seed), form.file_length, boundary)

    return BodyPlan(plan.payload, plan.headers, make)


def post_answer(form: PostForm, etag: str, location: str) -> PostAnswer:
    """Return the answer. `location` is the URL of the object at the gateway."""
    request = form.request
    if form.redirect:
        pairs = {"bucket": request.bucket, "key": request.key, "etag": etag}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())
        base, fragment_mark, fragment = form.redirect.partition("#")
        target = f"{base}{'&' if '?' in base else '?'}{query}{fragment_mark}{fragment}"
        return PostAnswer(_SEE_OTHER, {b"location": target.encode()}, b"")
    headers = {b"etag": etag.encode(), b"location": location.encode()}
    if form.status != _CREATED:
        return PostAnswer(form.status, headers, b"")
    pairs = {"Location": location, "Bucket": request.bucket, "Key": request.key, "ETag": etag}
    elements = [write_element(name, text=value) for name, value in pairs.items()]
    return PostAnswer(
        _CREATED, {**headers, b"content-type": b"application/xml"}, write_document("PostResponse", NAMESPACE, *elements)
    )
