"""The real store and cache of one process, on the databases of the simulation.

Drives `SqlStore` with its write, its announcements, its queries for changes and its reads from a replica; `StoreCache`
with both threads of its poller; the change counter and the ring in real files. Below them are virtual: time, threads,
and the statements, which databases.py answers.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from tests.simulation.databases import Network, Node, Server
from tests.simulation.tasks import Tasks
from tests.storage.conftest import HandClock

from daypass.directory.changes import Position
from daypass.directory.store import (
    Link,
    Reader,
    ReadLimits,
    Record,
    Snapshot,
    StoreUnavailableError,
    WouldBlockError,
)
from daypass.storage.cache import StoreCache
from daypass.storage.change_counter import ChangeCounter
from daypass.storage.change_queries import ChangeQuery
from daypass.storage.history import LoggedWrite
from daypass.storage.memory import _MemoryReader, _MemoryWriter
from daypass.storage.outages import Outages
from daypass.storage.schema import VERSIONS
from daypass.storage.schema_watch import SchemaWatch
from daypass.storage.sql.engines import LOCK_WAIT_SECONDS, POLL_SECONDS, READ_SECONDS, REPLICA_SECONDS, WRITE_SECONDS
from daypass.storage.sql.replica_reads import ReplicaReads
from daypass.storage.sql.sql_store import SqlStore

ACCOUNT = "111111111111"
RECORDS, LINKS = range(2), range(2, 3)  # rights that are records, and one that is a link
RIGHTS = (*RECORDS, *LINKS)
STALE_SECONDS = 3.0


def load_right(reader: Reader, right: int) -> bool:
    """Return whether a right is given."""
    if right in LINKS:
        return reader.find_link("right", ACCOUNT, str(right)) is not None
    found = reader.find("right", ACCOUNT, str(right))
    return found is not None and found.body == b"yes"


class WireSnapshot:
    """A snapshot on a server. Each statement is one round trip."""

    def __init__(self, wire: "Wire", server: Server, state: Any, row: Sequence[Any] = ()) -> None:
        self._wire = wire
        self._server = server
        self._epoch = server.epoch
        self._reader = _MemoryReader(state)
        self.row = row

    def position(self) -> Position:
        """Return the position, which came with BEGIN."""
        return self._reader.position()

    def find(self, kind: str, account: str, key: str) -> Record | None:
        """Return a record."""
        self._ask()
        return self._reader.find(kind, account, key)

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        """Return a link."""
        self._ask()
        return self._reader.find_link(kind, source, target)

    def _ask(self) -> None:
        if self._server.epoch != self._epoch:
            raise StoreUnavailableError("connection lost")
        self._wire.call(self._server, READ_SECONDS, lambda _: None)


class WirePoll:
    """The connection for queries for changes."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire

    def logged_from(self, number: int) -> Sequence[LoggedWrite]:
        """Return the log of the primary."""
        found: Sequence[LoggedWrite] = self._wire.call(
            self._wire.network.primary, POLL_SECONDS, lambda server: server.logged_from(number)
        )
        return found

    def schema_version(self) -> str:
        """Return the version of the tables."""
        return VERSIONS[-1]


class WireWriter(_MemoryWriter):
    """A transaction on the primary, whose last two steps are those of SqlWriter."""

    committed_at: float | None = None

    @property
    def has_changes(self) -> bool:
        """Whether there are changes."""
        return bool(self.changed)

    def finish(self) -> tuple[int, bytes | None]:
        """Return the number and the log entry."""
        return self.state.position.number, msgspec.msgpack.encode(list(self.changed))


class Wire:
    """The connections of one node to all servers: what a driver and its pools are."""

    def __init__(self, network: Network, node: Node) -> None:
        self.network = network
        self._node = node

    def call(self, server: Server | None, bound: float, work: Any) -> Any:
        """Call a server."""
        return self.network.call(self._node, server, bound, work)

    @contextmanager
    def open(self) -> Iterator[WireSnapshot]:
        """Open a snapshot of the primary."""
        yield self.call(
            self.network.primary, READ_SECONDS, lambda server: WireSnapshot(self, server, server.store._state)
        )

    @contextmanager
    def open_replica(self, first: str) -> Iterator[WireSnapshot]:
        """Open a snapshot of the region's own server, with the first row that the real statement asks for."""
        assert "revision, nonce FROM changes" in first

        def begin(server: Server) -> WireSnapshot:
            position = server.store._state.position
            return WireSnapshot(self, server, server.store._state, position if position.nonce else ())

        yield self.call(self.network.servers[self._node.region], REPLICA_SECONDS, begin)

    @contextmanager
    def poll(self) -> Iterator[WirePoll]:
        """Open the connection for queries for changes."""
        yield WirePoll(self)

    def open_at_once(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        """Raise WouldBlockError, as on PostgreSQL."""
        del limits
        raise WouldBlockError

    @contextmanager
    def write(self, account: str | None) -> Iterator[WireWriter]:
        """Open a transaction of the only writer."""
        network, node = self.network, self._node
        server = network.primary
        is_here = False

        def begin(server: Server) -> WireWriter:
            nonlocal is_here
            epoch = server.epoch
            if not server.lock.acquire(timeout=LOCK_WAIT_SECONDS):
                raise StoreUnavailableError("lock timeout")
            if server.epoch != epoch or not server.is_up:
                server.lock.release()
                raise StoreUnavailableError("connection lost")
            server.holder, is_here = node, True
            return WireWriter(server.store._state.next(), HandClock(), account)

        def commit(server: Server) -> None:
            nonlocal is_here
            if server.holder is not node:
                raise StoreUnavailableError("the transaction was ended")
            server.store._publish(writer)
            server.free()
            is_here = False
            writer.committed_at = network.tasks.now if writer.has_changes else None
            network.look()

        try:
            writer = self.call(server, WRITE_SECONDS, begin)
            yield writer
            try:
                self.call(server, WRITE_SECONDS, commit)
            except StoreUnavailableError:
                if is_here and server is not None:
                    network.commit_late(server, commit)
                raise
        finally:
            if is_here and server is not None:
                network.free_later(server, node)

    def dispose(self) -> None:
        """Close nothing."""

    close = dispose


class NodeStore(SqlStore):
    """The real store of one process, on the wire."""

    def __init__(self, tasks: Tasks, wire: Wire, counter: ChangeCounter) -> None:
        outages = Outages(tasks.monotonic)
        engines = SimpleNamespace(outages=outages, has_one_writer=False, writing=wire, dispose=wire.dispose)
        super().__init__(cast("Any", engines), cast("Any", wire), counter, HandClock())
        self._wire = wire
        self.schema = SchemaWatch(VERSIONS, tasks.monotonic)
        self.replica = ReplicaReads(cast("Any", wire), counter.value, tasks.monotonic)

    def _open_writer(self, account: str | None) -> Any:
        return self._wire.write(account)

    def put(self, right: int, *, is_given: bool) -> float | None:
        """Write one right, as an operation does, and return when the database committed it, or None for no change."""
        with self.write(account=ACCOUNT) as opened:
            writer = cast("WireWriter", opened)
            _put(writer, right, is_given=is_given)
        return writer.committed_at


def _put(writer: WireWriter, right: int, *, is_given: bool) -> None:
    key = str(right)
    if right in LINKS:
        if is_given:
            writer.link(Link("right", ACCOUNT, key, b"%d" % right))
        elif writer.find_link("right", ACCOUNT, key) is not None:
            writer.unlink("right", ACCOUNT, key)
        return
    record = Record(kind="right", account=ACCOUNT, key=key, sort=key, body=b"yes" if is_given else b"no")
    if writer.find("right", ACCOUNT, key) is None:
        writer.insert(record)
    else:
        writer.replace(record)


class WatchedCache(StoreCache):
    """The real cache, with a note of its queries for changes."""

    in_flight_since: float | None = None
    took: tuple[float, ...] = ()  # seconds, of the last answered queries
    told_at = float("-inf")  # when the last answered query began
    failures = 0
    is_last_good = False

    def _query(self, query: ChangeQuery) -> None:
        self.in_flight_since = query.began
        try:
            super()._query(query)
        except StoreUnavailableError:
            self.failures += 1
            self.is_last_good = False
            raise
        finally:
            self.in_flight_since = None
        self.took = (*self.took[-2:], self._freshness.monotonic() - query.began)
        self.told_at, self.is_last_good = query.began, True


class RunningNode(Node):
    """A process with its store and its cache, whose poller runs."""

    def __init__(self, tasks: Tasks, network: Network, region: int, counter: ChangeCounter, kind: Any) -> None:
        super().__init__(region)
        self.store = NodeStore(tasks, Wire(network, self), counter)
        with pytest.MonkeyPatch.context() as patch:
            threads = tasks.threading(self)
            patch.setattr("daypass.storage.change_poller.threading", threads)
            patch.setattr("daypass.background.threading", SimpleNamespace(Thread=threads.Thread, Event=_Flag))
            self.cache = kind(self.store, stale_seconds=STALE_SECONDS, monotonic=tasks.monotonic)
            self.cache.start()


class _Flag:
    """What a thread of a poller uses of an event: it is never set, as a process ends with its tasks."""

    def is_set(self) -> bool:
        return False


@contextmanager
def virtual(tasks: Tasks) -> Iterator[None]:
    """Give the modules of the store the virtual time, threads and connections."""

    @contextmanager
    def transaction(engine: Wire, first: str) -> Iterator[WireSnapshot]:
        with engine.open_replica(first) as snapshot:
            yield snapshot

    clock = SimpleNamespace(monotonic=tasks.monotonic, sleep=tasks.sleep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daypass.storage.change_poller.asyncio", tasks.asyncio())
        patch.setattr("daypass.storage.change_ring.time", clock)
        patch.setattr("daypass.storage.sql.sql_store.time", clock)
        patch.setattr("daypass.storage.sql.turns.threading", tasks.threading(Node()))
        patch.setattr("daypass.storage.sql.replica_reads.transaction", transaction)
        patch.setattr("daypass.storage.sql.replica_reads.last_begun", lambda s: s.row)
        patch.setattr("daypass.storage.sql.replica_reads.SqlReader", lambda s, _: s)
        patch.setattr("daypass.storage.sql.replica_reads.allow_seconds", lambda *_: None)
        yield


def counters(folder: Path) -> list[ChangeCounter]:
    """Return the change counter of each machine."""
    return [ChangeCounter(folder / str(machine)) for machine in range(3)]
