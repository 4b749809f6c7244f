"""A plan as text for people and as JSON for programs.

Pure. Owns the signs (+ create, ~ change, - delete) and the display of a changed policy as a unified diff of its JSON.
"""

import difflib
import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from daypass.apply.file.state import ATTRIBUTES, AttributeType, ClientSecretValue, KeyValue, PrivateKeyValue
from daypass.apply.plan.differences import ApplyPlan, Change, Difference, Verb
from daypass.counted import counted

_SIGNS = {Verb.CREATE: "+", Verb.CHANGE: "~", Verb.DELETE: "-"}
_WORDS = {
    "policies": "policy",
    "inline": "inline policy",
    "serviceControl": "service control policy",
    "resourceControl": "resource control policy",
    "tags": "tag",
    "groups": "group",
    "accessKeys": "access key",
    "clientIds": "client id",
    "privateKeys": "private key",
}
_PAST = {Verb.CREATE: "created", Verb.CHANGE: "changed", Verb.DELETE: "deleted"}


def show_plan(plan: ApplyPlan, *, is_done: bool) -> str:
    """Return the plan for people. Its last line is the summary."""
    lines: list[str] = []
    for account, changes in groupby(plan.changes, key=lambda change: change.thing.account):
        lines.append(f"Account {account}" if account else "Organization")
        for change in changes:
            lines += _change(change)
        lines.append("")
    lines.append(summary(plan, is_done=is_done))
    return "\n".join(lines)


def summary(plan: ApplyPlan, *, is_done: bool) -> str:
    """Return one line with the number of changes of each type."""
    numbers = {verb: sum(1 for _ in plan.of(verb)) for verb in Verb}
    noun = "entity" if plan.kept == 1 else "entities"
    kept = f" Left unchanged: {plan.kept} {noun} that this file does not own." if plan.kept else ""
    if not plan.changes:
        return f"No changes: the store matches the file.{kept}"
    if is_done:
        return ", ".join(f"{number} {_PAST[verb]}" for verb, number in numbers.items()).capitalize() + f".{kept}"
    parts = ", ".join(f"{number} to {verb.value}" for verb, number in numbers.items())
    return f"Plan: {parts}.{kept}"


def plain_plan(plan: ApplyPlan) -> dict[str, Any]:
    """Return the plan for programs."""
    return {
        "Changes": [
            {
                "Action": change.verb.value,
                "Account": change.thing.account,
                "Kind": change.thing.kind,
                "Name": change.thing.name,
                "Differences": [_plain_difference(change, one) for one in change.differences],
            }
            for change in plan.changes
        ],
        "Summary": {
            **{verb.value.capitalize(): sum(1 for _ in plan.of(verb)) for verb in Verb},
            "LeftAlone": plan.kept,
        },
    }


def _plain_difference(change: Change, difference: Difference) -> dict[str, Any]:
    shown: dict[str, Any] = {"Attribute": difference.attribute}
    if ATTRIBUTES[change.thing.kind][difference.attribute].has_parts:
        shown["Part"] = difference.part
        shown["Action"] = "add" if difference.is_new else "remove" if difference.is_gone else "change"
    if not difference.is_new:
        shown["Before"] = _plain(difference.before)
    if not difference.is_gone:
        shown["After"] = _plain(difference.after)
    return shown


def _plain(value: Any) -> Any:
    # The secret of an access key is never shown, and neither is whether two secrets are equal.
    if isinstance(value, PrivateKeyValue | ClientSecretValue):
        return None
    return {"Status": _status(value)} if isinstance(value, KeyValue) else value


def _change(change: Change) -> Iterator[str]:
    yield f"  {_SIGNS[change.verb]} {change.thing.kind} {_quoted(change.thing.name)}"
    for difference in change.differences:
        for line in _difference(change, difference):
            yield f"      {line}"


def _difference(change: Change, difference: Difference) -> Iterator[str]:
    form = ATTRIBUTES[change.thing.kind][difference.attribute].form
    if form in {AttributeType.VALUE, AttributeType.LIST}:
        yield from _value(difference)
    elif form is AttributeType.TEXT:
        before = f"{counted(len(difference.before), 'character')} -> " if difference.before else ""
        yield f"{'~' if before else '+'} {difference.attribute}: {before}{counted(len(difference.after), 'character')}"
    elif form is AttributeType.SECRET:
        sign = "+" if difference.before is None else "-" if difference.after is None else "~"
        yield f"{sign} {difference.attribute}"
    elif form is AttributeType.PARTS:
        yield from _part(difference)
    else:
        sign = "+" if difference.is_new else "-" if difference.is_gone else "~"
        word = _WORDS.get(difference.attribute, difference.attribute)
        name = f" {_quoted(difference.part)}" if difference.part else ""
        yield f"{sign} {word}{name}"
        yield from (f"    {line}" for line in _policy_diff(difference))


def _value(difference: Difference) -> Iterator[str]:
    if difference.is_new:
        yield f"+ {difference.attribute}: {_text(difference.after)}"
    else:
        yield f"~ {difference.attribute}: {_text(difference.before)} -> {_text(difference.after)}"


def _part(difference: Difference) -> Iterator[str]:
    word = _WORDS[difference.attribute]
    before, after = difference.before, difference.after
    name = f"{word} {_quoted(difference.part)}"
    if isinstance(after, KeyValue) and isinstance(before, KeyValue):
        is_other = after.secret is not None and after.secret != before.secret
        status = f"{_status(before)} -> {_status(after)}" if before.active != after.active else ""
        yield f"~ {name}: " + ", ".join(filter(None, (status, "another secret" if is_other else "")))
    elif difference.is_new:
        yield f"+ {name}{_described(after)}"
    elif difference.is_gone:
        yield f"- {name}"
    else:
        yield f"~ {name}: {_text(before)} -> {_text(after)}"


def _described(value: Any) -> str:
    if value is None or isinstance(value, PrivateKeyValue):
        return ""
    return f" ({_status(value)})" if isinstance(value, KeyValue) else f": {_text(value)}"


def _policy_diff(difference: Difference) -> Iterator[str]:
    before, after = _json_lines(difference.before), _json_lines(difference.after)
    if difference.is_gone:
        return
    if not before:
        yield from after
        return
    # The first two lines of a unified diff name files.
    yield from list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]


def _json_lines(document: Any) -> list[str]:
    if document is None or document == "":
        return []
    document = json.loads(document) if isinstance(document, str) else document
    return json.dumps(document, indent=2, ensure_ascii=True).splitlines()


def _status(key: KeyValue) -> str:
    return "Active" if key.active else "Inactive"


def _quoted(name: str) -> str:
    """Return a name with terminal control characters escaped."""
    return name if name.isprintable() else json.dumps(name)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if str(value).isprintable() else json.dumps(value)
