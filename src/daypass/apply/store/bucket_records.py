"""Buckets in a file: their records.

A file states which account owns a bucket, and its policy. It neither creates nor deletes the bucket at a store: without
its record, a bucket keeps its objects, and the gateway hides it. Owns reading and changing the records; the rules are
in directory/buckets.py, which the gateway and the operators' command use too.
"""

import json
from typing import Any

import msgspec

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.state import ALL_BLOCKED, Thing
from daypass.apply.store.api import Api
from daypass.directory.buckets import (
    BucketTakenError,
    TooManyBucketsError,
    delete_bucket,
    find_bucket,
    policy_to_store,
    put_bucket,
)
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.directory.principals import show_principals
from daypass.directory.store import Reader
from daypass.directory.unresolved_principals import unresolved_in, unresolved_of
from daypass.errors import MalformedPolicyDocument

_FIELDS = {
    "blockPublicAcls": "block_public_acls",
    "ignorePublicAcls": "ignore_public_acls",
    "blockPublicPolicy": "block_public_policy",
    "restrictPublicBuckets": "restrict_public_buckets",
}


def read_bucket(reader: Reader, bucket: StoredBucket) -> Thing:
    """Return a bucket of the store."""
    block = bucket.public_access_block
    policy = show_principals(reader, bucket.policy, unresolved_of(bucket.foreign)) if bucket.policy else ""
    attributes = {
        "backend": bucket.backend,
        "region": bucket.region,
        "policy": json.loads(policy) if policy else None,
        # A deleted block and one without settings limit nothing.
        "publicAccessBlock": {name: block is not None and getattr(block, _FIELDS[name]) for name in ALL_BLOCKED},
    }
    unresolved = unresolved_in(reader, bucket.policy, bucket.foreign)
    return Thing(bucket.account, "bucket", bucket.name, attributes, id=bucket.id, unresolved=unresolved)


def create_bucket(thing: Thing, api: Api, policy: str) -> None:
    """Record a bucket. Raises ApplyFileError."""
    bucket = StoredBucket(
        name=thing.name,
        account=thing.account,
        backend=thing.value("backend"),
        created=api.ctx.now,
        region=thing.value("region"),
        public_access_block=_block(thing.value("publicAccessBlock")),
    )
    _put(thing, api, _with_policy(thing, api, bucket, policy))


def change_bucket(thing: Thing, api: Api, attribute: str, after: Any) -> None:
    """Change one attribute. Raises ApplyFileError."""
    bucket = _get(thing, api)
    if attribute == "policy":
        changed = _with_policy(thing, api, bucket, after)
    elif attribute == "publicAccessBlock":
        changed = msgspec.structs.replace(bucket, public_access_block=_block(after))
    else:
        changed = msgspec.structs.replace(bucket, **{attribute: after})
    _put(thing, api, changed)


def remove_bucket(thing: Thing, api: Api) -> None:
    """Delete the record of a bucket. Raises ApplyFileError."""
    delete_bucket(api.ctx.writer, _get(thing, api))
    api.note(thing.account, "RemoveBucketRecord", {"BucketName": thing.name})


def _get(thing: Thing, api: Api) -> StoredBucket:
    found = find_bucket(api.ctx.writer, thing.name)
    if found is None or found.account != thing.account:
        raise ApplyFileError(thing.place, "the bucket does not exist")
    return found


def _put(thing: Thing, api: Api, bucket: StoredBucket) -> None:
    try:
        put_bucket(api.ctx.writer, bucket, most=api.ctx.settings.quotas.buckets)
    except BucketTakenError as taken:
        raise ApplyFileError(thing.place, f"the bucket belongs to account {taken.account}", refused=True) from taken
    except TooManyBucketsError as problem:
        raise ApplyFileError(thing.place, "the account has too many buckets", refused=True) from problem
    api.note(
        thing.account,
        "PutBucketRecord",
        {"BucketName": bucket.name, "Backend": bucket.backend, "HasPolicy": bool(bucket.policy)},
    )


def _with_policy(thing: Thing, api: Api, bucket: StoredBucket, policy: str) -> StoredBucket:
    if not policy:
        return msgspec.structs.replace(bucket, policy="", foreign={})
    ctx = api.ctx
    try:
        stored = policy_to_store(ctx.writer, thing.account, thing.name, policy, ctx.store_trust)
    except MalformedPolicyDocument as problem:
        place = thing.place_of("policy")
        raise ApplyFileError(place, f"MalformedPolicy: {problem.message}", refused=True) from problem
    return msgspec.structs.replace(bucket, policy=stored.document, foreign=dict(stored.foreign))


def _block(settings: dict[str, bool]) -> PublicAccessBlock:
    return PublicAccessBlock(**{_FIELDS[name]: is_on for name, is_on in settings.items()})
