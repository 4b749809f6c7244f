"""The batches of a large plan, each of which is one transaction.

Pure. Owns the changes that stay together (docs/decisions/0034-batches-of-apply.md has the reasons):

- A small plan is one batch.
- Accounts and units come first, together. Units are deleted last.
- New entities of accounts in which only new ones are made follow: each with all its parts, after those that it names.
- Then come the accounts in which an entity changes or is deleted. All changes of such an account are one batch, with
  those of accounts that name its new entities.
- Buckets follow, together if one of them is deleted: a file may give a bucket to another account.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from daypass.apply.file.state import NOUNS, Thing
from daypass.apply.plan.differences import ApplyPlan, Change, Verb
from daypass.apply.store.order import ordered
from daypass.arn import Arn
from daypass.directory.unresolved_principals import principals_of

_ORGANIZED = ("account", "unit")
_KINDS = ("policy", "group", "oidcProvider", "samlProvider", "oidcClient", "user")


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """The changes of a small plan, and the new entities of a batch.

    The execution of a batch of this size takes about a third of a second.
    """

    small_plan: int = 1_000
    batch: int = 400


def split_plan(plan: ApplyPlan, sizes: BatchSizes) -> list[ApplyPlan]:
    """Return the batches of a plan in the order of their execution."""
    batch = sizes.batch
    if len(plan.changes) <= sizes.small_plan:
        return [plan] if plan.changes else []
    organized = [one for one in plan.changes if one.thing.kind in _ORGANIZED and one.verb is not Verb.DELETE]
    units = [one for one in plan.changes if one.thing.kind in _ORGANIZED and one.verb is Verb.DELETE]
    buckets = [one for one in plan.changes if one.thing.kind == "bucket"]
    others = [one for one in plan.changes if one.thing.kind not in {*_ORGANIZED, "bucket"}]
    together = _accounts_together(others)
    parts: list[Sequence[Change]] = [organized]
    parts += _of_new([one for one in others if one.thing.account not in together], batch)
    by_group: dict[str, list[Change]] = {}
    for change in others:
        if change.thing.account in together:
            by_group.setdefault(together[change.thing.account], []).append(change)
    parts += by_group.values()
    is_moved = any(change.verb is Verb.DELETE for change in buckets)
    parts += [buckets] if is_moved else _chunks(buckets, batch)
    parts.append(units)
    return [ApplyPlan(tuple(changes)) for changes in parts if changes]


def _accounts_together(changes: Iterable[Change]) -> dict[str, str]:
    """Return the accounts with changed or deleted entities, and those linked to them, each with its group."""
    changes = list(changes)
    groups = {change.thing.account: change.thing.account for change in changes}
    made = _names_of([change.thing for change in changes if change.verb is Verb.CREATE])
    for change in changes:
        for name in _named_by(change):
            if name in made:
                _join(groups, change.thing.account, made[name])
    mixed = {_root(groups, change.thing.account) for change in changes if change.verb is not Verb.CREATE}
    return {account: _root(groups, account) for account in groups if _root(groups, account) in mixed}


def _names_of(things: Iterable[Thing]) -> dict[str, str]:
    """Return the accounts of new entities by ARN, and those of roles by the prefix of their sessions too."""
    found = {thing.arn: thing.account for thing in things if thing.kind in NOUNS}
    found |= {f"{thing.account}/{thing.name}": thing.account for thing in things if thing.kind == "role"}
    return found


def _named_by(change: Change) -> Iterator[str]:
    trust = change.after.value("trust") if change.after is not None and change.thing.kind == "role" else None
    for _, text in principals_of(trust or {}):
        yield text
        arn = Arn.find(text)
        if arn is not None and arn.resource.startswith("assumed-role/"):
            yield f"{arn.account}/{arn.resource.split('/')[1]}"


def _root(groups: Mapping[str, str], account: str) -> str:
    while groups[account] != account:
        account = groups[account]
    return account


def _join(groups: dict[str, str], one: str, other: str) -> None:
    groups[_root(groups, one)] = _root(groups, other)


def _of_new(changes: Sequence[Change], batch: int) -> Iterator[list[Change]]:
    """Yield batches of new entities, so that each comes after those that it names."""
    first = [change for kind in _KINDS for change in changes if change.thing.kind == kind]
    roles = {change.thing.key: change for change in changes if change.thing.kind == "role"}
    in_order = ordered(change.thing for change in roles.values())
    # Roles that name each other are the last ones, and are made together.
    end = max((at for at, (_, must_wait) in enumerate(in_order, 1) if not must_wait), default=0)
    in_turn = [roles[thing.key] for thing, _ in in_order]
    yield from _chunks([*first, *in_turn[:end]], batch)
    yield in_turn[end:]


def _chunks(changes: Sequence[Change], size: int) -> Iterator[list[Change]]:
    rest = iter(changes)
    while some := list(islice(rest, size)):
        yield some
