"""The promises of every store about claims: a key is used once."""

from datetime import timedelta

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import abandoned

from daypass.directory.store import Store

HOUR = timedelta(hours=1)


def test_a_key_is_claimed_once(store: Store, clock: HandClock) -> None:
    """The second claim fails, and so does a third at the very last instant."""
    until = clock.now() + HOUR
    assert store.claim("mfa/1", until=until)
    assert not store.claim("mfa/1", until=until)
    clock.move(HOUR)
    assert not store.claim("mfa/1", until=until)
    assert store.claim("mfa/2", until=until)


def test_a_claim_ends(store: Store, clock: HandClock) -> None:
    """After its time a key may be claimed again, and is then taken again."""
    assert store.claim("mfa/1", until=clock.now() + HOUR)
    clock.move(HOUR + timedelta(microseconds=1))
    assert store.claim("mfa/1", until=clock.now() + HOUR)
    assert not store.claim("mfa/1", until=clock.now() + HOUR)


def test_a_losing_claim_does_not_prolong_the_winner(store: Store, clock: HandClock) -> None:
    """A replay is refused, and the claim is unchanged."""
    assert store.claim("k", until=clock.now() + HOUR)
    assert not store.claim("k", until=clock.now() + 9 * HOUR)
    clock.move(2 * HOUR)
    assert store.claim("k", until=clock.now() + HOUR)


def test_a_claim_in_a_transaction_lives_and_dies_with_it(store: Store, clock: HandClock) -> None:
    """A rolled-back claim does not exist.

    A committed one does, even without any other write.
    """
    until = clock.now() + HOUR
    with abandoned(store) as writer:
        assert writer.claim("k", until=until)
        assert not writer.claim("k", until=until)
    with store.write() as writer:
        assert writer.claim("k", until=until)
    assert not store.claim("k", until=until)


def test_claims_are_no_revisions(store: Store, clock: HandClock) -> None:
    """Claims do not change cached values, thus caches are not notified."""
    before = store.revision(), store.change_counter[0]
    store.claim("k", until=clock.now() + HOUR)
    assert (store.revision(), store.change_counter[0]) == before


def test_expired_claims_are_purged_a_few_at_a_time(store: Store, clock: HandClock) -> None:
    """A few more claims delete a hundred expired ones, and valid ones stay."""
    assert store.claim("living", until=clock.now() + 9 * HOUR)
    for number in range(100):
        assert store.claim(f"dead/{number}", until=clock.now() + HOUR)
    clock.move(2 * HOUR)
    for number in range(8):
        assert store.claim(f"new/{number}", until=clock.now() + HOUR)
    assert not store.claim("living", until=clock.now() + HOUR)
    assert _kept(store) == {"living", *(f"new/{number}" for number in range(8))}


def test_a_claim_that_no_database_could_hold_is_refused(store: Store, clock: HandClock) -> None:
    """It raises ValueError and does not pass for a first use."""
    with pytest.raises(ValueError, match="to be stored"):
        store.claim("a\0", until=clock.now() + HOUR)


def _kept(store: Store) -> set[str]:
    """Return the keys inside the store: the protocol does not list claims."""
    from sqlalchemy import select

    from daypass.storage.memory import MemoryStore
    from daypass.storage.sql import tables
    from daypass.storage.sql.sql_store import SqlStore

    if isinstance(store, MemoryStore):
        return set(store._state.claims)
    assert isinstance(store, SqlStore)
    with store._engines.reading.connect() as connection:
        return set(connection.execute(select(tables.claims.c.key)).scalars())
