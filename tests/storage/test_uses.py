"""The promises of every store about last uses, and what 100,000 of them cost other writers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from tests.storage.conftest import HandClock
from tests.storage.sample_records import abandoned, user

from daypass.directory.recorded_uses import MOST_USES, RecordedUse
from daypass.directory.store import Link, Store
from daypass.storage.cache import StoreCache
from daypass.storage.open import open_store

ACCOUNT = "111111111111"
ADA, BOB = f"AIDA{ACCOUNT}ada", f"AIDA{ACCOUNT}bob"


def use(unique_id: str, at: int, *, service: str = "sts") -> RecordedUse:
    """Return a use of a record."""
    return RecordedUse(unique_id, ACCOUNT, at, "us-east-1", service)


@pytest.fixture
def used(store: Store) -> Store:
    """Return a store of each kind with two users."""
    with store.write() as writer:
        writer.insert(user("ada"))
        writer.insert(user("bob"))
    return store


def found(store: Store, unique_id: str) -> RecordedUse | None:
    """Return the last use that a new snapshot finds."""
    with store.read() as reader:
        return reader.find_use(unique_id)


def test_the_newer_use_stays(used: Store) -> None:
    """Nodes write their uses in any order."""
    assert found(used, ADA) is None
    used.record_uses([use(ADA, 20), use(BOB, 30)])
    used.record_uses([use(ADA, 10, service="iam"), use(BOB, 31, service="iam")])
    assert found(used, ADA) == use(ADA, 20)
    assert found(used, BOB) == use(BOB, 31, service="iam")
    used.record_uses([use(ADA, 22)])
    assert found(used, ADA) == use(ADA, 22)


def test_a_use_is_not_a_change(used: Store) -> None:
    """No revision, no announcement, and no value leaves a cache."""
    before = used.position(), used.change_counter[0]
    cache = StoreCache(used)
    assert cache.loading.get(lambda reader: reader.find_by_id(ADA)) is not None
    generation = cache.cached_only.generation()
    used.record_uses([use(ADA, 20)])
    assert (used.position(), used.change_counter[0]) == before
    assert cache.cached_only.generation() == generation is not None


def test_a_use_of_a_missing_record_is_ignored(used: Store) -> None:
    """The key was deleted before its use was written."""
    used.record_uses([use("AIDANOTHERE", 20), use(ADA, 20)])
    assert found(used, "AIDANOTHERE") is None
    assert found(used, ADA) == use(ADA, 20)


def test_a_use_is_deleted_in_the_transaction(used: Store) -> None:
    """It is back if the transaction fails."""
    used.record_uses([use(ADA, 20)])
    with abandoned(used) as writer:
        writer.delete_use(ADA)
        assert writer.find_use(ADA) is None
    assert found(used, ADA) == use(ADA, 20)
    before = used.position()
    with used.write() as writer:
        writer.delete_use(ADA)
        writer.delete_use(BOB)
    assert found(used, ADA) is None
    assert used.position() == before


def test_uses_without_a_record_are_purged(used: Store) -> None:
    """A node of version 0.1.0 deletes the record and does not know of its last use."""
    used.record_uses([use(ADA, 20), use(BOB, 20)])
    with used.write() as writer:
        writer.delete("user", ACCOUNT, "ada")
    assert used.purge_uses("") == BOB
    assert used.purge_uses(BOB) == ""
    assert found(used, ADA) is None
    assert found(used, BOB) == use(BOB, 20)


def test_a_cached_value_cannot_depend_on_a_use(used: Store) -> None:
    """It would stay in the cache after the next use."""
    with pytest.raises(TypeError, match="last use"):
        StoreCache(used).loading.get(lambda reader: reader.find_use(ADA))


def test_a_writer_does_not_hold_up_uses(postgresql_url: str, clock: HandClock) -> None:
    """A transaction that changes other records, and holds the lock of writers, is not waited for."""
    store = open_store(postgresql_url, clock=clock)
    with store.write() as writer:
        writer.insert(user("ada"))
    with store.write() as writer:
        writer.link(Link("member", "a", "b"))
        store.record_uses([use(ADA, 20)])
        assert found(store, ADA) == use(ADA, 20)
    store.close()


def test_a_batch_leaves_the_connection_durable(sqlite_url: str, clock: HandClock) -> None:
    """The commit of a batch need not reach the disk; that of the next writer on the same connection must."""
    store = open_store(sqlite_url, clock=clock)
    with store.write() as writer:
        writer.insert(user("ada"))
    store._sqlite_writers.forget()  # type: ignore[attr-defined] # so that the batch gets the writer's connection
    store.record_uses([use(ADA, 20)])
    engine = store._engines.writing  # type: ignore[attr-defined]
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert engine.pool.checkedin() + engine.pool.checkedout() == 1
    store.close()


def test_writers_take_turns_with_batches(database_url: str, clock: HandClock) -> None:
    """Threads that record uses and threads that write all succeed."""
    store = open_store(database_url, clock=clock)
    with store.write() as writer:
        for number in range(MOST_USES):
            writer.insert(user(f"u{number}"))

    def run(job: int) -> None:
        for step in range(5):
            if job % 2:
                store.record_uses([use(f"AIDA{ACCOUNT}u{n}", 10 * job + step) for n in range(MOST_USES)])
            else:
                with store.write() as writer:
                    writer.link(Link("member", str(job), str(step)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))  # raises what a thread raised
    assert store.revision() == 11
    assert found(store, f"AIDA{ACCOUNT}u7") == use(f"AIDA{ACCOUNT}u7", 34)
    store.close()
