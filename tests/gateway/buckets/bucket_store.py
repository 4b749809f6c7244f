"""A store with two accounts, their buckets, and a simple S3 store behind it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.apply.directory import Directory

from daypass.authorize.named_request import get_caller
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.verified_caller import verified_caller
from daypass.directory.buckets import insert_bucket
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.directory.store import Writer
from daypass.gateway.buckets.bucket_lifecycle import (
    BackendAnswer,
    BackendUnavailableError,
    create_bucket,
    delete_bucket,
)
from daypass.gateway.buckets.bucket_operations import (
    READS,
    BucketRequest,
    LocalAnswer,
    answer_read,
    perform_write,
)
from daypass.gateway.buckets.bucket_writer import StoreBucketWriter
from daypass.gateway.buckets.buckets import Bucket, BucketMap, StoreBuckets
from daypass.verify.caller import VerifiedCaller

OWNER, OTHER = "111122223333", "444455556666"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
OFF = PublicAccessBlock(
    block_public_acls=False, ignore_public_acls=False, block_public_policy=False, restrict_public_buckets=False
)


@dataclass
class SimpleBackend:
    """An S3 store in memory: the objects of each bucket, by bucket.

    As some real stores do, it deletes a bucket with its objects. `answers` replaces the answers to a method, one after
    the other; None is a broken connection.
    """

    buckets: dict[str, list[str]] = field(default_factory=dict)
    versions: dict[str, list[str]] = field(default_factory=dict)
    has_versions: bool = True
    answers: dict[str, list[int | None]] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def send(
        self,
        backend: str,
        method: str,
        bucket: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[bytes, bytes] | None = None,
    ) -> BackendAnswer:
        """Answer as a store does."""
        del headers
        self.calls.append((backend, method, bucket))
        planned = self.answers.get(method)
        if planned:
            status = planned.pop(0)
            if status is None:
                raise BackendUnavailableError("the connection broke")
            return BackendAnswer(status)
        if method == "PUT":
            self.buckets.setdefault(bucket, [])
            return BackendAnswer(200)
        if bucket not in self.buckets:
            return BackendAnswer(404)
        if method == "DELETE":
            del self.buckets[bucket]
            return BackendAnswer(204)
        if "versions" in (query or {}) and not self.has_versions:
            return BackendAnswer(501)
        return BackendAnswer(200, self._list(bucket, query or {}))

    def _list(self, bucket: str, query: Mapping[str, str]) -> bytes:
        root, entry, names = "ListBucketResult", "Contents", self.buckets[bucket]
        if "versions" in query:
            root, entry, names = "ListVersionsResult", "DeleteMarker", self.versions.get(bucket, [])
        listed = "".join(f"<{entry}><Key>{name}</Key></{entry}>" for name in names[:1])
        return (
            f'<?xml version="1.0"?><{root} xmlns="{NAMESPACE}"><Name>{bucket}</Name><IsTruncated>false</IsTruncated>'
            f"{listed}</{root}>"
        ).encode()


@dataclass
class BucketStore:
    """Buckets in a store in memory, and the operations on them."""

    directory: Directory = field(default_factory=Directory)
    bucket_map: BucketMap = field(default_factory=lambda: BucketMap(default_backend="main"))
    backend: SimpleBackend = field(default_factory=SimpleBackend)

    def __post_init__(self) -> None:
        self.directory.apply(f'version: 1\naccounts:\n  "{OWNER}": {{}}\n  "{OTHER}": {{}}\n')
        self.writer = StoreBucketWriter(self.transaction, self.bucket_map.new_block)

    def transaction(self) -> AbstractContextManager[Writer]:
        """Open a transaction."""
        return self.directory.there.store.write()

    def buckets(self) -> StoreBuckets:
        """Return the present buckets."""
        with self.directory.there.store.read() as reader:
            views = SnapshotViews(reader)
            return StoreBuckets(views, views, self.bucket_map)

    def find(self, name: str) -> Bucket | None:
        """Return a bucket, or None."""
        return self.buckets().find(name)

    def get(self, name: str) -> Bucket:
        """Return a bucket that exists."""
        found = self.find(name)
        assert found is not None
        return found

    def add(
        self,
        name: str,
        account: str = OWNER,
        *,
        block: PublicAccessBlock | None = None,
    ) -> Bucket:
        """Record a bucket that its store has."""
        with self.transaction() as writer:
            insert_bucket(
                writer,
                StoredBucket(name=name, account=account, backend="main", created=NOW, public_access_block=block),
            )
        self.backend.buckets[name] = []
        return self.get(name)

    def put_policy(self, name: str, text: str, account: str = OWNER) -> Bucket:
        """Store a bucket policy as PutBucketPolicy does."""
        self.perform("PutBucketPolicy", name, account, body=text.encode())
        return self.get(name)

    def perform(
        self,
        operation: str,
        name: str,
        account: str = OWNER,
        *,
        body: bytes = b"",
        headers: Mapping[bytes, bytes] | None = None,
        region: str = "us-east-1",
    ) -> LocalAnswer:
        """Perform an authorized operation."""
        request = BucketRequest(operation, account, region, NOW, headers or {}, body)
        if operation == "CreateBucket":
            return create_bucket(
                request,
                name,
                buckets=self.buckets(),
                bucket_map=self.bucket_map,
                writer=self.writer,
                backend_calls=self.backend,
            )
        if operation == "DeleteBucket":
            return delete_bucket(request, self.get(name), writer=self.writer, backend_calls=self.backend)
        if operation in READS:
            return answer_read(request, self.get(name), self.buckets())
        return perform_write(request, self.get(name), self.writer)

    def caller(self, arn: str) -> VerifiedCaller:
        """Return a caller with its policies."""
        with self.directory.there.store.read() as reader:
            views = SnapshotViews(reader)
            return verified_caller(get_caller(arn, views, NOW), views)
