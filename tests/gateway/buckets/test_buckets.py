"""The buckets that a gateway knows: records, mappings and the cache."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.documents import allow, document
from tests.gateway.buckets.bucket_store import NOW, OFF, OTHER, OWNER, BucketStore

from daypass.directory.buckets import insert_bucket, load_bucket
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.gateway.buckets.buckets import BucketMap, BucketMapping, RememberedBuckets, StoreBuckets, canonical_id
from daypass.storage.cache import StoreCache
from daypass.verify.keys import NotLoadedError

MAP = BucketMap(
    (
        BucketMapping("team-a-public", OTHER, "second"),
        BucketMapping("team-a-*", OWNER, "main"),
        BucketMapping("team-?", OTHER, "main"),
    ),
    default_backend="main",
)


@pytest.fixture
def store() -> BucketStore:
    """Return a store with mapped buckets."""
    return BucketStore(bucket_map=MAP)


def test_the_first_mapping_that_matches_decides(store: BucketStore) -> None:
    """A bucket that no mapping matches does not exist."""
    found = {name: store.find(name) for name in ("team-a-public", "team-a-data", "team-b", "team-bb", "other")}
    assert {name: (one.account, one.backend) for name, one in found.items() if one is not None} == {
        "team-a-public": (OTHER, "second"),
        "team-a-data": (OWNER, "main"),
        "team-b": (OTHER, "main"),
    }


def test_a_mapped_bucket_blocks_public_access(store: BucketStore) -> None:
    """It has no policy and no record."""
    bucket = store.get("team-b")
    assert (bucket.policy, bucket.stored, bucket.public_access_block) == (None, None, PublicAccessBlock())


def test_a_record_decides_before_every_mapping(store: BucketStore) -> None:
    """A pattern does not take a bucket from its account."""
    store.add("team-b", OWNER)
    assert store.get("team-b").account == OWNER


def test_the_adopting_account_owns_the_other_buckets(store: BucketStore) -> None:
    """Mappings and records decide before it, and new buckets of other accounts are possible."""
    store.bucket_map = BucketMap(MAP.mappings, adopting_account=OWNER, default_backend="main")
    assert store.get("other").account == OWNER
    assert store.get("team-b").account == OTHER
    store.perform("CreateBucket", "new-data", OTHER)
    assert store.get("new-data").account == OTHER


def test_a_first_change_records_a_mapped_bucket(store: BucketStore) -> None:
    """The record keeps the account and the backend of the mapping."""
    store.put_policy("team-a-public", document(allow("s3:*", "arn:aws:s3:::*", Principal={"AWS": OWNER})), OTHER)
    store.bucket_map = BucketMap()
    bucket = store.get("team-a-public")
    assert (bucket.account, bucket.backend, bucket.public_access_block) == (OTHER, "second", PublicAccessBlock())
    assert bucket.policy is not None


def test_lists_have_the_buckets_of_one_account(store: BucketStore) -> None:
    """Of the buckets of a store, a bucket is listed if it belongs to the account and to this store."""
    store.add("mine")
    store.add("theirs", OTHER)
    store.add("team-b", OWNER)
    assert [one.name for one in store.buckets().list_of(OWNER)] == ["mine", "team-b"]
    names = ["mine", "theirs", "team-b", "team-c", "team-a-x", "team-a-public", "unknown"]
    assert store.buckets().owned(OWNER, "main", names) == {"mine", "team-b", "team-a-x"}
    assert store.buckets().owned(OWNER, "second", names) == set()
    assert store.buckets().owned(OTHER, "second", names) == {"team-a-public"}


def test_a_reserved_bucket_is_hidden(store: BucketStore) -> None:
    """It is in no list, and its mapping does not bring it back."""
    store.writer.reserve("team-b", OWNER, "main", region="", now=NOW)
    assert store.find("team-b") is None
    assert store.buckets().list_of(OWNER) == ()
    assert store.buckets().owned(OTHER, "main", ["team-b"]) == set()
    assert store.buckets().owned(OWNER, "main", ["team-b"]) == set()


def test_the_canonical_ids_of_accounts_differ() -> None:
    """They have the form of AWS's."""
    assert canonical_id(OWNER) != canonical_id(OTHER)
    assert len(canonical_id(OWNER)) == 64


def test_a_name_of_twelve_digits_is_not_an_account(store: BucketStore) -> None:
    """Unique ids of records are unique in the whole store."""
    store.add(OWNER, OTHER)
    assert store.get(OWNER).account == OTHER


class Cached:
    """The buckets as the event loop sees them, and a cache that is updated by hand."""

    def __init__(self, store: BucketStore) -> None:
        self.cache = StoreCache(store.directory.there.store, monotonic=lambda: 0.0)
        self.buckets = RememberedBuckets(self.cache.cached_only, self.cache.loading, MAP)

    def ask(self, question: Callable[[StoreBuckets], Any]) -> tuple[Any, int]:
        """Return an answer and the number of loads before it."""
        self.cache.poll()
        loads = 0
        while True:
            try:
                return question(self.buckets), loads
            except NotLoadedError as missing:
                missing.load()
                loads += 1


@pytest.fixture
def cached(store: BucketStore) -> Iterator[Cached]:
    """Return the cached buckets of the store."""
    made = Cached(store)
    yield made
    made.cache.close()


def test_the_event_loop_never_waits_for_a_bucket(store: BucketStore, cached: Cached) -> None:
    """Everything is loaded once, elsewhere, and again after a change."""
    store.add("data", block=OFF)
    found, loads = cached.ask(lambda buckets: buckets.find("data"))
    assert found is not None
    assert loads > 0
    assert cached.ask(lambda buckets: buckets.find("data")) == (found, 0)
    store.put_policy("data", document(allow("s3:GetObject", "arn:aws:s3:::data/*", Principal="*")))
    changed, loads = cached.ask(lambda buckets: buckets.find("data"))
    assert (changed.is_public, loads) == (True, 1)


def test_a_missing_bucket_is_remembered_until_it_is_created(store: BucketStore, cached: Cached) -> None:
    """A flood of names does not reach the database twice for a name."""
    assert cached.ask(lambda buckets: buckets.find("data"))[0] is None
    assert cached.ask(lambda buckets: buckets.find("data")) == (None, 0)
    store.add("data")
    assert cached.ask(lambda buckets: buckets.find("data"))[0] is not None


def test_a_policy_counts_for_the_account_of_its_bucket(store: BucketStore, cached: Cached) -> None:
    """Large policies of one account evict its own values first."""
    store.add("data", block=OFF)
    store.put_policy("data", document(allow("s3:GetObject", "arn:aws:s3:::data/" + "x" * 9_000, Principal="*")))
    cached.cache.loading.get(load_bucket, "data")
    entries = cached.cache._entries
    entry = entries.get((load_bucket, ("data",)))
    assert entry is not None
    assert entry.owner == OWNER
    assert entry.weight > 4 * 9_000


def test_a_record_that_cannot_be_read_stops_the_decision(store: BucketStore) -> None:
    """A policy without its Deny would be a wrong allow."""
    with store.transaction() as writer:
        broken = StoredBucket(
            name="data", account=OWNER, backend="main", created=NOW, policy='{"Statement":[]}', public_access_block=OFF
        )
        insert_bucket(writer, broken)
    with pytest.raises(Exception, match="Statement is empty"):
        store.find("data")
