"""A primary database with asynchronous replicas in three regions, and the network between them.

Owns what a database and a network do: snapshots, one writer at a time, a log, replicas that lag, failover, restore,
delays, partitions and lost messages. The data are those of MemoryStore. Leaves every rule of a node to the real code.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from random import Random
from typing import TypeVar

import msgspec
from tests.simulation.tasks import Process, Tasks, VirtualLock
from tests.storage.conftest import HandClock
from tests.storage.histories import copy_of

from daypass.directory.store import StoreUnavailableError
from daypass.storage.history import LoggedWrite
from daypass.storage.memory import MemoryStore

T = TypeVar("T")

REGIONS = range(3)
_ONE_WAY = ((0.0005, 0.04, 0.11), (0.04, 0.0005, 0.08), (0.11, 0.08, 0.0005))  # seconds between two regions
_REFUSED_SECONDS = 0.02
_LATE_SHARE = 0.5
_LOCK_LEFT_SECONDS = 4.0  # after which a database ends the transaction of a node that it does not hear any more


@dataclass
class Server:
    """One database server. `epoch` changes when all its connections are lost."""

    region: int
    store: MemoryStore
    lock: VirtualLock
    is_up: bool = True
    epoch: int = 0
    holder: Process | None = None  # of the lock
    stalled_until: float = -inf  # as a replica

    def end_connections(self) -> None:
        """End every transaction, and free the lock."""
        self.epoch += 1
        self.free()

    def free(self) -> None:
        """Free the lock of a writer, if there is one."""
        if self.holder is not None:
            self.holder = None
            self.lock.release()

    def logged_from(self, number: int) -> list[LoggedWrite]:
        """Return the rows of the log."""
        log = self.store._log
        newest = self.store._state.position.number
        encode = msgspec.msgpack.encode
        return [(n, log[n][0], encode(list(log[n][1]))) for n in range(max(number, 1), newest + 1) if n in log]


@dataclass
class Link:
    """The network between two regions."""

    cut_until: float = -inf
    slow_until: float = -inf
    factor: float = 1.0


@dataclass(eq=False)
class Node(Process):
    """A process that calls databases."""

    region: int = 0
    loses: int = 0  # how many of its next messages are lost
    paused_seconds: float = 0.0

    def __post_init__(self) -> None:
        super().__init__()


class Network:
    """All servers and links."""

    def __init__(self, tasks: Tasks, random: Random, look: Callable[[], None]) -> None:
        self.tasks = tasks
        self.look = look  # is called after each change of the primary
        self._random = random
        self.servers = [Server(region, MemoryStore(HandClock()), VirtualLock(tasks)) for region in REGIONS]
        self.primary: Server | None = self.servers[0]
        self.links = {(a, b): Link() for a in REGIONS for b in REGIONS if a <= b}
        world = Process()
        for server in self.servers:
            tasks.start(lambda server=server: self._stream(server), world)  # type: ignore[misc]

    def link(self, one: int, other: int) -> Link:
        """Return the link between two regions."""
        return self.links[min(one, other), max(one, other)]

    def _stream(self, server: Server) -> None:
        """Let a replica follow the primary, a little behind."""
        while True:
            self.tasks.sleep(self._random.uniform(0.02, 0.25))
            primary, now = self.primary, self.tasks.now
            if primary is None or primary is server or not server.is_up or now < server.stalled_until:
                continue
            if now >= self.link(primary.region, server.region).cut_until:
                server.store = copy_of(primary.store)

    def call(self, node: Node, server: Server | None, bound: float, work: Callable[[Server], T]) -> T:
        """Let a server do some work, and return its answer, or raise StoreUnavailableError after `bound` seconds."""
        ends_at = self.tasks.now + bound
        if server is None:
            self._send(node, node.region, ends_at)
            raise StoreUnavailableError("no primary")
        epoch = server.epoch
        self._send(node, server.region, ends_at)
        self._require(server, epoch)
        done = work(server)
        self._send(node, server.region, ends_at)
        self._require(server, epoch)
        if self.tasks.now >= ends_at:
            raise StoreUnavailableError("the answer is late")
        return done

    def _require(self, server: Server, epoch: int) -> None:
        if not server.is_up or server.epoch != epoch:
            self.tasks.sleep(_REFUSED_SECONDS)
            raise StoreUnavailableError("connection lost")

    def _send(self, node: Node, region: int, ends_at: float) -> None:
        """Wait for one message, or raise StoreUnavailableError if it does not arrive in time."""
        link, now = self.link(node.region, region), self.tasks.now
        seconds = _ONE_WAY[node.region][region] * self._random.uniform(1.0, 1.3)
        if now < link.slow_until:
            seconds *= link.factor
        is_lost = node.loses > 0
        node.loses -= is_lost
        if not is_lost and now >= link.cut_until and now + seconds < ends_at:
            self.tasks.sleep(seconds)
            if self.tasks.now >= link.cut_until:
                return
        self.tasks.sleep(max(0.0, ends_at - self.tasks.now))
        raise StoreUnavailableError("no answer")

    def commit_late(self, server: Server, work: Callable[[Server], None]) -> None:
        """Let the message of a writer that has given up arrive after all, perhaps."""
        if self._random.random() < _LATE_SHARE:
            epoch = server.epoch

            def arrive() -> None:
                if server.epoch == epoch:
                    with suppress(StoreUnavailableError):
                        work(server)

            self.tasks.start(arrive, Process(), after=self._random.uniform(0.0, _LOCK_LEFT_SECONDS / 2))

    def free_later(self, server: Server, holder: Process) -> None:
        """Let a server notice after a while that a writer is gone."""
        epoch = server.epoch

        def free() -> None:
            if server.epoch == epoch and server.holder is holder:
                server.free()

        self.tasks.start(free, Process(), after=_LOCK_LEFT_SECONDS)

    def fail_over(self, to: Server, after: float) -> None:
        """Stop the primary, and promote a replica later, with the writes that it has."""
        old, self.primary = self.primary, None
        if old is None or old is to:
            self.primary = old
            return
        old.is_up = False
        old.end_connections()
        self.tasks.sleep(after)
        to.end_connections()
        to.store = copy_of(to.store)
        self.primary = to
        old.store, old.is_up = copy_of(to.store), True
        self.look()

    def restore(self, backup: MemoryStore) -> None:
        """Put a backup in place of the primary's data. The replicas are built anew from it."""
        assert self.primary is not None
        self.primary.end_connections()
        self.primary.store = copy_of(backup)
        self.look()
