"""Session tags: the valid ones, and the inherited ones.

Owns the rules:

* Keys are unique without regard to case, and the prefix `aws:` is reserved.
* Transitive keys go on to the next session and cannot be overridden there.
* A session has at most fifty tags.

Source: IAM User Guide, "Pass session tags in AWS STS"; the messages are AWS's.
"""

from collections.abc import Mapping
from operator import attrgetter

import msgspec

from daypass.errors import InvalidParameterValue
from daypass.mint.session import Session

_KEY, _VALUE = attrgetter("key"), attrgetter("value")
MOST_TAGS = 50  # of a session, with the inherited ones
_TOO_MANY = f"A session can have {MOST_TAGS} tags, those of the calling session that are transitive included."

_DUPLICATE = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
_NOT_REQUESTED = "The specified transitive tag key must be included in the requested tags."
_INHERITED = (
    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
    "from the calling session."
)
_RESERVED = "System tag keys (prefix aws:) cannot be set by a caller."


class SessionTag(msgspec.Struct, frozen=True, rename="pascal"):
    """One tag as the API passes it."""

    key: str
    value: str


class SessionTags(msgspec.Struct, frozen=True):
    """Tags by key, in their original case, and the transitive keys."""

    tags: Mapping[str, str] = {}
    transitive: tuple[str, ...] = ()


def read_tags(tags: tuple[SessionTag, ...], transitive: tuple[str, ...]) -> SessionTags:
    """Return the requested tags.

    Raises InvalidParameterValue if they conflict.
    """
    if not tags and not transitive:
        return SessionTags()
    keys = list(map(_KEY, tags))
    folded = set(map(str.lower, keys))
    if len(folded) != len(tags):
        raise InvalidParameterValue(_DUPLICATE)
    # One search of all keys together; only if it finds something, each key is looked at.
    if "aws:" in "\n".join(folded) and any(key.startswith("aws:") for key in folded):
        raise InvalidParameterValue(_RESERVED)
    wanted = {key.lower() for key in transitive}
    if len(wanted) != len(transitive):
        raise InvalidParameterValue(_DUPLICATE)
    if not wanted <= folded:
        raise InvalidParameterValue(_NOT_REQUESTED)
    return SessionTags(dict(zip(keys, map(_VALUE, tags), strict=True)), transitive)


def inherit_tags(requested: SessionTags, calling: Session | None) -> SessionTags:
    """Return the tags of a new session, the inherited ones first."""
    if calling is None or not calling.transitive_tag_keys:
        return requested
    kept = {key.lower() for key in calling.transitive_tag_keys}
    if any(key.lower() in kept for key in requested.tags):
        raise InvalidParameterValue(_INHERITED)
    tags = {key: value for key, value in calling.tags.items() if key.lower() in kept} | dict(requested.tags)
    if len(tags) > MOST_TAGS:
        raise InvalidParameterValue(_TOO_MANY)
    return SessionTags(tags, (*calling.transitive_tag_keys, *requested.transitive))


def tags_context(tags: SessionTags) -> dict[str, str | tuple[str, ...]]:
    """Return the condition keys of the tags in a request."""
    context: dict[str, str | tuple[str, ...]] = {}
    if tags.tags:
        context["aws:tagkeys"] = tuple(tags.tags)
        names = map("aws:requesttag/".__add__, map(str.lower, tags.tags))
        context.update(zip(names, tags.tags.values(), strict=True))
    if tags.transitive:
        context["sts:transitivetagkeys"] = tags.transitive
    return context
