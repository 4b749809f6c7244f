"""A database with several nodes, for tests of histories: failovers, restored backups, pauses and partitions.

The caches and the store are the real ones; time is virtual. Each node has a change counter of its own, as on a machine
of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.storage.conftest import HandClock

from daypass.directory.changes import Changes, Position
from daypass.directory.store import Reader, Record, Snapshot, StoreUnavailableError
from daypass.storage.cache import StoreCache
from daypass.storage.change_queries import FRESH_SECONDS, GRACE_SECONDS, POLL_SECONDS
from daypass.storage.memory import MemoryStore

ACCOUNT = "111111111111"
STALE_SECONDS = 20.0
BOUND = FRESH_SECONDS + GRACE_SECONDS  # for a node that reaches the database
NODES, RIGHTS = range(3), range(2)
_nodes = st.sampled_from(NODES)
_rights = st.sampled_from(RIGHTS)


def copy_of(store: MemoryStore) -> MemoryStore:
    """Return a replica, or a backup: the same records and the same log."""
    copied = MemoryStore(HandClock())
    copied._state = store._state
    copied._log = dict(store._log)
    return copied


class NodeStore:
    """One node's way to the database, which can be lost."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.change_counter = [0]
        self.is_cut_off = False

    @property
    def _there(self) -> MemoryStore:
        if self.is_cut_off:
            raise StoreUnavailableError("cut off")
        return self._world.database

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """Open a snapshot of the primary."""
        with self._there.read() as reader:
            yield reader

    def put(self, right: int, *, is_allowed: bool) -> None:
        """Write one right, and announce it on this machine."""
        record = Record(
            kind="right", account=ACCOUNT, key=str(right), sort=str(right), body=b"yes" if is_allowed else b"no"
        )
        with self._there.write() as writer:
            if writer.find("right", ACCOUNT, str(right)) is None:
                writer.insert(record)
            else:
                writer.replace(record)
        self.change_counter[0] += 1

    def position(self) -> Position:
        """Return the position of the primary."""
        return self._there.position()

    def changes_since(self, position: Position) -> Changes | None:
        """Return the changes on the primary."""
        return self._there.changes_since(position)

    def announced(self, seen: int) -> None:
        """Return None: other processes of this machine announce nothing."""


class World:
    """The primary, its copies, and the nodes."""

    def __init__(self, make_cache: Callable[..., StoreCache]) -> None:
        self.now = 1000.0
        self.database = MemoryStore(HandClock())
        self.copies: list[MemoryStore] = [copy_of(self.database)]
        self.stores = [NodeStore(self) for _ in NODES]
        self.caches = [
            make_cache(store, stale_seconds=STALE_SECONDS, monotonic=lambda: self.now) for store in self.stores
        ]
        self.paused: set[int] = set()
        self.reachable_since = [self.now for _ in NODES]
        self.allowed_at = [float("-inf") for _ in RIGHTS]  # when the primary last allowed a right
        self.revoked_by: list[int | None] = [None for _ in RIGHTS]  # the node whose own write revoked it last
        self.during_load: Callable[[], None] = lambda: None

    def is_allowed(self, right: int) -> bool:
        """Return whether the primary allows a right now."""
        found = self.database._state.records.get(("right", ACCOUNT, str(right)))
        return found is not None and found.body == b"yes"

    def look(self) -> None:
        """Note what the primary allows at this moment."""
        for right in RIGHTS:
            if self.is_allowed(right):
                self.allowed_at[right] = self.now
                self.revoked_by[right] = None

    def load(self, reader: Reader, right: int) -> bool:
        """Load a right. Other events may come between the read and its end."""
        found = reader.find("right", ACCOUNT, str(right))
        event, self.during_load = self.during_load, lambda: None
        event()
        return found is not None and found.body == b"yes"


class Histories(RuleBasedStateMachine):
    """No node allows a right after a revocation that a live poll could have seen."""

    make_cache: Any = StoreCache

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.make_cache)
        for right in RIGHTS:
            self.write(0, right, is_allowed=bool(right))
            self.copy()

    @rule(node=_nodes, right=_rights, is_allowed=st.booleans())
    def write(self, node: int, right: int, *, is_allowed: bool) -> None:
        """Grant or revoke a right on one node."""
        world = self.world
        if world.stores[node].is_cut_off or node in world.paused:
            return
        was_allowed = world.is_allowed(right)
        world.stores[node].put(right, is_allowed=is_allowed)
        if was_allowed and not is_allowed:
            world.revoked_by[right] = node

    @rule()
    def copy(self) -> None:
        """Make a backup, or let a replica catch up."""
        self.world.copies.append(copy_of(self.world.database))

    @rule(which=st.integers(0, 3), writes=st.lists(st.tuples(_nodes, _rights, st.booleans()), max_size=3))
    def go_back(self, which: int, writes: Sequence[tuple[int, int, bool]] = ()) -> None:
        """Promote a replica that lacks the latest writes, or restore a backup. Others write before a node polls."""
        self.world.database = copy_of(self.world.copies[-1 - which % len(self.world.copies)])
        for node, right, is_allowed in writes:
            self.write(node, right, is_allowed=is_allowed)

    @rule(node=_nodes, right=_rights, behind=st.integers(1, 3), more=st.integers(-1, 1))
    def fail_over_behind(self, node: int, right: int, behind: int, more: int) -> None:
        """Promote a replica that lacks some writes, and revoke a right with about as many others."""
        writer = (node + 1) % len(NODES)
        self.copy()
        for number in range(behind):
            self.write(writer, right, is_allowed=number == behind - 1)
        self.wait(POLL_SECONDS)
        self.request(node, right)
        self.go_back(0, [(writer, right, False)] * max(1, behind + more))

    @rule(node=_nodes, right=_rights)
    def lose_what_was_read(self, node: int, right: int) -> None:
        """Grant a right, use it on another node before that polls, and lose the grant."""
        writer = (node + 1) % len(NODES)
        self.write(writer, right, is_allowed=False)
        self.copy()
        self.wait(POLL_SECONDS)
        self.write(writer, right, is_allowed=True)
        self.request(node, right, is_evicted=True)
        self.go_back(0)

    @rule(seconds=st.sampled_from([0.1, POLL_SECONDS, 1.5]))
    def wait(self, seconds: float) -> None:
        """Let time pass. Nodes that run poll twice a second."""
        world, end = self.world, self.world.now + seconds
        while world.now < end:
            world.look()
            world.now = min(end, world.now + POLL_SECONDS)
            if seconds >= POLL_SECONDS:
                for node in NODES:
                    if node not in world.paused:
                        self._try(world.caches[node].poll)

    @rule(node=_nodes)
    def pause_or_resume(self, node: int) -> None:
        """Stop a node's process, or let it continue."""
        self.world.paused ^= {node}

    @rule(node=_nodes)
    def cut_off_or_heal(self, node: int) -> None:
        """Take a node's way to the database, or give it back."""
        store = self.world.stores[node]
        store.is_cut_off = not store.is_cut_off
        self.world.reachable_since[node] = float("inf") if store.is_cut_off else self.world.now

    @rule(node=_nodes, right=_rights, is_evicted=st.booleans())
    def request(self, node: int, right: int, *, is_evicted: bool = False) -> None:
        """Use a right on one node, whose cache may have evicted it."""
        if node not in self.world.paused:
            if is_evicted:
                cache = self.world.caches[node]
                cache._entries.drop((self.world.load, (right,)))
            self._use(node, right)

    @rule(
        node=_nodes,
        right=_rights,
        which=st.integers(0, 3),
        writes=st.lists(st.tuples(_nodes, _rights, st.booleans()), max_size=2),
        polls=st.booleans(),
    )
    def request_during_failover(
        self, node: int, right: int, which: int, writes: Sequence[tuple[int, int, bool]], *, polls: bool
    ) -> None:
        """Use a right while the database goes back and is written between the read and the end of a load."""

        def event() -> None:
            self.go_back(which, writes)
            if polls:
                self._try(self.world.caches[node].poll)

        self.world.during_load = event
        self.request(node, right, is_evicted=True)
        self.world.during_load = lambda: None

    def _use(self, node: int, right: int) -> None:
        world = self.world
        world.look()
        bound = BOUND if world.now - world.reachable_since[node] > BOUND else STALE_SECONDS + BOUND
        if world.revoked_by[right] == node:
            bound = 0.0  # a node sees its own writes at once
        allowed_at = world.allowed_at[right]
        try:
            is_allowed = world.caches[node].loading.get(world.load, right)
        except StoreUnavailableError:
            return
        if is_allowed:
            assert world.now - allowed_at <= bound, f"node {node} honours right {right} {world.now - allowed_at} s late"

    @staticmethod
    def _try(call: Callable[[], object]) -> None:
        with suppress(StoreUnavailableError):
            call()

    @invariant()
    def look(self) -> None:
        """Note what the primary allows."""
        self.world.look()
