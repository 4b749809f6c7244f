"""The roles of a sign-in for display, by account, with durations.

Owns their order and labels. Leaves the selection of the roles to the sign-in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from daypass.directory.identity import load_account
from daypass.operations.request_context import RequestContext

_USUAL = 3_600
_SHORTEST = 900  # the minimum of DurationSeconds; STS itself ends a session earlier if the proof ends earlier
_STEPS = (900, 3_600, 7_200, 14_400, 28_800, 43_200)


def describe_role(role: str, provider: str, longest: int, ctx: RequestContext) -> dict[str, Any]:
    """Return the description of a role that can be assumed."""
    account = role.split(":")[4]
    return {
        "RoleArn": role,
        "PrincipalArn": provider,
        "RoleName": role.rpartition("/")[2],
        "Account": account,
        "AccountAlias": account_alias(account, ctx),
        "LongestSession": longest,
    }


def account_alias(account: str, ctx: RequestContext) -> str:
    """Return the alias or name of an account, or "" if it does not have one."""
    found = ctx.views.get(load_account, account)
    name = "" if found is None else found.alias or found.name
    return "" if name == f"account-{account}" else name


def by_account(roles: Sequence[Mapping[str, Any]], *, wanted: str) -> list[dict[str, Any]]:
    """Return the roles by account, each with its possible durations."""
    found: dict[str, dict[str, Any]] = {}
    for role in sorted(roles, key=_place):
        account = found.setdefault(role["Account"], {"id": role["Account"], "alias": role["AccountAlias"], "roles": []})
        longest = role["LongestSession"]
        usual = min(max(int(wanted), _SHORTEST) if wanted.isdecimal() else _USUAL, longest)
        steps = sorted({*(step for step in _STEPS if step < longest), longest, usual})
        sessions = [(max(step, _SHORTEST), in_words(step)) for step in steps]
        account["roles"].append(
            {**role, "sessions": sessions, "usual": max(usual, _SHORTEST), "most": in_words(longest)}
        )
    return list(found.values())


def _place(role: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sort key: accounts by name, unnamed ones last; roles by name."""
    return (role["AccountAlias"].lower() or "\uffff", role["Account"], role["RoleName"].lower(), role["RoleArn"])


def in_words(seconds: int) -> str:
    """Return a duration in words, for example "1 hour 30 minutes"."""
    parts = []
    for size, word in ((3_600, "hour"), (60, "minute")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}{'s' if count > 1 else ''}")
    return " ".join(parts) or f"{seconds} seconds"


def longest_session(role_maximum: int, *, asserted: int | None, ends: datetime | None, now: datetime) -> int:
    """Return the longest session in seconds that role and provider allow."""
    limits = [timedelta(seconds=role_maximum)]
    if asserted is not None:
        limits.append(timedelta(seconds=asserted))
    if ends is not None:
        limits.append(ends - now)
    return max(0, int(min(limits).total_seconds()))
