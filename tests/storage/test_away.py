"""A running node when PostgreSQL goes down and comes back.

Needs a server of the tests' own.
"""

import os
from collections.abc import Iterator

import pytest
from tests.storage.conftest import HandClock
from tests.storage.postgresql import Cluster, own_cluster
from tests.storage.sample_records import user
from tests.storage.test_cache import HandSeconds, find_user

from daypass.directory.store import StoreUnavailableError
from daypass.storage.cache import StoreCache
from daypass.storage.open import open_store
from daypass.storage.sql.sql_writer import SqlWriter


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a server that may be stopped, and leave it running."""
    if os.environ.get("DAYPASS_TEST_POSTGRESQL"):
        pytest.skip("DAYPASS_TEST_POSTGRESQL names a server that is not ours to stop")
    found = own_cluster()
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    if not found.is_running():
        found.start()


def test_a_node_outlives_its_database(cluster: Cluster, postgresql_url: str, clock: HandClock) -> None:
    """Cached values stay usable, other reads raise StoreUnavailableError.

    Both recover with the database.
    """
    store = open_store(postgresql_url, clock=clock)
    seconds = HandSeconds()
    cache = StoreCache(store, monotonic=seconds)
    with store.write() as writer:
        writer.insert(user("ada"))
    assert cache.loading.get(find_user, "ada") == user("ada")

    cluster.stop()
    seconds.seconds += 10
    assert cache.loading.get(find_user, "ada") == user("ada")
    away_before = cache.is_away
    with pytest.raises(StoreUnavailableError) as refused:
        cache.loading.get(find_user, "bob")
    assert "SELECT" not in refused.value.detail
    with pytest.raises(StoreUnavailableError), store.write():
        raise AssertionError  # unreachable
    with pytest.raises(StoreUnavailableError):
        store.claim("k", until=clock.now())
    # A write that never began has not changed the store, thus it must not invalidate the cache.
    assert cache.loading.get(find_user, "ada") == user("ada")

    cluster.start()
    seconds.seconds += 10
    with store.write() as writer:
        writer.insert(user("bob"))
    assert cache.loading.get(find_user, "bob") == user("bob")
    assert cache.loading.get(find_user, "ada") == user("ada")
    assert (away_before, cache.is_away) == (True, False)
    store.close()


def test_a_commit_whose_fate_is_unknown_makes_the_cache_doubt(
    cluster: Cluster, postgresql_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes down during a write: the cache must not assume that the write failed."""
    store = open_store(postgresql_url, clock=clock)
    cache = StoreCache(store, monotonic=HandSeconds())
    assert cache.loading.get(find_user, "ada") is None
    finish = SqlWriter.finish  # the last query before the commit

    def finish_and_fall(writer: SqlWriter) -> tuple[int, bytes | None]:
        finished = finish(writer)
        cluster.stop()
        return finished

    monkeypatch.setattr(SqlWriter, "finish", finish_and_fall)
    with pytest.raises(StoreUnavailableError), store.write() as writer:
        writer.insert(user("ada"))
    with pytest.raises(StoreUnavailableError):
        cache.loading.get(find_user, "ada")
    cluster.start()
    assert cache.loading.get(find_user, "ada") is None
    store.close()
