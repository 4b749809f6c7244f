"""The threads that query a store for changes.

Owns two threads. One queries the store, and may hang with it. The other starts a query twice a second, and lets readers
use cached values while the database is away. Requests wait for the first thread, and never for a hanging one. Without
`start`, as in operators' commands, the caller's thread queries the store itself.

Leaves the rules to change_queries.py.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from daypass.background import Background
from daypass.directory.store import StoreUnavailableError
from daypass.storage.change_queries import POLL_SECONDS, ChangeQueries, ChangeQuery
from daypass.storage.freshness import Freshness

_STOP_SECONDS = 5.0  # a query that hangs must not delay the end of the process for longer


class ChangePoller:
    """Keeps a cache up to date.

    `query` asks the store, updates the entries and calls `Freshness.take_in`, or raises StoreUnavailableError. `follow`
    applies the writes that this machine announced, and returns whether these are all.
    """

    def __init__(self, freshness: Freshness, query: Callable[[ChangeQuery], None], follow: Callable[[], bool]) -> None:
        self._follow = follow
        self._freshness = freshness
        self._query = query
        self._queries = ChangeQueries()
        self._trouble = "no answer yet"
        self._listeners: list[tuple[int, Callable[[], None]]] = []
        self._lock = threading.Lock()  # protects the three above; never held during a query of the store
        self._asked = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._by_hand = threading.Lock()  # one thread at a time queries the store if the threads do not run
        self._asker = Background("cache-query", self._ask_until_closed)
        self._watcher = Background("cache-poll", self._watch_until_closed)

    @property
    def is_away(self) -> bool:
        """Return whether the database does not answer in time.

        It never blocks.
        """
        return self._queries.is_away(self._freshness.monotonic())

    @property
    def begun(self) -> int:
        """The number of the last query that began."""
        return self._queries.begun

    @property
    def answered(self) -> int:
        """The number of the last query that the database answered."""
        return self._queries.answered

    def start(self) -> None:
        """Start the threads."""
        self._asker.start()
        self._watcher.start()

    def close(self) -> None:
        """Stop the threads."""
        for thread in (self._asker, self._watcher):
            thread.stopping.set()
        with self._lock:
            self._asked.notify_all()
            self._settled.notify_all()
        self._watcher.stop(_STOP_SECONDS)
        self._asker.stop(_STOP_SECONDS)

    def poll(self) -> None:
        """Wait for the answer to a query that begins now.

        Raises StoreUnavailableError as `catch_up` does.
        """
        with self._lock:
            needed = self._queries.begun + 1
        self._wait(needed)

    def catch_up(self) -> None:
        """Wait until the entries can be used, or raise StoreUnavailableError."""
        if self._freshness.is_given():
            return
        if self._freshness.is_overtaken() and self._follow() and self._freshness.is_given():
            return
        with self._lock:
            self._note_time()
            needed = self._queries.find_needed(*self._freshness.now())
        self._wait(needed)

    async def wait_until_settled(self) -> None:
        """Wait on the event loop until a new request need not wait."""
        loop = asyncio.get_running_loop()
        settled = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the event loop was closed
                loop.call_soon_threadsafe(settled.set)

        with self._lock:
            self._note_time()
            needed = self._queries.find_needed(*self._freshness.now())
            if not self._asker.is_running or self._is_settled(needed):
                return
            self._listeners.append((needed, wake))
            self._begin_if_idle()
        await settled.wait()

    def _wait(self, needed: int) -> None:
        if not self._asker.is_running:
            self._query_by_hand(needed)
            return
        with self._lock:
            self._note_time()
            while not self._is_settled(needed):
                self._begin_if_idle()
                self._settled.wait(max(0.0, self._queries.silent_after(self._freshness.monotonic())))
                self._note_time()
            if self._queries.answered < needed:
                self._freshness.require_usable(self._trouble)

    def _is_settled(self, needed: int) -> bool:
        """Return whether a request has nothing to wait for. The caller holds the lock."""
        queries, now = self._queries, self._freshness.monotonic()
        if queries.ended >= needed or queries.is_silent(now):
            return True
        return queries.is_away(now) and not self._freshness.is_overtaken() and self._freshness.is_usable()

    def _note_time(self) -> None:
        """Notice that the process has stood still. The caller holds the lock."""
        if self._watcher.is_running:
            self._queries.note_time(self._freshness.monotonic())

    def _begin_if_idle(self) -> None:
        if self._queries.in_flight is None:
            self._queries.begin(*self._freshness.now())
            self._asked.notify()

    def _query_by_hand(self, needed: int) -> None:
        if not self._by_hand.acquire(blocking=not self.is_away):
            # One thread waits for an unavailable database; the others use cached values.
            self._freshness.require_usable(self._trouble)
            return
        try:
            if self._queries.answered >= needed:
                return
            with self._lock:
                query = self._queries.begin(*self._freshness.now())
            self._run(query)
            if self._queries.answered < needed:
                self._freshness.require_usable(self._trouble)
        finally:
            self._by_hand.release()

    def _run(self, query: ChangeQuery) -> None:
        trouble = ""
        try:
            self._query(query)
        except StoreUnavailableError as error:
            trouble = error.detail or "no answer"
        except Exception as bug:  # noqa: BLE001 - the thread must go on: without it all values become stale
            structlog.get_logger().exception("changes_not_read")
            trouble = type(bug).__name__
        with self._lock:
            self._note_time()
            self._queries.end(query, self._freshness.monotonic(), is_answered=not trouble)
            self._trouble = trouble or self._trouble
            if self._queries.is_last_bad:
                self._freshness.extend()
            self._settle()

    def _settle(self) -> None:
        """Wake the requests whose wait has ended. The caller holds the lock."""
        self._settled.notify_all()
        waiting = []
        for needed, wake in self._listeners:
            if self._is_settled(needed):
                wake()
            else:
                waiting.append((needed, wake))
        self._listeners = waiting
        if waiting:
            self._begin_if_idle()

    def _ask_until_closed(self) -> None:
        stopping = self._asker.stopping
        while True:
            with self._lock:
                self._asked.wait_for(lambda: stopping.is_set() or self._queries.in_flight is not None)
                query = self._queries.in_flight
            if stopping.is_set() or query is None:
                return
            self._run(query)

    def _watch_until_closed(self) -> None:
        while not self._watcher.stopping.is_set():
            with self._lock:
                self._settled.wait(self._watch())

    def _watch(self) -> float:
        """Do the work that is due, and return the seconds until the next. The caller holds the lock."""
        self._note_time()
        queries, now = self._queries, self._freshness.monotonic()
        if queries.in_flight is None and now >= queries.next_poll:
            self._begin_if_idle()
        if queries.is_away(now):
            self._freshness.extend()
        if queries.is_silent(now):
            self._settle()
        if queries.in_flight is None:
            return max(0.0, queries.next_poll - now)
        silent_after = queries.silent_after(now)
        return silent_after if silent_after > 0 else POLL_SECONDS
