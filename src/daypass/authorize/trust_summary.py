"""The summary of a graph that is too large to draw.

Its boxes are accounts. Owns the counts. They follow from the trust policies alone, in one pass over the roles: an arrow
counts the roles of one account whose trust policies name principals of another. Whether those principals' own policies
allow it is left to the graph of a part.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from daypass.arn import account_in_arn, is_account_id
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Edge
from daypass.counted import counted
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account, Role, User
from daypass.directory.store import Reader
from daypass.directory.unresolved_principals import is_unresolved
from daypass.policy.language.statement import PrincipalName
from daypass.policy.principal import Names

MOST_BOXES = 200  # a picture with more is summarized
_MOST_EVALUATIONS = 100_000  # of the whole graph, before its number of boxes is known
_SHOWN = 60  # boxes of accounts in a summary
_MOST_ALIKE = 5  # accounts with the same arrows; more of them are one box
EVERYONE, SERVICES, PROVIDERS, OTHERS = "everyone", "services", "identity providers", "other accounts"


class _Trusting(msgspec.Struct, frozen=True):
    """The fields of a role that the summary reads."""

    account: str
    trust: str


_trusting = msgspec.json.Decoder(_Trusting).decode


@dataclass(frozen=True, slots=True)
class SummaryBox:
    """A box: an account or a group of principals, its name and its counts."""

    id: str
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The boxes, and the number of ways or roles that each arrow counts.

    `counted` says what the numbers count, and `hint` how a part is drawn.
    """

    boxes: tuple[SummaryBox, ...]
    arrows: dict[tuple[str, str], int]
    counted: str
    hint: str


def is_large(reader: Reader) -> bool:
    """Return whether a graph of the whole store takes too long."""
    accounts = [record.key for record in records.each_record(reader, Account, "")]
    roles = sum(reader.count(records.kind_name(Role), account) for account in accounts)
    users = sum(reader.count(records.kind_name(User), account) for account in accounts)
    return roles * (roles + users) > _MOST_EVALUATIONS


def summarize_store(views: SnapshotViews, *, only: str = "") -> Summary:
    """Return the summary of all accounts, or of the arrows of one account."""
    counts: Counter[tuple[str, str]] = Counter()
    account_of = lru_cache(maxsize=10_000)(lambda unique_id: _account_of(views.reader, unique_id))
    for record in records.each_record(views.reader, Role, None, batch=1000):
        role = _trusting(record.body)
        for source in {account_of(name) if known else name for name, known in _trusted(role.trust)}:
            if source and only in {"", source, role.account}:
                counts[source, role.account] += 1
    hint = "Draw a part of it with --account ID or --role ARN; --all draws every box."
    if only:
        hint = "Draw one role of it with --role ARN; --all draws every box."
    return _summary(counts, views, "roles whose trust policy names the source", hint, keep=only)


def summarize_role(role_arn: str, edges: Iterable[Edge], views: SnapshotViews) -> Summary:
    """Return the summary of the ways to one role.

    Principals are counted by account.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for edge in edges:
        counts[edge.way.account or edge.way.kind, role_arn] += 1
    hint = f"List them with daypass explain --who-can sts:AssumeRole {role_arn}; --all draws every box."
    return _summary(counts, views, "principals that can assume the role", hint, keep=role_arn)


def _summary(counts: Counter[tuple[str, str]], views: SnapshotViews, counted: str, hint: str, *, keep: str) -> Summary:
    alike = _accounts_alike(counts, keep)
    counts = _joined(counts, {account: accounts[0] for accounts in alike.values() for account in accounts})
    weights: Counter[str] = Counter()
    for (source, target), number in counts.items():
        weights[source] += number
        weights[target] += number
    named = {EVERYONE, SERVICES, PROVIDERS, keep} & set(weights)
    largest = [name for name, _ in sorted(weights.items(), key=lambda item: (-item[1], item[0])) if name not in named]
    shown = named | set(largest[:_SHOWN])
    arrows: Counter[tuple[str, str]] = Counter()
    for (source, target), number in counts.items():
        arrows[source if source in shown else OTHERS, target if target in shown else OTHERS] += number
    boxes = [
        _box_of_many(name, alike[name], views.reader) if name in alike else _box(name, views.reader)
        for name in sorted(shown)
    ]
    if len(largest) > _SHOWN:
        boxes.append(SummaryBox(OTHERS, f"{len(largest) - _SHOWN:,} other accounts", "those with fewer arrows"))
    return Summary(tuple(boxes), dict(arrows), counted, hint)


def _joined(counts: Counter[tuple[str, str]], joined: dict[str, str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (source, target), number in counts.items():
        found[joined.get(source, source), joined.get(target, target)] += number
    return found


def _accounts_alike(counts: Counter[tuple[str, str]], keep: str) -> dict[str, list[str]]:
    """Return the accounts with the same arrows, by the first of them.

    An account's arrow to itself is like that of another account to itself.
    """
    ends: dict[str, set[tuple[str, str]]] = {}
    for source, target in counts:
        ends.setdefault(source, set()).add(("to", "" if source == target else target))
        ends.setdefault(target, set()).add(("from", "" if source == target else source))
    found: dict[frozenset[tuple[str, str]], list[str]] = {}
    for name in sorted(ends):
        if is_account_id(name) and name not in {keep, account_in_arn(keep)}:
            found.setdefault(frozenset(ends[name]), []).append(name)
    return {accounts[0]: accounts for accounts in found.values() if len(accounts) > _MOST_ALIKE}


def _box_of_many(name: str, accounts: list[str], reader: Reader) -> SummaryBox:
    roles, users = (sum(reader.count(records.kind_name(type_), one) for one in accounts) for type_ in (Role, User))
    return SummaryBox(name, f"{counted(len(accounts), 'account')} alike", _numbers(roles, users))


def _numbers(roles: int, users: int) -> str:
    return f"{counted(roles, 'role')}, {counted(users, 'user')}"


def _box(name: str, reader: Reader) -> SummaryBox:
    account = records.find(reader, Account, "", name)
    if account is None:
        return SummaryBox(name, name.rpartition("/")[2], "role" if ":role/" in name else "not accounts of this store")
    roles, users = (reader.count(records.kind_name(type_), name) for type_ in (Role, User))
    return SummaryBox(name, f"account {name}", _numbers(roles, users))


def _account_of(reader: Reader, unique_id: str) -> str:
    record = reader.find_by_id(unique_id)
    return "" if record is None or record.kind not in {"user", "role"} else record.account


@lru_cache(maxsize=10_000)
def _trusted(trust: str) -> frozenset[tuple[str, bool]]:
    """Return the names of boxes that a trust policy leads to.

    The boolean marks the unique id of a principal.
    """
    document: Any = msgspec.json.decode(trust)
    statements = document["Statement"]
    found: set[tuple[str, bool]] = set()
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement["Effect"] != "Allow":
            continue
        if "NotPrincipal" in statement:
            found.add((EVERYONE, False))
            continue
        names = Names.of(_names(statement["Principal"]))
        found |= {(EVERYONE, False)} if names.everyone else set()
        found |= {(SERVICES, False)} if names.services else set()
        found |= {(PROVIDERS, False)} if names.federated else set()
        found |= {(account, False) for account in names.accounts}
        for name in names.exact:
            account = account_in_arn(name)
            if account or not is_unresolved(name):
                found.add((account, False) if account else (name.partition(":")[0], True))
    return frozenset(found)


def _names(principal: Any) -> Iterator[PrincipalName]:
    if isinstance(principal, str):
        yield PrincipalName("AWS", principal)
        return
    for kind, named in principal.items():
        for value in named if isinstance(named, list) else [named]:
            yield PrincipalName(kind, value)
