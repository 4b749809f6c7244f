"""Three regions in which everything happens, and the oracle that judges each answer.

Owns the events, their order, and the bounds of docs/postgresql.md. A seed decides everything, so that it repeats a run.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from structlog.testing import capture_logs
from tests.simulation.databases import REGIONS, Network
from tests.simulation.nodes import (
    RIGHTS,
    STALE_SECONDS,
    RunningNode,
    WatchedCache,
    counters,
    load_right,
    virtual,
)
from tests.simulation.tasks import Process, Tasks, finish
from tests.storage.histories import copy_of

from daypass.directory.store import StoreUnavailableError, WouldBlockError
from daypass.storage.change_queries import AWAY_SECONDS, FRESH_SECONDS, GRACE_SECONDS
from daypass.storage.memory import MemoryStore, _MemoryReader
from daypass.storage.sql.engines import READ_SECONDS, REPLICA_SECONDS, WRITE_SECONDS

SECONDS = 12.0  # of each run
_BLOCKING_SHARE = 0.3  # of the requests, such as those that write, begin in a thread
_MACHINES = (0, 0, 1, 2)  # the region and machine of each process
_CACHED_BOUND = 3 * AWAY_SECONDS  # a query in flight, the next, and that of the thread
_LOAD_BOUND = _CACHED_BOUND + REPLICA_SECONDS + 3 * READ_SECONDS
_WRITE_BOUND = 5 * WRITE_SECONDS  # its turn, the lock, two statements, the commit


class OracleError(AssertionError):
    """An answer broke a promise."""


class Truth:
    """What the primary said of each right, and until when it said the opposite."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self.present = dict.fromkeys(RIGHTS, False)
        self._until = {(right, value): float("-inf") for right in RIGHTS for value in (False, True)}

    def note(self, right: int, *, is_given: bool) -> None:
        """Note the present state of a right."""
        if self.present[right] != is_given:
            self._until[right, not is_given] = self._tasks.now
            self.present[right] = is_given

    def last(self, right: int, *, is_given: bool) -> float:
        """Return when a right was last in this state."""
        return self._tasks.now if self.present[right] == is_given else self._until[right, is_given]


class Regions:
    """One run."""

    def __init__(self, seed: int, folder: Path, kind: type[WatchedCache] = WatchedCache) -> None:
        self._random = Random(seed)  # noqa: S311 - a test's numbers
        self.log: list[str] = []
        self.answers = self.refusals = 0
        self._kind = kind
        self.tasks = Tasks()
        self._truth = Truth(self.tasks)
        # Two sources of randomness: other messages do not change which events happen.
        self._chance = Random(-1 - seed)  # noqa: S311 - a test's numbers
        self._network = Network(self.tasks, self._chance, self._look)
        self._counters = counters(folder)
        self._nodes = [self._start(place) for place in range(len(_MACHINES))]
        self._backups = [MemoryStore(self._network.servers[0].store._clock)]
        self._acknowledged: dict[tuple[int, int], tuple[float, bool]] = {}
        self._world = Process()

    def run(self) -> None:
        """Run the events, and judge every answer."""
        self.tasks.start(self._drive, self._world)
        try:
            self.tasks.run(self.tasks.now + SECONDS)
        finally:
            self.tasks.close()

    def _start(self, place: int) -> RunningNode:
        machine = _MACHINES[place]
        return RunningNode(self.tasks, self._network, machine, self._counters[machine], self._kind)

    def _say(self, words: str) -> None:
        self.log.append(f"{self.tasks.now - 1000:8.3f}  {words}")

    def _look(self) -> None:
        """Note the state of the primary after a change."""
        primary = self._network.primary
        if primary is not None:
            reader = _MemoryReader(primary.store._state)
            for right in RIGHTS:
                self._truth.note(right, is_given=load_right(reader, right))
            states = "".join("+" if self._truth.present[right] else "-" for right in RIGHTS)
            self._say(f"the primary is at {reader.revision()}: {states}")

    # The events

    def _drive(self) -> None:
        random = self._random
        events: list[tuple[int, Callable[[], None]]] = [
            (10, self._write), (2, self._pause), (2, self._cut), (1, self._slow), (1, self._lose), (1, self._kill),
            (1, self._fail_over), (1, self._restore), (1, self._back_up), (2, self._stall), (2, self._lose_writes),
            (2, self._lose_grant),
        ]  # fmt: skip
        weights = [weight for weight, _ in events]
        calls = [call for _, call in events]
        for right in RIGHTS:
            self._begin_write(0, right, is_given=bool(random.randrange(2)))
        self.tasks.sleep(1.0)
        while True:
            for _ in range(random.randrange(1, 5)):
                self._request(random.randrange(len(self._nodes)), random.choice(RIGHTS), random.random() < 0.3)
            if random.random() < 0.35:
                random.choices(calls, weights)[0]()
            self.tasks.sleep(random.choice((0.003, 0.02, 0.1, 0.3)))

    def _spawn(self, work: Callable[[], None], after: float = 0.0) -> None:
        self.tasks.start(work, self._world, after=after)

    def _write(self) -> None:
        place = self._random.randrange(len(self._nodes))
        self._begin_write(place, self._random.choice(RIGHTS), is_given=self._random.random() < 0.4)

    def _pause(self) -> None:
        place, seconds = self._random.randrange(len(self._nodes)), self._random.choice((0.3, 1.0, 3.0, 7.0))
        node = self._nodes[place]
        if not node.is_paused:
            self._say(f"node {place} is paused for {seconds} s")
            node.is_paused = True
            node.paused_seconds += seconds
            self._spawn(lambda: self.tasks.resume(node), after=seconds)

    def _cut(self) -> None:
        (one, other), seconds = self._any_link(), self._random.choice((0.3, 1.0, 4.0, 8.0))
        self._say(f"the link {one}-{other} is cut for {seconds} s")
        self._network.link(one, other).cut_until = self.tasks.now + seconds

    def _slow(self) -> None:
        (one, other), factor = self._any_link(), self._random.choice((3, 6, 12))
        link = self._network.link(one, other)
        link.factor, link.slow_until = factor, self.tasks.now + 3.0
        self._say(f"the link {one}-{other} is {factor} times slower for 3 s")

    def _any_link(self) -> tuple[int, int]:
        one, other, primary = self._random.choice(REGIONS), self._random.choice(REGIONS), self._network.primary
        return one, other if primary is None else primary.region

    def _lose(self) -> None:
        place = self._random.randrange(len(self._nodes))
        self._nodes[place].loses += self._random.randrange(1, 4)
        self._say(f"node {place} loses {self._nodes[place].loses} messages")

    def _kill(self) -> None:
        place = self._random.randrange(len(self._nodes))
        node = self._nodes[place]
        node.is_dead = True
        for server in self._network.servers:
            if server.holder is node:
                self._network.free_later(server, node)
        self._nodes[place] = self._start(place)
        self._say(f"node {place} is killed, and a new process starts")

    def _stall(self) -> None:
        region, seconds = self._random.choice(REGIONS), self._random.choice((0.5, 2.0, 5.0))
        self._network.servers[region].stalled_until = self.tasks.now + seconds
        self._say(f"the replica {region} stands still for {seconds} s")

    def _back_up(self) -> None:
        if self._network.primary is not None:
            self._backups.append(copy_of(self._network.primary.store))
            self._say(f"backup {len(self._backups) - 1} is made")

    def _restore(self) -> None:
        which = self._random.randrange(len(self._backups))
        if self._network.primary is not None:
            self._say(f"backup {which} is restored")
            self._network.restore(self._backups[which])

    def _fail_over(self) -> None:
        self._promote(self._random.randrange(1, len(REGIONS)), self._random.choice((0.0, 0.4, 1.5)))

    def _promote(self, steps: int, after: float) -> None:
        primary, servers = self._network.primary, self._network.servers
        if primary is not None:
            to = servers[(primary.region + steps) % len(servers)]
            self._say(f"the primary in {primary.region} stops, and that in {to.region} is promoted after {after} s")
            self._spawn(lambda: self._network.fail_over(to, after))

    def _lose_writes(self) -> None:
        """Let replicas stand still for some writes, fail over, and write about as many others."""
        random, behind = self._random, self._random.randrange(1, 4)
        writer, right = random.randrange(len(self._nodes)), random.choice(RIGHTS)
        others = max(1, behind + random.choice((-1, 0, 0, 1)))
        given = [bool(random.randrange(2)) for _ in range(behind - 1)] + [True]
        place, to, after = (
            random.randrange(len(self._nodes)),
            random.randrange(1, len(REGIONS)),
            random.choice((0.0, 0.4)),
        )
        before, between = random.choice((0.05, 0.6)), random.choice((0.01, 0.5))

        def story() -> None:
            for server in self._network.servers:
                server.stalled_until = self.tasks.now + 2.0
            for is_given in given:
                self._put(writer, right, is_given=is_given)
            self.tasks.sleep(before)
            self._request(place, right, True)
            self._promote(to, after)
            self.tasks.sleep(between)
            for _ in range(others):
                self._put(writer, right, is_given=False)

        self._spawn(story)

    def _lose_grant(self) -> None:
        """Let a node read a grant that a failover then loses."""
        writer, right = self._random.randrange(len(self._nodes)), self._random.choice(RIGHTS)
        to, after = self._random.randrange(1, len(REGIONS)), self._random.choice((0.0, 0.4))

        def story() -> None:
            self._put(writer, right, is_given=False)
            self.tasks.sleep(0.3)
            for server in self._network.servers:
                server.stalled_until = self.tasks.now + 2.0
            self._put(writer, right, is_given=True)
            for place in range(len(self._nodes)):
                self._request(place, right, True)
            self.tasks.sleep(0.05)
            self._promote(to, after)

        self._spawn(story)

    # Calls of clients

    def _begin_write(self, place: int, right: int, *, is_given: bool) -> None:
        node = self._nodes[place]
        self.tasks.start(lambda: self._write_on(node, place, right, is_given=is_given), node)

    def _put(self, place: int, right: int, *, is_given: bool) -> None:
        """Write, and go on when it is done or given up."""
        node, is_done = self._nodes[place], False

        def work() -> None:
            nonlocal is_done
            self._write_on(node, place, right, is_given=is_given)
            is_done = True

        self.tasks.start(work, node)
        for _ in range(20):
            if is_done:
                break
            self.tasks.sleep(0.05)

    def _write_on(self, node: RunningNode, place: int, right: int, *, is_given: bool) -> None:
        began, paused = self.tasks.now, node.paused_seconds
        words = f"node {place} {'grants' if is_given else 'revokes'} right {right}"
        for _ in range(2):
            try:
                committed_at = node.store.put(right, is_given=is_given)
            except StoreUnavailableError as error:
                self._say(f"{words}: {error.detail}")
                if self._chance.random() < 0.5:
                    break
            else:
                self._say(f"{words}: done")
                if committed_at is not None:
                    self._acknowledge(node.region, right, committed_at, is_given=is_given)
                    self._read_back(node.region, right)
                break
        self._require(self.tasks.now - began - (node.paused_seconds - paused) <= 2 * _WRITE_BOUND, f"{words}: too long")

    def _read_back(self, machine: int, right: int) -> None:
        """Let clients use what they wrote, at once or a little later, on each process of the machine."""
        for place, each in enumerate(_MACHINES):
            if each == machine:
                after = self._chance.choice((0.0, 0.05, 0.15, 0.3))
                self._spawn(lambda place=place: self._request(place, right, False), after)  # type: ignore[misc]

    def _acknowledge(self, machine: int, right: int, at: float, *, is_given: bool) -> None:
        known = self._acknowledged.get((machine, right))
        if known is None or known[0] < at:
            self._acknowledged[machine, right] = at, is_given

    def _request(self, place: int, right: int, is_evicted: bool) -> None:  # noqa: FBT001
        node = self._nodes[place]

        def work() -> None:
            if is_evicted:
                node.cache._entries.drop((load_right, (right,)))
            self._use(node, place, right)

        self.tasks.start(work, node)

    def _use(self, node: RunningNode, place: int, right: int) -> None:
        """Use a right as a server does: from the cache, else after a wait, else in a thread."""
        cache, began, paused = node.cache, self.tasks.now, node.paused_seconds
        told_at, failures, is_heard = cache.told_at, cache.failures, cache.is_last_good
        own = self._acknowledged.get((node.region, right))
        queried_for = self._seconds_in_flight(cache)
        is_given: bool | None = None
        with suppress(StoreUnavailableError):
            is_given = self._read(cache, right)
        took = self.tasks.now - began - (node.paused_seconds - paused)
        words = f"node {place}, right {right}"
        self._require(took <= _LOAD_BOUND, f"{words}: answered after {took:.3f} s")
        if is_given is None:
            self.refusals += 1
            return
        self.answers += 1
        last = self._truth.last(right, is_given=is_given)
        late = began - last
        words = f"{words}: {'allowed' if is_given else 'refused'}, which was right {late:.3f} s before"
        self._require(last >= told_at, f"{words}; the database had told otherwise {began - told_at:.3f} s before")
        if own is not None and own[1] != is_given:
            self._require(last > own[0], f"{words}; this machine wrote otherwise {began - own[0]:.3f} s before")
        self._require(late < STALE_SECONDS, f"{words}; the bound is {STALE_SECONDS} s")
        if is_heard and cache.failures == failures:
            longest = max(*cache.took, queried_for, self._seconds_in_flight(cache))
            bound = max(FRESH_SECONDS, longest + GRACE_SECONDS)
            if longest >= AWAY_SECONDS:
                bound = 2 * longest + GRACE_SECONDS
            self._require(late <= bound, f"{words}; the bound is {bound:.3f} s")

    def _seconds_in_flight(self, cache: WatchedCache) -> float:
        return 0.0 if cache.in_flight_since is None else self.tasks.now - cache.in_flight_since

    def _read(self, cache: Any, right: int) -> bool:
        if self._chance.random() < _BLOCKING_SHARE:
            return bool(cache.loading.get(load_right, right))
        with suppress(WouldBlockError):
            return bool(cache.cached_only.get(load_right, right))
        finish(cache.wait_until_settled())
        with suppress(WouldBlockError):
            return bool(cache.cached_only.get(load_right, right))
        return bool(cache.loading.get(load_right, right))

    def _require(self, is_kept: bool, words: str) -> None:  # noqa: FBT001
        if not is_kept:
            self._say(words)
            raise OracleError(words)


def play(seed: int, kind: type[WatchedCache] = WatchedCache) -> Regions:
    """Run a seed. If it fails, print its events and how to run it alone."""
    with TemporaryDirectory(prefix="regions-") as folder, capture_logs():
        regions = Regions(seed, Path(folder), kind)
        with virtual(regions.tasks):
            try:
                regions.run()
            except OracleError:
                print(f"Seed {seed} of {kind.__name__}. Run it alone with: python -m tests.simulation {seed}")  # noqa: T201
                print("\n".join(regions.log))  # noqa: T201
                raise
    return regions
