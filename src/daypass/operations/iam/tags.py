"""Tags on IAM things: reading, changing, showing, and the condition keys they bring.

Owns the rules: fifty at the most, `aws:` is reserved, and keys are unique: for users and roles without regard to
case (FOLDED), for everything else with it (EXACT).
Source: IAM User Guide, "Rules for tagging in IAM and AWS STS"; AWS's recorded answers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from daypass.errors import InvalidInput, LimitExceeded

_RESERVED = "aws: prefixed tag key names are not allowed for external use."

Context = dict[str, str | tuple[str, ...]]


class Tag(msgspec.Struct, frozen=True, rename="pascal"):
    """One tag as the API passes it."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class TagRule:
    """When two keys are the same key, and AWS's words where both are given at once."""

    fold: Callable[[str], str]
    duplicate: str


FOLDED = TagRule(str.lower, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
EXACT = TagRule(str, "Duplicate tag keys found.")


def read_tags(tags: Iterable[Tag], *, most: int, rule: TagRule = FOLDED) -> dict[str, str]:
    """Return tags by key. Raises InvalidInput for keys that cannot be together, LimitExceeded for too many."""
    read: dict[str, str] = {}
    seen: set[str] = set()
    for tag in tags:
        key = rule.fold(tag.key)
        if key in seen:
            raise InvalidInput(rule.duplicate)
        if tag.key.lower().startswith("aws:"):
            raise InvalidInput(_RESERVED)
        seen.add(key)
        read[tag.key] = tag.value
    _check_number(read, most)
    return read


def merge_tags(present: Mapping[str, str], given: Iterable[Tag], *, most: int, rule: TagRule) -> dict[str, str]:
    """Return the present tags with those given added. A key that is the same key replaces the present one."""
    added = read_tags(given, most=most, rule=rule)
    taken = {rule.fold(key) for key in added}
    merged = {key: value for key, value in present.items() if rule.fold(key) not in taken} | added
    _check_number(merged, most)
    return merged


def drop_tags(present: Mapping[str, str], keys: Iterable[str], *, rule: TagRule) -> dict[str, str]:
    """Return the present tags without those keys."""
    dropped = {rule.fold(key) for key in keys}
    return {key: value for key, value in present.items() if rule.fold(key) not in dropped}


def show_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API shows them, in the order of their keys."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def shown(tags: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return the member that shows tags, left out where there are none."""
    return {"Tags": show_tags(tags)} if tags else {}


def echoed(tags: Iterable[Tag]) -> dict[str, list[dict[str, str]]]:
    """Return the member with which the answer to a creation repeats its tags, in the order given."""
    repeated = [{"Key": tag.key, "Value": tag.value} for tag in tags]
    return {"Tags": repeated} if repeated else {}


def request_tags(tags: Iterable[Tag]) -> Context:
    """Return the condition keys of tags in a request."""
    context: Context = {}
    keys = []
    for tag in tags:
        keys.append(tag.key)
        context["aws:requesttag/" + tag.key.lower()] = tag.value
    if keys:
        context["aws:tagkeys"] = tuple(keys)
    return context


def tag_keys(keys: Iterable[str]) -> Context:
    """Return the condition key of an untagging request."""
    return {"aws:tagkeys": tuple(keys)}


def resource_tags(tags: Mapping[str, str]) -> Context:
    """Return the condition keys of the tags on the thing that is asked about."""
    context: Context = {}
    for key, value in tags.items():
        context["aws:resourcetag/" + key.lower()] = value
        context["iam:resourcetag/" + key.lower()] = value
    return context


def _check_number(tags: Mapping[str, str], most: int) -> None:
    if len(tags) > most:
        raise LimitExceeded(f"Cannot exceed quota for TagsPerResource: {most}")
