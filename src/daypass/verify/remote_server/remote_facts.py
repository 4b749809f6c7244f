"""Cache the facts of a server, and follow the changes that end them.

Owns freshness at a resource server:

- A fact is used until its `max_age`, until a change invalidates one of its dependencies, or until the link is stale.
- The link is as fresh as the last answer to the request for changes. The answer says how old the server's own knowledge
  was, so a server that has lost its database does not extend it.
- A server that answers that it does not serve this resource server ends every fact at once.
- After `stale_seconds` without word, every question raises ServiceUnavailable. A stale answer never allows anything.
- Nonces tell two histories of the store apart, see feed_history.py. A resource server that hears of another history
  than the one it followed drops every fact, whichever node of the server it asks.
- A fact that was read before a change that the feed has already reported is not kept, nor one that was under way during
  a reset: the server may have been restored from a backup, and its revisions count from an older number.
- A refusal is remembered for a few seconds, and the number of questions a second is limited, so that a flood of
  invented keys does not become a flood at the server. Questions about names that the server confirmed before have a
  limit of their own, so that the flood does not end the service for known callers.
"""

import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import msgspec

from daypass.background import Background
from daypass.errors import ExpiredToken, Fault, InvalidClientTokenId, ServiceUnavailable, Throttling
from daypass.verify.keys import NotLoadedError
from daypass.verify.remote_server.feed_history import FeedHistory, FeedPosition
from daypass.verify.remote_server.protocol import ChangesAnswer
from daypass.verify.remote_server.server_connection import RegistrationRefusedError

WAIT = 1.0  # seconds for which the server holds a request for changes: the length of silence that is noticed
_RETRY = 0.25  # seconds between two attempts while the server does not answer
_REFUSED_FOR = 5.0  # seconds
_MOST_FACTS, _MOST_REFUSALS = 50_000, 10_000
_NEW_PER_SECOND, _KNOWN_PER_SECOND = 100, 400
_REMEMBERED = 1_000  # reports of changes that a fact in flight is compared with
_ATTEMPTS = 3
_KEPT_REFUSALS = (InvalidClientTokenId, ExpiredToken)


def boot_time() -> float:
    """Return the seconds since the machine started, including sleep.

    The usual monotonic clock stands still while a machine sleeps, and would make old facts look fresh after it.
    """
    if sys.platform == "win32":
        return time.monotonic()  # the system's tick count, which includes sleep
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # includes sleep, unlike time.monotonic() on macOS
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Fact(msgspec.Struct, frozen=True):
    """A value of the server with its dependencies.

    `max_age` is in seconds.
    """

    value: Any
    dependencies: frozenset[str]
    revision: int
    max_age: float
    nonce: str = ""

    @property
    def position(self) -> FeedPosition:
        """The position of the snapshot that the fact was read from."""
        return FeedPosition(self.revision, self.nonce)


class ChangeSource(Protocol):
    """The server's feed of changes."""

    def changes(self, after: FeedPosition, wait: float) -> ChangesAnswer:
        """Return the changes after a position, within at most `wait` seconds.

        Raises ServiceUnavailable, or RegistrationRefusedError if the server does not serve this resource server.
        """
        ...


class RemoteFacts:
    """The cache of facts.

    `find` never blocks; a thread follows the changes after `start`.
    """

    def __init__(
        self,
        source: ChangeSource,
        *,
        stale_seconds: float,
        clock: Callable[[], float] = boot_time,
        on_trouble: Callable[[ServiceUnavailable], object] = lambda _trouble: None,
        on_word: Callable[[], object] = lambda: None,
    ) -> None:
        self._source = source
        self._stale_seconds = stale_seconds
        self._clock = clock
        self.on_trouble = on_trouble  # called once for each kind of trouble, until the next word
        self.on_word = on_word  # called with the first word after a trouble
        self._reported: type[ServiceUnavailable] | None = None
        self._lock = threading.Lock()
        self._facts: OrderedDict[Hashable, tuple[Fact, float]] = OrderedDict()
        self._dependents: dict[str, set[Hashable]] = {}
        self._refusals: OrderedDict[Hashable, tuple[Fault, float]] = OrderedDict()
        self._reports: deque[tuple[int, frozenset[str]]] = deque(maxlen=_REMEMBERED)
        self._reported_from = 0  # facts of an older revision cannot be compared with the reports
        self._history = FeedHistory()
        self._resets = 0
        self._heard_at = float("-inf")
        self._confirmed: OrderedDict[Hashable, None] = OrderedDict()  # names with a value, also after it has ended
        self._new_questions: deque[float] = deque(maxlen=_NEW_PER_SECOND)
        self._known_questions: deque[float] = deque(maxlen=_KNOWN_PER_SECOND)
        self._first_word = threading.Event()
        self._follower = Background("daypass-changes", self._follow)

    def start(self, wait: float = 0.0) -> bool:
        """Follow the changes in the background.

        Waits at most `wait` seconds for the first word of the server, and returns whether it came.
        """
        self._follower.start()
        return self._first_word.wait(wait)

    def close(self) -> None:
        """Stop to follow the changes."""
        self._follower.stop(timeout=2 * WAIT)

    @property
    def revision(self) -> int:
        """The revision up to which changes were reported."""
        return self._history.position.number

    @property
    def age(self) -> float:
        """Return the seconds since the last word of the server."""
        return self._clock() - self._heard_at

    @property
    def is_stale(self) -> bool:
        """Return whether there was no word for `stale_seconds`."""
        return self.age >= self._stale_seconds

    def health(self) -> str:
        """Return "ready", "degraded" or "unable".

        `degraded`: the last question failed. `unable`: there was no word for `stale_seconds`.
        """
        if self.is_stale:
            return "unable"
        return "ready" if self._reported is None else "degraded"

    def find(self, name: Hashable, fetch: Callable[[], Fact]) -> Any:
        """Return a fact's value.

        Raises ServiceUnavailable if the link is stale, the Fault with which the server refused it, or NotLoadedError
        whose `load` calls `fetch`.
        """
        if self.is_stale:
            raise ServiceUnavailable(
                "The service is temporarily unavailable. Try again.", detail="no word from the server for too long"
            )
        held = self._facts.get(name)
        now = self._clock()
        if held is not None and now < held[1]:
            return held[0].value
        refused = self._refusals.get(name)
        if refused is not None and now < refused[1]:
            raise refused[0].with_traceback(None)
        raise NotLoadedError(lambda: self._load(name, fetch), is_new=name not in self._confirmed)

    def forget(self, name: Hashable) -> None:
        """Drop a fact, for example after a change of one's own."""
        with self._lock:
            self._drop(name)

    def forget_where(self, concerns: Callable[[Any], bool]) -> None:
        """Drop the facts whose names a predicate selects."""
        with self._lock:
            for name in [name for name in self._facts if concerns(name)]:
                self._drop(name)

    def refresh(self, name: Hashable, fetch: Callable[[], Fact]) -> None:
        """Load a fact again.

        It blocks. It raises ServiceUnavailable or Throttling; the next `find` raises a refusal.
        """
        self._load(name, fetch)

    def _load(self, name: Hashable, fetch: Callable[[], Fact]) -> None:
        for _ in range(_ATTEMPTS):
            self._count_question(name)
            asked, resets = self._clock(), self._resets
            try:
                fact = fetch()
            except _KEPT_REFUSALS as refusal:
                self._keep_refusal(name, refusal)
                return
            if self._keep(name, fact, asked, resets):
                return
        raise ServiceUnavailable(
            "The service is temporarily unavailable. Try again.", detail="the answer changed while it was read"
        )

    def _count_question(self, name: Hashable) -> None:
        now = self._clock()
        with self._lock:
            asked = self._known_questions if name in self._confirmed else self._new_questions
            if len(asked) == asked.maxlen and now - asked[0] < 1:
                raise Throttling("Rate exceeded", detail="too many questions to the server in a second")
            asked.append(now)

    def _keep(self, name: Hashable, fact: Fact, asked: float, resets: int) -> bool:
        """Store a fact, and return whether it is as new as the reports.

        `resets` is their number when the fact was asked for.
        """
        with self._lock:
            if resets != self._resets:
                return False
            if self._history.contradicts(fact.position):
                self._drop_all()
                return False
            if not self._is_current(fact) or not self._history.accepts(fact.position, self._clock()):
                return False
            self._drop(name)
            self._facts[name] = (fact, asked + fact.max_age)
            for dependency in fact.dependencies:
                self._dependents.setdefault(dependency, set()).add(name)
            while len(self._facts) > _MOST_FACTS:
                self._drop(next(iter(self._facts)))
            self._confirm(name, exists=fact.value is not None)
            return True

    def _confirm(self, name: Hashable, *, exists: bool) -> None:
        self._confirmed.pop(name, None)
        if exists:
            self._confirmed[name] = None
        while len(self._confirmed) > _MOST_FACTS:
            self._confirmed.popitem(last=False)

    def _is_current(self, fact: Fact) -> bool:
        if fact.revision >= self.revision:
            return True
        if fact.revision < self._reported_from:
            return False
        return not any(
            revision > fact.revision and not fact.dependencies.isdisjoint(names) for revision, names in self._reports
        )

    def _keep_refusal(self, name: Hashable, refusal: Fault) -> None:
        with self._lock:
            self._confirm(name, exists=False)
            self._refusals[name] = (refusal, self._clock() + _REFUSED_FOR)
            while len(self._refusals) > _MOST_REFUSALS:
                self._refusals.popitem(last=False)

    def _drop(self, name: Hashable) -> None:
        held = self._facts.pop(name, None)
        for dependency in () if held is None else held[0].dependencies:
            names = self._dependents.get(dependency)
            if names is not None:
                names.discard(name)
                if not names:
                    del self._dependents[dependency]

    def _follow(self) -> None:
        was_reset = False
        while not self._follower.stopping.is_set():
            asked = self._clock()
            try:
                is_reset = self.take_in(self._source.changes(self._history.position, WAIT), asked=asked)
                if was_reset and is_reset:
                    # Two histories answer in turn: each would end the other at once, as fast as the network allows.
                    self._follower.stopping.wait(_RETRY)
                was_reset = is_reset
                continue
            except RegistrationRefusedError as refusal:
                self._end()
                self._report(refusal)
            except ServiceUnavailable as silence:
                self._report(silence)
            self._follower.stopping.wait(_RETRY)

    def _end(self) -> None:
        """Drop every fact, and refuse every question until the next word."""
        with self._lock:
            self._drop_all()
            self._heard_at = float("-inf")

    def _drop_all(self) -> None:
        """Drop every fact, and those under way. The caller holds the lock."""
        self._resets += 1
        self._facts.clear()
        self._dependents.clear()

    def _report(self, trouble: ServiceUnavailable) -> None:
        if type(trouble) is not self._reported:
            self._reported = type(trouble)
            self.on_trouble(trouble)

    def take_in(self, answer: ChangesAnswer, *, asked: float) -> bool:
        """Apply an answer to a request for changes that was sent at `asked`.

        Returns whether everything was dropped.
        """
        # An answer counts from the moment at which the server asked its database, not from its arrival.
        heard_at = asked + answer.waited - answer.age
        with self._lock:
            before = self.revision
            is_reset = answer.reset or not self._history.follow(answer, heard_at)
            if is_reset:
                self._drop_all()
                self._history.start_anew(answer)
                self._reports.clear()
                self._reported_from = answer.revision
            elif answer.revision != before:
                self._apply(answer)
            self._heard_at = max(self._heard_at, heard_at)
        had_trouble, self._reported = self._reported is not None, None
        if had_trouble:
            self.on_word()
        self._first_word.set()
        return is_reset

    def _apply(self, answer: ChangesAnswer) -> None:
        """Drop what an answer invalidates. The caller holds the lock."""
        for dependency in answer.invalidated:
            for name in tuple(self._dependents.get(dependency, ())):
                # A fact of a newer snapshot is read again too: the feed has not confirmed its history yet.
                if self._facts[name][0].revision != answer.revision:
                    self._drop(name)
        if len(self._reports) == _REMEMBERED:
            self._reported_from = self._reports[0][0]
        self._reports.append((answer.revision, answer.invalidated))
