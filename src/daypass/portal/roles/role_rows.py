"""The rows of the role page, by account, and its one duration.

Owns order, labels and search. Leaves the selection of open roles to sign_in/open_roles.py.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daypass.operations.request_context import RequestContext
from daypass.portal.roles.role_list import account_alias, in_words
from daypass.portal.roles.role_memory import RoleMemory, key_of
from daypass.sign_in.open_roles import OpenRole

FILTER_FROM = 12
"""The number of roles from which the page has a search field."""

_FOLDED_FROM = 7  # accounts
_TINTS = 8
_USUAL, _SHORTEST = 3_600, 900
_STEPS = (900, 3_600, 7_200, 14_400, 28_800, 43_200)


@dataclass(frozen=True, slots=True)
class OpenRoleRow:
    """One open role as the page shows it.

    `value` names role and provider in forms.
    """

    key: str
    name: str
    description: str
    account: str
    alias: str
    provider: str
    longest: int
    value: str
    is_favourite: bool

    @property
    def most(self) -> str:
        """The longest session in words."""
        return in_words(self.longest)

    @property
    def tint(self) -> int:
        """The number of the account's colour."""
        return hashlib.sha256(self.account.encode()).digest()[0] % _TINTS

    @property
    def words(self) -> str:
        """The text that a search reads."""
        return f"{self.name} {self.account} {self.alias} {self.description}".lower()


def to_rows(roles: Sequence[OpenRole], memory: RoleMemory, ends: datetime, ctx: RequestContext) -> list[OpenRoleRow]:
    """Return the rows, those of named accounts first.

    No role session lasts longer than the sign-in, which `ends`.
    """
    aliases = {account: account_alias(account, ctx) for account in {role.account for role in roles}}
    favourites, remaining = frozenset(memory.favourites), _rounded(int((ends - ctx.now).total_seconds()))
    rows = [
        OpenRoleRow(
            key=(key := key_of(role.arn)),
            name=role.name,
            description=role.description,
            account=role.account,
            alias=aliases[role.account],
            provider=role.provider_arn.partition("provider/")[2],
            longest=min(role.longest, remaining),
            value=f"{role.arn} {role.provider_arn} {role.longest}",
            is_favourite=key in favourites,
        )
        for role in roles
    ]
    return sorted(rows, key=lambda row: (row.alias.lower() or "\uffff", row.account, row.name.lower(), row.value))


def _rounded(seconds: int) -> int:
    """Return whole hours, or minutes below one hour: the page does not count seconds down."""
    return max(seconds - seconds % (3_600 if seconds >= 3_600 else 60), 60)  # noqa: PLR2004 - an hour


def page_values(rows: Sequence[OpenRoleRow], memory: RoleMemory, query: str, wanted_seconds: int = 0) -> dict[str, Any]:
    """Return the values of the page.

    A query leaves the roles that contain all of its words.
    """
    by_key = {row.key: row for row in rows}
    words = query.lower().split()
    found = [row for row in rows if all(word in row.words for word in words)]
    accounts: dict[str, list[OpenRoleRow]] = {}
    for row in found:
        accounts.setdefault(row.account, []).append(row)
    favourites = [by_key[key] for key in memory.favourites if key in by_key]
    recent = [by_key[key] for key in memory.recent if key in by_key and key not in memory.favourites]
    return {
        "query": query,
        "count": len(rows),
        "found": len(found),
        "favourites": [] if words else favourites,
        # One account with few roles needs no shortcuts.
        "recent": [] if words or len(rows) < FILTER_FROM else recent,
        "accounts": list(accounts.values()),
        "is_open": len(accounts) < _FOLDED_FROM or bool(words),
        "has_filter": len(rows) >= FILTER_FROM,
        "longest": max((row.longest for row in rows), default=0),
        "has_providers": len({row.provider for row in rows}) > 1,
        "durations": durations(rows, wanted_seconds or memory.seconds),
    }


def durations(rows: Sequence[OpenRoleRow], wanted: int) -> list[Mapping[str, Any]]:
    """Return the options of the page's duration.

    Each role shortens it to its own limit.
    """
    longest = max((row.longest for row in rows), default=_USUAL)
    usual = min(wanted or _USUAL, longest)
    steps = sorted({*(step for step in _STEPS if step < longest), longest, usual})
    # STS takes no less than fifteen minutes, and ends a session earlier if the sign-in ends earlier.
    return [{"seconds": max(step, _SHORTEST), "words": in_words(step), "is_usual": step == usual} for step in steps]
