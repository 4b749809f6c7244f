"""Writers of accounts on PostgreSQL: who waits for whom, and what holds when all types of writers are mixed.

A writer of version 0.1.0 is one that takes the row of the revision FOR UPDATE, adds one, and logs without a nonce.
"""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta

import msgspec
import psycopg
import pytest
from sqlalchemy import make_url
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.changes import EMPTY, RecordChange
from daypass.directory.store import Record, RecordExistsError, Store
from daypass.storage.open import open_store

A, B, C = "111111111111", "222222222222", "333333333333"
QUOTA = 12
DEADLINE = 60.0  # seconds until a test gives up


@pytest.fixture
def store(postgresql_url: str, clock: HandClock) -> Iterator[Store]:
    """Return an empty store in PostgreSQL."""
    opened = open_store(postgresql_url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def monitor(postgresql_url: str, store: Store) -> Iterator[psycopg.Connection[tuple[int]]]:
    """Return a connection that shows the locks of the others."""
    assert store.revision() == 0
    with psycopg.connect(_plain(postgresql_url), autocommit=True) as connection:
        yield connection


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _waiters(monitor: psycopg.Connection[tuple[int]]) -> int:
    row = monitor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return row[0]


def _until_one_waits(monitor: psycopg.Connection[tuple[int]], work: "Future[None]") -> None:
    """Return when the database says that a session waits for a lock."""
    while not _waiters(monitor):
        assert not work.done(), "it did not wait"


def _insert(store: Store, account: str | None, record: Record) -> None:
    with store.write(account=account) as writer:
        writer.insert(record)


@contextmanager
def _old_writer(url: str) -> Iterator[psycopg.Connection[tuple[int]]]:
    """Open a transaction as version 0.1.0 does. It changes one record and makes a revision."""
    with psycopg.connect(_plain(url)) as connection:
        row = connection.execute("SELECT number FROM revision FOR UPDATE").fetchone()
        assert row is not None
        yield connection
        change = RecordChange("old", "", str(row[0]), str(row[0]), None)
        names = (change.key, change.sort)
        connection.execute("INSERT INTO records (kind, account, key, sort, body) VALUES ('old', '', %s, %s, '')", names)
        connection.execute(
            "INSERT INTO counts VALUES ('old', '', 1) "
            "ON CONFLICT (kind, account) DO UPDATE SET number = counts.number + excluded.number"
        )
        connection.execute("UPDATE revision SET number = %s", (row[0] + 1,))
        connection.execute(
            "INSERT INTO changes (revision, touched) VALUES (%s, %s)", (row[0] + 1, msgspec.msgpack.encode([change]))
        )


def test_a_held_transaction_delays_no_other_account(store: Store) -> None:
    """While account A's transaction is open, B's begins and commits, and its revision comes first."""
    with store.write(account=A) as writer:
        writer.insert(user("ada"))
        _insert(store, B, user("bob", account=B))
        assert store.revision() == 1
        with store.read() as reader:
            assert reader.find("user", B, "bob") is not None
    changes = store.changes_since(EMPTY)
    assert changes is not None
    assert changes.revision == 2


def test_writers_of_one_account_wait_for_each_other(
    store: Store, postgresql_url: str, clock: HandClock, monitor: psycopg.Connection[tuple[int]]
) -> None:
    """Another node's transaction of the same account begins when this one ends."""
    other = open_store(postgresql_url, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        with store.write(account=A) as writer:
            writer.insert(user("ada"))
            work = pool.submit(_insert, other, A, user("bob"))
            _until_one_waits(monitor, work)
            assert not work.done()
        work.result(DEADLINE)
    assert store.revision() == 2
    other.close()


@pytest.mark.parametrize("first", [A, None])
def test_a_writer_of_the_store_is_alone(
    store: Store, postgresql_url: str, clock: HandClock, monitor: psycopg.Connection[tuple[int]], first: str | None
) -> None:
    """A writer of the whole store waits for that of an account, and the other way round."""
    other = open_store(postgresql_url, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        with store.write(account=first) as writer:
            writer.insert(user("ada"))
            work = pool.submit(_insert, other, None if first else A, user("bob"))
            _until_one_waits(monitor, work)
        work.result(DEADLINE)
    assert store.revision() == 2
    other.close()


def test_a_writer_of_version_0_1_0_and_one_of_an_account_wait_for_each_other(
    store: Store, postgresql_url: str, monitor: psycopg.Connection[tuple[int]]
) -> None:
    """The row of the revision, which both lock, excludes them."""
    with ThreadPoolExecutor(1) as pool:
        with _old_writer(postgresql_url):
            work = pool.submit(_insert, store, A, user("ada"))
            _until_one_waits(monitor, work)
        work.result(DEADLINE)

        def old() -> None:
            with _old_writer(postgresql_url):
                pass

        with store.write(account=A) as writer:
            writer.insert(user("bob"))
            work = pool.submit(old)
            _until_one_waits(monitor, work)
        work.result(DEADLINE)
    assert store.revision() == 4


def test_writers_of_accounts_do_not_starve_one_of_the_store(
    store: Store, postgresql_url: str, clock: HandClock, monitor: psycopg.Connection[tuple[int]]
) -> None:
    """A writer of an account that comes after a waiting writer of the whole store begins after it."""
    other, third = (open_store(postgresql_url, clock=clock) for _ in range(2))
    seen: list[str] = []

    def note(store: Store, account: str | None, name: str) -> None:
        with store.write(account=account) as writer:
            seen.append(name)
            writer.insert(user(name, account=account or A))

    with ThreadPoolExecutor(2) as pool:
        with store.write(account=A) as writer:
            writer.insert(user("ada"))
            whole = pool.submit(note, other, None, "whole")
            _until_one_waits(monitor, whole)
            late = pool.submit(note, third, B, "late")
            while _waiters(monitor) < 2:
                assert not late.done(), "it passed a waiting writer"
        whole.result(DEADLINE)
        late.result(DEADLINE)
    assert seen == ["whole", "late"]
    other.close()
    third.close()


def _follow(store: Store, stop: threading.Event) -> int:
    """Take in the changes as a cache does. Return the number of the last write."""
    position, seen = EMPTY, 0
    while True:
        ended = stop.is_set()
        changes = store.changes_since(position)
        assert changes is not None, "a change is missing"
        assert len(changes.nonces) == changes.revision - position.number
        seen += len(changes.nonces)
        position = changes.position
        if ended:
            assert seen == position.number
            return seen


class _Mix:
    """Writers of all types on two nodes. Each turn is one write, and the rule that it could break."""

    def __init__(self, nodes: tuple[Store, Store], url: str, clock: HandClock) -> None:
        self.nodes = nodes
        self.url = url
        self.until = clock.now() + timedelta(hours=1)
        self.won: list[str] = []
        self.added: list[str] = []

    def work(self, seed: int) -> None:
        """Write 25 times."""
        chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
        kinds = (self.user, self.number, self.once, self.claim, self.old if seed % 2 else self.name)
        for turn in range(25):
            account = chance.choice((A, B, C))
            scope = chance.choice((account, account, None))
            chance.choice(kinds)(chance.choice(self.nodes), account, scope, f"{turn}")

    def user(self, node: Store, account: str, scope: str | None, turn: str) -> None:
        """Add a user if the quota allows it."""
        with node.write(account=scope) as writer:
            if writer.count("user", account) < QUOTA:
                writer.insert(user(f"{turn}-{threading.get_ident()}", account=account))

    def number(self, node: Store, account: str, scope: str | None, _turn: str) -> None:
        """Add one to the account's number."""
        with node.write(account=scope) as writer:
            number = writer.find("number", account, "n")
            if number is None:
                writer.insert(Record(kind="number", account=account, key="n", sort="n", body=b"1"))
            else:
                writer.replace(msgspec.structs.replace(number, body=b"%d" % (int(number.body) + 1)))
        self.added.append(account)

    def once(self, node: Store, account: str, scope: str | None, turn: str) -> None:
        """Use a code, and keep a record of it."""
        with node.write(account=scope) as writer:
            if writer.claim(f"code/{turn}", until=self.until):
                writer.insert(Record(kind="once", account=account, key=turn, sort=turn, body=b""))
                self.won.append(turn)

    def claim(self, node: Store, _account: str, _scope: str | None, turn: str) -> None:
        """Use a code outside of a transaction."""
        if node.claim(f"code/{turn}", until=self.until):
            self.won.append(turn)

    def name(self, node: Store, account: str, scope: str | None, turn: str) -> None:
        """Take a name, unless it is taken."""
        with suppress(RecordExistsError):
            _insert(node, scope, Record(kind="name", account=account, key=turn, sort=turn, body=b""))

    def old(self, _node: Store, _account: str, _scope: str | None, _turn: str) -> None:
        """Write as version 0.1.0 does."""
        with _old_writer(self.url):
            pass


def test_all_types_of_writers_mixed_keep_every_rule(store: Store, postgresql_url: str, clock: HandClock) -> None:
    """Quotas, names, counts, claims, updates and the log hold, and no writer fails because of a deadlock."""
    other = open_store(postgresql_url, clock=clock)
    mix = _Mix((store, other), postgresql_url, clock)
    stop = threading.Event()
    with ThreadPoolExecutor(9) as pool:
        follower = pool.submit(_follow, other, stop)
        try:
            for each in [pool.submit(mix.work, seed) for seed in range(8)]:
                each.result(DEADLINE)
        finally:
            stop.set()
        seen = follower.result(DEADLINE)
    assert len(mix.won) == len(set(mix.won))
    _require_consistent(store, seen, mix.added)
    other.close()


def _require_consistent(store: Store, revision: int, added: list[str]) -> None:
    with store.read() as reader:
        assert reader.revision() == revision
        for account in ("", A, B, C):
            for kind in ("user", "name", "once", "number", "old"):
                records = reader.page(kind, account, limit=1000)
                assert reader.count(kind, account) == len(records), (kind, account)
            assert reader.count("user", account) <= QUOTA
            found = reader.find("number", account, "n")
            assert int(found.body if found else b"0") == added.count(account)


@pytest.mark.parametrize("scope", [A, None])
def test_a_lost_connection_loses_the_write_and_no_lock(
    store: Store, monitor: psycopg.Connection[tuple[int]], scope: str | None
) -> None:
    """If the server ends a writer's session, the write is refused, and the next one succeeds."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s"
    name = monitor.info.dbname
    with pytest.raises(Exception, match="temporarily unavailable"), store.write(account=scope) as writer:  # noqa: PT012
        writer.insert(user("ada"))
        monitor.execute(others, (name,))
        writer.insert(user("bob"))
    _insert(store, scope, user("cy"))
    with store.read() as reader:
        assert [record.key for record in reader.page("user", A, limit=9)] == ["cy"]
