"""What a resource server knows of the history of its server's store. Pure.

Owns the comparison of positions. A position is the number of a write and its nonce. A database that was restored or
failed over counts from an older number, and reaches the same numbers with other writes; behind a load balancer, the
nodes of one server may notice it at different times.

- A nonce that differs from the one that the feed reported for its number is of another history.
- A fact may be newer than the feed. Its position is remembered until the feed passes it. If the feed has another nonce
  there, or its database was asked after the fact arrived and has not reached that number, the fact was of a history
  that was lost.
- An earlier server does not send nonces. Its positions are compared by their numbers alone.
"""

from collections import OrderedDict
from typing import NamedTuple

from daypass.verify.remote_server.protocol import ChangesAnswer

_REMEMBERED = 4_096  # nonces; a server keeps as many changes
_MOST_AHEAD = 1_024


class FeedPosition(NamedTuple):
    """The number of a write, and its nonce in hexadecimal.

    The nonce is an empty string if it is not known.
    """

    number: int
    nonce: str


UNKNOWN = FeedPosition(-1, "")


class FeedHistory:
    """The positions that a feed has reported, and those of newer facts.

    The caller has a lock.
    """

    def __init__(self) -> None:
        self.position = UNKNOWN
        self._nonces: OrderedDict[int, str] = OrderedDict()
        self._ahead: dict[int, tuple[str, float]] = {}

    def start_anew(self, answer: ChangesAnswer) -> None:
        """Follow the history of an answer, and forget every other position."""
        self._nonces.clear()
        self._ahead.clear()
        self.position = UNKNOWN
        self._report(answer)

    def follow(self, answer: ChangesAnswer, heard_at: float) -> bool:
        """Follow an answer, and return whether known positions are in it.

        The server asked its database at `heard_at` or later.
        """
        if not self._report(answer):
            return False
        if not answer.nonces:
            return True
        for number, (nonce, arrived_at) in list(self._ahead.items()):
            if number <= self.position.number:
                del self._ahead[number]
                if self._nonces.get(number, nonce) != nonce:
                    return False
            elif arrived_at <= heard_at:
                return False
        return True

    def contradicts(self, position: FeedPosition) -> bool:
        """Return whether its number is known with another nonce.

        Then the position is of another history.
        """
        number, nonce = position
        known = self._nonces.get(number) or self._ahead.get(number, ("", 0.0))[0]
        return bool(known and nonce) and known != nonce

    def accepts(self, position: FeedPosition, arrived_at: float) -> bool:
        """Return whether a fact of this position may be kept.

        A position that is newer than the feed is remembered.
        """
        number, nonce = position
        if not nonce or nonce == self._nonces.get(number):
            return True
        if number <= self.position.number:
            return not self.position.nonce  # else it is too old to be known
        if number not in self._ahead and len(self._ahead) < _MOST_AHEAD:
            self._ahead[number] = (nonce, arrived_at)
        return number in self._ahead

    def _report(self, answer: ChangesAnswer) -> bool:
        """Remember the nonces of an answer, and return whether they are as reported before."""
        nonces = answer.nonces or ()
        first = answer.revision - len(nonces) + 1
        is_same = True
        for number, nonce in enumerate(nonces, first):
            is_same = is_same and self._nonces.setdefault(number, nonce) == nonce
        while len(self._nonces) > _REMEMBERED:
            self._nonces.popitem(last=False)
        if nonces:
            self.position = FeedPosition(answer.revision, nonces[-1])
        elif answer.revision != self.position.number:
            self.position = FeedPosition(answer.revision, "")
        return is_same
