"""The policies in a configuration file of `daypass apply`.

For `daypass lint`. Owns the names of the fields that hold policies, and their kinds. apply/file/schema.py owns the
format of the file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from daypass.apply.file.file_parser import read_text
from daypass.apply.file.nodes import ApplyFileError, FilePosition, LocatedValue
from daypass.apply.file.shapes import plain_values
from daypass.policy.language.document import DocumentKind

# Field with a policy, or with policies by name -> their kind.
_SINGLE: Mapping[str, DocumentKind] = MappingProxyType(
    {"document": DocumentKind.IDENTITY, "trust": DocumentKind.TRUST, "policy": DocumentKind.RESOURCE}
)
_BY_NAME: Mapping[str, DocumentKind] = MappingProxyType(
    {
        "inline": DocumentKind.IDENTITY,
        "serviceControl": DocumentKind.SERVICE_CONTROL,
        "resourceControl": DocumentKind.RESOURCE_CONTROL,
    }
)


@dataclass(frozen=True, slots=True)
class PlacedPolicy:
    """A policy of a file as JSON, with its kind and its place."""

    place: FilePosition
    kind: DocumentKind
    text: str


def find_policies(content: bytes) -> tuple[PlacedPolicy, ...] | None:
    """Return the policies of a configuration file.

    Returns None if the content is not such a file. Raises ApplyFileError if it is one and cannot be parsed.
    """
    try:
        root = read_text(content)
    except ApplyFileError:
        if b"accounts:" not in content:
            return None
        raise
    if not isinstance(root.value, dict) or "accounts" not in root.value:
        return None
    return tuple(_policies(root, FilePosition()))


def _policies(node: LocatedValue, place: FilePosition) -> Iterator[PlacedPolicy]:
    """Yield the policies below a value. The parser limits the depth."""
    if isinstance(node.value, list):
        for number, element in enumerate(node.value):
            yield from _policies(element, place.of(number, element))
    if not isinstance(node.value, dict):
        return
    for name, member in node.value.items():
        at = place.of(name, member)
        if name in _SINGLE and _is_policy(member):
            yield PlacedPolicy(at, _SINGLE[name], _text(member))
        elif name in _BY_NAME and isinstance(member.value, dict):
            for key, policy in member.value.items():
                yield PlacedPolicy(at.of(key, policy), _BY_NAME[name], _text(policy))
        else:
            yield from _policies(member, at)


def _is_policy(node: LocatedValue) -> bool:
    """Return whether a value is a policy, and not an entity of that name."""
    if isinstance(node.value, dict):
        return "Statement" in node.value
    return isinstance(node.value, str) and node.value.lstrip().startswith("{")


def _text(node: LocatedValue) -> str:
    return node.value if isinstance(node.value, str) else json.dumps(plain_values(node))
