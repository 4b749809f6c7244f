"""The permissions that each operation needs.

Owns the table of operations, actions and resources, and the parts of a request that add a permission. Leaves the
condition keys to conditions.py, and the keys in the body of DeleteObjects to delete_permissions()'s caller.
Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3"; Amazon S3 User Guide,
"Required permissions for Amazon S3 API operations".

- A request is allowed only if every permission of it is allowed.
- At a store that folds slashes, a key that ends in one needs the permissions for the key without it too. A change of
  `k` may be one of the folder marker `k/`, thus it is refused if the caller is explicitly denied the same for `k/`.
- A store may ignore the version ID in a bucket that never had versions, and serve or delete the current object.
  current_permission() is what such a request needs too.
- An operation that is not in the table does not have permissions: permissions() raises.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from daypass.verify.s3.operations.object_keys import folded_name
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT, PREFLIGHT, REFUSED


class Permission(msgspec.Struct, frozen=True):
    """One action on one resource, which the caller must be allowed.

    `resource` is an ARN, and `bucket` its bucket, or empty for an action on all buckets. `version_id` is the version of
    the object that the action is about. `is_source` is true for the source of a copy. If `if_source_tagged`
    is true, S3 needs the permission only if the source of the copy has tags. A gateway that cannot look them up must
    need it. If `unless_denied` is true, the permission need not be allowed: only an explicit denial
    counts.
    """

    action: str
    resource: str
    bucket: str
    version_id: str = ""
    is_source: bool = False
    if_source_tagged: bool = False
    unless_denied: bool = False


When = Callable[[S3Request], bool]

EVERY_BUCKET = "arn:aws:s3:::*"
_ARN = "arn:aws:s3:::"
_GOVERNANCE = b"x-amz-bypass-governance-retention"


# The conditions of the table -----------------------------------------------------------------------------------


def _always(_request: S3Request) -> bool:
    return True


def _has(*headers: bytes) -> When:
    return lambda request: any(name in request.headers for name in headers)


def _bypasses_governance(request: S3Request) -> bool:
    return request.headers.get(_GOVERNANCE, b"false") != b"false"


def _copies_tags(request: S3Request) -> bool:
    return request.headers.get(b"x-amz-tagging-directive") != b"REPLACE"


def _locks_bucket(request: S3Request) -> bool:
    return request.headers.get(b"x-amz-bucket-object-lock-enabled", b"false") != b"false"


_sets_acl = _has(
    b"x-amz-acl",
    b"x-amz-grant-full-control",
    b"x-amz-grant-read",
    b"x-amz-grant-read-acp",
    b"x-amz-grant-write",
    b"x-amz-grant-write-acp",
)
_sets_retention = _has(b"x-amz-object-lock-mode", b"x-amz-object-lock-retain-until-date")


# The table --------------------------------------------------------------------------------------------------


class ActionRow(msgspec.Struct, frozen=True):
    """One action of an operation. `target` is all, bucket, object or source.

    `versioned` is the action's name if the request names a version of the target; empty if it is the same.
    """

    action: str
    target: str
    versioned: str = ""
    when: When = _always
    if_source_tagged: bool = False


def _bucket(*actions: str) -> tuple[ActionRow, ...]:
    return tuple(ActionRow(action, "bucket") for action in actions)


def _object(action: str, versioned: str = "") -> tuple[ActionRow, ...]:
    return (ActionRow(action, "object", versioned),)


_WRITE = (
    ActionRow("PutObject", "object"),
    ActionRow("PutObjectAcl", "object", when=_sets_acl),
    ActionRow("PutObjectRetention", "object", when=_sets_retention),
    ActionRow("PutObjectLegalHold", "object", when=_has(b"x-amz-object-lock-legal-hold")),
)
_TAGS = ActionRow("PutObjectTagging", "object", when=_has(b"x-amz-tagging"))
_SOURCE = ActionRow("GetObject", "source", "GetObjectVersion")
_BYPASS = ActionRow("BypassGovernanceRetention", "object", when=_bypasses_governance)

_OF_SOURCE_TAGS = (
    ActionRow("GetObjectTagging", "source", "GetObjectVersionTagging", when=_copies_tags, if_source_tagged=True),
    ActionRow("PutObjectTagging", "object", when=_copies_tags, if_source_tagged=True),
)

ACTIONS: Mapping[str, tuple[ActionRow, ...]] = MappingProxyType(
    {
        "AbortMultipartUpload": _object("AbortMultipartUpload"),
        "CompleteMultipartUpload": _object("PutObject"),
        "CopyObject": (
            *_WRITE,
            _SOURCE,
            _TAGS,
            *_OF_SOURCE_TAGS,
        ),
        "CreateBucket": (
            ActionRow("CreateBucket", "bucket"),
            ActionRow("PutBucketAcl", "bucket", when=_sets_acl),
            ActionRow("PutBucketObjectLockConfiguration", "bucket", when=_locks_bucket),
            ActionRow("PutBucketVersioning", "bucket", when=_locks_bucket),
            ActionRow("PutBucketOwnershipControls", "bucket", when=_has(b"x-amz-object-ownership")),
        ),
        "CreateMultipartUpload": (*_WRITE, _TAGS),
        "DeleteBucket": _bucket("DeleteBucket"),
        "DeleteBucketAnalyticsConfiguration": _bucket("PutAnalyticsConfiguration"),
        "DeleteBucketCors": _bucket("PutBucketCORS"),
        "DeleteBucketEncryption": _bucket("PutEncryptionConfiguration"),
        "DeleteBucketIntelligentTieringConfiguration": _bucket("PutIntelligentTieringConfiguration"),
        "DeleteBucketInventoryConfiguration": _bucket("PutInventoryConfiguration"),
        "DeleteBucketLifecycle": _bucket("PutLifecycleConfiguration"),
        "DeleteBucketMetricsConfiguration": _bucket("PutMetricsConfiguration"),
        "DeleteBucketOwnershipControls": _bucket("PutBucketOwnershipControls"),
        "DeleteBucketPolicy": _bucket("DeleteBucketPolicy"),
        "DeleteBucketReplication": _bucket("PutReplicationConfiguration"),
        "DeleteBucketTagging": _bucket("PutBucketTagging"),
        "DeleteBucketWebsite": _bucket("DeleteBucketWebsite"),
        "DeleteObject": (*_object("DeleteObject", "DeleteObjectVersion"), _BYPASS),
        "DeleteObjectTagging": _object("DeleteObjectTagging", "DeleteObjectVersionTagging"),
        "DeletePublicAccessBlock": _bucket("PutBucketPublicAccessBlock"),
        "GetBucketAbac": _bucket("GetBucketAbac"),
        "GetBucketAccelerateConfiguration": _bucket("GetAccelerateConfiguration"),
        "GetBucketAcl": _bucket("GetBucketAcl"),
        "GetBucketAnalyticsConfiguration": _bucket("GetAnalyticsConfiguration"),
        "GetBucketCors": _bucket("GetBucketCORS"),
        "GetBucketEncryption": _bucket("GetEncryptionConfiguration"),
        "GetBucketIntelligentTieringConfiguration": _bucket("GetIntelligentTieringConfiguration"),
        "GetBucketInventoryConfiguration": _bucket("GetInventoryConfiguration"),
        "GetBucketLifecycleConfiguration": _bucket("GetLifecycleConfiguration"),
        "GetBucketLocation": _bucket("GetBucketLocation"),
        "GetBucketLogging": _bucket("GetBucketLogging"),
        "GetBucketMetricsConfiguration": _bucket("GetMetricsConfiguration"),
        "GetBucketNotificationConfiguration": _bucket("GetBucketNotification"),
        "GetBucketOwnershipControls": _bucket("GetBucketOwnershipControls"),
        "GetBucketPolicy": _bucket("GetBucketPolicy"),
        "GetBucketPolicyStatus": _bucket("GetBucketPolicyStatus"),
        "GetBucketReplication": _bucket("GetReplicationConfiguration"),
        "GetBucketRequestPayment": _bucket("GetBucketRequestPayment"),
        "GetBucketTagging": _bucket("GetBucketTagging"),
        "GetBucketVersioning": _bucket("GetBucketVersioning"),
        "GetBucketWebsite": _bucket("GetBucketWebsite"),
        "GetObject": _object("GetObject", "GetObjectVersion"),
        "GetObjectAcl": _object("GetObjectAcl", "GetObjectVersionAcl"),
        "GetObjectAttributes": (
            *_object("GetObject", "GetObjectVersion"),
            *_object("GetObjectAttributes", "GetObjectVersionAttributes"),
        ),
        "GetObjectLegalHold": _object("GetObjectLegalHold"),
        "GetObjectLockConfiguration": _bucket("GetBucketObjectLockConfiguration"),
        "GetObjectRetention": _object("GetObjectRetention"),
        "GetObjectTagging": _object("GetObjectTagging", "GetObjectVersionTagging"),
        "GetObjectTorrent": _object("GetObjectTorrent", "GetObjectVersionTorrent"),
        "GetPublicAccessBlock": _bucket("GetBucketPublicAccessBlock"),
        "HeadBucket": _bucket("ListBucket"),
        "HeadObject": _object("GetObject", "GetObjectVersion"),
        "ListBucketAnalyticsConfigurations": _bucket("GetAnalyticsConfiguration"),
        "ListBucketIntelligentTieringConfigurations": _bucket("GetIntelligentTieringConfiguration"),
        "ListBucketInventoryConfigurations": _bucket("GetInventoryConfiguration"),
        "ListBucketMetricsConfigurations": _bucket("GetMetricsConfiguration"),
        "ListBuckets": (ActionRow("ListAllMyBuckets", "all"),),
        "ListMultipartUploads": _bucket("ListBucketMultipartUploads"),
        "ListObjectVersions": _bucket("ListBucketVersions"),
        "ListObjects": _bucket("ListBucket"),
        "ListObjectsV2": _bucket("ListBucket"),
        "ListParts": _object("ListMultipartUploadParts"),
        "PostObject": (*_WRITE, _TAGS),
        "PutBucketAbac": _bucket("PutBucketAbac"),
        "PutBucketAccelerateConfiguration": _bucket("PutAccelerateConfiguration"),
        "PutBucketAcl": _bucket("PutBucketAcl"),
        "PutBucketAnalyticsConfiguration": _bucket("PutAnalyticsConfiguration"),
        "PutBucketCors": _bucket("PutBucketCORS"),
        "PutBucketEncryption": _bucket("PutEncryptionConfiguration"),
        "PutBucketIntelligentTieringConfiguration": _bucket("PutIntelligentTieringConfiguration"),
        "PutBucketInventoryConfiguration": _bucket("PutInventoryConfiguration"),
        "PutBucketLifecycleConfiguration": _bucket("PutLifecycleConfiguration"),
        "PutBucketLogging": _bucket("PutBucketLogging"),
        "PutBucketMetricsConfiguration": _bucket("PutMetricsConfiguration"),
        "PutBucketNotificationConfiguration": _bucket("PutBucketNotification"),
        "PutBucketOwnershipControls": _bucket("PutBucketOwnershipControls"),
        "PutBucketPolicy": _bucket("PutBucketPolicy"),
        "PutBucketReplication": _bucket("PutReplicationConfiguration"),
        "PutBucketRequestPayment": _bucket("PutBucketRequestPayment"),
        "PutBucketTagging": _bucket("PutBucketTagging"),
        "PutBucketVersioning": _bucket("PutBucketVersioning"),
        "PutBucketWebsite": _bucket("PutBucketWebsite"),
        "PutObject": (*_WRITE, _TAGS),
        "PutObjectAcl": _object("PutObjectAcl", "PutObjectVersionAcl"),
        "PutObjectLegalHold": _object("PutObjectLegalHold"),
        "PutObjectLockConfiguration": _bucket("PutBucketObjectLockConfiguration"),
        "PutObjectRetention": (*_object("PutObjectRetention"), _BYPASS),
        "PutObjectTagging": _object("PutObjectTagging", "PutObjectVersionTagging"),
        "PutPublicAccessBlock": _bucket("PutBucketPublicAccessBlock"),
        "RestoreObject": _object("RestoreObject"),
        "SelectObjectContent": _object("GetObject"),
        "UploadPart": _object("PutObject"),
        "UploadPartCopy": (ActionRow("PutObject", "object"), _SOURCE),
    }
)

BY_BODY = frozenset({"DeleteObjects"})
"""Operations whose permissions are in the body."""

WITHOUT_PERMISSIONS = frozenset({PREFLIGHT})
"""Operations that S3 answers without a permission. A gateway forwards them only if the store's profile says so."""

_DELETE = ACTIONS["DeleteObject"]
_OF_CURRENT = {f"s3:{row.versioned}": f"s3:{row.action}" for rows in ACTIONS.values() for row in rows if row.versioned}
# SeaweedFS deletes the marker `k/` by a DELETE or a PUT of `k`, and has the tags of both in one place.
_CHANGES_FOLDERS = frozenset(
    {
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "DeleteObjectTagging",
        "GetObjectTagging",
        POST_OBJECT,
        "PutObject",
        "PutObjectTagging",
    }
)


def permissions(request: S3Request) -> tuple[Permission, ...]:
    """Return every permission that the request needs: never an empty tuple.

    Raises LookupError for an operation of BY_BODY or WITHOUT_PERMISSIONS, and for a form without its key.
    """
    rows = ACTIONS[request.operation]
    if request.operation == "PostObject" and not request.key:
        raise LookupError("the key of a form is in its body")
    version_id = request.parameters.get("versionId", "")
    found = [_permission(row, request, version_id) for row in rows if row.when is _always or row.when(request)]
    if request.key[-1:] != "/" and request.copy_source is None and request.operation not in _CHANGES_FOLDERS:
        return tuple(found)  # its objects have no other names
    return tuple(found) + _for_folded_names(request, found)


def source_tag_permissions(request: S3Request) -> tuple[Permission, ...]:
    """Return what a copy needs where stores ignore its tagging directive.

    Such a store copies the tags of the source although they are to be replaced. The permissions are needed only if the
    source has tags.
    """
    if request.operation != "CopyObject" or _copies_tags(request):
        return ()
    return tuple([_permission(row, request, "") for row in _OF_SOURCE_TAGS])


def delete_permissions(request: S3Request, key: str, version_id: str) -> tuple[Permission, ...]:
    """Return the permissions that DeleteObjects needs for one key of its body.

    `version_id` is empty if the body does not name a version. Check key and version ID before.
    """
    deletion = msgspec.structs.replace(request, key=key)
    found = [_permission(row, deletion, version_id) for row in _DELETE if row.when(deletion)]
    return tuple(found) + _for_folded_names(deletion, found)


def _for_folded_names(request: S3Request, found: list[Permission]) -> tuple[Permission, ...]:
    """Return the same permissions for the other names of the objects.

    SeaweedFS replaces the object `k` by a PUT of `k/` if `k/x` exists, and a GET of `k/` has the size and ETag of `k`.
    """
    key = folded_name(request.key, folds_slashes=request.folds_slashes)
    source = request.copy_source
    source_key = "" if source is None else folded_name(source.key, folds_slashes=source.folds_slashes)
    also = [
        msgspec.structs.replace(one, resource=one.resource[:-1])
        for one in found
        if (source_key if one.is_source else key)
    ]
    if request.folds_slashes and not key and request.operation in _CHANGES_FOLDERS:
        also += [
            msgspec.structs.replace(one, resource=one.resource + "/", unless_denied=True)
            for one in found
            if not one.is_source
        ]
    return tuple(also)


def current_permission(permission: Permission) -> Permission:
    """Return what a request needs if the store ignores its version ID."""
    action = _OF_CURRENT.get(permission.action, permission.action)
    return msgspec.structs.replace(permission, action=action, version_id="")


def tag_bucket_permission(request: S3Request) -> Permission:
    """Return what CreateBucket also needs if its body has tags."""
    return Permission("s3:TagResource", _ARN + request.bucket, request.bucket)


def list_permission(bucket: str) -> Permission:
    """Return the permission to know whether a key of the bucket exists.

    S3 answers 403 instead of 404 to a caller without it.
    """
    return Permission("s3:ListBucket", _ARN + bucket, bucket)


def _permission(row: ActionRow, request: S3Request, version_id: str) -> Permission:
    if row.target == "object":
        resource = f"{_ARN}{request.bucket}/{request.key}"
        action = row.versioned if version_id and row.versioned else row.action
        if row.if_source_tagged:
            return Permission(f"s3:{action}", resource, request.bucket, version_id, if_source_tagged=True)
        return Permission(f"s3:{action}", resource, request.bucket, version_id)
    if row.target == "bucket":
        return Permission(f"s3:{row.action}", _ARN + request.bucket, request.bucket)
    if row.target == "source":
        return _source_permission(row, request)
    return Permission(f"s3:{row.action}", EVERY_BUCKET, "")


def _source_permission(row: ActionRow, request: S3Request) -> Permission:
    source = request.copy_source
    if source is None:
        raise LookupError("a copy without a source")
    return Permission(
        f"s3:{row.versioned if source.version_id else row.action}",
        f"{_ARN}{source.bucket}/{source.key}",
        source.bucket,
        source.version_id,
        is_source=True,
        if_source_tagged=row.if_source_tagged,
    )


UNMAPPED = OPERATIONS.keys() - ACTIONS.keys() - REFUSED.keys() - BY_BODY - WITHOUT_PERMISSIONS
if UNMAPPED:
    raise ImportError(f"S3 operations without permissions: {sorted(UNMAPPED)}")
