"""Changes of buckets' records, each in one transaction of the store.

- A change repeats its checks inside the transaction, because the caller's bucket may be a cached one: the owner and the
  backend are still the same, and the public access block is the present one.
- A bucket that only a pattern maps gets a record with its first change. From then on, the record decides.
- The owner of a taken name is told only whether it is the caller.

Leaves the records to directory/buckets.py, and the calls to the store to bucket_lifecycle.py.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from types import MappingProxyType

from daypass.directory.bucket_policies import is_public, parse_bucket_policy
from daypass.directory.buckets import (
    MOST_BUCKETS,
    BucketTakenError,
    TooManyBucketsError,
    delete_bucket,
    find_bucket,
    insert_bucket,
    policy_to_store,
    set_policy,
    set_public_access_block,
    set_state,
)
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.directory.store import Writer
from daypass.errors import MalformedPolicyDocument
from daypass.gateway.buckets.buckets import Bucket
from daypass.verify.s3.errors import s3_error

_PUBLIC_POLICY = (
    "Access Denied: the policy is public, and the bucket blocks public policies (BlockPublicPolicy). Change the "
    "policy, or the bucket's public access block with PutPublicAccessBlock."
)


class StoreBucketWriter:
    """The changes of a gateway that opens the store itself."""

    def __init__(
        self,
        new_transaction: Callable[[], AbstractContextManager[Writer]],
        new_block: PublicAccessBlock | None,
        *,
        most_buckets: int = MOST_BUCKETS,
    ) -> None:
        self._new_transaction = new_transaction
        self._new_block = new_block
        self._most_buckets = most_buckets

    def reserve(self, name: str, account: str, backend: str, *, region: str, now: datetime) -> None:
        """Record a bucket that does not exist at the store yet. Raises S3Error."""
        bucket = StoredBucket(
            name=name,
            account=account,
            backend=backend,
            created=now,
            region=region,
            public_access_block=self._new_block,
            state="creating",
        )
        with self._new_transaction() as writer:
            present = find_bucket(writer, name)
            if present is not None and present.account == account and present.state != "active":
                return
            self._insert(writer, bucket)

    def confirm(self, name: str, account: str) -> None:
        """Record that the store has the bucket."""
        with self._new_transaction() as writer:
            present = find_bucket(writer, name)
            if present is None or present.account != account:
                raise s3_error("OperationAborted")
            if present.state != "active":
                set_state(writer, present, "active")

    def release(self, name: str, account: str) -> None:
        """Delete the record of a bucket, unless it is active."""
        with self._new_transaction() as writer:
            present = find_bucket(writer, name)
            if present is not None and present.account == account and present.state != "active":
                delete_bucket(writer, present)

    def begin_deletion(self, bucket: Bucket, *, now: datetime) -> None:
        """Hide a bucket from requests while the store deletes it. Raises S3Error."""
        with self._changing(bucket, now) as (writer, stored):
            set_state(writer, stored, "deleting")

    def put_policy(self, bucket: Bucket, text: str, *, now: datetime) -> None:
        """Store a bucket policy. Raises S3Error."""
        with self._changing(bucket, now) as (writer, stored):
            try:
                document = parse_bucket_policy(text, stored.name)
                converted = policy_to_store(writer, stored.account, stored.name, text)
            except MalformedPolicyDocument as problem:
                raise s3_error("MalformedPolicy", problem.message, detail=problem.detail) from problem
            block = stored.public_access_block
            if block is not None and block.block_public_policy and is_public(document):
                raise s3_error(
                    "AccessDenied", _PUBLIC_POLICY, detail="BlockPublicPolicy refuses a public bucket policy"
                )
            set_policy(writer, stored, converted.document, converted.foreign)

    def delete_policy(self, bucket: Bucket, *, now: datetime) -> None:
        """Delete the bucket policy. Raises S3Error."""
        with self._changing(bucket, now) as (writer, stored):
            if stored.policy:
                set_policy(writer, stored, "", MappingProxyType({}))

    def put_public_access_block(self, bucket: Bucket, settings: PublicAccessBlock | None, *, now: datetime) -> None:
        """Store the public access block, or delete it. Raises S3Error."""
        with self._changing(bucket, now) as (writer, stored):
            set_public_access_block(writer, stored, settings)

    @contextmanager
    def _changing(self, bucket: Bucket, now: datetime) -> Iterator[tuple[Writer, StoredBucket]]:
        """Open a transaction with the present record of a bucket."""
        with self._new_transaction() as writer:
            stored = find_bucket(writer, bucket.name)
            if stored is None and bucket.stored is None:
                stored = self._adopted(bucket, now)
                self._insert(writer, stored)
            if stored is None:
                raise s3_error("NoSuchBucket", BucketName=bucket.name)
            backend = bucket.backend if bucket.stored is None else bucket.stored.backend
            if (stored.account, stored.backend, stored.state) != (bucket.account, backend, "active"):
                raise s3_error("OperationAborted")
            yield writer, stored

    def _adopted(self, bucket: Bucket, now: datetime) -> StoredBucket:
        return StoredBucket(
            name=bucket.name,
            account=bucket.account,
            backend=bucket.backend,
            created=now,
            public_access_block=self._new_block,
        )

    def _insert(self, writer: Writer, bucket: StoredBucket) -> None:
        try:
            insert_bucket(writer, bucket, most=self._most_buckets)
        except BucketTakenError as taken:
            own = taken.account == bucket.account
            code = "BucketAlreadyOwnedByYou" if own else "BucketAlreadyExists"
            raise s3_error(code, BucketName=bucket.name) from taken
        except TooManyBucketsError as problem:
            raise s3_error("TooManyBuckets") from problem
