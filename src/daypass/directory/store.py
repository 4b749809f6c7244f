"""What the directory asks of a store: records, links between them, claims, and one writer at a time.

Owns the promises. Each sentence of a docstring below is tested by tests/storage/ against every store.
A store knows nothing of IAM: the directory's own types encode themselves into a record's body, and callers
fold the case of names before they make a key of them. Everything here blocks; the server asks `CachedOnly`
on its event loop and does the rest on worker threads.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar, TypeVarTuple

import msgspec

from daypass.errors import ServiceUnavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One stored thing. Among the records of a kind in an account, `key` and `sort` are each unique.

    `unique_id` is unique in the whole store. `sort` is what lists are ordered and filtered by, for instance
    path and name; where it is a path, its parts end in slashes. No account id holds a slash.
    """

    kind: str
    account: str
    key: str
    sort: str
    body: bytes
    unique_id: str | None = None

    @property
    def place(self) -> str:
        """Where the record stands in a list that spans all accounts: what `after` wants there."""
        return f"{self.account}/{self.sort}"


class Link(msgspec.Struct, frozen=True):
    """An arrow from one thing to another, such as ("member", user id, group id). Both ends can be asked.

    The ends are unique ids, ARNs or, below a source, plain names: an inline policy is a link from its user's
    id to its name with the document as body, so that changing one disturbs nobody else's cached policies.
    """

    kind: str
    source: str
    target: str
    body: bytes = b""


class RecordTouched(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """A record was inserted, replaced or deleted. These are its names before or after."""

    kind: str
    account: str
    key: str
    sort: str
    unique_id: str | None


class LinkTouched(msgspec.Struct, frozen=True, tag="l", array_like=True):
    """A link was made, changed or removed."""

    kind: str
    source: str
    target: str


Touch = RecordTouched | LinkTouched


class Changes(msgspec.Struct, frozen=True):
    """What was touched after one revision, up to and including `revision`."""

    revision: int
    touched: frozenset[Touch]


class Exists(Exception):  # noqa: N818 - read as a sentence: insert raises Exists
    """The key, the sort text or the unique id is taken."""


class Missing(Exception):  # noqa: N818 - read as a sentence: delete raises Missing
    """There is no such record or link."""


class WouldBlock(Exception):  # noqa: N818 - the name the operating system gives to the same thing
    """The answer is not in the cache, or the cache may be stale: ask again where blocking is allowed."""


class StoreUnavailable(ServiceUnavailable):
    """The database is away, full or locked for too long. Nothing was answered that is not so.

    From a write it may also mean that nobody knows whether the write happened.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("The service is temporarily unavailable. Try again.", detail=detail)


class Reader(Protocol):
    """One snapshot of the store.

    Text that no database could hold or index (NUL, lone surrogates, over 1,000 bytes) is not found.
    """

    def revision(self) -> int:
        """Return the number of writes that the snapshot has seen. An empty store's is 0."""
        ...

    def find(self, kind: str, account: str, key: str) -> Record | None:
        """Return the record of exactly this key, or None."""
        ...

    def find_by_id(self, unique_id: str) -> Record | None:
        """Return the record of this unique id, of any kind and account, or None."""
        ...

    def page(self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = "") -> list[Record]:
        """Return the first `limit` records whose sort text begins with `prefix` and comes after `after`.

        They are ordered by sort text, code point by code point, whatever the database's language. Records
        that come and go between two pages neither hide nor repeat the others. With `account` None all
        accounts are listed, one after the other, and `after` is the last record's `place`.
        """
        ...

    def count(self, kind: str, account: str) -> int:
        """Return how many records of a kind an account has, at a cost that does not grow with them."""
        ...

    def find_link(self, kind: str, source: str, target: str) -> Link | None:
        """Return the link between two ends, or None."""
        ...

    def targets(self, kind: str, source: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        """Return the links from `source`, ordered by target, from the first target after `after`."""
        ...

    def sources(self, kind: str, target: str, *, after: str = "", limit: int | None = None) -> list[Link]:
        """Return the links to `target`, ordered by source, from the first source after `after`."""
        ...

    def count_sources(self, kind: str, target: str) -> int:
        """Return how many links of a kind lead to `target`."""
        ...


class ReplayGuard(Protocol):
    """Remembers what may be used once."""

    def claim(self, key: str, *, until: datetime) -> bool:
        """Take `key` if nobody has; say whether we got it. Atomic across processes.

        It is kept at least until `until`. Afterwards it is forgotten sooner or later: each claim forgets
        a few others, never many.
        """
        ...


class Writer(Reader, ReplayGuard, Protocol):
    """One transaction. It reads what it wrote; a refusal below leaves it usable and changes nothing.

    A claim made here is kept only if the transaction is.
    Text that no database could hold or index (NUL, lone surrogates, over 1,000 bytes) raises ValueError.
    """

    def insert(self, record: Record) -> None:
        """Add a record, or raise Exists."""
        ...

    def replace(self, record: Record) -> None:
        """Put a record in the place of the one with the same key, or raise Missing, or Exists."""
        ...

    def delete(self, kind: str, account: str, key: str) -> None:
        """Remove a record, or raise Missing. Its links are the caller's to remove."""
        ...

    def link(self, link: Link) -> None:
        """Make a link. Making it twice is making it once, with the later body."""
        ...

    def unlink(self, kind: str, source: str, target: str) -> None:
        """Remove a link, or raise Missing."""
        ...


class Store(ReplayGuard, Protocol):
    """Keeps the directory. Safe to use from many threads; a database, from many processes too.

    No call waits without bound: a database that is away or locked for too long raises StoreUnavailable.
    A claim made on the store itself is durable before it answers.
    """

    @property
    def beacon(self) -> Sequence[int]:
        """One number that differs after each write that any process of this machine and user has answered.

        Reading it never blocks, and costs next to nothing.
        """
        ...

    def read(self) -> AbstractContextManager[Reader]:
        """Open one snapshot: what is written meanwhile does not show in it."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """Open one transaction, alone: no other writer of the store runs beside it.

        It is durable before the context exits. An exception inside rolls all of it back. Inside, claims are made
        on the writer: whoever asks the store itself for another write waits for its own end, and in vain.
        """
        ...

    def revision(self) -> int:
        """Return the number of the last write. It grows by one with each write that touched something."""
        ...

    def changes_since(self, revision: int) -> Changes | None:
        """Return what was touched after `revision`, or None when the store no longer knows."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...


L = TypeVar("L", bound=Callable[..., object])
_LITTLE: set[Callable[..., object]] = set()


def keeps_little(loader: L) -> L:
    """Mark a loader whose value is small however large the records are that it reads.

    A cache then weighs the value as a small one. Without the mark it assumes that a value is as large as its records.
    """
    _LITTLE.add(loader)
    return loader


def is_little(loader: Callable[..., object]) -> bool:
    """Tell whether a loader is marked as one whose values are small."""
    return loader in _LITTLE


_CHARGED: dict[Callable[..., object], int] = {}


def charged_to(place: int) -> Callable[[L], L]:
    """Mark a loader whose values count for the account that its argument at `place` names, whatever it reads.

    A cache shares its room among accounts. Without the mark a value counts for the account of the records that it was
    made of.
    """

    def mark(loader: L) -> L:
        _CHARGED[loader] = place
        return loader

    return mark


def charged_argument(loader: Callable[..., object]) -> int | None:
    """Return the place of the argument that names the account that pays, or None where the records say it."""
    return _CHARGED.get(loader)


class Views(Protocol):
    """Derived values that are as fresh as the store: what a loader makes of it, kept until it would differ.

    A loader is a plain function of a Reader and hashable arguments, and of nothing else. What it raises is
    passed on and not kept. Its value is shared between requests, so it must be frozen.
    """

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return what `loader` makes of the store now, or raise WouldBlock where blocking is not allowed."""
        ...
