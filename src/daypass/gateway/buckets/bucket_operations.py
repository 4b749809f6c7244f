"""The bucket operations that the gateway answers itself.

Bucket policies, public access blocks and the ownership of buckets belong to Daypass: at the store, every request has
one and the same owner. Every bucket behaves as BucketOwnerEnforced: it has one ACL, and no other one can be put.

- `READS` do not change anything. They raise NotLoadedError if they must wait.
- `WRITES` change records and block.
- bucket_lifecycle.py creates and deletes buckets, which calls the store too.

The caller of this module has authorized the operation before. Owns the rules beyond permissions: the policy of a bucket
belongs to callers of the owner's account. Source: Amazon S3 API Reference, the page of each operation.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from daypass.directory.entities.bucket_entities import PublicAccessBlock
from daypass.gateway.buckets.bucket_xml import XmlElement, parse_xml, write_xml, xml_group, xml_text
from daypass.gateway.buckets.buckets import Bucket, Buckets, BucketWriter, canonical_id
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.s3.errors import s3_error

_XML = (b"content-type", b"application/xml")
_BLOCK_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "BlockPublicAcls": "block_public_acls",
        "IgnorePublicAcls": "ignore_public_acls",
        "BlockPublicPolicy": "block_public_policy",
        "RestrictPublicBuckets": "restrict_public_buckets",
    }
)
_TRUTHS: Mapping[str, bool] = MappingProxyType({"true": True, "TRUE": True, "false": False, "FALSE": False})
_ENFORCED = "BucketOwnerEnforced"
_OWN_ACLS = frozenset({b"bucket-owner-full-control", b"private"})
_NO_ACLS = "The bucket does not allow ACLs"

MOST_BODY: Mapping[str, int] = MappingProxyType(
    {
        "CreateBucket": 16 * 1024,
        "PutBucketPolicy": 64 * 1024,
        "PutPublicAccessBlock": 16 * 1024,
        "PutBucketOwnershipControls": 16 * 1024,
        "PutBucketAcl": 64 * 1024,
    }
)
"""The longest accepted body, in bytes, of each operation that has one.

That of PutBucketPolicy is above the limit of a policy, so that a policy that is too large gets S3's error.
"""


class BucketRequest(msgspec.Struct, frozen=True):
    """An authorized bucket operation.

    `account` is the caller's, empty for an anonymous caller. `region` is that of the signature. `headers` have
    lower-case names.
    """

    operation: str
    account: str
    region: str
    now: datetime
    headers: Mapping[bytes, bytes] = MappingProxyType({})
    body: bytes = b""

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class LocalAnswer(msgspec.Struct, frozen=True):
    """An answer of the gateway itself."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def answer_read(request: BucketRequest, bucket: Bucket, buckets: Buckets) -> LocalAnswer:
    """Answer an operation of READS. Raises S3Error or NotLoadedError."""
    return READS[request.operation](request, bucket, buckets)


def perform_write(request: BucketRequest, bucket: Bucket, writer: BucketWriter) -> LocalAnswer:
    """Perform an operation of WRITES. It blocks, and raises S3Error."""
    return WRITES[request.operation](request, bucket, writer)


# Policies ---------------------------------------------------------------------------------------------------


def _get_policy(request: BucketRequest, bucket: Bucket, buckets: Buckets) -> LocalAnswer:
    _require_owner(request, bucket)
    text = buckets.shown_policy(bucket.name)
    if not text:
        raise s3_error("NoSuchBucketPolicy", BucketName=bucket.name)
    return LocalAnswer(200, ((b"content-type", b"application/json"),), text.encode())


def _put_policy(request: BucketRequest, bucket: Bucket, writer: BucketWriter) -> LocalAnswer:
    _require_owner(request, bucket)
    # The root user of the account can always replace the policy, thus a policy that denies its author needs no
    # confirmation. S3 reads the header in the same way.
    confirm = request.headers.get(b"x-amz-confirm-remove-self-bucket-access", b"false")
    if confirm.decode("latin-1").lower() not in {"true", "false"}:
        raise s3_error("InvalidArgument")
    try:
        text = request.body.decode()
    except UnicodeDecodeError as problem:
        raise s3_error("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'") from problem
    if not text.startswith("{"):
        raise s3_error("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    writer.put_policy(bucket, text, now=request.now)
    return LocalAnswer(204)


def _delete_policy(request: BucketRequest, bucket: Bucket, writer: BucketWriter) -> LocalAnswer:
    _require_owner(request, bucket)
    writer.delete_policy(bucket, now=request.now)
    return LocalAnswer(204)


def _get_policy_status(_: BucketRequest, bucket: Bucket, __: Buckets) -> LocalAnswer:
    if bucket.policy is None:
        raise s3_error("NoSuchBucketPolicy", BucketName=bucket.name)
    return _answer("PolicyStatus", xml_text("IsPublic", "true" if bucket.is_public else "false"))


def _require_owner(request: BucketRequest, bucket: Bucket) -> None:
    """Refuse a caller of another account, even if the bucket policy allows it."""
    if request.account != bucket.account:
        raise s3_error("MethodNotAllowed")


# Public access block ----------------------------------------------------------------------------------------


def _get_block(_: BucketRequest, bucket: Bucket, __: Buckets) -> LocalAnswer:
    block = bucket.public_access_block
    if block is None:
        raise s3_error("NoSuchPublicAccessBlockConfiguration", BucketName=bucket.name)
    content = [xml_text(name, "true" if getattr(block, field) else "false") for name, field in _BLOCK_FIELDS.items()]
    return _answer("PublicAccessBlockConfiguration", *content)


def _put_block(request: BucketRequest, bucket: Bucket, writer: BucketWriter) -> LocalAnswer:
    root = parse_xml(request.body, "PublicAccessBlockConfiguration")
    given = root.fields(*_BLOCK_FIELDS)
    # A setting that is not given is off.
    settings = {field: name in given and _truth(given[name]) for name, field in _BLOCK_FIELDS.items()}
    writer.put_public_access_block(bucket, PublicAccessBlock(**settings), now=request.now)
    return LocalAnswer()


def _delete_block(request: BucketRequest, bucket: Bucket, writer: BucketWriter) -> LocalAnswer:
    writer.put_public_access_block(bucket, None, now=request.now)
    return LocalAnswer(204)


def _truth(element: XmlElement) -> bool:
    if element.children or element.text not in _TRUTHS:
        raise s3_error("MalformedXML")
    return _TRUTHS[element.text]


# Ownership and location -------------------------------------------------------------------------------------


def _get_ownership(_: BucketRequest, __: Bucket, ___: Buckets) -> LocalAnswer:
    return _answer("OwnershipControls", xml_group("Rule", [xml_text("ObjectOwnership", _ENFORCED)]))


def _put_ownership(request: BucketRequest, _: Bucket, __: BucketWriter) -> LocalAnswer:
    rule = parse_xml(request.body, "OwnershipControls").fields("Rule").get("Rule")
    wanted = None if rule is None else rule.fields("ObjectOwnership").get("ObjectOwnership")
    if wanted is None or wanted.text not in {_ENFORCED, "BucketOwnerPreferred", "ObjectWriter"}:
        raise s3_error("MalformedXML")
    require_enforced(wanted.text)
    return LocalAnswer()


def require_enforced(ownership: str) -> None:
    """Refuse an object ownership with ACLs. Raises S3Error."""
    if ownership != _ENFORCED:
        raise s3_error("InvalidArgument", f"ACLs are not supported: the object ownership must be {_ENFORCED}")


def _delete_ownership(_: BucketRequest, __: Bucket, ___: BucketWriter) -> LocalAnswer:
    raise s3_error("MethodNotAllowed")


def _get_location(request: BucketRequest, bucket: Bucket, _: Buckets) -> LocalAnswer:
    # A bucket that only a pattern maps is served in every region.
    region = bucket.region or request.region
    return LocalAnswer(200, (_XML,), write_xml("LocationConstraint", "" if region == "us-east-1" else region))


def _get_acl(_: BucketRequest, bucket: Bucket, __: Buckets) -> LocalAnswer:
    return LocalAnswer(200, (_XML,), acl_of(bucket.account))


def acl_of(account: str) -> bytes:
    """Return the ACL of every bucket and object of an account.

    The owner may do everything.
    """
    owner = xml_text("ID", canonical_id(account))
    grantee = (
        f'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">{owner}</Grantee>'
    )
    grant = xml_group("Grant", [grantee, xml_text("Permission", "FULL_CONTROL")])
    return write_xml("AccessControlPolicy", xml_group("Owner", [owner]), xml_group("AccessControlList", [grant]))


def _put_acl(request: BucketRequest, bucket: Bucket, _: BucketWriter) -> LocalAnswer:
    return put_acl(request, bucket.account)


def put_acl(request: BucketRequest, account: str) -> LocalAnswer:
    """Accept the ACL that every bucket and object has. Raises S3Error.

    `private` grants the same, because the account owns every object.
    Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket".
    """
    if request.body:
        is_own = b"x-amz-acl" not in request.headers and _grants_all_to(account, request.body)
    else:
        is_own = request.headers.get(b"x-amz-acl") in _OWN_ACLS
    if not is_own:
        raise s3_error("AccessControlListNotSupported", _NO_ACLS)
    return LocalAnswer()


def _grants_all_to(account: str, body: bytes) -> bool:
    policy = parse_xml(body, "AccessControlPolicy").fields("Owner", "AccessControlList")
    owner, grants = policy.get("Owner"), policy.get("AccessControlList")
    if owner is None or grants is None or not _is_owner(owner, account) or len(grants.children) != 1:
        return False
    grant = grants.fields("Grant")["Grant"].fields("Grantee", "Permission")
    grantee, permission = grant.get("Grantee"), grant.get("Permission")
    if grantee is None or permission is None:
        return False
    return _is_owner(grantee, account) and permission.text == "FULL_CONTROL"


def _is_owner(element: XmlElement, account: str) -> bool:
    user = element.fields("ID", "DisplayName", "URI", "EmailAddress")
    return "ID" in user and user["ID"].text == canonical_id(account) and not {"URI", "EmailAddress"} & set(user)


def _answer(root: str, *content: str) -> LocalAnswer:
    return LocalAnswer(200, (_XML,), write_xml(root, *content))


READS: Mapping[str, Callable[[BucketRequest, Bucket, Buckets], LocalAnswer]] = MappingProxyType(
    {
        "GetBucketPolicy": _get_policy,
        "GetBucketPolicyStatus": _get_policy_status,
        "GetPublicAccessBlock": _get_block,
        "GetBucketOwnershipControls": _get_ownership,
        "GetBucketLocation": _get_location,
        "GetBucketAcl": _get_acl,
    }
)
WRITES: Mapping[str, Callable[[BucketRequest, Bucket, BucketWriter], LocalAnswer]] = MappingProxyType(
    {
        "PutBucketPolicy": _put_policy,
        "DeleteBucketPolicy": _delete_policy,
        "PutPublicAccessBlock": _put_block,
        "DeletePublicAccessBlock": _delete_block,
        "PutBucketOwnershipControls": _put_ownership,
        "DeleteBucketOwnershipControls": _delete_ownership,
        "PutBucketAcl": _put_acl,
    }
)
