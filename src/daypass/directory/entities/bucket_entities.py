"""Buckets as frozen values: the owner of each name at a store.

Owns their fields and their ARN. Leaves the rules of names and changes to directory/buckets.py. Source: Amazon S3 User
Guide, "Blocking public access to your Amazon S3 storage".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from daypass.directory.entities.iam_entities import Entity


class PublicAccessBlock(Entity, frozen=True, kw_only=True):
    """The four settings that limit public access to a bucket.

    A new bucket has all of them, as on AWS since April 2023.
    """

    block_public_acls: bool = True
    ignore_public_acls: bool = True
    block_public_policy: bool = True
    restrict_public_buckets: bool = True


class StoredBucket(Entity, frozen=True, kw_only=True):
    """A bucket, its account and the backend with its objects.

    `backend` is the name of a backend, or empty for the default one of the gateway. `policy` is the bucket policy, or
    empty. In it, users and roles are written as their unique ids (see directory/principals.py), and `foreign` maps ids
    to the strings with which principals of other accounts were named. `public_access_block` is None if its owner
    deleted it: then it limits nothing. A bucket in the state `creating` or `deleting` has only its name: the store did
    not confirm yet that it has the bucket, or not any more.
    """

    name: str
    account: str
    backend: str
    created: datetime
    region: str = ""
    policy: str = ""
    foreign: Mapping[str, str] = msgspec.field(default_factory=dict)
    public_access_block: PublicAccessBlock | None
    state: Literal["active", "creating", "deleting"] = "active"

    @property
    def id(self) -> str:
        """Return an id that a later bucket of the same name does not have."""
        return f"{bucket_id(self.name)}@{self.created.isoformat()}"

    @property
    def arn(self) -> str:
        """Return the ARN of the bucket. It does not contain the account."""
        return bucket_arn(self.name)


def bucket_id(name: str) -> str:
    """Return the unique id of a bucket's record.

    The prefix keeps names apart from other unique ids: a name may consist of twelve digits, as an account's id does.
    """
    return f"bucket/{name}"


def bucket_arn(name: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:aws:s3:::{name}"
