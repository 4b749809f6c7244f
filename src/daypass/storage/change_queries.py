"""The rules of the query for changes that requests share. Pure.

- One query is in flight at a time. A request that finds the cache stale joins it, or waits for the next one. It never
  causes a query of its own while another one can serve it.
- It may join a query that began earlier if the change counter is the same: every write of this machine that ended
  before the request came is in the answer, and of other machines every write that ended before the query began.
- An answer serves each request that waited for it, even if its validity has passed when it arrives.
- A database is away if its last answer was an error or took AWAY_SECONDS or longer, or if the query in flight takes
  that long. Then requests do not wait: they get cached values or an error.
- Time in which the process itself stood still, as after SIGSTOP or a pause of its virtual machine, is not silence of
  the database. A query that began before has an answer of that time. So requests wait for the next one, as long as for
  a query that began when the process went on.
"""

from dataclasses import dataclass
from typing import NamedTuple

POLL_SECONDS = 0.5  # between the beginnings of two queries, if no request needs one earlier
FRESH_SECONDS = 0.9  # how long an answer is valid, from the beginning of its query
GRACE_SECONDS = 0.1  # how long it is valid at least, from its arrival: a request reads several values
AWAY_SECONDS = 1.0  # how long a request waits for the answer to one query
LATE_SECONDS = 2.5  # an answer that took longer is valid for no time after its arrival; the deadline of a query
STOPPED_SECONDS = 2.0  # a gap in the noted times from which the process must have stood still; they are 1.0 apart


class ChangeQuery(NamedTuple):
    """One query for changes.

    `counter` is the change counter, and `began` the time, both before the database was asked.
    """

    number: int
    counter: int
    began: float


@dataclass(slots=True)
class ChangeQueries:
    """The query in flight, and the numbers of those before it."""

    in_flight: ChangeQuery | None = None
    begun: int = 0
    ended: int = 0
    answered: int = 0
    next_poll: float = float("-inf")
    is_last_bad: bool = False
    noted_at: float = float("inf")
    resumed_at: float = float("-inf")  # when the process went on after it had stood still

    def note_time(self, now: float) -> None:
        """Notice from the time since the last call that the process stood still."""
        if now - self.noted_at >= STOPPED_SECONDS:
            self.resumed_at = now
            self.is_last_bad = False
        self.noted_at = now

    def find_needed(self, counter: int, now: float) -> int:
        """Return the number of the query that a request needs which comes now."""
        query = self.in_flight
        if query is not None and query.counter == counter and now - query.began < AWAY_SECONDS:
            return query.number  # never one that began before a stop of the process, which takes longer
        return self.begun + 1

    def begin(self, counter: int, now: float) -> ChangeQuery:
        """Begin a query. There must not be one in flight."""
        self.begun += 1
        self.next_poll = now + POLL_SECONDS
        self.in_flight = ChangeQuery(self.begun, counter, now)
        return self.in_flight

    def end(self, query: ChangeQuery, now: float, *, is_answered: bool) -> None:
        """End the query in flight."""
        self.in_flight = None
        self.ended = query.number
        if is_answered:
            self.answered = query.number
        self.is_last_bad = not is_answered or now - self._waits_since(query) >= AWAY_SECONDS

    def is_silent(self, now: float) -> bool:
        """Return whether the query in flight has waited for too long."""
        return self.in_flight is not None and now - self._waits_since(self.in_flight) >= AWAY_SECONDS

    def is_away(self, now: float) -> bool:
        """Return whether the database is away."""
        return self.is_last_bad or self.is_silent(now)

    def silent_after(self, now: float) -> float:
        """Return the seconds until the query in flight has waited for too long."""
        return AWAY_SECONDS if self.in_flight is None else self._waits_since(self.in_flight) + AWAY_SECONDS - now

    def _waits_since(self, query: ChangeQuery) -> float:
        return max(query.began, self.resumed_at)
