"""The ownership marks of a file.

They record the entities and parts that a file has created and may remove, not those that existed before.
"""

from collections.abc import Mapping

from daypass.apply.file.state import ATTRIBUTES, Thing
from daypass.apply.plan.differences import ApplyPlan, Change, Verb
from daypass.apply.store.organization import unit_id
from daypass.apply.store.store_state import ENTITIES
from daypass.directory import records
from daypass.directory.entities.apply_entities import Mark
from daypass.directory.store import RecordMissingError, Writer


def write_marks(writer: Writer, plan: ApplyPlan, owner: str, marks: Mapping[str, Mark]) -> None:
    """Record the entities and parts that an executed plan has created."""
    for change in plan.changes:
        if change.before is not None and change.verb is Verb.DELETE:
            _forget(writer, marks.get(change.before.id))
            continue
        unique_id = _id_of(writer, change.thing) if change.before is None else change.before.id
        old = marks.get(unique_id)
        new = _after(
            change, old or Mark(owner=owner, account=change.thing.account, thing=unique_id, kind=change.thing.kind)
        )
        if old is None:
            records.insert(writer, new)
        elif new != old:
            records.replace(writer, new)


def _after(change: Change, mark: Mark) -> Mark:
    attributes = ATTRIBUTES[change.thing.kind]
    values = set(mark.values)
    parts = {name: set(owned) for name, owned in mark.parts.items()}
    for difference in change.differences:
        name = difference.attribute
        if not attributes[name].has_parts:
            is_given = name in change.thing.attributes
            values = values | {name} if is_given else values - {name}
        elif difference.is_new:
            parts.setdefault(name, set()).add(difference.part)
        elif difference.is_gone:
            parts.get(name, set()).discard(difference.part)
    return Mark(
        owner=mark.owner,
        account=mark.account,
        thing=mark.thing,
        kind=mark.kind,
        made=mark.made or change.verb is Verb.CREATE,
        values=tuple(sorted(values)),
        parts={name: tuple(sorted(owned)) for name, owned in sorted(parts.items()) if owned},
    )


def _forget(writer: Writer, mark: Mark | None) -> None:
    if mark is None:
        return
    try:
        records.delete(writer, mark)
    except RecordMissingError:
        return


def _id_of(writer: Writer, thing: Thing) -> str:
    if thing.kind == "account":
        return thing.account
    if thing.kind == "unit":
        return unit_id(writer, thing.name)
    found = records.find(writer, ENTITIES[thing.kind], thing.account, thing.name)
    if found is None:
        raise ValueError(f"{thing.kind} {thing.name} was created but does not exist")
    unique_id: str = found.id  # type: ignore[attr-defined] # all of them have one
    return unique_id
