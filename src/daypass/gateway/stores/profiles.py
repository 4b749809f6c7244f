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


# tests/gateway/uploads_at_stores/test_bodies_at_stores.py shows it for each store that has this value.
_REFUSES_SHORT_BODIES = BodyProfile(commits_short_bodies=False, signed_trailers=True, unsigned_trailers=True)


# Ceph stores what it received of an upload in chunks that is cut off, and sees a cut of a plain one.
_PLAIN_BODIES = BodyProfile(commits_short_bodies=False, signed_chunks=False)
# Stores that were not run here get what is safe at most stores: keys that could be folded are refused, and an object
# arrives in chunks that the gateway signs.
_MINIO_KEYS = KeyRule(folds_slashes=True, reserved=(".minio.sys", ".rustfs.sys"), reserved_suffixes=("__XLDIR__",))


class StoreProfile(msgspec.Struct, frozen=True):
    """How a store behaves.

    - `keys` are the object keys that it keeps apart. A store that folds takes `a//b` for `a/b`.
    - `bodies` is how it treats bodies, above all one that was cut off.
    - `operations` are forwarded; others are refused.
    - `binds_uploads` is whether it refuses the ID of a multipart upload with another key than the upload's own. At
      other stores the gateway asks for the uploads of the key first.
    - `replaces_tags` is whether a copy with the tagging directive REPLACE leaves the tags of the source behind. At
      other stores such a copy needs the permissions on these tags.
    - `forwards_options` is whether CORS preflights are forwarded.
    """

    name: str
    operations: frozenset[str] = _COMMON
    keys: KeyRule = FOLDED
    bodies: BodyProfile = BodyProfile()
    binds_uploads: bool = False
    replaces_tags: bool = False
    forwards_options: bool = False


UNKNOWN = StoreProfile("unknown")

PROFILES: Mapping[str, StoreProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            StoreProfile(
                "seaweedfs",
                _COMMON | _TAGGING | _VERSIONS | _LOCK | _BUCKET_TAGGING | {"GetObjectAttributes"},
                bodies=_REFUSES_SHORT_BODIES,
                binds_uploads=True,
                replaces_tags=True,
            ),
            # moto finds an upload by its ID alone.
            StoreProfile(
                "moto",
                _COMMON
                | _TAGGING
                | _VERSIONS
                | _LIFECYCLE
                # moto answers GetObjectRetention with the object, also to a caller that may not read it.
                | (_LOCK - {"GetObjectRetention"})
                | _BUCKET_TAGGING
                | _ENCRYPTION
                | {"GetObjectAttributes"},
                keys=EXACT,
                bodies=_REFUSES_SHORT_BODIES,
                replaces_tags=True,
            ),
            # Run with Ceph 16. It answers GetObjectAttributes with the object, and copies tags despite REPLACE.
            StoreProfile(
                "ceph",
                _COMMON | _TAGGING | _VERSIONS | _LOCK | _BUCKET_TAGGING,
                keys=EXACT,
                bodies=_PLAIN_BODIES,
                binds_uploads=True,
            ),
            # For an unknown store that keeps what it received of chunks that are cut off, such as `rclone serve s3`.
            StoreProfile("plain", bodies=_PLAIN_BODIES),
            # Not run. From the source of Garage 1.2: src/api/s3/router.rs drops leading slashes of a key and keeps the
            # others; src/api/s3/api_server.rs answers NotImplemented to tags, versions, object lock and attributes, and
            # get.rs and delete.rs ignore versionId; src/api/common/signature has signed chunks.
            StoreProfile("garage", binds_uploads=True),
            # Not run. From the source of February 2026: cmd/object-api-utils.go refuses `//`, a leading slash, NUL, dot
            # segments and a key over 1,024 bytes; cmd/globals.go has __XLDIR__; cmd/api-router.go has the operations;
            # cmd/erasure-object.go refuses a body that is too short, and cmd/streaming-signature-v4.go cut chunks.
            StoreProfile(
                "minio",
                _COMMON | _TAGGING | _VERSIONS | _LOCK | _BUCKET_TAGGING,
                keys=_MINIO_KEYS,
                binds_uploads=True,
            ),
            # Not run. From the source of August 2026: crates/ecstore/src/bucket/utils.rs has the rules of MinIO.
            StoreProfile(
                "rustfs",
                _COMMON | _TAGGING | _VERSIONS | _LOCK | _BUCKET_TAGGING,
                keys=_MINIO_KEYS,
                binds_uploads=True,
            ),
            # Not run. From the source of August 2026: s3api/utils/name_validate.go refuses dot segments that leave the
            # bucket, and backend/posix/posix.go takes a key for a path of the file system, with uploads in `.sgwtmp`;
            # s3api/router.go has the operations. Versions need a directory of their own, so they are not forwarded.
            StoreProfile("versitygw", _COMMON | _TAGGING | _LOCK | _BUCKET_TAGGING, binds_uploads=True),
        )
    }
)

GENERAL = (UNKNOWN, PROFILES["plain"])
"""The profiles for stores of other kinds, the better one first."""


def find_profile(name: str) -> StoreProfile | None:
    """Return a profile, or None if it does not exist.

    An empty name is the default for an unknown store.
    """
    return PROFILES.get(name) if name else UNKNOWN
