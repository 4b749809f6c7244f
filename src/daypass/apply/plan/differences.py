"""The plan: the differences between the desired state and the store.

Pure. Compares the file, the store and the marks.

- A file deletes only entities and parts that files of its name have created.
- With pruning, it owns everything in its accounts and sections.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from daypass.apply.file.desired import Desired
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.state import ATTRIBUTES, KeyValue, State, Thing
from daypass.directory.entities.apply_entities import Mark

# Account attributes that return to their default like the values of other entities.
_SETTINGS = frozenset({"alias", "passwordPolicy"})

# Policies in which an unresolved principal may become one that exists.
_WITH_PRINCIPALS = frozenset({"trust", "policy"})


class Verb(Enum):
    """The type of a change."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute, or one part of it, before and after.

    `part` is empty for a single value. An added part has no `before`, a removed one no `after`.
    """

    attribute: str
    part: str = ""
    before: Any = None
    after: Any = None
    is_new: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one entity.

    `before` is None if it does not exist yet, `after` if it is deleted.
    """

    verb: Verb
    before: Thing | None
    after: Thing | None
    differences: tuple[Difference, ...] = ()

    @property
    def thing(self) -> Thing:
        """Return the entity after the change, or before its deletion."""
        thing = self.after or self.before
        if thing is None:
            raise ValueError("a change of nothing")
        return thing

    def parts(self, attribute: str) -> Iterator[Difference]:
        """Return the differences in one attribute."""
        return (difference for difference in self.differences if difference.attribute == attribute)


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """The changes of one run.

    `kept` counts entities and parts that no file created and this one does not name.
    """

    changes: tuple[Change, ...] = ()
    kept: int = 0

    def of(self, verb: Verb, kind: str | None = None) -> Iterator[Change]:
        """Return the changes of one verb, of one kind of entity or of all."""
        return (change for change in self.changes if change.verb is verb and kind in {None, change.thing.kind})


@dataclass(frozen=True, slots=True)
class RemovalRule:
    """The permission to delete.

    It covers the entities and parts in the file's marks, and with `prune` everything in its sections.
    """

    marks: Mapping[str, Mark] = field(default_factory=dict)
    prune: bool = False


def make_plan(desired: Desired, present: State, rule: RemovalRule) -> ApplyPlan:
    """Return the differences. Raises ApplyFileError for an impossible change."""
    changes: list[Change] = []
    kept = 0
    for key, wanted in desired.state.items():
        found = present.get(key)
        if found is None:
            changes.append(Change(Verb.CREATE, None, wanted, tuple(_born_with(wanted))))
            continue
        _require_same_name(wanted, found)
        differences, left = _differences(wanted, found, rule)
        kept += left
        if differences:
            changes.append(Change(Verb.CHANGE, found, wanted, tuple(differences)))
    for key, found in present.items():
        if key in desired.state or found.kind == "account":
            continue
        if _may_delete(found, desired, rule):
            changes.append(Change(Verb.DELETE, found, None))
        else:
            kept += 1
    return ApplyPlan(tuple(sorted(changes, key=lambda change: change.thing.key)), kept)


def _may_delete(found: Thing, desired: Desired, rule: RemovalRule) -> bool:
    if found.protected:
        return False
    mark = rule.marks.get(found.id)
    is_pruned = rule.prune and (found.account, found.kind) in desired.sections
    return is_pruned or (mark is not None and mark.made)


def _require_same_name(wanted: Thing, found: Thing) -> None:
    if wanted.name != found.name:
        raise ApplyFileError(
            wanted.place,
            f"the {found.kind} {found.name!r} already exists, and names are case-insensitive",
        )


def _born_with(wanted: Thing) -> Iterator[Difference]:
    for name, rule in ATTRIBUTES[wanted.kind].items():
        value = wanted.value(name)
        if rule.has_parts:
            for part, after in value.items():
                yield Difference(name, part, None, after, is_new=True)
        elif name in wanted.attributes:
            yield Difference(name, "", None, value, is_new=True)


def _differences(wanted: Thing, found: Thing, rule: RemovalRule) -> tuple[list[Difference], int]:
    differences: list[Difference] = []
    kept = 0
    for name, attribute in ATTRIBUTES[wanted.kind].items():
        if attribute.fixed and name not in wanted.attributes:
            continue
        if attribute.has_parts:
            changed, left = _parts(name, wanted, found, rule)
            differences += changed
            kept += left
            continue
        before, after = found.value(name), _wanted_value(name, wanted, found, rule)
        if _is_same(before, after) and not (name in _WITH_PRINCIPALS and wanted.unresolved != found.unresolved):
            continue
        if attribute.fixed:
            raise ApplyFileError(
                wanted.place_of(name),
                f"the {name} of a {wanted.kind} cannot change (it is {before!r}); delete and recreate it",
            )
        differences.append(Difference(name, "", before, after))
    return differences, kept


def _wanted_value(name: str, wanted: Thing, found: Thing, rule: RemovalRule) -> Any:
    if name in wanted.attributes:
        return wanted.attributes[name]
    mark = rule.marks.get(found.id)
    is_organized = wanted.kind in {"account", "unit"}
    was_set = (rule.prune and not is_organized) or (mark is not None and name in mark.values)
    # A name has no default, and an account stays in its unit without one in the file.
    is_undone = was_set and (not is_organized or name in _SETTINGS)
    return wanted.value(name) if is_undone else found.value(name)


def _parts(name: str, wanted: Thing, found: Thing, rule: RemovalRule) -> tuple[list[Difference], int]:
    before, after = found.value(name), wanted.value(name)
    mark = rule.marks.get(found.id)
    owned = set(mark.parts.get(name, ())) if mark is not None else set()
    differences: list[Difference] = []
    kept = 0
    for part in before:
        if part in after:
            continue
        if rule.prune or part in owned:
            differences.append(Difference(name, part, before[part], None, is_gone=True))
        else:
            kept += 1
    for part, value in after.items():
        if part not in before:
            differences.append(Difference(name, part, None, value, is_new=True))
        elif not _is_same(before[part], value):
            differences.append(Difference(name, part, before[part], value))
    return differences, kept


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, KeyValue) and isinstance(after, KeyValue):
        # A missing secret cannot be compared, thus it is not a change.
        return before.active == after.active and (after.secret is None or after.secret == before.secret)
    return bool(normal(before) == normal(after))


def normal(value: Any) -> Any:
    """Return a document in canonical form: a list of one becomes its element."""
    if isinstance(value, list):
        return normal(value[0]) if len(value) == 1 else [normal(element) for element in value]
    if isinstance(value, dict):
        return {name: normal(member) for name, member in value.items()}
    return value
