"""The condition keys of an S3 request.

Owns the keys of the head and of the operation, and the keys that differ between the permissions of one request. Leaves
the keys of a body to body_conditions.py, look-ups at the store to lookups.py, and the caller's keys to VerifiedCaller.
All names are lower case. A key without a value for this request is absent. Sources: Service Authorization Reference,
"Condition keys for Amazon S3"; Amazon S3 API Reference, "Signature Version 4 Authentication Specific Policy Keys"; IAM
User Guide, "AWS global condition context keys".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from types import MappingProxyType

import msgspec

from daypass.policy.authorization_request import ConditionKeys, NewConditionKeys
from daypass.verify.s3.errors import s3_error
from daypass.verify.s3.operations.headers import LONGEST_VALUE
from daypass.verify.s3.operations.object_tags import TAGGING_HEADER, Tags, parse_tagging
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT, S3Operation
from daypass.verify.s3.permissions.actions import Permission
from daypass.verify.signature import VerifiedRequest

# Policy patterns are compared with these headers, whose length the sender chooses.
_LONGEST_HEADER = 1_024
_DAY = 86_400

_BY_HEADER: Mapping[bytes, str] = MappingProxyType(
    {
        b"if-match": "s3:if-match",
        b"if-none-match": "s3:if-none-match",
        b"x-amz-acl": "s3:x-amz-acl",
        b"x-amz-metadata-directive": "s3:x-amz-metadata-directive",
        b"x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
        b"x-amz-object-lock-mode": "s3:object-lock-mode",
        b"x-amz-object-ownership": "s3:x-amz-object-ownership",
        b"x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
        b"x-amz-server-side-encryption-aws-kms-key-id": "s3:x-amz-server-side-encryption-aws-kms-key-id",
        b"x-amz-server-side-encryption-customer-algorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
        b"x-amz-storage-class": "s3:x-amz-storage-class",
        b"x-amz-website-redirect-location": "s3:x-amz-website-redirect-location",
    }
)
_BY_PARAMETER: Mapping[str, str] = MappingProxyType(
    {"delimiter": "s3:delimiter", "max-keys": "s3:max-keys", "prefix": "s3:prefix"}
)
_RETAIN_UNTIL = b"x-amz-object-lock-retain-until-date"
# Operations with headers for tags and locks.
_WITH_TAGS = frozenset({"CopyObject", "CreateMultipartUpload", POST_OBJECT, "PutObject"})
# Reads have If-Match too, but the keys are about conditional writes.
_CREATES: Mapping[str, str] = MappingProxyType(
    {
        "CompleteMultipartUpload": "true",
        "CopyObject": "true",
        "CreateMultipartUpload": "false",
        POST_OBJECT: "true",
        "PutObject": "true",
        "UploadPart": "false",
        "UploadPartCopy": "false",
    }
)

_TAG, _TAG_NAMES = "s3:requestobjecttag/", "s3:requestobjecttagkeys"
_FAMILIES = ((_TAG_NAMES, _TAG), ("aws:tagkeys", "aws:requesttag/"))
_NO_KEYS: frozenset[str] = frozenset()
_LIST = frozenset({"s3:delimiter", "s3:max-keys", "s3:prefix"})
_OF_VERSION = frozenset({"s3:versionid"})
_UPLOAD = frozenset(
    {
        "s3:x-amz-acl",
        "s3:x-amz-copy-source",
        "s3:x-amz-metadata-directive",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-storage-class",
        "s3:x-amz-website-redirect-location",
        _TAG_NAMES,
    }
)
_RETENTION = frozenset(
    {"s3:object-lock-mode", "s3:object-lock-remaining-retention-days", "s3:object-lock-retain-until-date"}
)
_LEGAL_HOLD = frozenset({"s3:object-lock-legal-hold"})
_CONDITIONAL = frozenset({"s3:if-match", "s3:if-none-match", "s3:objectcreationoperation"})
_ACL = frozenset({"s3:x-amz-acl", "s3:x-amz-storage-class"})

_KEYS_OF_ACTION: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "s3:BypassGovernanceRetention": _UPLOAD,
        "s3:CreateBucket": frozenset(
            {"aws:tagkeys", "s3:locationconstraint", "s3:x-amz-acl", "s3:x-amz-object-ownership"}
        ),
        "s3:DeleteObject": frozenset({"s3:if-match"}),
        "s3:DeleteObjectVersion": _OF_VERSION,
        "s3:DeleteObjectVersionTagging": _OF_VERSION,
        "s3:GetObjectVersion": _OF_VERSION,
        "s3:GetObjectVersionAcl": _OF_VERSION,
        "s3:GetObjectVersionAttributes": _OF_VERSION,
        "s3:GetObjectVersionTagging": _OF_VERSION,
        "s3:GetObjectVersionTorrent": _OF_VERSION,
        "s3:ListBucket": _LIST,
        "s3:ListBucketVersions": _LIST,
        "s3:PutBucketAcl": frozenset({"s3:x-amz-acl"}),
        "s3:PutObject": _UPLOAD | _RETENTION | _LEGAL_HOLD | _CONDITIONAL,
        "s3:PutObjectAcl": _ACL,
        "s3:PutObjectLegalHold": _LEGAL_HOLD,
        "s3:PutObjectRetention": _RETENTION,
        "s3:PutObjectTagging": frozenset({_TAG_NAMES}),
        "s3:PutObjectVersionAcl": _ACL | _OF_VERSION,
        "s3:PutObjectVersionTagging": _OF_VERSION | {_TAG_NAMES},
        "s3:TagResource": frozenset({"aws:tagkeys"}),
    }
)
"""The keys that S3 has for some actions alone. Service Authorization Reference, "Actions" of Amazon S3."""

_OPERATION_KEYS = frozenset().union(*_KEYS_OF_ACTION.values())
_KEYS_OF_OTHERS = {action: _OPERATION_KEYS - keys for action, keys in _KEYS_OF_ACTION.items()}


class ConnectionFacts(msgspec.Struct, frozen=True):
    """The facts of a connection that are condition keys.

    `address` is empty if the connection does not have an address. `tls_version` is as OpenSSL names it ("TLSv1.3"), or
    empty if it is not known. `region` is the region of the gateway.
    """

    address: str
    secure: bool
    tls_version: str
    region: str


def request_keys(
    request: S3Request, verified: VerifiedRequest | None, *, connection: ConnectionFacts, now: datetime
) -> NewConditionKeys:
    """Return the condition keys that all permissions of a request share.

    Without those of the caller, which decide() adds, and those of the resource, which permission_keys() adds.
    """
    keys: NewConditionKeys = {
        "aws:securetransport": "true" if connection.secure else "false",
        "aws:requestedregion": connection.region,
        "aws:viaawsservice": "false",
    }
    add_moment(keys, verified, now)
    if connection.address:
        keys["aws:sourceip"] = connection.address
    if connection.tls_version:
        keys["s3:tlsversion"] = connection.tls_version.removeprefix("TLSv")
    headers = request.headers
    agent, referer = headers.get(b"user-agent"), headers.get(b"referer")
    if agent:
        keys["aws:useragent"] = agent[:_LONGEST_HEADER].decode("latin-1")
    if referer:
        keys["aws:referer"] = referer[:_LONGEST_HEADER].decode("latin-1")
    if verified is not None:
        _add_signature(keys, request, verified)
    for name in request.parameters:
        if name in _BY_PARAMETER:
            keys[_BY_PARAMETER[name]] = request.parameters[name]
    if request.operation in _HEADER_KEYS:
        _add_headers(keys, request, now)
    return keys


MOMENT_KEYS = frozenset({"aws:currenttime", "aws:epochtime", "aws:multifactorauthage", "s3:signatureage"})
"""The condition keys of add_moment()."""


def add_moment(keys: NewConditionKeys, verified: VerifiedRequest | None, now: datetime) -> None:
    """Add the condition keys that depend on the time of the request."""
    instant = now.timestamp()
    seconds = int(instant)
    keys["aws:currenttime"] = _iso(seconds)
    keys["aws:epochtime"] = str(seconds)
    if verified is None:
        return
    keys["s3:signatureage"] = str(max(0, int((instant - verified.signed_at.timestamp()) * 1000)))
    mfa_at = verified.caller.mfa_at
    if mfa_at is not None:
        keys["aws:multifactorauthage"] = str(max(0, seconds - mfa_at))


def permission_keys(
    keys: NewConditionKeys, permission: Permission, *, account: str, resource_keys: ConditionKeys
) -> NewConditionKeys:
    """Return the condition keys of one permission: `keys` and its resource's.

    `account` owns the bucket; it is empty for ListBuckets and for a bucket that does not exist. `resource_keys` are
    aws:ResourceAccount to aws:ResourceOrgPaths of the owner.
    """
    found = keys_of_action(permission.action, keys)
    found.update(resource_keys)
    if account:
        found["s3:resourceaccount"] = found["aws:resourceaccount"] = account
    if permission.version_id and "s3:versionid" in _KEYS_OF_ACTION.get(permission.action, ()):
        found["s3:versionid"] = permission.version_id
    return found


def keys_of_action(action: str, keys: ConditionKeys) -> NewConditionKeys:
    """Return those keys of a request that S3 has for the action.

    An upload with tags needs several permissions. With keys of the others, an Allow would hold that does not on AWS.
    """
    others = _KEYS_OF_OTHERS.get(action, _OPERATION_KEYS)
    if others.isdisjoint(keys):  # then the names of the families that it does not have are absent too
        return dict(keys)
    for names, family in _FAMILIES:
        if names in keys and names in others:
            keys = {key: value for key, value in keys.items() if not key.startswith(family)}
    return {key: value for key, value in keys.items() if key not in others}


def tag_keys(tags: Tags) -> NewConditionKeys:
    """Return the keys s3:RequestObjectTag/k and s3:RequestObjectTagKeys.

    Keys of conditions are not case-sensitive, keys of tags are. The value of two tags that differ in case alone has
    several values, and the engine counts that against the caller.
    """
    return _tag_keys(tags, _TAG, _TAG_NAMES)


def bucket_tag_keys(tags: Tags) -> NewConditionKeys:
    """Return the keys aws:RequestTag/k and aws:TagKeys of a bucket's tags."""
    return _tag_keys(tags, "aws:requesttag/", "aws:tagkeys")


def _tag_keys(tags: Tags, prefix: str, names: str) -> NewConditionKeys:
    found: NewConditionKeys = {}
    for name, value in tags:
        key = prefix + name.lower()
        before = found.get(key)
        found[key] = value if before is None else (*((before,) if isinstance(before, str) else before), value)
    found[names] = tuple(name for name, _ in tags)
    return found


def retention_keys(retain_until: str, now: datetime) -> NewConditionKeys:
    """Return the keys of a retain-until date.

    Raises S3Error if it is malformed.
    """
    try:
        instant = datetime.fromisoformat(retain_until)
    except ValueError as problem:
        raise _bad_date(retain_until) from problem
    if instant.tzinfo is None:
        raise _bad_date(retain_until)
    # The clock moved on since the client computed the date. Rounded up to a hundredth of a day, a date that was
    # 30 days ahead still is.
    days = ceil((instant - now).total_seconds() * 100 / _DAY) / 100
    return {
        "s3:object-lock-retain-until-date": instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "s3:object-lock-remaining-retention-days": f"{days:.2f}",
    }


def _bad_date(text: str) -> Exception:
    return s3_error(
        "InvalidArgument",
        "The retain until date must be provided in ISO 8601 format",
        ArgumentName="x-amz-object-lock-retain-until-date",
        ArgumentValue=text[:64],
    )


def _header_keys(operation: S3Operation) -> tuple[tuple[bytes, str], ...]:
    """Return the headers of an operation that are condition keys.

    A header of another operation has no effect, and must not satisfy a condition either.
    """
    if operation.name not in _CREATES and operation.method in ("GET", "HEAD"):
        return ()
    members = OPERATIONS["PutObject"].headers if operation.name == POST_OBJECT else operation.headers
    return tuple((header, key) for header, key in _BY_HEADER.items() if header in members)


_HEADER_KEYS: Mapping[str, tuple[tuple[bytes, str], ...]] = MappingProxyType(
    {name: rows for name, operation in OPERATIONS.items() if (rows := _header_keys(operation)) or name in _CREATES}
)


def _add_signature(keys: NewConditionKeys, request: S3Request, verified: VerifiedRequest) -> None:
    if request.operation == POST_OBJECT:
        keys["s3:authtype"] = "POST"
    else:
        keys["s3:authtype"] = "REST-QUERY-STRING" if verified.presigned else "REST-HEADER"
    keys["s3:signatureversion"] = "AWS4-HMAC-SHA256"
    keys["s3:x-amz-content-sha256"] = verified.payload.value


def _add_headers(keys: NewConditionKeys, request: S3Request, now: datetime) -> None:
    headers = request.headers
    for header, key in _HEADER_KEYS[request.operation]:
        if header in headers:
            keys[key] = _text(headers[header])
    creates = _CREATES.get(request.operation)
    if creates is not None:
        keys["s3:objectcreationoperation"] = creates
    if TAGGING_HEADER in headers and request.operation in _WITH_TAGS:
        keys.update(tag_keys(parse_tagging(headers[TAGGING_HEADER])))
    if _RETAIN_UNTIL in headers and request.operation in _WITH_TAGS:
        keys.update(retention_keys(_text(headers[_RETAIN_UNTIL]), now))
    if request.copy_source is not None:
        # One spelling, and without the version: the permission on the source names that.
        keys["s3:x-amz-copy-source"] = f"{request.copy_source.bucket}/{request.copy_source.key}"


def _text(value: bytes) -> str:
    if len(value) > LONGEST_VALUE:
        raise s3_error("RequestHeaderSectionTooLarge")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@lru_cache(maxsize=16)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
