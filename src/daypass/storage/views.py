"""An opened store, and the views of it that requests work with.

Owns the difference between the views, and each account's share of the worker threads:

- The view of the event loop raises WouldBlockError for everything that is not in the cache, except short reads of a
  store that it can read without waiting.
- The view of a worker thread opens snapshots and transactions, and waits for them.
- A call beyond its account's share of the threads gets Throttling, so that others find a free thread.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from daypass.authenticate.keychain import Keychain
from daypass.bootstrap import is_empty
from daypass.directory.store import Reader, Store, Views, WouldBlockError, Writer
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.errors import Throttling
from daypass.federation.oidc.identify import KeysAtHand
from daypass.mint.sealing_keys import SealingRing
from daypass.operations.operation import AnyOperation, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.operations.write_scopes import account_to_lock
from daypass.ports import Clock, Entropy
from daypass.storage.cache import CachedOnly
from daypass.storage.loop_reads import REQUEST_LIMITS, LoopReads
from daypass.storage.vault import Vault


class WorkShares:
    """Counts running work. Work beyond an account's share is throttled."""

    def __init__(self, *, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, account: str) -> Iterator[None]:
        """Take one share for `account`, or raise Throttling.

        It never waits: that would occupy the thread.
        """
        with self._lock:
            if self._running[account] >= self._of_one or self._running.total() >= self._of_all:
                raise Throttling("Rate exceeded", detail=f"account {account} uses its share of the worker threads")
            self._running[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[account] -= 1
                if not self._running[account]:
                    del self._running[account]


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store that is ready to use, and the vault for its secrets."""

    store: Store
    vault: Vault
    clock: Clock
    entropy: Entropy

    @property
    def is_empty(self) -> bool:
        """Return whether the store has no accounts."""
        with self.store.read() as reader:
            return is_empty(reader)


def _has_none() -> None:
    """Return None: the values of a worker thread's view have no generation."""


class _CacheAccess:
    """Gives access to the cache alone.

    This is the hot path, so it avoids a generator.
    """

    __slots__ = ("ctx",)

    def __init__(self, ctx: RequestContext) -> None:
        self.ctx = ctx

    def __enter__(self) -> RequestContext:
        return self.ctx

    def __exit__(self, *_: object) -> None:
        """Do not close anything: only the cache was used."""


class _ShortRead:
    """Gives access to a snapshot that the event loop reads at once."""

    __slots__ = ("_build", "_snapshot")

    def __init__(self, snapshot: AbstractContextManager[Reader], build: Callable[[Reader], RequestContext]) -> None:
        self._snapshot = snapshot
        self._build = build

    def __enter__(self) -> RequestContext:
        return self._build(self._snapshot.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._snapshot.__exit__(kind, error, frames)


class NonBlockingView:
    """The store as the event loop uses it.

    It raises WouldBlockError instead of waiting. Every request comes here first, so unsigned calls are counted here;
    invalid signatures where they are detected.
    """

    def __init__(
        self,
        opened: OpenedStore,
        views: Views,
        keychain: Keychain,
        settings: ServiceSettings,
        issuer_keys: KeysAtHand,
        within_rate_limit: Callable[[str], bool],
    ) -> None:
        self.views = views
        self.generation: Callable[[], int | None] = views.generation if isinstance(views, CachedOnly) else _has_none
        self._opened = opened
        self._keychain = keychain
        self._settings = settings
        self._issuer_keys = issuer_keys
        self._within_rate_limit = within_rate_limit
        self._loop_reads: LoopReads | None = None

    def reading(self, loop_reads: LoopReads) -> Self:
        """Let short reads read the store at once, and return this view."""
        self._loop_reads = loop_reads
        return self

    def within_rate_limit(self, peer: str) -> bool:
        """Count one more unsigned call of a peer. Return whether it is allowed."""
        return self._within_rate_limit(peer)

    def failure_within_rate_limit(self, peer: str) -> bool:
        """Count one more failed authentication. Return whether it is allowed."""
        return self._within_rate_limit(peer)

    def sealing_ring(self) -> SealingRing:
        """Return the sealing keys from the cache."""
        return self.views.get(load_sealing_ring, self._opened.vault)

    def wait(self) -> None:
        """Raise WouldBlockError: only a worker thread may wait."""
        raise WouldBlockError

    def open(
        self,
        access: StoreAccess,
        now: datetime,
        region: str,
        account: str = "",
        operation: AnyOperation | None = None,
    ) -> AbstractContextManager[RequestContext]:
        """Return access to the cache, or to a limited snapshot for a short read.

        Raises WouldBlockError for any other access.
        """
        del account, operation  # the event loop never waits
        if access is StoreAccess.CACHE:
            return _CacheAccess(self._context(now, region, None))
        if access is StoreAccess.SHORT_READ and self._loop_reads is not None:
            snapshot = self._loop_reads.open(REQUEST_LIMITS)
            return _ShortRead(snapshot, lambda reader: self._context(now, region, reader))
        raise WouldBlockError

    def new_transaction(self) -> AbstractContextManager[Writer]:
        """Raise WouldBlockError: a transaction waits for other writers."""
        raise WouldBlockError

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Raise WouldBlockError: a store may be slow."""
        raise WouldBlockError

    def heavy_work(self, _account: str) -> AbstractContextManager[None]:
        """Raise WouldBlockError: the work takes long."""
        raise WouldBlockError

    def _context(self, now: datetime, region: str, transaction: Reader | Writer | None) -> RequestContext:
        opened = self._opened
        return RequestContext(
            now,
            region,
            self.views,
            self.sealing_ring,
            opened.entropy,
            opened.vault,
            self._keychain,
            self._settings,
            self.new_transaction,
            self.snapshot,
            transaction,
            self._issuer_keys,
            self.heavy_work,
            wait=self.wait,
        )


class CountedNonBlockingView(NonBlockingView):
    """The view of the event loop for a request that waited for the cache."""

    def within_rate_limit(self, peer: str) -> bool:  # noqa: ARG002 - required by the Protocol
        """Allow every unsigned call: the first attempt has counted it."""
        return True


class BlockingView(NonBlockingView):
    """The store as a worker thread uses it: it waits for the database."""

    _shares = _writers = WorkShares(of_one=sys.maxsize, of_all=sys.maxsize)

    def sharing(self, shares: WorkShares, writers: WorkShares) -> Self:
        """Limit the threads that each account may use, and return this view.

        `shares` limits large decisions, `writers` calls that change data.
        """
        self._shares, self._writers = shares, writers
        return self

    def wait(self) -> None:
        """Return: a worker thread may wait."""

    @contextmanager
    def open(
        self,
        access: StoreAccess,
        now: datetime,
        region: str,
        account: str = "",
        operation: AnyOperation | None = None,
    ) -> Iterator[RequestContext]:
        """Open the cache, one snapshot or one transaction.

        The operation decides whether the transaction is of the account or of the whole store.
        """
        if access in {StoreAccess.CACHE, StoreAccess.BLOCKING}:
            yield self._context(now, region, None)
        elif access in {StoreAccess.READ, StoreAccess.SHORT_READ}:
            with self._opened.store.read() as reader:
                yield self._context(now, region, reader)
        else:
            # Calls that wait for another writer occupy threads, so one account may not use all.
            locked = account_to_lock(operation, account)
            with self._writers.take(account), self._opened.store.write(account=locked) as writer:
                yield self._context(now, region, writer)

    def new_transaction(self) -> AbstractContextManager[Writer]:
        """Open a transaction beside the request's own."""
        return self._opened.store.write()

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Open a snapshot beside the request's own."""
        return self._opened.store.read()

    def heavy_work(self, account: str) -> AbstractContextManager[None]:
        """Take a share of the threads for the account."""
        return self._shares.take(account)


class CountedBlockingView(BlockingView):
    """The store as a worker thread uses it after the event loop tried."""

    def within_rate_limit(self, peer: str) -> bool:  # noqa: ARG002 - required by the Protocol
        """Allow every unsigned call: the event loop has counted it."""
        return True
