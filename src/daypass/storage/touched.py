"""What a change disturbs: from the touches that a store reports to the questions whose answers may differ.

Owns the names of questions ("dependencies"). The cache records those that a loader asked, and drops the
loader's value when a change disturbs one of them. Pure.

A page depends on the folder of its prefix, the part up to the last slash, so that a change below /eng/ leaves
a cached page of /ops/ alone.
"""

from collections.abc import Iterator

from daypass.directory.store import LinkTouched, Record, RecordTouched, Touch

Dependency = tuple[str, ...]


def on_key(kind: str, account: str, key: str) -> Dependency:
    """Name the question for one record."""
    return ("key", kind, account, key)


def on_id(unique_id: str) -> Dependency:
    """Name the question for one unique id."""
    return ("id", unique_id)


def on_page(kind: str, account: str | None, prefix: str = "") -> Dependency:
    """Name the question for a list, whichever part of it was seen."""
    if account is None:
        return ("everywhere", kind)
    return ("page", kind, account, prefix[: prefix.rfind("/") + 1])


def on_count(kind: str, account: str) -> Dependency:
    """Name the question for how many there are."""
    return ("count", kind, account)


def on_targets(kind: str, source: str) -> Dependency:
    """Name the question for the links from a source, all of them or one."""
    return ("targets", kind, source)


def on_sources(kind: str, target: str) -> Dependency:
    """Name the question for the links to a target."""
    return ("sources", kind, target)


def touch(record: Record) -> RecordTouched:
    """Return what a store reports when it adds or removes `record`."""
    return RecordTouched(record.kind, record.account, record.key, record.sort, record.unique_id)


def disturbed(touched: Touch) -> Iterator[Dependency]:
    """Name every question whose answer a change may have altered."""
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
