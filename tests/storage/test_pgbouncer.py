"""A store behind pgbouncer, which gives one connection of the server to many clients in turn."""

import threading
from itertools import count

import pytest
from tests.storage.conftest import HandClock
from tests.storage.pgbouncer import pgbouncer
from tests.storage.sample_records import user

from daypass.directory.store import EMPTY, Link, StoreUnavailableError
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
    numbers = count()
    with pgbouncer(postgresql_url, mode=mode) as url:
        stores = [open_store(url, clock=clock) for _ in range(2)]

        def call(thread: int) -> None:
            store = stores[thread % 2]
            for number in range(calls):
                try:
                    if number % 12 == 0:
                        with store.write() as writer:
                            writer.insert(user(f"u{next(numbers)}"))
                    elif number % 12 == 1:
                        with store.write(account=ACCOUNT) as writer:
                            writer.link(Link("member", "a", str(next(numbers))))
                    elif number % 12 == 2:
                        store.claim(f"{thread}/{number}", until=clock.now())
                    elif number % 3 == 0:
                        store.changes_since(EMPTY)
                    else:
                        with store.read() as reader:
                            reader.find("user", ACCOUNT, "u0")
                            reader.page("user", ACCOUNT, limit=3)
                            reader.count("user", ACCOUNT)
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
