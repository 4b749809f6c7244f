"""A Reader that records the dependencies of its reads for the cache.

A failed read is recorded like a successful one: a key that appears later changes the result too.
"""

# ruff: noqa: D102 - directory/store.py documents the promises of each method

from collections.abc import Sequence
from typing import TypeVar

from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import Link, Reader, Record
from daypass.storage import invalidation
from daypass.storage.invalidation import Dependency

F = TypeVar("F", Record, Link)


class RecordingReader:
    """A Reader that counts the bytes of its bodies, and their accounts.

    It wraps another Reader. A missing name does not count for an account, because callers may request names of any
    account.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.dependencies: set[Dependency] = set()
        self.read_bytes = 0
        self.accounts: set[str] = set()

    def revision(self) -> int:
        """Refuse: a value with the revision would change at every write."""
        raise TypeError("a cached value must not depend on the revision")

    def find(self, kind: str, account: str, key: str) -> Record | None:
        self.dependencies.add(invalidation.on_key(kind, account, key))
        return self._counted(self._reader.find(kind, account, key))

    def find_by_id(self, unique_id: str) -> Record | None:
        self.dependencies.add(invalidation.on_id(unique_id))
        return self._counted(self._reader.find_by_id(unique_id))

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        self.dependencies.add(invalidation.on_page(kind, account, prefix))
        found = self._reader.page(kind, account, after=after, limit=limit, prefix=prefix)
        return self._all_counted(found)

    def count(self, kind: str, account: str) -> int:
        self.dependencies.add(invalidation.on_count(kind, account))
        return self._reader.count(kind, account)

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        self.dependencies.add(invalidation.on_targets(kind, source))
        return self._counted(self._reader.find_link(kind, source, target))

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        self.dependencies.add(invalidation.on_targets(kind, source))
        return self._all_counted(self._reader.targets(kind, source, after=after, limit=limit))

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        self.dependencies.add(invalidation.on_sources(kind, target))
        return self._all_counted(self._reader.sources(kind, target, after=after, limit=limit))

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        self.dependencies.update(invalidation.on_targets(kind, source) for source in sources)
        return self._all_counted(self._reader.targets_of(kind, sources))

    def count_sources(self, kind: str, target: str) -> int:
        self.dependencies.add(invalidation.on_sources(kind, target))
        return self._reader.count_sources(kind, target)

    def find_use(self, unique_id: str) -> RecordedUse | None:
        """Refuse: a last use changes without a change in the log."""
        del unique_id
        raise TypeError("a cached value must not depend on a last use")

    def _counted(self, found: F | None) -> F | None:
        if found is not None:
            self._count(found)
        return found

    def _all_counted(self, found: list[F]) -> list[F]:
        for one in found:
            self._count(one)
        return found

    def _count(self, found: Record | Link) -> None:
        self.read_bytes += len(found.body)
        if isinstance(found, Record):
            self.accounts.add(found.account)
