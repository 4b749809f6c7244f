"""A store in the memory of this process, for tests and trials.

Owns the simplest implementation of directory/store.py; tests compare the databases with it. A writer changes a copy and
then replaces the original, so that a reader's snapshot does not change. Slow with very many records.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from daypass.directory.changes import EMPTY, Changes, LinkChange, Position, StoreChange
from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import (
    Link,
    ReadLimits,
    Record,
    RecordExistsError,
    RecordMissingError,
    StoreUnavailableError,
    WouldBlockError,
)
from daypass.ports import Clock
from daypass.storage.account_limits import require_in_account, require_known_number
from daypass.storage.invalidation import change_of
from daypass.storage.storable_text import is_storable, require_storable

LOG_LENGTH = 1024
NONCE_BYTES = 16
LOCK_WAIT = 10.0
_PURGED_PER_CLAIM = 16
_PURGED_USES = 200
_SMALL_STORE = 1_000  # records and links that the event loop may search

T = TypeVar("T")
F = TypeVar("F", Record, Link)


@dataclass(frozen=True, slots=True)
class _State:
    """The data of one revision.

    Once published, only its claims and uses change.
    """

    position: Position = EMPTY
    records: dict[tuple[str, str, str], Record] = field(default_factory=dict)
    ids: dict[str, Record] = field(default_factory=dict)
    sorts: dict[tuple[str, str, str], Record] = field(default_factory=dict)
    links: dict[tuple[str, str, str], Link] = field(default_factory=dict)
    claims: dict[str, datetime] = field(default_factory=dict)
    uses: dict[str, RecordedUse] = field(default_factory=dict)

    def next(self) -> "_State":
        """Return a copy for a writer."""
        return _State(
            position=Position(self.position.number + 1, os.urandom(NONCE_BYTES)),
            records=dict(self.records),
            ids=dict(self.ids),
            sorts=dict(self.sorts),
            links=dict(self.links),
            claims=dict(self.claims),
            uses=dict(self.uses),
        )

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        """Claim a key, and delete a few expired claims.

        Only one thread at a time may call it.
        """
        require_storable(key)
        for known in list(islice(self.claims, _PURGED_PER_CLAIM)):
            kept = self.claims.pop(known)
            if kept >= now:
                self.claims[known] = kept  # to the end, so that the next claim checks others
        if key in self.claims:
            return self.claims[key] < now and self._take(key, until)
        return self._take(key, until)

    def _take(self, key: str, until: datetime) -> bool:
        self.claims[key] = until
        return True


class _MemoryReader:
    """A reader of one state."""

    def __init__(self, state: _State) -> None:
        self.state = state

    def revision(self) -> int:
        return self.state.position.number

    def position(self) -> Position:
        return self.state.position

    def find(self, kind: str, account: str, key: str) -> Record | None:
        return self.state.records.get((kind, account, key))

    def find_by_id(self, unique_id: str) -> Record | None:
        return self.state.ids.get(unique_id)

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        if not is_storable(after, prefix):
            return []
        records = [r for r in self.state.records.values() if r.kind == kind and r.sort.startswith(prefix)]
        if account is None:
            start = after.partition("/")
            return _first(records, lambda r: (r.account, "/", r.sort), start, limit)
        return _first([r for r in records if r.account == account], lambda r: (r.sort,), (after,), limit)

    def count(self, kind: str, account: str) -> int:
        return sum(at[:2] == (kind, account) for at in self.state.records)

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        return self.state.links.get((kind, source, target))

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        links = [link for link in self.state.links.values() if (link.kind, link.source) == (kind, source)]
        return _first(links, lambda link: (link.target,), (after,), limit)

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        links = [link for link in self.state.links.values() if (link.kind, link.target) == (kind, target)]
        return _first(links, lambda link: (link.source,), (after,), limit)

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        return [link for source in sorted(set(sources)) for link in self.targets(kind, source)]

    def count_sources(self, kind: str, target: str) -> int:
        return len(self.sources(kind, target))

    def find_use(self, unique_id: str) -> RecordedUse | None:
        return self.state.uses.get(unique_id)


class _LimitedReader(_MemoryReader):
    """A reader for the event loop. Beyond its limits it raises WouldBlockError."""

    def __init__(self, state: _State, limits: ReadLimits) -> None:
        super().__init__(state)
        self._left = limits

    def find(self, kind: str, account: str, key: str) -> Record | None:
        return self._charge_one(super().find(kind, account, key))

    def find_by_id(self, unique_id: str) -> Record | None:
        return self._charge_one(super().find_by_id(unique_id))

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        self._require_small()
        return self._charge(super().page(kind, account, after=after, limit=limit, prefix=prefix))

    def count(self, kind: str, account: str) -> int:
        self._require_small()
        return super().count(kind, account)

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        return self._charge_one(super().find_link(kind, source, target))

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        self._require_small()
        return self._charge(super().targets(kind, source, after=after, limit=limit))

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        self._require_small()
        return self._charge(super().sources(kind, target, after=after, limit=limit))

    def _require_small(self) -> None:
        # These methods search the whole store.
        if len(self.state.records) + len(self.state.links) > _SMALL_STORE:
            raise WouldBlockError

    def _charge_one(self, found: F | None) -> F | None:
        self._charge([] if found is None else [found])
        return found

    def _charge(self, found: list[F]) -> list[F]:
        left = self._left
        self._left = left = ReadLimits(
            left.queries - 1, left.rows - len(found), left.body_bytes - sum(len(one.body) for one in found)
        )
        if min(left.queries, left.rows, left.body_bytes) < 0:
            raise WouldBlockError
        return found


class _MemoryWriter(_MemoryReader):
    """A writer of a copy, which records its changes."""

    def __init__(self, state: _State, clock: Clock, account: str | None) -> None:
        super().__init__(state)
        self._clock = clock
        self._account = account
        self.changed: set[StoreChange] = set()

    def revision(self) -> int:
        require_known_number(self._account)
        return super().revision()

    def claim(self, key: str, *, until: datetime) -> bool:
        return self.state.claim(key, now=self._clock.now(), until=until)

    def insert(self, record: Record) -> None:
        require_in_account(self._account, record.account)
        require_storable(record.kind, record.account, record.key, record.sort, record.unique_id)
        if (record.kind, record.account, record.key) in self.state.records:
            raise RecordExistsError(record.kind, record.key)
        self._require_free(record, instead_of=None)
        self._put(record)

    def replace(self, record: Record) -> None:
        require_in_account(self._account, record.account)
        require_storable(record.kind, record.account, record.key, record.sort, record.unique_id)
        old = self.find(record.kind, record.account, record.key)
        if old is None:
            raise RecordMissingError(record.kind, record.key)
        self._require_free(record, instead_of=old)
        self._remove(old)
        self._put(record)

    def delete(self, kind: str, account: str, key: str) -> None:
        require_in_account(self._account, account)
        record = self.find(kind, account, key)
        if record is None:
            raise RecordMissingError(kind, key)
        self._remove(record)

    def link(self, link: Link) -> None:
        require_storable(link.kind, link.source, link.target)
        self.state.links[link.kind, link.source, link.target] = link
        self.changed.add(LinkChange(link.kind, link.source, link.target))

    def unlink(self, kind: str, source: str, target: str) -> None:
        if self.state.links.pop((kind, source, target), None) is None:
            raise RecordMissingError(kind, source, target)
        self.changed.add(LinkChange(kind, source, target))

    def delete_use(self, unique_id: str) -> None:
        self.state.uses.pop(unique_id, None)

    def _require_free(self, record: Record, *, instead_of: Record | None) -> None:
        by_id = None if record.unique_id is None else self.state.ids.get(record.unique_id)
        by_sort = self.state.sorts.get((record.kind, record.account, record.sort))
        if any(holder is not None and holder is not instead_of for holder in (by_id, by_sort)):
            raise RecordExistsError(record.kind, record.key)

    def _put(self, record: Record) -> None:
        self.state.records[record.kind, record.account, record.key] = record
        self.state.sorts[record.kind, record.account, record.sort] = record
        if record.unique_id is not None:
            self.state.ids[record.unique_id] = record
        self.changed.add(change_of(record))

    def _remove(self, record: Record) -> None:
        del self.state.records[record.kind, record.account, record.key]
        del self.state.sorts[record.kind, record.account, record.sort]
        if record.unique_id is not None:
            del self.state.ids[record.unique_id]
        self.changed.add(change_of(record))


class MemoryStore:
    """A store in dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = _State()
        self._lock = threading.Lock()
        self._news = threading.Lock()  # protects the log, which readers query during a write
        self._log: dict[int, tuple[bytes, frozenset[StoreChange]]] = {}
        self._change_counter = [0]

    @property
    def change_counter(self) -> Sequence[int]:
        return self._change_counter

    def announced(self, seen: int) -> None:
        del seen  # the changes are as close as their announcement

    @contextmanager
    def read(self) -> Iterator[_MemoryReader]:
        yield _MemoryReader(self._state)

    @contextmanager
    def read_at_once(self, limits: ReadLimits) -> Iterator[_LimitedReader]:
        yield _LimitedReader(self._state, limits)

    @contextmanager
    def write(self, *, account: str | None = None) -> Iterator[_MemoryWriter]:
        with self._alone():
            writer = _MemoryWriter(self._state.next(), self._clock, account)
            yield writer
            self._publish(writer)

    def claim(self, key: str, *, until: datetime) -> bool:
        with self._alone():
            return self._state.claim(key, now=self._clock.now(), until=until)

    def record_uses(self, uses: Sequence[RecordedUse]) -> None:
        with self._alone():
            state = self._state
            for use in uses:
                known = state.uses.get(use.unique_id)
                if use.unique_id in state.ids and (known is None or known.at < use.at):
                    state.uses[use.unique_id] = use

    def purge_uses(self, after: str) -> str:
        with self._alone():
            looked_at = sorted(unique_id for unique_id in self._state.uses if unique_id > after)[:_PURGED_USES]
            for unique_id in looked_at:
                if unique_id not in self._state.ids:
                    del self._state.uses[unique_id]
        return looked_at[-1] if looked_at else ""

    def revision(self) -> int:
        return self._state.position.number

    def position(self) -> Position:
        return self._state.position

    def changes_since(self, position: Position) -> Changes | None:
        with self._news:
            newest = self._state.position
            if position == newest:
                return Changes(newest, frozenset())
            if position != EMPTY and self._log.get(position.number, (None,))[0] != position.nonce:
                return None
            entries = [self._log.get(number) for number in range(position.number + 1, newest.number + 1)]
            known = [entry for entry in entries if entry is not None]
            if not known or len(known) != len(entries):
                return None
            changed = frozenset[StoreChange]().union(*(changed for _, changed in known))
            return Changes(newest, changed, tuple(nonce for nonce, _ in known))

    def close(self) -> None:
        """Keep the data: other users of the store may continue."""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=LOCK_WAIT):
            raise StoreUnavailableError("another writer did not finish in time")
        try:
            yield
        finally:
            self._lock.release()

    def _publish(self, writer: _MemoryWriter) -> None:
        if not writer.changed:
            self._state = replace(writer.state, position=self._state.position)
            return
        with self._news:
            self._state = writer.state
            number, nonce = writer.state.position
            self._log[number] = nonce, frozenset(writer.changed)
            self._log.pop(number - LOG_LENGTH, None)
        self._change_counter[0] = number


def _first(
    things: Iterable[T], order: Callable[[T], tuple[str, ...]], after: tuple[str, ...], limit: int | None
) -> list[T]:
    """Return the first elements after `after`.

    An empty `after` selects all elements.
    """
    wanted = sorted((thing for thing in things if not any(after) or order(thing) > after), key=order)
    return wanted[:limit]
