"""Read, change and show the tags of IAM entities.

The rules:

- An entity has at most fifty tags.
- Keys with the prefix `aws:` are reserved.
- Keys are unique: case-insensitively for users and roles (FOLDED), case-sensitively for all other entities (EXACT).

Source: IAM User Guide, "Rules for tagging in IAM and AWS STS"; AWS's recorded answers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from daypass.errors import InvalidInput, LimitExceeded
from daypass.policy.authorization_request import NewConditionKeys

_RESERVED = "aws: prefixed tag key names are not allowed for external use."


class Tag(msgspec.Struct, frozen=True, rename="pascal"):
    """One tag as the API passes it."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class TagRule:
    """The rule by which two keys are equal, and AWS's message for duplicates."""

    fold: Callable[[str], str]
    duplicate: str


FOLDED = TagRule(str.lower, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
EXACT = TagRule(str, "Duplicate tag keys found.")


def read_tags(tags: Iterable[Tag], *, most: int, rule: TagRule = FOLDED) -> dict[str, str]:
    """Return the tags by key.

    Raises InvalidInput for duplicate or reserved keys, LimitExceeded for too many tags.
    """
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
    """Return the present tags with the given tags added.

    A given tag replaces the present tag with an equal key.
    """
    added = read_tags(given, most=most, rule=rule)
    taken = {rule.fold(key) for key in added}
    merged = {key: value for key, value in present.items() if rule.fold(key) not in taken} | added
    _check_number(merged, most)
    return merged


def drop_tags(present: Mapping[str, str], keys: Iterable[str], *, rule: TagRule) -> dict[str, str]:
    """Return the present tags without these keys."""
    dropped = {rule.fold(key) for key in keys}
    return {key: value for key, value in present.items() if rule.fold(key) not in dropped}


def show_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API shows them, sorted by key."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def shown(tags: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return the member that shows tags, or {} if there are no tags."""
    return {"Tags": show_tags(tags)} if tags else {}


def echoed(tags: Iterable[Tag]) -> dict[str, list[dict[str, str]]]:
    """Return the member that repeats the tags of a create request.

    The tags stay in the order of the request.
    """
    repeated = [{"Key": tag.key, "Value": tag.value} for tag in tags]
    return {"Tags": repeated} if repeated else {}


def request_tags(tags: Iterable[Tag]) -> NewConditionKeys:
    """Return the condition keys of the tags in a request."""
    context: NewConditionKeys = {}
    keys = []
    for tag in tags:
        keys.append(tag.key)
        context["aws:requesttag/" + tag.key.lower()] = tag.value
    if keys:
        context["aws:tagkeys"] = tuple(keys)
    return context


def tag_keys(keys: Iterable[str]) -> NewConditionKeys:
    """Return the condition key of an untagging request."""
    return {"aws:tagkeys": tuple(keys)}


def _check_number(tags: Mapping[str, str], most: int) -> None:
    if len(tags) > most:
        raise LimitExceeded(f"Cannot exceed quota for TagsPerResource: {most}")
