"""Caches that learn the writes of their machine without the database, and never less than they must."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.storage.conftest import HandClock
from tests.storage.processes import go, read, worker
from tests.storage.sample_records import user
from tests.storage.test_cache import ACCOUNT, HandSeconds, find_user, list_users

from daypass.directory.changes import Announced, Changes, Position
from daypass.directory.loader_marks import short_load
from daypass.directory.store import (
    Link,
    Reader,
    ReadLimits,
    Record,
    Snapshot,
    Store,
    StoreUnavailableError,
    WouldBlockError,
)
from daypass.storage.cache import StoreCache
from daypass.storage.change_counter import ChangeCounter
from daypass.storage.change_queries import FRESH_SECONDS
from daypass.storage.loop_reads import LoopReads
from daypass.storage.open import open_store


class Machine:
    """The store of one process, whose way to the database can be cut."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False
        self.queries = 0
        self.change_counter = store.change_counter
        self.write = store.write
        self.close = store.close

    def announced(self, seen: int) -> Announced | None:
        """Return the answer of the ring: it needs no database."""
        return self._store.announced(seen)

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """Open a snapshot, unless the database is away."""
        self._require()
        with self._store.read() as reader:
            yield reader

    @contextmanager
    def read_at_once(self, limits: ReadLimits) -> Iterator[Snapshot]:
        """Open a snapshot for the event loop, unless the database is away."""
        if self.is_away:
            raise WouldBlockError
        with self._store.read_at_once(limits) as reader:
            yield reader

    def position(self) -> Position:
        """Return the position, unless the database is away."""
        self._require()
        return self._store.position()

    def changes_since(self, position: Position) -> Changes | None:
        """Return the changes, unless the database is away."""
        self.queries += 1
        self._require()
        return self._store.changes_since(position)

    def _require(self) -> None:
        if self.is_away:
            raise StoreUnavailableError("away")


@pytest.fixture
def machines(database_url: str, clock: HandClock) -> Iterator[tuple[Machine, Machine]]:
    """Return two processes of one machine."""
    stores = [Machine(open_store(database_url, clock=clock)) for _ in range(2)]
    yield stores[0], stores[1]
    for store in stores:
        store.close()


def cache_of(machine: Machine, seconds: HandSeconds | None = None) -> StoreCache:
    """Return the cache of a process."""
    return StoreCache(machine, monotonic=seconds or HandSeconds())  # type: ignore[arg-type] # what a cache uses of it


@pytest.mark.parametrize("writes_itself", [True, False], ids=["own", "sibling's"])
def test_an_outage_after_a_write_costs_no_cached_answer(
    machines: tuple[Machine, Machine], *, writes_itself: bool
) -> None:
    """The values that the write did not change are served, also on the event loop, and the others are not."""
    here, sibling = machines
    cache = cache_of(here)
    with here.write() as writer:
        writer.insert(user("ada", path="/eng/"))
        writer.insert(user("bob", path="/ops/"))
    kept = cache.loading.get(list_users, "/ops/")
    cache.loading.get(list_users, "/eng/")
    queries = here.queries
    with (here if writes_itself else sibling).write() as writer:
        writer.insert(user("eve", path="/eng/"))
    here.is_away = True
    assert cache.cached_only.get(list_users, "/ops/") is kept
    assert cache.loading.get(list_users, "/ops/") is kept
    assert here.queries == queries
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/eng/")
    with pytest.raises(StoreUnavailableError):
        cache.loading.get(list_users, "/eng/")
    here.is_away = False
    assert cache.loading.get(list_users, "/eng/") == ("/eng/ada", "/eng/eve")


def test_a_value_that_has_an_announced_write_survives_the_next_query(machines: tuple[Machine, Machine]) -> None:
    """The database tells the change again: a value that was read after it is not dropped, an older one is."""
    here, sibling = machines
    cache = cache_of(here)
    cache.loading.get(list_users, "/")
    with sibling.write() as writer:
        writer.insert(user("eve", path="/eng/"))
    read_after = cache.loading.get(find_user, "eve")
    assert read_after is not None
    cache.poll()
    here.is_away = True
    assert cache.cached_only.get(find_user, "eve") is read_after
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/")


def test_the_generation_survives_an_announced_write(machines: tuple[Machine, Machine]) -> None:
    """It changes if the write drops a value, without a query of the database."""
    here, sibling = machines
    cache = cache_of(here)
    cache.loading.get(list_users, "/ops/")
    first = cache.cached_only.generation()
    with sibling.write() as writer:
        writer.insert(user("eve", path="/eng/"))
    assert cache.cached_only.generation() == first is not None
    with sibling.write() as writer:
        writer.insert(user("bob", path="/ops/"))
    assert cache.cached_only.generation() not in (None, first)


def test_an_unknown_commit_blocks(machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose result is unknown is not announced: the cache serves nothing until the database answers."""
    here, sibling = machines
    cache = cache_of(here)
    cache.loading.get(list_users, "/ops/")
    with monkeypatch.context() as patch:
        patch.setattr(ChangeCounter, "announce", lambda self, *_: self.bump())
        with sibling.write() as writer:
            writer.insert(user("eve", path="/eng/"))
    here.is_away = True
    with sibling.write() as writer:  # a later write that is announced does not help
        writer.insert(user("ann", path="/eng/"))
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/ops/")
    with pytest.raises(StoreUnavailableError):
        cache.loading.get(list_users, "/ops/")
    assert cache.health() == "unable"
    here.is_away = False
    assert cache.loading.get(list_users, "/ops/") == ()


def test_an_announcement_does_not_make_values_valid_for_longer(machines: tuple[Machine, Machine]) -> None:
    """Other machines announce nothing here: only the database knows their writes."""
    here, sibling = machines
    seconds = HandSeconds()
    cache = cache_of(here, seconds)
    cache.loading.get(list_users, "/ops/")
    seconds.seconds += FRESH_SECONDS - 0.01
    with sibling.write() as writer:
        writer.insert(user("eve", path="/eng/"))
    cache.cached_only.get(list_users, "/ops/")
    seconds.seconds += 0.01
    with pytest.raises(WouldBlockError):
        cache.cached_only.get(list_users, "/ops/")


def test_a_snapshot_before_an_announced_write_leaves_nothing_stale(machines: tuple[Machine, Machine]) -> None:
    """A value that was read before the write is not kept after the announcement."""
    here, sibling = machines
    cache = cache_of(here)
    cache.catch_up()

    def overtaken(reader: Reader, name: str) -> Record | None:
        found = reader.find("user", ACCOUNT, name)
        if found is None:
            with sibling.write() as writer:
                writer.insert(user(name))
            assert cache.cached_only.generation() is not None  # followed
        return found

    assert cache.loading.get(overtaken, "ada") is None
    assert cache.loading.get(overtaken, "ada") == user("ada")


def test_a_lost_write_does_not_keep_the_cache_from_keeping(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failover can lose an announced write: the next answer of the database ends its requirement."""
    here, _ = machines
    cache = cache_of(here)
    cache.catch_up()
    announce = ChangeCounter.announce
    monkeypatch.setattr(ChangeCounter, "announce", lambda self, number, changes: announce(self, number + 50, changes))
    with here.write() as writer:
        writer.insert(user("ada"))
    assert cache.cached_only.generation() is not None
    cache.poll()
    assert cache.loading.get(find_user, "ada") is cache.cached_only.get(find_user, "ada")


@short_load
def load_number(reader: Reader, name: str) -> int:
    """Return the number of the write that changed a user last."""
    found = reader.find("user", ACCOUNT, name)
    return 0 if found is None else int(found.body)


_NAMES = st.sampled_from(["ada", "bob"])


class AnnouncedWrites(RuleBasedStateMachine):
    """Two processes of a machine and one elsewhere write; a cache must not forget a write that it has to know.

    The body of a user is the number of the write that changed it last.
    """

    @initialize()
    def open(self) -> None:
        """Open a database with its processes."""
        self.folder = TemporaryDirectory()
        url, clock = f"sqlite:///{self.folder.name}/daypass.db", HandClock()
        self.here, self.sibling = (Machine(open_store(url, clock=clock)) for _ in range(2))
        elsewhere = open_store(url, clock=clock)
        elsewhere._change_counter = ChangeCounter(Path(self.folder.name, "elsewhere"))  # type: ignore[attr-defined]
        self.elsewhere = Machine(elsewhere)
        self.seconds = HandSeconds()
        loop_reads = LoopReads(self.here, monotonic=self.seconds)  # type: ignore[arg-type]
        self.cache = StoreCache(self.here, monotonic=self.seconds, loop_reads=loop_reads)  # type: ignore[arg-type]
        self.written = 0
        self.newest: dict[str, int] = {}
        self.must_show: dict[str, int] = {}
        self.remote: list[tuple[float, str, int]] = []
        self.healed = self.seconds()

    def teardown(self) -> None:
        """Close everything."""
        for machine in (self.here, self.sibling, self.elsewhere):
            machine.close()
        self.folder.cleanup()

    def _write(self, machine: Machine, name: str) -> None:
        self.written += 1
        record = user(name, body=b"%d" % self.written)
        with machine.write() as writer:
            if name in self.newest:
                writer.replace(record)
            else:
                writer.insert(record)
        self.newest[name] = self.written

    @rule(name=_NAMES, by_sibling=st.booleans())
    def write(self, name: str, *, by_sibling: bool) -> None:
        """Write on the machine: the cache must show it at once."""
        self._write(self.sibling if by_sibling else self.here, name)
        self.must_show[name] = self.written

    @rule(name=_NAMES)
    def write_without_an_announcement(self, name: str) -> None:
        """Write as version 0.1.0 does, or without the result of the commit."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ChangeCounter, "announce", lambda self, *_: self.bump())
            self.write(name, by_sibling=True)

    @rule(name=_NAMES)
    def write_and_die(self, name: str) -> None:
        """Kill a writer of the machine between its commit and its announcement: nobody was told of a success."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ChangeCounter, "announce", lambda *_: None)
            self._write(self.sibling, name)
        self.remote.append((self.seconds(), name, self.written))

    @rule(name=_NAMES)
    def write_elsewhere(self, name: str) -> None:
        """Write on another machine: the cache must show it after the bound."""
        self._write(self.elsewhere, name)
        self.remote.append((self.seconds(), name, self.written))

    @rule()
    def cut(self) -> None:
        """Cut the way to the database."""
        self.here.is_away = True

    @rule()
    def heal(self) -> None:
        """Restore the way to the database."""
        if self.here.is_away:
            self.healed = self.seconds()
        self.here.is_away = False

    @rule(seconds=st.sampled_from([0.1, 0.5, FRESH_SECONDS, 2.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds.seconds += seconds

    @rule()
    def poll(self) -> None:
        """Ask the database: an answer is never forgotten."""
        before = dict(self.newest)
        with suppress(StoreUnavailableError):
            self.cache.poll()
            if not self.here.is_away:
                self.must_show = before

    @rule(name=_NAMES, on_loop=st.booleans())
    def look(self, name: str, *, on_loop: bool) -> None:
        """Read through the cache, and compare with the values that it has to know."""
        views = self.cache.cached_only if on_loop else self.cache.loading
        try:
            found = views.get(load_number, name)
        except (WouldBlockError, StoreUnavailableError):
            return
        now = self.seconds()
        is_online = not self.here.is_away and now >= self.healed + FRESH_SECONDS
        known = [n for at, written, n in self.remote if written == name and at <= now - FRESH_SECONDS and is_online]
        assert self.newest.get(name, 0) >= found >= max([self.must_show.get(name, 0), *known])


AnnouncedWrites.TestCase.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)
test_a_cache_never_forgets_a_write = pytest.mark.slow(AnnouncedWrites.TestCase)


@pytest.mark.slow
def test_killed_writers_leave_the_others_asking(database_url: str, clock: HandClock) -> None:
    """Kill writers at random moments: a cache shows a reported write at once, and all after its next query."""
    random, seconds = Random(17), HandSeconds()  # noqa: S311 - a test's numbers
    store = open_store(database_url, clock=clock)
    cache = StoreCache(store, monotonic=seconds)
    for _ in range(6):
        with worker(database_url, "write_for_ever") as process:
            go(process)
            for _ in range(random.randrange(1, 40)):
                reported = read(process)
            assert f"{int(reported):08}" in cache.loading.get(_promised)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        seconds.seconds += FRESH_SECONDS
        with store.read() as reader:
            assert cache.loading.get(_promised) == _promised(reader)
        with store.write() as writer:
            writer.link(Link("promised", "b", "after"))
        with store.read() as reader:
            assert cache.loading.get(_promised) == _promised(reader)
    store.close()


def _promised(reader: Reader) -> frozenset[str]:
    return frozenset(link.target for link in reader.targets("promised", "a"))
