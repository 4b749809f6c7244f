"""The dependencies that a change invalidates. Pure.

Owns their names. The cache records those that a loader reads, and drops its value if a change invalidates one.

A page depends on the folder of its prefix, the part up to the last slash, so that a change below /eng/ does not affect
a cached page of /ops/.
"""

from collections.abc import Iterator

from daypass.directory.changes import LinkChange, RecordChange, StoreChange
from daypass.directory.store import Record

Dependency = tuple[str, ...]


def on_key(kind: str, account: str, key: str) -> Dependency:
    """Return the dependency on one record."""
    return ("key", kind, account, key)


def on_id(unique_id: str) -> Dependency:
    """Return the dependency on one unique id."""
    return ("id", unique_id)


def on_page(kind: str, account: str | None, prefix: str = "") -> Dependency:
    """Return the dependency on a list, whichever part of it was read."""
    if account is None:
        return ("everywhere", kind)
    return ("page", kind, account, prefix[: prefix.rfind("/") + 1])


def on_count(kind: str, account: str) -> Dependency:
    """Return the dependency on the number of records."""
    return ("count", kind, account)


def on_targets(kind: str, source: str) -> Dependency:
    """Return the dependency on the links from a source, all or one of them."""
    return ("targets", kind, source)


def on_sources(kind: str, target: str) -> Dependency:
    """Return the dependency on the links to a target."""
    return ("sources", kind, target)


def change_of(record: Record) -> RecordChange:
    """Return the change when a store adds or removes `record`."""
    return RecordChange(record.kind, record.account, record.key, record.sort, record.unique_id)


def invalidated_keys(change: StoreChange) -> Iterator[Dependency]:
    """Yield every dependency that a change may have altered."""
    if isinstance(change, LinkChange):
        yield on_targets(change.kind, change.source)
        yield on_sources(change.kind, change.target)
        return
    yield from _invalidated_by_record(change)


def _invalidated_by_record(change: RecordChange) -> Iterator[Dependency]:
    yield on_key(change.kind, change.account, change.key)
    if change.unique_id is not None:
        yield on_id(change.unique_id)
    yield on_count(change.kind, change.account)
    yield on_page(change.kind, None)
    yield on_page(change.kind, change.account)
    end = change.sort.find("/")
    while end != -1:
        yield on_page(change.kind, change.account, change.sort[: end + 1])
        end = change.sort.find("/", end + 1)
