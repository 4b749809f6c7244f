"""The buckets that a gateway knows: their owners, backends and policies.

Owns the mapping of a name to an account and a backend:

- A record of the store decides. Thus a bucket that was created through the gateway cannot be moved by a pattern.
- Else the first matching `[[gateway.bucket]]` decides.
- Else the account that the gateway adopts buckets for, if there is one.
- Else the bucket does not exist for any caller, and no list contains it.

Leaves the changes of buckets to bucket_operations.py, and
the settings to settings.py.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol, TypeVar, TypeVarTuple

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.directory.buckets import (
    BucketOwner,
    LoadedBucket,
    buckets_of,
    is_cut_off,
    load_bucket,
    load_bucket_owner,
    load_shown_policy,
)
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket, bucket_arn
from daypass.directory.organization.organization_tree import load_inherited_controls, load_place
from daypass.directory.store import CachedViews, Reader, Views, WouldBlockError
from daypass.policy.authorization_request import ConditionKeys, Principal
from daypass.policy.compiled import PolicySet
from daypass.policy.wildcard import Match, compile_wildcard, tokens_of
from daypass.verify.keys import NotLoadedError
from daypass.verify.remote_server.grant_json import References

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_MOST_REMEMBERED = 4_096


class Bucket(msgspec.Struct, frozen=True):
    """A bucket with everything that a decision about it needs.

    `policy` is the whole bucket policy, and decisions use `policy_for`. `resource_control` and `resource_keys` are the
    owner's: its resource control policies, and aws:ResourceAccount to aws:ResourceOrgPaths. `stored` is the record, or
    None if a pattern maps the bucket; `region` and `created` are then empty.
    """

    name: str
    account: str
    backend: str
    policy: PolicySet | None = None
    is_public: bool = False
    public_access_block: PublicAccessBlock | None = None
    resource_control: tuple[PolicySet, ...] = ()
    resource_keys: ConditionKeys = MappingProxyType({})
    region: str = ""
    created: datetime | None = None
    stored: StoredBucket | None = None

    @property
    def arn(self) -> str:
        """Return the ARN of the bucket."""
        return bucket_arn(self.name)

    def is_same(self, other: "Bucket") -> bool:
        """Return whether this bucket is the other one.

        It is not if it was created later with the same name. A bucket that a pattern maps gets its record, and thus its
        date, with its first change.
        """
        if (self.account, self.backend) != (other.account, other.backend):
            return False
        return self.created == other.created or other.created is None

    def policy_for(self, principal: Principal, action: str) -> PolicySet | None:
        """Return the bucket policy as it applies to a caller, or None."""
        if is_cut_off(principal, self.account, self.public_access_block, action, is_public=self.is_public):
            return None
        return self.policy


class BucketMapping(msgspec.Struct, frozen=True):
    """One `[[gateway.bucket]]`: names that match belong to an account.

    `match` is a pattern with `*` and `?`. `backend` is the name of a backend.
    """

    match: str
    account: str
    backend: str


class BucketMap(msgspec.Struct, frozen=True):
    """The mappings of a gateway, and the account that adopts the rest.

    The first mapping that matches decides.
    `adopting_account` is empty if buckets without a mapping are refused. `default_backend` has the buckets that it
    adopts, and new buckets whose name no pattern matches. `new_block` is the public access block of a bucket that is
    created or recorded.
    """

    mappings: tuple[BucketMapping, ...] = ()
    adopting_account: str = ""
    default_backend: str = ""
    new_block: PublicAccessBlock | None = PublicAccessBlock()

    def find(self, name: str) -> BucketMapping | None:
        """Return the mapping of a name, or that of the adopting account, or None."""
        found = self.find_pattern(name)
        if found is None and self.adopting_account:
            return BucketMapping(name, self.adopting_account, self.default_backend)
        return found

    def find_pattern(self, name: str) -> BucketMapping | None:
        """Return the first mapping whose pattern matches a name, or None.

        Such a name is reserved for the account of the mapping.
        """
        for mapping in self.mappings:
            if _matcher(mapping.match)(name):
                return mapping
        return None


@lru_cache(maxsize=4096)  # patterns come from the settings alone
def _matcher(pattern: str) -> Match:
    return compile_wildcard(tokens_of(pattern))


class BucketSummary(msgspec.Struct, frozen=True):
    """One line of a list of buckets."""

    name: str
    backend: str
    created: datetime
    region: str


class BucketWriter(Protocol):
    """Changes of buckets' records. Every method blocks and is one transaction.

    Each change repeats the checks on which it rests. A bucket without a record gets one with its first change.
    """

    def reserve(self, name: str, account: str, backend: str, *, region: str, now: datetime) -> None:
        """Record a bucket that does not exist at the store yet.

        A bucket of the same account whose creation or deletion did not end is taken up again. Raises S3Error if the
        name is taken, or if the account has too many buckets.
        """
        ...

    def confirm(self, name: str, account: str) -> None:
        """Record that the store has the bucket."""
        ...

    def release(self, name: str, account: str) -> None:
        """Delete the record of a bucket, unless it is active."""
        ...

    def begin_deletion(self, bucket: Bucket, *, now: datetime) -> None:
        """Hide a bucket from requests while the store deletes it. Raises S3Error."""
        ...

    def put_policy(self, bucket: Bucket, text: str, *, now: datetime) -> None:
        """Store a bucket policy.

        Raises S3Error if it is invalid, or if it is public and the bucket blocks public policies.
        """
        ...

    def delete_policy(self, bucket: Bucket, *, now: datetime) -> None:
        """Delete the bucket policy. Raises S3Error."""
        ...

    def put_public_access_block(self, bucket: Bucket, settings: PublicAccessBlock | None, *, now: datetime) -> None:
        """Store the public access block, or delete it. Raises S3Error."""
        ...


class BucketFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recorded bucket as a server tells a gateway elsewhere.

    The policy is sent as references to documents.
    """

    stored: StoredBucket
    policy: References | None
    is_public: bool


class Buckets(Protocol):
    """The buckets as one request sees them.

    A method raises NotLoadedError if it has to load and must not wait.
    """

    def find(self, name: str) -> Bucket | None:
        """Return a bucket, or None if it does not exist for any caller."""
        ...

    def list_of(self, account: str) -> tuple[BucketSummary, ...]:
        """Return the recorded buckets of an account, by name."""
        ...

    def owner_of(self, name: str) -> BucketOwner | None:
        """Return the owner of a recorded bucket, whatever its state."""
        ...

    def shown_policy(self, name: str) -> str:
        """Return the bucket policy for its readers, or an empty string."""
        ...

    def owned(self, account: str, backend: str, names: Iterable[str]) -> frozenset[str]:
        """Return those of a backend's buckets that belong to an account."""
        ...


class StoreBuckets:
    """The buckets of a gateway that opens the store itself.

    `views` may be those of the event loop, which never wait; `waiting` load what these lack.
    """

    def __init__(self, views: Views, waiting: Views, bucket_map: BucketMap) -> None:
        self._views = views
        self._waiting = waiting
        self._map = bucket_map

    def find(self, name: str) -> Bucket | None:
        """Return a bucket, or None if it does not exist for any caller."""
        loaded = self._get(load_bucket, name)
        if loaded is not None:
            return self._recorded(loaded) if loaded.stored.state == "active" else None
        mapping = self._map.find(name)
        return None if mapping is None else self._mapped(name, mapping)

    def list_of(self, account: str) -> tuple[BucketSummary, ...]:
        """Return the recorded buckets of an account, by name."""
        return self._get(load_bucket_list, account)

    def owner_of(self, name: str) -> BucketOwner | None:
        """Return the owner of a recorded bucket, whatever its state."""
        return self._get(load_bucket_owner, name)

    def shown_policy(self, name: str) -> str:
        """Return the bucket policy for its readers, or an empty string."""
        return self._get(load_shown_policy, name)

    def owned(self, account: str, backend: str, names: Iterable[str]) -> frozenset[str]:
        """Return those of a backend's buckets that belong to an account."""
        return frozenset(name for name in names if self._is_owned(account, backend, name))

    def _is_owned(self, account: str, backend: str, name: str) -> bool:
        return self.is_owned_by(self.owner_of(name), name, account=account, backend=backend)

    def is_owned_by(self, recorded: BucketOwner | None, name: str, *, account: str, backend: str) -> bool:
        """Return whether a bucket is an account's at a backend."""
        if recorded is not None:
            place = recorded.backend or self._map.default_backend
            return recorded.active and (recorded.account, place) == (account, backend)
        mapping = self._map.find(name)
        return mapping is not None and (mapping.account, mapping.backend) == (account, backend)

    def _recorded(self, loaded: LoadedBucket) -> Bucket:
        stored = loaded.stored
        control, keys = self._of_owner(stored.account)
        return Bucket(
            name=stored.name,
            account=stored.account,
            backend=stored.backend or self._map.default_backend,
            policy=loaded.policy,
            is_public=loaded.is_public,
            public_access_block=stored.public_access_block,
            resource_control=control,
            resource_keys=keys,
            region=stored.region,
            created=stored.created,
            stored=stored,
        )

    def _mapped(self, name: str, mapping: BucketMapping) -> Bucket:
        control, keys = self._of_owner(mapping.account)
        return Bucket(
            name=name,
            account=mapping.account,
            backend=mapping.backend,
            public_access_block=self._map.new_block,
            resource_control=control,
            resource_keys=keys,
        )

    def _get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        try:
            return self._views.get(loader, *args)
        except WouldBlockError as problem:
            raise NotLoadedError(lambda: self._load(loader, *args)) from problem

    def _load(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> None:
        self._waiting.get(loader, *args)

    def _of_owner(self, account: str) -> tuple[tuple[PolicySet, ...], Mapping[str, str | tuple[str, ...]]]:
        controls = self._get(load_inherited_controls, account)
        return controls.resource_control, self._get(load_place, account).as_resource


class RememberedBuckets(StoreBuckets):
    """The buckets of the event loop.

    It keeps a bucket while no value leaves the cache.
    """

    def __init__(self, views: CachedViews, waiting: Views, bucket_map: BucketMap) -> None:
        super().__init__(views, waiting, bucket_map)
        self._generation = views.generation
        self._known: BoundedMemory[str, tuple[int, Bucket]] = BoundedMemory(_MOST_REMEMBERED)

    def find(self, name: str) -> Bucket | None:
        """Return a bucket, or None if it does not exist for any caller."""
        # Read before the values: one that leaves the cache in between is noticed by the next request.
        generation = self._generation()
        known = self._known.get(name)
        if known is not None and known[0] == generation:
            return known[1]
        bucket = super().find(name)
        if bucket is not None and generation is not None:
            self._known.put(name, (generation, bucket))
        return bucket


def canonical_id(account: str) -> str:
    """Return the canonical user id of an account, the Owner of buckets.

    It has 64 hexadecimal digits.
    """
    return hashlib.sha256(f"daypass canonical user {account}".encode()).hexdigest()


def load_bucket_list(reader: Reader, account: str) -> tuple[BucketSummary, ...]:
    """Return the active recorded buckets of an account, by name."""
    return tuple(
        BucketSummary(bucket.name, bucket.backend, bucket.created, bucket.region)
        for bucket in buckets_of(reader, account)
        if bucket.state == "active"
    )
