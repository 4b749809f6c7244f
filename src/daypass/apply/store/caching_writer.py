"""A transaction that caches its own reads and its new links.

A writing transaction is alone in its store, so a cached record stays correct until the transaction changes it. A file
of ten thousand roles reads each a dozen times.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

from collections.abc import Sequence
from datetime import datetime

from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import Link, Record, Writer

_Name = tuple[str, str, str]


class CachingWriter:
    """Pass reads and changes to the writer, and answer cached reads itself."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._records: dict[_Name, Record | None] = {}
        self._new: set[str] = set()
        self._gone: set[str] = set()
        self._targets: dict[tuple[str, str], dict[str, Link]] = {}

    def revision(self) -> int:
        return self._writer.revision()

    def find(self, kind: str, account: str, key: str) -> Record | None:
        name = (kind, account, key)
        if name not in self._records:
            self._records[name] = self._writer.find(kind, account, key)
        return self._records[name]

    def find_by_id(self, unique_id: str) -> Record | None:
        return self._writer.find_by_id(unique_id)

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        return self._writer.page(kind, account, after=after, limit=limit, prefix=prefix)

    def count(self, kind: str, account: str) -> int:
        return self._writer.count(kind, account)

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        if source in self._new:
            return self._targets.get((kind, source), {}).get(target)
        return self._writer.find_link(kind, source, target)

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        if source not in self._new:
            return self._writer.targets(kind, source, after=after, limit=limit)
        known = self._targets.get((kind, source), {})
        return [known[target] for target in sorted(known) if target > after][:limit]

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        return self._writer.sources(kind, target, after=after, limit=limit)

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        return [link for source in sorted(set(sources)) for link in self.targets(kind, source)]

    def count_sources(self, kind: str, target: str) -> int:
        return self._writer.count_sources(kind, target)

    def find_use(self, unique_id: str) -> RecordedUse | None:
        return self._writer.find_use(unique_id)

    def delete_use(self, unique_id: str) -> None:
        self._writer.delete_use(unique_id)

    def claim(self, key: str, *, until: datetime) -> bool:
        return self._writer.claim(key, until=until)

    def insert(self, record: Record) -> None:
        self._writer.insert(record)
        self._records[record.kind, record.account, record.key] = record
        if record.unique_id is not None and record.unique_id not in self._gone:
            # Unique ids are random: a new one has no links yet, and all will pass through here.
            self._new.add(record.unique_id)

    def replace(self, record: Record) -> None:
        old = self.find(record.kind, record.account, record.key)
        self._writer.replace(record)
        if old is not None and old.unique_id != record.unique_id:
            self._forget(old)
        self._records[record.kind, record.account, record.key] = record

    def delete(self, kind: str, account: str, key: str) -> None:
        old = self.find(kind, account, key)
        self._writer.delete(kind, account, key)
        if old is not None:
            self._forget(old)
        self._records[kind, account, key] = None

    def _forget(self, old: Record) -> None:
        """Read the links of an id from the store from now on.

        Its record may be inserted again under another name.
        """
        if old.unique_id is not None:
            self._gone.add(old.unique_id)
            self._new.discard(old.unique_id)

    def link(self, link: Link) -> None:
        self._writer.link(link)
        if link.source in self._new:
            self._targets.setdefault((link.kind, link.source), {})[link.target] = link

    def unlink(self, kind: str, source: str, target: str) -> None:
        self._writer.unlink(kind, source, target)
        self._targets.get((kind, source), {}).pop(target, None)
