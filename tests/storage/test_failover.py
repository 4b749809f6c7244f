"""Nodes whose primary dies and whose replica is promoted: real servers, one URL with both."""

import threading
import time
from collections.abc import Iterator

import pytest
from tests.storage.conftest import HandClock
from tests.storage.postgresql import Cluster, Replica, primary_and_replica
from tests.storage.sample_records import user

from daypass.directory.store import Store, StoreUnavailableError
from daypass.storage.open import open_store
from daypass.storage.refusals import StoreUnreachableError

pytestmark = [pytest.mark.slow, pytest.mark.component("postgresql")]
ACCOUNT = "111111111111"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cluster, Replica]]:
    """Return a primary and its streaming replica."""
    with primary_and_replica() as pair:
        yield pair


def _through(*servers: Cluster) -> str:
    """Return the URL of a database on several servers."""
    first = servers[0].url
    hosts = ",".join(f"{each.url.host}:{each.url.port}" for each in servers)
    return f"postgresql://{first.username}:{first.password}@{hosts}/{first.database}"


def test_a_replica_is_refused_and_passed_over(servers: tuple[Cluster, Replica], clock: HandClock) -> None:
    """A store writes, and a replica has older data. The first host of a URL may be one."""
    primary, replica = servers
    open_store(_through(primary), clock=clock).close()
    with pytest.raises(StoreUnreachableError, match="is a replica"):
        open_store(_through(replica), clock=clock)
    store = open_store(_through(replica, primary), clock=clock)
    with store.write() as writer:
        writer.insert(user("ada"))
    store.close()


def test_no_acknowledged_write_is_missing_after_a_failover(servers: tuple[Cluster, Replica], clock: HandClock) -> None:
    """The primary dies like a machine without power, and the replica takes over.

    Replication is synchronous, as Patroni can have it. Writes are repeated until one is acknowledged again.
    """
    primary, replica = servers
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    stores = [open_store(_through(primary, replica), clock=clock) for _ in range(2)]
    acknowledged: list[str] = []
    stop = threading.Event()

    def write(store: Store, name: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with store.write() as writer:
                    writer.insert(user(f"{name}{number}"))
            except StoreUnavailableError:
                stop.wait(0.02)
            else:
                acknowledged.append(f"{name}{number}")

    threads = [threading.Thread(target=write, args=(store, f"n{node}-")) for node, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    try:
        _wait_for_more(acknowledged, 20)
        primary.stop()
        replica.promote()
        replica.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        replica.execute("SELECT pg_reload_conf()")
        _wait_for_more(acknowledged, 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    with stores[0].read() as reader:
        missing = [name for name in acknowledged if reader.find("user", ACCOUNT, name) is None]
    assert missing == []
    for store in stores:
        store.close()


def _wait_for_more(acknowledged: list[str], number: int) -> None:
    wanted = len(acknowledged) + number
    deadline, turn = time.monotonic() + PATIENCE, threading.Event()
    while len(acknowledged) < wanted:
        assert time.monotonic() < deadline
        turn.wait(0.01)
