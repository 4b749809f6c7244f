"""Answer POST bucket-changes: changes that a gateway elsewhere decided.

Owns the table of changes. Each one is the method of the same name of StoreBucketWriter, with its checks inside the
transaction. The account must be one that the resource server serves, and its principal needs a permission of its own,
daypass:ManageBuckets: a gateway that is exposed to the network can do without it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.errors import AccessDenied, ValidationError
from daypass.gateway.buckets.bucket_writer import StoreBucketWriter
from daypass.gateway.buckets.buckets import Bucket
from daypass.resource_server.grants import GrantSource
from daypass.verify.remote_server.protocol import BucketChange, BucketChanged
from daypass.verify.s3.errors import S3Error

ACTION = "daypass:ManageBuckets"


def change_bucket(change: BucketChange, server: ResourceServer, source: GrantSource, now: datetime) -> BucketChanged:
    """Make one change, and return the error of S3 if it is refused.

    Raises a Fault.
    """
    if not server.serves(change.account):
        raise AccessDenied(f"{server.name} does not serve account {change.account}.")
    make = _CHANGES.get(change.action)
    if make is None:
        raise ValidationError(f"The change {change.action!r} is not known. Update the server or the gateway.")
    block = _block(change.new_block)
    writer = StoreBucketWriter(source.store.write, block, most_buckets=source.most_buckets)
    try:
        make(change, writer, now)
    except S3Error as refused:
        return BucketChanged(refused.code, refused.message, dict(refused.extra))
    return BucketChanged()


def _bucket(change: BucketChange, now: datetime) -> Bucket:
    """Return the bucket as the gateway knows it: the writer compares it with the record."""
    bucket = Bucket(name=change.name, account=change.account, backend=change.backend)
    if not change.known:
        return bucket
    stored = StoredBucket(
        name=change.name, account=change.account, backend=change.backend, created=now, public_access_block=None
    )
    return msgspec.structs.replace(bucket, stored=stored)


def _reserve(change: BucketChange, writer: StoreBucketWriter, now: datetime) -> None:
    writer.reserve(change.name, change.account, change.backend, region=change.region, now=now)


def _confirm(change: BucketChange, writer: StoreBucketWriter, _now: datetime) -> None:
    writer.confirm(change.name, change.account)


def _release(change: BucketChange, writer: StoreBucketWriter, _now: datetime) -> None:
    writer.release(change.name, change.account)


def _begin_deletion(change: BucketChange, writer: StoreBucketWriter, now: datetime) -> None:
    writer.begin_deletion(_bucket(change, now), now=now)


def _put_policy(change: BucketChange, writer: StoreBucketWriter, now: datetime) -> None:
    writer.put_policy(_bucket(change, now), change.policy, now=now)


def _delete_policy(change: BucketChange, writer: StoreBucketWriter, now: datetime) -> None:
    writer.delete_policy(_bucket(change, now), now=now)


def _put_block(change: BucketChange, writer: StoreBucketWriter, now: datetime) -> None:
    writer.put_public_access_block(_bucket(change, now), _block(change.block), now=now)


def _block(settings: Mapping[str, bool] | None) -> PublicAccessBlock | None:
    """Return the settings, of which none may be missing. Raises ValidationError."""
    if settings is None:
        return None
    if set(settings) != set(PublicAccessBlock.__struct_fields__):
        raise ValidationError("A public access block has four settings.")
    return PublicAccessBlock(**settings)


_CHANGES: Mapping[str, Callable[[BucketChange, StoreBucketWriter, datetime], None]] = {
    "begin-deletion": _begin_deletion,
    "confirm": _confirm,
    "delete-policy": _delete_policy,
    "put-policy": _put_policy,
    "put-public-access-block": _put_block,
    "release": _release,
    "reserve": _reserve,
}
