"""CreateBucket and DeleteBucket: the steps between records and stores.

A name belongs to one account from the first step to the last, whatever fails in between:

1. CreateBucket looks whether the store has the bucket. A bucket that it has already belongs to its owner in the
   settings, or to no account; it is never given to the caller.
2. It reserves the name in the records, creates the bucket at the store, and confirms the record.
3. If the store refuses, the record is deleted. If the outcome is unknown, the record stays: only its account can
   repeat the request, and then takes the bucket over.

DeleteBucket deletes an empty bucket only, and does not rely on the store for that: some stores delete objects with it.
The bucket is hidden from requests while the store deletes it. As on AWS, incomplete multipart uploads do not keep a
bucket. Owns these steps, and the protocol of the calls to a store. Every function blocks.
Source: Amazon S3 API Reference, CreateBucket and DeleteBucket.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec

from daypass.directory.buckets import is_bucket_name
from daypass.gateway.buckets.bucket_operations import BucketRequest, LocalAnswer, require_enforced
from daypass.gateway.buckets.bucket_xml import parse_xml
from daypass.gateway.buckets.buckets import Bucket, BucketMap, Buckets, BucketWriter
from daypass.verify.s3.errors import S3Error, s3_error

_OK, _MISSING, _CONFLICT = 200, 404, 409
_WITHOUT_VERSIONS = frozenset({405, 501})
_PRIVATE = frozenset({b"private", b"bucket-owner-full-control"})
_LOCK = b"x-amz-bucket-object-lock-enabled"
# The root element of a list -> the query that asks for one entry of it.
_LISTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ListBucketResult": MappingProxyType({"list-type": "2", "max-keys": "1"}),
        "ListVersionsResult": MappingProxyType({"versions": "", "max-keys": "1"}),
    }
)
# Every other element of a list is an entry, or may be one.
_LIST_FIELDS = frozenset(
    {
        "ContinuationToken",
        "Delimiter",
        "EncodingType",
        "IsTruncated",
        "KeyCount",
        "KeyMarker",
        "Marker",
        "MaxKeys",
        "Name",
        "NextContinuationToken",
        "NextKeyMarker",
        "NextMarker",
        "NextVersionIdMarker",
        "Prefix",
        "StartAfter",
        "VersionIdMarker",
    }
)


class BackendAnswer(msgspec.Struct, frozen=True):
    """The answer of a store: its status and its body."""

    status: int
    body: bytes = b""


class BackendUnavailableError(Exception):
    """The store did not answer. It may have performed the request."""


class BackendCalls(Protocol):
    """Requests of the gateway itself to its stores.

    They are signed with the store's key, and they block.
    """

    def send(
        self,
        backend: str,
        method: str,
        bucket: str,
        *,
        query: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> BackendAnswer:
        """Send a request without a body about a bucket, and return its answer.

        Raises BackendUnavailableError.
        """
        ...


def create_bucket(
    request: BucketRequest,
    name: str,
    *,
    buckets: Buckets,
    bucket_map: BucketMap,
    writer: BucketWriter,
    backend_calls: BackendCalls,
) -> LocalAnswer:
    """Create a bucket of the caller's account. Raises S3Error."""
    if not is_bucket_name(name):
        raise s3_error("InvalidBucketName", BucketName=name)
    headers = _store_headers(request)
    location = _location(request)
    created = LocalAnswer(200, ((b"location", f"/{name}".encode()),))
    try:
        place = _find_place(request, name, buckets, bucket_map, backend_calls)
        writer.reserve(name, request.account, place.backend, region=location, now=request.now)
    except S3Error as error:
        # As S3 does in this region alone, to this day.
        if error.code == "BucketAlreadyOwnedByYou" and request.region == "us-east-1":
            return created
        raise
    answer = _send(backend_calls, place.backend, "PUT", name, headers=headers)
    if answer.status == _OK or (place.is_resumed and answer.status == _CONFLICT):
        writer.confirm(name, request.account)
        return created
    if not 400 <= answer.status < 500:  # noqa: PLR2004 - HTTP
        raise s3_error("ServiceUnavailable", detail=f"the store answered {answer.status}")
    writer.release(name, request.account)
    if answer.status == _CONFLICT:
        raise s3_error("BucketAlreadyExists", BucketName=name)
    raise s3_error("InvalidRequest", "The store refused to create the bucket", detail=f"status {answer.status}")


class _Place(msgspec.Struct, frozen=True):
    """The backend of a new bucket.

    `is_resumed` is whether an earlier request reserved the name: it did so after the store had answered that the bucket
    does not exist. Thus a bucket that exists now was created by that request.
    """

    backend: str
    is_resumed: bool = False


def _find_place(
    request: BucketRequest, name: str, buckets: Buckets, bucket_map: BucketMap, backend_calls: BackendCalls
) -> _Place:
    """Return the place of a new bucket. Raises S3Error if the name is taken."""
    recorded = buckets.owner_of(name)
    if recorded is not None:
        if recorded.account != request.account:
            raise s3_error("BucketAlreadyExists", BucketName=name)
        if recorded.active:
            raise s3_error("BucketAlreadyOwnedByYou", BucketName=name)
        return _Place(recorded.backend or bucket_map.default_backend, is_resumed=True)
    pattern = bucket_map.find_pattern(name)
    if pattern is not None and pattern.account != request.account:
        raise s3_error("BucketAlreadyExists", BucketName=name)
    backend = bucket_map.default_backend if pattern is None else pattern.backend
    if not backend:
        raise s3_error("InvalidRequest", "The gateway has no backend for new buckets with this name")
    if _send(backend_calls, backend, "HEAD", name).status != _MISSING:
        mapping = bucket_map.find(name)
        own = mapping is not None and mapping.account == request.account
        raise s3_error("BucketAlreadyOwnedByYou" if own else "BucketAlreadyExists", BucketName=name)
    return _Place(backend)


def delete_bucket(
    request: BucketRequest, bucket: Bucket, *, writer: BucketWriter, backend_calls: BackendCalls
) -> LocalAnswer:
    """Delete an empty bucket. Raises S3Error."""
    exists = _is_at_store(bucket, backend_calls)
    if not exists and bucket.stored is None:
        raise s3_error("NoSuchBucket", BucketName=bucket.name)
    writer.begin_deletion(bucket, now=request.now)
    try:
        # A request that began before may have added an object.
        if exists and _is_at_store(bucket, backend_calls):
            _delete_at_store(bucket, backend_calls)
    except Exception:
        writer.confirm(bucket.name, bucket.account)
        raise
    writer.release(bucket.name, bucket.account)
    if not exists:
        raise s3_error("NoSuchBucket", BucketName=bucket.name)
    return LocalAnswer(204)


def _delete_at_store(bucket: Bucket, backend_calls: BackendCalls) -> None:
    answer = _send(backend_calls, bucket.backend, "DELETE", bucket.name)
    if answer.status == _CONFLICT:
        raise s3_error("BucketNotEmpty", BucketName=bucket.name)
    if answer.status not in {_OK, 204, _MISSING}:
        raise s3_error("ServiceUnavailable", detail=f"the store answered {answer.status}")


def _is_at_store(bucket: Bucket, backend_calls: BackendCalls) -> bool:
    """Return whether the store has the bucket.

    Raises S3Error if the bucket is not certainly empty: it has objects, versions or delete markers, or the store does
    not say.
    """
    for root, query in _LISTS.items():
        answer = _send(backend_calls, bucket.backend, "GET", bucket.name, query=query)
        if answer.status == _MISSING:
            return False
        if "versions" in query and answer.status in _WITHOUT_VERSIONS:
            continue
        if answer.status != _OK:
            raise s3_error("ServiceUnavailable", detail=f"a list at the store answered {answer.status}")
        if not _is_empty_list(answer.body, root):
            raise s3_error("BucketNotEmpty", BucketName=bucket.name)
    return True


def _is_empty_list(body: bytes, root: str) -> bool:
    try:
        listed = parse_xml(body, root)
    except S3Error as problem:
        raise s3_error("ServiceUnavailable", detail="the store's list cannot be read") from problem
    truncated = any(child.name == "IsTruncated" and child.text != "false" for child in listed.children)
    return not truncated and all(child.name in _LIST_FIELDS for child in listed.children)


def _store_headers(request: BucketRequest) -> dict[bytes, bytes]:
    """Return the headers for the store. Raises S3Error for those with ACLs."""
    headers = request.headers
    if headers.get(b"x-amz-acl", b"private") not in _PRIVATE or any(
        name.startswith(b"x-amz-grant-") for name in headers
    ):
        raise s3_error("AccessControlListNotSupported")
    require_enforced(headers.get(b"x-amz-object-ownership", b"BucketOwnerEnforced").decode("latin-1"))
    lock = headers.get(_LOCK)
    if lock is None:
        return {}
    if lock.lower() not in {b"true", b"false"}:
        raise s3_error("InvalidArgument")
    return {_LOCK: lock}


def _location(request: BucketRequest) -> str:
    """Return the region of a new bucket. Raises S3Error for another region than the request's."""
    if not request.body.strip():
        return request.region
    fields = parse_xml(request.body, "CreateBucketConfiguration").fields("LocationConstraint", "Tags")
    if "Tags" in fields:
        raise s3_error("NotImplemented", "Tags of a new bucket are not implemented. Use PutBucketTagging.")
    given = fields["LocationConstraint"].text if "LocationConstraint" in fields else ""
    if given not in {"", request.region} and (given, request.region) != ("EU", "eu-west-1"):
        raise s3_error(
            "IllegalLocationConstraintException",
            f"The {given} location constraint is incompatible for the region specific endpoint this request was sent "
            "to.",
        )
    return request.region


def _send(
    backend_calls: BackendCalls,
    backend: str,
    method: str,
    bucket: str,
    *,
    query: Mapping[str, str] = MappingProxyType({}),
    headers: Mapping[bytes, bytes] = MappingProxyType({}),
) -> BackendAnswer:
    try:
        return backend_calls.send(backend, method, bucket, query=query, headers=headers)
    except BackendUnavailableError as problem:
        raise s3_error("ServiceUnavailable", detail=str(problem)) from problem
