"""Buckets of accounts: names, loaders for the cache, changes of records.

- A name is unique among all accounts, as on AWS. The owner's account is part of the record, so that the records of an
  account can be listed and counted.
- A bucket policy is stored as a trust policy is: unique ids replace users and roles (principals.py).
- A policy that cannot be read stops the load: a decision never rests on a part of the policies.

Leaves the rules of bucket policies to bucket_policies.py. Source: Amazon S3 User Guide, "Bucket naming rules".
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from daypass.directory import records
from daypass.directory.bucket_policies import in_words_of_s3, is_public, parse_bucket_policy
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket, bucket_id
from daypass.directory.loader_marks import keeps_little
from daypass.directory.principals import StoredTrust, StoreTrust, show_principals, store_principals
from daypass.directory.store import Reader, RecordExistsError, Writer
from daypass.directory.unresolved_principals import trust_in_force
from daypass.errors import MalformedPolicyDocument
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.language.document import DocumentKind, parse_document

MOST_BUCKETS = 10_000
"""The default quota of general purpose buckets in an account on AWS."""

# Source: Amazon S3 API Reference, PutBucketPolicy. Session policies and control policies still apply.
# Members of an enum that every decision reads: through the class, each costs as much as a call.
_ROOT, _ANONYMOUS = PrincipalKind.ROOT, PrincipalKind.ANONYMOUS
_REPAIRING = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?=[a-z0-9])){1,61}[a-z0-9]")
_OLD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")


class BucketTakenError(Exception):
    """Another record has the name. `account` is its owner."""

    def __init__(self, account: str) -> None:
        super().__init__("The bucket name is taken.")
        self.account = account


class TooManyBucketsError(Exception):
    """The account has as many buckets as its quota allows."""


@dataclass(frozen=True, slots=True)
class LoadedBucket:
    """A bucket's record with its compiled policy.

    `is_public` is whether the policy allows public access.
    """

    stored: StoredBucket
    policy: PolicySet | None
    is_public: bool

    def policy_for(self, principal: Principal, action: str) -> PolicySet | None:
        """Return the bucket policy as it applies to a caller, or None."""
        block = self.stored.public_access_block
        if is_cut_off(principal, self.stored.account, block, action, is_public=self.is_public):
            return None
        return self.policy


@dataclass(frozen=True, slots=True)
class BucketOwner:
    """The account and the backend of a recorded bucket."""

    account: str
    backend: str
    active: bool


def is_cut_off(
    principal: Principal, owner: str, block: PublicAccessBlock | None, action: str, *, is_public: bool
) -> bool:
    """Return whether a bucket's policy does not apply to a caller.

    - RestrictPublicBuckets limits a bucket with a public policy to the owner's account. Without the policy, a caller of
      another account is never allowed.
    - The root user of the owner's account can always repair the policy, whatever it denies.
    """
    if principal.account == owner and principal.kind is not _ANONYMOUS:
        return principal.kind is _ROOT and action.lower() in _REPAIRING
    return is_public and block is not None and block.restrict_public_buckets


def is_bucket_name(text: str) -> bool:
    """Return whether AWS accepts a name for a new general purpose bucket."""
    if _NAME.fullmatch(text) is None or text.startswith(_RESERVED_STARTS) or text.endswith(_RESERVED_ENDS):
        return False
    return not _is_address(text)


def find_bucket(reader: Reader, name: str) -> StoredBucket | None:
    """Return the record of a bucket, or None."""
    return records.find_by_id(reader, StoredBucket, bucket_id(name))


def load_bucket(reader: Reader, name: str) -> LoadedBucket | None:
    """Return a bucket with its compiled policy, or None."""
    stored = find_bucket(reader, name)
    if stored is None:
        return None
    if not stored.policy:
        return LoadedBucket(stored, None, is_public=False)
    # Every account may store large policies. Thus they are cached with their weight, and never without a bound.
    document = parse_document(trust_in_force(reader, stored.policy, stored.foreign), DocumentKind.RESOURCE)
    source = PolicySource(PolicyType.RESOURCE, "bucket-policy", stored.arn)
    return LoadedBucket(stored, compile_set((compile_document(document, source),)), is_public(document))


@keeps_little
def load_bucket_owner(reader: Reader, name: str) -> BucketOwner | None:
    """Return the owner of a recorded bucket, or None."""
    stored = find_bucket(reader, name)
    return None if stored is None else BucketOwner(stored.account, stored.backend, stored.state == "active")


def is_recordable_name(text: str) -> bool:
    """Return whether an existing bucket may have this name.

    Old buckets and buckets of other stores have names that AWS does not accept any more.
    """
    return _OLD_NAME.fullmatch(text) is not None


def buckets_of(reader: Reader, account: str | None) -> Iterator[StoredBucket]:
    """Yield the buckets of an account, or of all accounts, by name."""
    return records.each(reader, StoredBucket, account)


def insert_bucket(writer: Writer, bucket: StoredBucket, *, most: int = MOST_BUCKETS) -> None:
    """Store a new bucket.

    Raises BucketTakenError if the name is taken, and TooManyBucketsError if the account has `most` buckets.
    """
    taken = find_bucket(writer, bucket.name)
    if taken is not None:
        raise BucketTakenError(taken.account)
    if writer.count(records.kind_name(StoredBucket), bucket.account) >= most:
        raise TooManyBucketsError
    try:
        records.insert(writer, bucket)
    except RecordExistsError as problem:
        raise BucketTakenError("") from problem


def put_bucket(writer: Writer, bucket: StoredBucket, *, most: int = MOST_BUCKETS) -> None:
    """Store a bucket of an account, new or changed, as an operator states it.

    Raises BucketTakenError if it belongs to another account, and TooManyBucketsError.
    """
    present = find_bucket(writer, bucket.name)
    if present is None or present.account != bucket.account:
        insert_bucket(writer, bucket, most=most)
    else:
        _replaced(writer, bucket)


def policy_to_store(
    reader: Reader, account: str, bucket: str, text: str, convert: StoreTrust = store_principals
) -> StoredTrust:
    """Return the policy of an account's bucket in its stored form.

    Raises MalformedPolicyDocument in S3's words for an invalid policy, and for a principal of the own account that does
    not exist.
    """
    parse_bucket_policy(text, bucket)
    try:
        return convert(reader, account, text)
    except MalformedPolicyDocument as problem:
        raise MalformedPolicyDocument(in_words_of_s3(problem.message), detail=problem.message) from problem


def load_shown_policy(reader: Reader, name: str) -> str:
    """Return a bucket's policy with the ARNs of users and roles.

    Returns an empty string if the bucket or its policy does not exist.
    """
    stored = find_bucket(reader, name)
    return "" if stored is None or not stored.policy else show_principals(reader, stored.policy, stored.foreign)


def set_policy(writer: Writer, bucket: StoredBucket, policy: str, foreign: Mapping[str, str]) -> StoredBucket:
    """Store a bucket policy, or delete it if it is empty. Return the bucket."""
    return _replaced(writer, msgspec.structs.replace(bucket, policy=policy, foreign=dict(foreign)))


def set_public_access_block(writer: Writer, bucket: StoredBucket, settings: PublicAccessBlock | None) -> StoredBucket:
    """Store the public access block, or delete it. Return the bucket."""
    return _replaced(writer, msgspec.structs.replace(bucket, public_access_block=settings))


def set_state(writer: Writer, bucket: StoredBucket, state: Literal["active", "creating", "deleting"]) -> StoredBucket:
    """Record whether the store has the bucket. Return the bucket."""
    return _replaced(writer, msgspec.structs.replace(bucket, state=state))


def delete_bucket(writer: Writer, bucket: StoredBucket) -> None:
    """Delete the record of a bucket. The store keeps its objects.

    Raises RecordMissingError if it does not exist.
    """
    records.delete(writer, bucket)


def _replaced(writer: Writer, bucket: StoredBucket) -> StoredBucket:
    records.replace(writer, bucket)
    return bucket


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
