"""The protocol of a store.

A store contains records, links between them and replay claims, and allows one writer at a time, or one in each account.
tests/storage/ tests each sentence of the docstrings below against every store. A store knows no IAM: the directory's
types encode themselves into the body of a record, and callers fold the case of names in keys. Every call except
`read_at_once` blocks; the server's event loop uses it and `CachedOnly`, and worker threads do the rest.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar, TypeVarTuple

import msgspec

from daypass.directory.changes import Announced, Changes, Position
from daypass.directory.recorded_uses import RecordedUse
from daypass.errors import ServiceUnavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One stored entity.

    Among the records of a kind in an account, `key` and `sort` are each unique. `unique_id` is unique in the whole
    store. `sort` orders and filters lists, for instance path and name; if it contains a path, the parts of the path end
    in slashes. An account id does not contain a slash.
    """

    kind: str
    account: str
    key: str
    sort: str
    body: bytes
    unique_id: str | None = None

    @property
    def place(self) -> str:
        """Return the record's place in a list of all accounts, for `after`."""
        return f"{self.account}/{self.sort}"


class Link(msgspec.Struct, frozen=True):
    """A directed link, such as ("member", user id, group id).

    It is found from both ends, which are unique ids, ARNs or, below a source, plain names: an inline policy is a link
    from its user's id to its name with the document as body, so that its change does not invalidate cached policies of
    other users.
    """

    kind: str
    source: str
    target: str
    body: bytes = b""


class RecordExistsError(Exception):
    """The key, the sort string or the unique id is taken."""


class RecordMissingError(Exception):
    """The record or link does not exist."""


class WouldBlockError(Exception):
    """The answer is not in the cache, or the cache may be stale.

    Repeat the call where blocking is allowed.
    """


class ReadLimits(msgspec.Struct, frozen=True):
    """The maximum work of one snapshot on the event loop.

    `rows` counts records, links and counted links, `body_bytes` the bodies of both.
    """

    queries: int
    rows: int
    body_bytes: int


class StoreUnavailableError(ServiceUnavailable):
    """The database is down, full or locked for too long.

    No wrong answer was returned. The result of a write may be unknown.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("The service is temporarily unavailable. Try again.", detail=detail)


class Reader(Protocol):
    """One snapshot of the store.

    A string that databases cannot store or index (NUL, lone surrogates, over 1,000 bytes) is not found.
    """

    def revision(self) -> int:
        """Return the number of writes in the snapshot; 0 for an empty store."""
        ...

    def find(self, kind: str, account: str, key: str) -> Record | None:
        """Return the record of exactly this key, or None."""
        ...

    def find_by_id(self, unique_id: str) -> Record | None:
        """Return the record of this unique id, or None.

        The record may be of any kind and account.
        """
        ...

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        """Return the next `limit` records with this prefix after `after`.

        `prefix` and `after` are compared with the sort string, which orders records code point by code point, in every
        language of the database. Insertions and deletions between two pages neither hide nor repeat other records. If
        `account` is None, all accounts are listed in turn, and `after` is the `place` of the last record.
        """
        ...

    def count(self, kind: str, account: str) -> int:
        """Return the number of records of a kind in an account.

        The cost does not grow with the number.
        """
        ...

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        """Return the link between two ends, or None."""
        ...

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        """Return the links from `source` after the target `after`.

        They are ordered by target.
        """
        ...

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        """Return the links to `target` after the source `after`.

        They are ordered by source.
        """
        ...

    def targets_of(self, kind: str, sources: Sequence[str]) -> list[Link]:
        """Return the links from several sources, ordered by source and target.

        One query reads them all, so at most a few hundred sources are passed.
        """
        ...

    def count_sources(self, kind: str, target: str) -> int:
        """Return the number of links of a kind to `target`."""
        ...

    def find_use(self, unique_id: str) -> RecordedUse | None:
        """Return the last use of a record, or None.

        It may be newer than the snapshot.
        """
        ...


class Snapshot(Reader, Protocol):
    """A reader of one snapshot that knows its position in the history."""

    def position(self) -> Position:
        """Return the position of the last write in the snapshot, or EMPTY."""
        ...


class ReplayGuard(Protocol):
    """A record of keys that can be used once."""

    def claim(self, key: str, *, until: datetime) -> bool:
        """Claim `key`, and return whether it was free.

        It is atomic across processes. The claim stays at least until `until`. Each claim deletes a few expired ones,
        never many.
        """
        ...


class Writer(Reader, ReplayGuard, Protocol):
    """One transaction.

    It reads its own writes. An error of a method below leaves it usable and without changes. A claim stays only if the
    transaction commits. A string that databases cannot store or index (NUL, lone surrogates, over 1,000 bytes) raises
    ValueError.
    """

    def insert(self, record: Record) -> None:
        """Insert a record, or raise RecordExistsError."""
        ...

    def replace(self, record: Record) -> None:
        """Replace the record with the same key.

        Raises RecordMissingError, or RecordExistsError if another name is taken.
        """
        ...

    def delete(self, kind: str, account: str, key: str) -> None:
        """Delete a record, or raise RecordMissingError.

        The caller deletes its links.
        """
        ...

    def link(self, link: Link) -> None:
        """Insert a link.

        If the link exists, its body is replaced.
        """
        ...

    def unlink(self, kind: str, source: str, target: str) -> None:
        """Delete a link, or raise RecordMissingError."""
        ...

    def delete_use(self, unique_id: str) -> None:
        """Delete the last use of a record, if there is one.

        It is not a change: a write with nothing else makes no revision.
        """
        ...


class Store(ReplayGuard, Protocol):
    """A store of the directory.

    Many threads may use it; a database, many processes too. Every wait is bounded: StoreUnavailableError is raised if a
    database is down or locked for too long. A claim on the store itself is durable before the call returns.
    """

    @property
    def change_counter(self) -> Sequence[int]:
        """A change counter that differs after each write.

        A write counts if any process of this machine and user has completed it. Reading never blocks and takes almost
        no time.
        """
        ...

    def announced(self, seen: int) -> Announced | None:
        """Return the writes of this machine since the change counter was `seen`.

        It never blocks, and does not query a database. Returns None if the writes are not all known, for instance
        because a commit may have failed.
        """
        ...

    def read(self) -> AbstractContextManager[Snapshot]:
        """Open one snapshot, which does not show later writes."""
        ...

    def read_at_once(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        """Open one snapshot of the newest writes for a thread that must not wait.

        Raises WouldBlockError when it is opened or used, if the store has to wait, fails, has another such snapshot
        open, or does not have any, or if the work is beyond `limits`. Then the same work in `read` has the same result,
        or that snapshot's error.
        """
        ...

    def write(self, *, account: str | None = None) -> AbstractContextManager[Writer]:
        """Open one transaction without any other concurrent writer.

        It is durable before the context exits. An exception inside rolls it back. Inside, make claims on the writer: a
        write on the store itself would wait for this one, and time out.

        With an `account`, the transaction changes this account alone, and transactions of other accounts may run at the
        same time. Records of this account and of the account "" do not change meanwhile, except by this writer; those
        of other accounts may. Then a change of another account's record raises ValueError, and so does `revision`: the
        number of the write is known only at its end. Links have no account: the caller changes only links of this
        account's entities.
        """
        ...

    def record_uses(self, uses: Sequence[RecordedUse]) -> None:
        """Record at most MOST_USES uses.

        Of two uses of one record, the newer one stays. It makes no revision, no change and no announcement, and does
        not wait for a writer's transaction on a database that can do without. Uses of missing records are ignored. A
        crash may lose it after the call returned.
        """
        ...

    def purge_uses(self, after: str) -> str:
        """Delete last uses without a record, and return the next `after`.

        It looks at a few after the id `after`, and returns an empty string after the last one.
        """
        ...

    def revision(self) -> int:
        """Return the number of the last write.

        It grows by one with each write that changed a record or link.
        """
        ...

    def position(self) -> Position:
        """Return the position of the last write."""
        ...

    def changes_since(self, position: Position) -> Changes | None:
        """Return the changes after `position`.

        Returns None if the store does not have them any more, or if the position is not part of the store's history:
        the database was restored, or failed over to a copy without some writes. Then all that was read at this position
        may be wrong.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class Views(Protocol):
    """Cached values that are as fresh as the store.

    A loader is a plain function of a Reader and hashable arguments. Its value is kept until a change could alter it,
    and is frozen, because requests share it. Its exceptions are passed on and not cached.
    """

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the present value of `loader`.

        Raises WouldBlockError if blocking is not allowed.
        """
        ...


class CachedViews(Views, Protocol):
    """Cached values alone, of which a reader may keep what it derived."""

    def generation(self) -> int | None:
        """Return a number that changes when a value leaves the cache.

        Returns None if values cannot be used now. While it stays the same, `get` returns the values that it returned.
        """
        ...
