"""The cached state of each issuer.

Owns the eviction: of too many entries, the account with the most loses its least recently used one. An issuer stays
until the last of its accounts has lost it, so that one tenant's registrations cannot push out the keys that another
tenant's tokens need.
"""

import asyncio
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from daypass.errors import Fault
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.shares import FairLane, Turn

CacheKey = tuple[str, frozenset[str]]


@dataclass(slots=True)
class IssuerEntry:
    """The cached state of one issuer.

    `waiting` counts each account's callers that wait for its fetch. `held_up` is when an account last lacked the
    capacity to contact it.
    """

    keys: KeySet | None = None
    fetched: datetime | None = None
    attempted: datetime | None = None
    failure: Fault | None = None
    flight: asyncio.Task[None] | None = field(default=None, repr=False)
    turn: Turn | None = field(default=None, repr=False)
    lane: FairLane | None = field(default=None, repr=False)
    waiting: Counter[str] = field(default_factory=Counter)
    held_up: dict[str, datetime] = field(default_factory=dict)


class IssuerEntries:
    """At most `most` entries. Safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[CacheKey, IssuerEntry] = {}
        self._holders: dict[CacheKey, set[str]] = {}
        # Accounts, and the issuers of each, in the order of their last use.
        self._held: OrderedDict[str, OrderedDict[CacheKey, None]] = OrderedDict()
        self._moving = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: CacheKey, account: str) -> IssuerEntry:
        """Return the entry of an issuer, and mark it as used by an account.

        A new one is empty.
        """
        with self._moving:
            entry = self._entries.setdefault(key, IssuerEntry())
            held = self._held.setdefault(account, OrderedDict())
            held[key] = None
            held.move_to_end(key)
            self._held.move_to_end(account)
            self._holders.setdefault(key, set()).add(account)
            while len(self._entries) > self._most:
                self._let_one_go()
        return entry

    def values(self) -> list[IssuerEntry]:
        """Return all entries."""
        with self._moving:
            return list(self._entries.values())

    def _let_one_go(self) -> None:
        account = max(self._held, key=lambda each: len(self._held[each]))
        held = self._held[account]
        key, _ = held.popitem(last=False)
        if not held:
            del self._held[account]
        self._holders[key].discard(account)
        if not self._holders[key]:
            del self._holders[key], self._entries[key]
