"""A store behind pgbouncer, which gives one connection of the server to many clients in turn."""

import threading

import pytest
from tests.storage.conftest import HandClock
from tests.storage.pgbouncer import pgbouncer
from tests.storage.sample_records import user

from daypass.directory.changes import EMPTY
from daypass.directory.store import Link, Store, StoreUnavailableError
from daypass.storage.open import open_store

pytestmark = pytest.mark.component("pgbouncer")
ACCOUNT = "111111111111"
THREADS = 6


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_no_call_fails_behind_a_pooler(postgresql_url: str, clock: HandClock, mode: str) -> None:
    """Two nodes with three threads each repeat every type of call: 2,400 calls on three connections of the server.

    A statement that a node prepared on the server would be missing, or there twice, on the next connection.
    """
    _make_calls(postgresql_url, clock, mode=mode, calls=400)


def test_a_store_is_used_behind_a_pooler_in_transaction_mode(postgresql_url: str, clock: HandClock) -> None:
    """Each type of call is repeated more often than psycopg waits until it prepares a statement."""
    _make_calls(postgresql_url, clock, mode="transaction", calls=24)


def _make_calls(postgresql_url: str, clock: HandClock, *, mode: str, calls: int) -> None:
    failures: list[str] = []
    with pgbouncer(postgresql_url, mode=mode) as url:
        stores = [open_store(url, clock=clock) for _ in range(2)]

        def call(thread: int) -> None:
            for number in range(calls):
                try:
                    _call(stores[thread % 2], number % 12, f"{thread}/{number}", clock)
                except StoreUnavailableError as error:
                    failures.append(error.detail)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert stores[0].revision() == THREADS * 2 * -(-calls // 12)
        for store in stores:
            store.close()


def _call(store: Store, number: int, name: str, clock: HandClock) -> None:
    if number == 0:
        with store.write() as writer:
            writer.insert(user(name.replace("/", "-")))
    elif number == 1:
        with store.write(account=ACCOUNT) as writer:
            writer.link(Link("member", "a", name))
    elif number == 2:
        store.claim(name, until=clock.now())
    elif number % 3 == 0:
        store.changes_since(EMPTY)
    else:
        with store.read() as reader:
            reader.find("user", ACCOUNT, "u0")
            reader.page("user", ACCOUNT, limit=3)
            reader.count("user", ACCOUNT)
