"""Store profiles: how each kind of store behaves.

Owns the table of profiles, and the default for an unknown store: its keys are taken as folded, it stores bodies that
were cut off, and only operations that every profile has are forwarded. Leaves finding out whether a profile is true to
check.py.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from daypass.verify.s3.bodies.bodies import BodyProfile
from daypass.verify.s3.operations.object_keys import EXACT, FOLDED, KeyRule

# Operations that all stores with a profile implement as S3 does.
_COMMON = frozenset(
    {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateBucket",
        "CreateMultipartUpload",
        "DeleteBucket",
        "DeleteObject",
        "DeleteObjects",
        "GetObject",
        "HeadBucket",
        "HeadObject",
        "ListBuckets",
        "ListMultipartUploads",
        "ListObjects",
        "ListObjectsV2",
        "ListParts",
        "PutObject",
        "UploadPart",
        "UploadPartCopy",
    }
)
_TAGGING = frozenset({"DeleteObjectTagging", "GetObjectTagging", "PutObjectTagging"})
_VERSIONS = frozenset({"GetBucketVersioning", "ListObjectVersions", "PutBucketVersioning"})
_LIFECYCLE = frozenset({"DeleteBucketLifecycle", "GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration"})
_LOCK = frozenset(
    {
        "GetObjectLegalHold",
        "GetObjectLockConfiguration",
        "GetObjectRetention",
        "PutObjectLegalHold",
        "PutObjectLockConfiguration",
        "PutObjectRetention",
    }
)
_BUCKET_TAGGING = frozenset({"DeleteBucketTagging", "GetBucketTagging", "PutBucketTagging"})
_ENCRYPTION = frozenset({"DeleteBucketEncryption", "GetBucketEncryption", "PutBucketEncryption"})


# tests/gateway/test_bodies_at_stores.py shows it for each store that has this value.
_REFUSES_SHORT_BODIES = BodyProfile(commits_short_bodies=False, signed_trailers=True, unsigned_trailers=True)


class StoreProfile(msgspec.Struct, frozen=True):
    """How a store behaves.

    - `keys` are the object keys that it keeps apart. A store that folds takes `a//b` for `a/b`.
    - `bodies` is how it treats bodies, above all one that was cut off.
    - `operations` are forwarded; others are refused.
    - `forwards_options` is whether CORS preflights are forwarded.
    """

    name: str
    operations: frozenset[str] = _COMMON
    keys: KeyRule = FOLDED
    bodies: BodyProfile = BodyProfile()
    forwards_options: bool = False


UNKNOWN = StoreProfile("unknown")

PROFILES: Mapping[str, StoreProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            StoreProfile(
                "seaweedfs",
                _COMMON | _TAGGING | _VERSIONS | _BUCKET_TAGGING | {"GetObjectAttributes"},
                bodies=_REFUSES_SHORT_BODIES,
            ),
            StoreProfile(
                "moto",
                _COMMON
                | _TAGGING
                | _VERSIONS
                | _LIFECYCLE
                | _LOCK
                | _BUCKET_TAGGING
                | _ENCRYPTION
                | {"GetObjectAttributes"},
                keys=EXACT,
                bodies=_REFUSES_SHORT_BODIES,
            ),
        )
    }
)


def find_profile(name: str) -> StoreProfile | None:
    """Return a profile, or None if it does not exist.

    An empty name is the default for an unknown store.
    """
    return PROFILES.get(name) if name else UNKNOWN
