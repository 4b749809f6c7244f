"""Share a limited resource, so that one account cannot starve another.

Any tenant can register an issuer that never answers.

* An account may always take its share, a sixteenth, while the resource is not used up.
* It may take more only while half of the resource is free. So one account can take half; the other half is left to
  accounts below their share.

Not safe for threads: used on one event loop.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_SHARES = 16


class Shares:
    """A limited amount, of which each account takes some and gives it back."""

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._taken = 0
        self._by_account: Counter[str] = Counter()

    def taken_by(self, account: str) -> int:
        """Return how much an account has taken."""
        return self._by_account[account]

    def take(self, account: str, amount: int = 1) -> bool:
        """Take an amount for an account, and tell whether it was allowed."""
        after = self._taken + amount
        within_share = self._by_account[account] + amount <= max(1, self._whole // _SHARES)
        if after > self._whole or not (within_share or 2 * after <= self._whole):
            return False
        self._taken = after
        self._by_account[account] += amount
        return True

    def give_back(self, account: str, amount: int = 1) -> None:
        """Give back an amount that an account took."""
        self._taken -= amount
        self._by_account[account] -= amount
        if not self._by_account[account]:
            del self._by_account[account]


@dataclass(slots=True, eq=False)
class Turn:
    """A wait for a place in a lane, for all accounts that need the result.

    `accounts` may grow meanwhile.
    """

    accounts: set[str]
    granted: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def is_granted(self) -> bool:
        """Tell whether the turn got a place."""
        return self.granted.done() and not self.granted.cancelled()


class FairLane:
    """A limited number of places, of which each account has a share.

    The account with the fewest places goes first, then the longest wait.
    """

    def __init__(self, width: int) -> None:
        self._shares = Shares(width)
        self._waiting: list[Turn] = []

    @property
    def waiting(self) -> int:
        """The number of turns that wait for a place."""
        return len(self._waiting)

    @asynccontextmanager
    async def enter(self, turn: Turn) -> AsyncIterator[None]:
        """Wait for a place, and keep it until the context ends."""
        self._waiting.append(turn)
        self.grant()
        try:
            account = await turn.granted
        except asyncio.CancelledError:
            self._withdraw(turn)
            raise
        try:
            yield
        finally:
            self._leave(account)

    def grant(self) -> None:
        """Let in every turn that may go now.

        Call this when an account joins a turn.
        """
        while (found := self._next()) is not None:
            turn, account = found
            self._waiting.remove(turn)
            turn.granted.set_result(account)

    def _next(self) -> tuple[Turn, str] | None:
        """Take a place for the next turn, and return both.

        The place is the account that has it.
        """
        ways = [
            (self._shares.taken_by(account), place, account)
            for place, turn in enumerate(self._waiting)
            if not turn.granted.done()  # A canceled turn stays in the list until its task continues.
            for account in turn.accounts
        ]
        for _, place, account in sorted(ways):
            if self._shares.take(account):
                return self._waiting[place], account
        return None

    def _withdraw(self, turn: Turn) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.is_granted:
            self._leave(turn.granted.result())

    def _leave(self, account: str) -> None:
        self._shares.give_back(account)
        self.grant()
