"""The dependencies that a change invalidates. Pure.

Owns the names of dependencies. The cache records those that a loader reads, and drops the loader's value if a change
invalidates one of them.

A page depends on the folder of its prefix, the part up to the last slash, so that a change below /eng/ does not affect
a cached page of /ops/.
"""

from collections.abc import Iterator

from daypass.directory.store import LinkTouched, Record, RecordTouched, Touch

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


def touch(record: Record) -> RecordTouched:
    """Return the change when a store adds or removes `record`."""
    return RecordTouched(record.kind, record.account, record.key, record.sort, record.unique_id)


def disturbed(touched: Touch) -> Iterator[Dependency]:
    """Yield every dependency that a change may have altered."""
    if isinstance(touched, LinkTouched):
        yield on_targets(touched.kind, touched.source)
        yield on_sources(touched.kind, touched.target)
        return
    yield from _disturbed_by_record(touched)


def _disturbed_by_record(touched: RecordTouched) -> Iterator[Dependency]:
    yield on_key(touched.kind, touched.account, touched.key)
    if touched.unique_id is not None:
        yield on_id(touched.unique_id)
    yield on_count(touched.kind, touched.account)
    yield on_page(touched.kind, None)
    yield on_page(touched.kind, touched.account)
    end = touched.sort.find("/")
    while end != -1:
        yield on_page(touched.kind, touched.account, touched.sort[: end + 1])
        end = touched.sort.find("/", end + 1)
