"""Every call to PostgreSQL has a deadline of the client: real servers that fall silent, real proxies that swallow."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.storage.conftest import HandClock
from tests.storage.faulty_proxy import FaultyProxy, faulty_proxy
from tests.storage.postgresql import Cluster
from tests.storage.sample_records import user
from tests.storage.test_away import cluster as cluster  # noqa: PLC0414 - a fixture
from tests.storage.test_cache import HandSeconds

from daypass.directory.changes import EMPTY
from daypass.directory.store import Store, StoreUnavailableError
from daypass.storage.open import open_store
from daypass.storage.outages import Outages
from daypass.storage.postgresql_address import parse_postgresql
from daypass.storage.refusals import StoreUnreachableError
from daypass.storage.sql import engines, postgresql_connect, psycopg_connection

ACCOUNT = "111111111111"
BOUND = 0.4
PATIENCE = 20.0  # several times what a slow machine needs for a call that waits for BOUND, or for a connection


@pytest.fixture
def short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bounds short, so that a test need not wait for long."""
    for name in ("READ_SECONDS", "WRITE_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(engines, name, BOUND)
    monkeypatch.setattr(psycopg_connection, "WRITE_SECONDS", 1.0)  # a slow machine's write ends before
    monkeypatch.setattr(postgresql_connect, "CONNECT_SECONDS", 2)  # the least that psycopg allows


@contextmanager
def silenced(proxy: FaultyProxy) -> Iterator[None]:
    """Swallow everything for a while."""
    proxy.is_silent = True
    try:
        yield
    finally:
        proxy.is_silent = False


def _read(store: Store) -> object:
    with store.read() as reader:
        return reader.find("user", ACCOUNT, "ada")


def _write(store: Store) -> None:
    with store.write() as writer:
        writer.insert(user("eve"))


CALLS: dict[str, Callable[[Store], object]] = {
    "read": _read,
    "write": _write,
    "poll": lambda store: store.changes_since(EMPTY),
    "claim": lambda store: store.claim("k", until=HandClock().now()),
    "revision": lambda store: store.revision(),
}


def _waits_at_most(seconds: float, call: Callable[[], object]) -> None:
    before = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        call()
    assert time.monotonic() - before < seconds


def _wait_for_none(observer: psycopg.Connection[Any], rows: str) -> None:
    """Wait until a query of the server's own tables has no rows."""
    deadline = time.monotonic() + PATIENCE
    while observer.execute(f"SELECT 1 {rows}".encode()).fetchone():
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in {"read", "revision"} else name for name in CALLS]
)
@pytest.mark.usefixtures("short_bounds")
def test_a_call_to_a_silent_database_ends(postgresql_url: str, clock: HandClock, name: str) -> None:
    """A proxy acknowledges every byte and swallows it: the kernel sees a healthy connection."""
    with faulty_proxy(postgresql_url) as (proxy, url):
        store = open_store(url, clock=clock)
        CALLS[name](store)
        with silenced(proxy):
            _waits_at_most(PATIENCE, lambda: CALLS[name](store))
        if name == "write":
            with store.write() as writer:
                writer.insert(user("bob"))
        else:
            CALLS[name](store)
        store.close()


@pytest.mark.usefixtures("short_bounds")
def test_a_commit_without_an_answer_ends(postgresql_url: str, clock: HandClock) -> None:
    """The writer gets StoreUnavailableError, and the cache must doubt: the commit may have happened."""
    with faulty_proxy(postgresql_url) as (proxy, url):
        store = open_store(url, clock=clock)
        before = store.change_counter[0]

        def write() -> None:
            with store.write() as writer:
                writer.insert(user("ada"))
                finish = writer.finish  # type: ignore[attr-defined] # the last statements before the commit

                def finish_and_fall() -> bool:
                    changed: bool = finish()
                    proxy.is_silent = True
                    return changed

                writer.finish = finish_and_fall  # type: ignore[attr-defined]

        _waits_at_most(PATIENCE, write)
        assert store.change_counter[0] != before
        proxy.is_silent = False
        assert _read(store) is None
        store.close()


@pytest.mark.slow
@pytest.mark.usefixtures("short_bounds")
def test_a_stopped_server_holds_up_no_call(cluster: Cluster, postgresql_url: str, clock: HandClock) -> None:
    """SIGSTOP: the kernel still accepts connections and bytes. All who call at once are told in time."""
    store = open_store(postgresql_url, clock=clock)
    answers: list[str] = []

    def call(name: str) -> None:
        try:
            CALLS[name](store)
        except StoreUnavailableError as error:
            answers.append(error.detail)

    cluster.signal(signal.SIGSTOP)
    try:
        threads = [threading.Thread(target=call, args=(name,)) for name in [*CALLS] * 3]
        before = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(answers) == len(threads)
        assert time.monotonic() - before < PATIENCE
    finally:
        cluster.signal(signal.SIGCONT)
    assert _read(store) is None
    store.close()


@pytest.mark.usefixtures("short_bounds")
def test_a_statement_that_is_late_is_cancelled(postgresql_url: str, clock: HandClock) -> None:
    """The server must not go on with work whose caller has been told that it failed."""
    holder, waiter = (open_store(postgresql_url, clock=clock) for _ in range(2))
    with holder.write(), psycopg.connect(postgresql_url, autocommit=True) as observer:
        _waits_at_most(PATIENCE, lambda: _write(waiter))
        _wait_for_none(
            observer, "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    _write(waiter)
    holder.close()
    waiter.close()


@pytest.mark.slow
@pytest.mark.usefixtures("short_bounds")
def test_a_silent_database_is_unreachable_at_the_start(postgresql_url: str, clock: HandClock) -> None:
    """The message comes within the time limit of a connection, and has no password."""
    with faulty_proxy(postgresql_url) as (proxy, url), silenced(proxy):
        before = time.monotonic()
        with pytest.raises(StoreUnreachableError) as refused:
            open_store(url, clock=clock)
        assert time.monotonic() - before < PATIENCE
        assert url.partition(":")[2].partition("@")[0].rpartition(":")[2] not in str(refused.value)


@pytest.mark.slow
def test_an_attempt_of_an_outage_does_not_outlast_it(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread still waits for its lost connection. An attempt after a second succeeds, and counts for all."""
    monkeypatch.setattr(postgresql_connect, "CONNECT_SECONDS", 2)
    seconds = HandSeconds()
    with faulty_proxy(postgresql_url) as (proxy, url):
        parameters = parse_postgresql(url).parameters
        connector = postgresql_connect.Connector(parameters, Outages(), monotonic=seconds)
        proxy.is_silent = True
        with pytest.raises(psycopg.OperationalError):
            connector.connect()
        failed: list[psycopg.Error] = []

        def try_in_vain() -> None:
            try:
                connector.connect()
            except psycopg.Error as error:
                failed.append(error)

        waiting = threading.Thread(target=try_in_vain)
        lost = proxy.swallowed
        waiting.start()
        while proxy.swallowed == lost:
            waiting.join(0.01)
        with pytest.raises(psycopg.OperationalError, match="does not accept connections"):
            connector.connect()
        proxy.is_silent = False
        seconds.seconds += postgresql_connect.ATTEMPT_PAUSE
        connector.connect().close()
        waiting.join(PATIENCE)
        assert len(failed) == 1
        connector.connect().close()  # it is not its turn, but the failure was older than the success


def test_a_poll_is_one_round_trip(postgresql_url: str, clock: HandClock) -> None:
    """A snapshot with one query takes one for its start and one for its query. It does not wait for its end."""
    with faulty_proxy(postgresql_url) as (proxy, url):
        store = open_store(url, clock=clock)
        calls: dict[Callable[[Store], object], int] = {lambda store: store.changes_since(EMPTY): 1, _read: 3}
        for call, turns in calls.items():
            call(store)
            before = proxy.turns
            for _ in range(10):
                call(store)
            # The message that ends a read may pass the proxy after the call: one before the first, one after the last.
            assert abs(proxy.turns - before - 10 * turns) <= 1
        store.close()


def test_a_connection_that_the_server_ended_is_replaced(postgresql_url: str, clock: HandClock) -> None:
    """Each idle connection is ended by an operator: the next calls do not notice."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    store = open_store(postgresql_url, clock=clock)
    for _ in range(3):
        for name in ("read", "claim", "poll", "revision"):
            CALLS[name](store)
        with psycopg.connect(postgresql_url, autocommit=True) as observer:
            observer.execute(f"SELECT pg_terminate_backend(pid) {others}".encode())
            _wait_for_none(observer, others)
    store.close()


@pytest.mark.slow
def test_a_server_that_ends_each_new_connection_is_away(
    postgresql_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts connections and ends them at once, as while an operator ends them all again and again."""
    connect, is_ending = postgresql_connect.Connector.connect, threading.Event()

    def connect_and_end(connector: postgresql_connect.Connector) -> Any:
        connection = connect(connector)
        if is_ending.is_set():
            observer.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
        return connection

    monkeypatch.setattr(postgresql_connect.Connector, "connect", connect_and_end)
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(postgresql_url, autocommit=True) as observer:
        store = open_store(postgresql_url, clock=clock)
        is_ending.set()
        for call in CALLS.values():
            observer.execute(f"SELECT pg_terminate_backend(pid, 10000) {others}".encode())
            with pytest.raises(StoreUnavailableError):
                call(store)
        with pytest.raises(StoreUnreachableError):
            open_store(postgresql_url, clock=clock)
        is_ending.clear()
        for call in CALLS.values():
            call(store)
        store.close()
