"""A transaction that is prepared on a snapshot, outside the writers' lock.

A Draft is a Writer whose changes stay in memory. It can be written to a real transaction later, unless another writer
has changed something that the draft read: then the draft is worthless, and the work is repeated. A trial never writes
its draft.

- A draft reads its own changes, like every Writer.
- Each change of a record is repeated in its order, so that names that pass from one record to another stay unique.
  Changes of a record's body alone are joined.
- Reads are recorded as the cache does it (invalidation.py).
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from daypass.directory.changes import Position
from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import (
    Link,
    Record,
    RecordExistsError,
    RecordMissingError,
    Snapshot,
    Store,
    Writer,
)
from daypass.storage.invalidation import invalidated_keys
from daypass.storage.recording_reader import RecordingReader
from daypass.storage.storable_text import is_storable, require_storable

_Name = tuple[str, str, str]


class _RecordOverlay:
    """The changed records of a draft, by all of their names."""

    def __init__(self) -> None:
        self.by_key: dict[_Name, Record | None] = {}
        self.by_id: dict[str, Record | None] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self._by_sort: dict[tuple[str, str], dict[str, Record]] = {}
        self._sorts: dict[tuple[str, str], list[str]] = {}

    def put(self, record: Record) -> None:
        """Add a record."""
        place = (record.kind, record.account)
        self.by_key[*place, record.key] = record
        if record.unique_id is not None:
            self.by_id[record.unique_id] = record
        known = self._by_sort.setdefault(place, {})
        if record.sort not in known:
            insort(self._sorts.setdefault(place, []), record.sort)
        known[record.sort] = record

    def remove(self, record: Record) -> None:
        """Hide a record."""
        place = (record.kind, record.account)
        self.by_key[*place, record.key] = None
        if record.unique_id is not None:
            self.by_id[record.unique_id] = None
        known = self._by_sort.get(place, {})
        if known.get(record.sort) == record:
            del known[record.sort]
            sorts = self._sorts[place]
            del sorts[bisect_left(sorts, record.sort)]

    def of_sort(self, kind: str, account: str, sort: str) -> Record | None:
        """Return the changed record of a sort string, or None."""
        return self._by_sort.get((kind, account), {}).get(sort)

    def accounts(self, kind: str) -> list[str]:
        """Return the accounts with changed records of a kind."""
        return sorted(account for of_kind, account in self._sorts if of_kind == kind)

    def page(self, kind: str, account: str, after: str, limit: int, prefix: str) -> Iterator[Record]:
        """Yield the next changed records of one account."""
        sorts = self._sorts.get((kind, account), [])
        first = max(bisect_left(sorts, prefix), bisect_right(sorts, after) if after else 0)
        for sort in sorts[first : first + limit]:
            if not sort.startswith(prefix):
                return
            yield self._by_sort[kind, account][sort]


class _LinkOverlay:
    """The changed links of a draft, from both ends. A deleted link is None."""

    def __init__(self) -> None:
        self.from_source: dict[tuple[str, str], dict[str, Link | None]] = {}
        self.to_target: dict[tuple[str, str], dict[str, Link | None]] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def put(self, kind: str, source: str, target: str, link: Link | None, *, was_there: bool) -> None:
        """Add, replace or hide a link."""
        self.from_source.setdefault((kind, source), {})[target] = link
        self.to_target.setdefault((kind, target), {})[source] = link
        self.counts[kind, target] += (link is not None) - was_there


class Draft:
    """A Writer that keeps its changes in memory."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.position: Position = snapshot.position()
        self._snapshot = snapshot
        self._reader = RecordingReader(snapshot)
        self._records = _RecordOverlay()
        self._links = _LinkOverlay()
        self._changes: list[tuple[Callable[[Writer, Record], None], Record]] = []
        self._last: dict[_Name, int] = {}  # the place of a record's last insertion or replacement in the changes
        self._found: dict[_Name, Record | None] = {}
        self._stored_targets: dict[tuple[str, str], dict[str, Link]] = {}
        self._claims: dict[str, datetime] = {}
        self._uses: list[str] = []

    def write_to(self, writer: Writer, store: Store) -> bool:
        """Write the changes, and return whether that was possible.

        The transaction is one of the whole store. It is not possible if another writer has changed something that the
        draft read, or if that is unknown. Then the caller rolls the transaction back.
        """
        changes = store.changes_since(self.position)
        # The transaction excludes other writers, so these are all writes since the snapshot, or their history differs.
        if changes is None or changes.revision + 1 != writer.revision():
            return False
        if any(not self._reader.dependencies.isdisjoint(invalidated_keys(change)) for change in changes.changed):
            return False
        for change, record in self._changes:
            change(writer, record)
        for (kind, source), links in self._links.from_source.items():
            self._write_links(writer, kind, source, links)
        for unique_id in self._uses:
            writer.delete_use(unique_id)
        return all(writer.claim(key, until=until) for key, until in self._claims.items())

    def _write_links(self, writer: Writer, kind: str, source: str, links: dict[str, Link | None]) -> None:
        for target, link in links.items():
            if link is not None:
                writer.link(link)
            elif target in self._stored(kind, source):
                writer.unlink(kind, source, target)

    def revision(self) -> int:
        return self.position.number + 1

    def find(self, kind: str, account: str, key: str) -> Record | None:
        name = (kind, account, key)
        if name in self._records.by_key:
            return self._records.by_key[name]
        if name not in self._found:
            self._found[name] = self._reader.find(kind, account, key)
        return self._found[name]

    def find_by_id(self, unique_id: str) -> Record | None:
        if unique_id in self._records.by_id:
            return self._records.by_id[unique_id]
        return self._reader.find_by_id(unique_id)

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        if not is_storable(after, prefix):
            return []
        found = self._stored_page(kind, account, after, limit, prefix)
        if account is not None:
            found += self._records.page(kind, account, after, limit, prefix)
        else:
            first, _, rest = after.partition("/")
            for changed in self._records.accounts(kind):
                if changed >= first:
                    found += self._records.page(kind, changed, rest if changed == first else "", limit, prefix)
        return sorted(found, key=lambda record: (record.account, record.sort))[:limit]

    def _stored_page(self, kind: str, account: str | None, after: str, limit: int, prefix: str) -> list[Record]:
        """Return at least `limit` records that are not changed, if there are so many."""
        found: list[Record] = []
        while len(found) < limit:
            some = self._reader.page(kind, account, after=after, limit=limit, prefix=prefix)
            found += [one for one in some if (one.kind, one.account, one.key) not in self._records.by_key]
            if len(some) < limit:
                break
            after = some[-1].sort if account is not None else some[-1].place
        return found

    def count(self, kind: str, account: str) -> int:
        return self._reader.count(kind, account) + self._records.counts[kind, account]

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        changed = self._links.from_source.get((kind, source), {})
        return changed[target] if target in changed else self._stored(kind, source).get(target)

    def _stored(self, kind: str, source: str) -> dict[str, Link]:
        """Return the links of the snapshot from a source."""
        if (kind, source) not in self._stored_targets:
            found = self._reader.targets(kind, source)
            self._stored_targets[kind, source] = {link.target: link for link in found}
        return self._stored_targets[kind, source]

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        found = self._stored(kind, source) | self._links.from_source.get((kind, source), {})
        return [link for target in sorted(found) if target > after and (link := found[target]) is not None][:limit]

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        changed = self._links.to_target.get((kind, target), {})
        # At most the changed ones are missing from the stored ones.
        most = None if limit is None else limit + len(changed)
        found: dict[str, Link | None] = {
            link.source: link for link in self._reader.sources(kind, target, after=after, limit=most)
        }
        found |= {source: link for source, link in changed.items() if source > after}
        return [link for source in sorted(found) if (link := found[source]) is not None][:limit]

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        return [link for source in sorted(set(sources)) for link in self.targets(kind, source)]

    def count_sources(self, kind: str, target: str) -> int:
        return self._reader.count_sources(kind, target) + self._links.counts[kind, target]

    def find_use(self, unique_id: str) -> RecordedUse | None:
        return self._snapshot.find_use(unique_id)

    def delete_use(self, unique_id: str) -> None:
        self._uses.append(unique_id)

    def claim(self, key: str, *, until: datetime) -> bool:
        """Claim a key of this draft, and return whether it is the first claim.

        The store is asked when the draft is written.
        """
        require_storable(key)
        if key in self._claims:
            return False
        self._claims[key] = until
        return True

    def insert(self, record: Record) -> None:
        require_storable(record.kind, record.account, record.key, record.sort, record.unique_id)
        if self.find(record.kind, record.account, record.key) is not None:
            raise RecordExistsError(record.kind, record.key)
        self._require_free(record, instead_of=None)
        self._records.put(record)
        self._records.counts[record.kind, record.account] += 1
        self._note(_insert, record)

    def replace(self, record: Record) -> None:
        require_storable(record.kind, record.account, record.key, record.sort, record.unique_id)
        old = self.find(record.kind, record.account, record.key)
        if old is None:
            raise RecordMissingError(record.kind, record.key)
        self._require_free(record, instead_of=old)
        self._records.remove(old)
        self._records.put(record)
        last = self._last.get((record.kind, record.account, record.key))
        if last is not None and (old.sort, old.unique_id) == (record.sort, record.unique_id):
            self._changes[last] = (self._changes[last][0], record)
        else:
            self._note(_replace, record)

    def delete(self, kind: str, account: str, key: str) -> None:
        old = self.find(kind, account, key)
        if old is None:
            raise RecordMissingError(kind, key)
        self._records.remove(old)
        self._records.counts[kind, account] -= 1
        self._changes.append((_delete, old))
        self._last.pop((kind, account, key), None)

    def link(self, link: Link) -> None:
        require_storable(link.kind, link.source, link.target)
        was_there = self.find_link(link.kind, link.source, link.target) is not None
        self._links.put(link.kind, link.source, link.target, link, was_there=was_there)

    def unlink(self, kind: str, source: str, target: str) -> None:
        if self.find_link(kind, source, target) is None:
            raise RecordMissingError(kind, source, target)
        self._links.put(kind, source, target, None, was_there=True)

    def _note(self, change: Callable[[Writer, Record], None], record: Record) -> None:
        self._last[record.kind, record.account, record.key] = len(self._changes)
        self._changes.append((change, record))

    def _require_free(self, record: Record, *, instead_of: Record | None) -> None:
        """Require that no other record has the unique id or the sort string."""
        is_same_id = instead_of is not None and instead_of.unique_id == record.unique_id
        if record.unique_id is not None and not is_same_id and self.find_by_id(record.unique_id) is not None:
            raise RecordExistsError(record.kind, record.key)
        if instead_of is not None and instead_of.sort == record.sort:
            return
        found = self.page(record.kind, record.account, prefix=record.sort, limit=1)
        if found and found[0].sort == record.sort:
            raise RecordExistsError(record.kind, record.key)


def _insert(writer: Writer, record: Record) -> None:
    writer.insert(record)


def _replace(writer: Writer, record: Record) -> None:
    writer.replace(record)


def _delete(writer: Writer, record: Record) -> None:
    writer.delete(record.kind, record.account, record.key)
