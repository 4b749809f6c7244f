"""The cures of the cache and the store, each undone.

Each entry of BROKEN has a context with the class of the caches, inside which one rule of the real code is missing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from tests.simulation.nodes import WatchedCache

from daypass.directory.changes import Changes, Position
from daypass.storage.cache_entries import CacheEntry, Key
from daypass.storage.freshness import Freshness
from daypass.storage.sql.replica_reads import ReplicaReads


class KeepsAnySnapshot(WatchedCache):
    """A cache that compares the numbers of snapshots alone."""

    def _keep(self, key: Key, loaded: CacheEntry, position: Position) -> None:
        if position.number >= max(self._position.number, self._announced_number):
            self._entries.put(key, loaded)


class ForgetsSnapshotsAhead(WatchedCache):
    """A cache that does not verify newer snapshots against the next answer."""

    def _follow(self, changes: Changes, ahead: frozenset[Position]) -> bool:
        self._ahead.clear()
        return super()._follow(changes, ahead)


class KeepsWhatAWriteOvertook(WatchedCache):
    """A cache that keeps snapshots from before an announced write."""

    def _keep(self, key: Key, loaded: CacheEntry, position: Position) -> None:
        self._announced_number = 0
        super()._keep(key, loaded, position)


class DropsNothingAnnounced(WatchedCache):
    """A cache that takes the number of an announced write and not its changes."""

    def _drop_changed(self, changed: Any, unless_number: int | None = None) -> None:
        super()._drop_changed(() if unless_number is None else changed, unless_number)


@contextmanager
def _nonces_are_equal() -> Iterator[type[WatchedCache]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daypass.storage.memory.os", SimpleNamespace(urandom=bytes))
        yield WatchedCache


@contextmanager
def _stale_without_end() -> Iterator[type[WatchedCache]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Freshness, "is_usable", lambda _: True)
        patch.setattr(Freshness, "_set_until", lambda self, until: setattr(self, "until", until))
        yield WatchedCache


def _take_in_late(freshness: Freshness, query: Any) -> None:
    """Take the counter and the time of an answer from its end, not from its beginning."""
    freshness.seen = freshness.change_counter[0]
    freshness.heard_at = freshness.monotonic()
    freshness._set_until(freshness.heard_at + 0.9)


@contextmanager
def _counter_is_read_late() -> Iterator[type[WatchedCache]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Freshness, "take_in", _take_in_late)
        yield WatchedCache


@contextmanager
def _replica_may_be_newer() -> Iterator[type[WatchedCache]]:
    def to_position(row: Sequence[Any] | None) -> Any:
        return _AtLeast(*(row or (0, b"")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daypass.storage.sql.replica_reads.to_position", to_position)
        yield WatchedCache


class _AtLeast(Position):
    """A position that equals older ones."""

    def __ne__(self, other: object) -> bool:
        return not (isinstance(other, Position) and self.number >= other.number)

    __hash__ = Position.__hash__


@contextmanager
def _replica_forgets_own_writes() -> Iterator[type[WatchedCache]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReplicaReads, "_present", lambda self: self._seen)
        yield WatchedCache


@dataclass(frozen=True)
class BrokenCure:
    """A cure that is undone, and seeds of which at least one must fail then."""

    undone: Callable[[], AbstractContextManager[type[WatchedCache]]]
    seeds: tuple[int, ...]


def _given(kind: type[WatchedCache]) -> Callable[[], AbstractContextManager[type[WatchedCache]]]:
    @contextmanager
    def given() -> Iterator[type[WatchedCache]]:
        yield kind

    return given


BROKEN = {
    "nonces are equal": BrokenCure(_nonces_are_equal, (1, 4, 24)),
    "snapshots are compared by number": BrokenCure(_given(KeepsAnySnapshot), (1, 4, 22, 23)),
    "newer snapshots are not verified": BrokenCure(_given(ForgetsSnapshotsAhead), (1, 4, 22, 23)),
    "an announced write is not a floor": BrokenCure(_given(KeepsWhatAWriteOvertook), (1, 7, 8, 12)),
    "announced changes are ignored": BrokenCure(_given(DropsNothingAnnounced), (0, 1, 2, 3)),
    "stale values have no end": BrokenCure(_stale_without_end, (38, 69, 97, 109)),
    "an answer counts from its end": BrokenCure(_counter_is_read_late, (10, 22, 82)),
    "a replica may be newer": BrokenCure(_replica_may_be_newer, (8, 15, 17, 18)),
    "a replica forgets own writes": BrokenCure(_replica_forgets_own_writes, (2, 7, 28, 30)),
}
