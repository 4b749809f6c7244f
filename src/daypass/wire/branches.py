"""Parameters of lists, maps and structures, arranged by their prefixes.

Lists are `Name.member.1`, maps `Name.entry.1.key`. Indexes only order what is there, so gaps and huge
indexes cost nothing. What is spelled in a way that we cannot read is refused rather than ignored: a session
policy that silently fell away would widen a session.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from daypass.errors import MalformedInput

# Deeper names belong to no shape of STS or IAM; supported.py refuses them.
MAX_DEPTH = 10

_INDEX = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


@dataclass(slots=True)
class Branch:
    """Parameters that share a prefix: those that end here, and those that go on."""

    texts: dict[str, str] = field(default_factory=dict)
    branches: dict[str, "Branch"] = field(default_factory=dict)


def grow(params: dict[str, str], compound: frozenset[str]) -> Branch:
    """Return all parameters as a tree, with branches for the names that start with one of `compound`."""
    root = Branch(params)
    if not compound:
        return root
    for name, text in params.items():
        if name.partition(".")[0] not in compound or name.count(".") > MAX_DEPTH:
            continue
        *path, last = name.split(".")
        branch = root
        for part in path:
            branch = branch.branches.get(part) or branch.branches.setdefault(part, Branch())
        if path:
            branch.texts[last] = text
    return root


def find_elements(branch: Branch, name: str, container: str | None, path: str) -> Branch | None:
    """Return the branch that holds the elements of a list or map: None if it was not given.

    `Name=` gives an empty one. `container` is the word between name and index; a flattened list has none.
    """
    own = branch.branches.get(name)
    if own is None:
        text = branch.texts.get(name)
        if text:
            raise MalformedInput(detail=f"{path} is a text where several values are expected")
        return None if text is None else Branch()
    held = own if container is None else own.branches.get(container)
    if held is None:
        raise MalformedInput(detail=f"{path} has no {container}")
    return held


def indexes_of(elements: Branch, path: str) -> Iterator[str]:
    """Give the indexes of a list's or map's elements in the order of their numbers."""
    indexes = {*elements.texts, *elements.branches}
    for index in indexes:
        if not _INDEX.fullmatch(index):
            raise MalformedInput(detail=f"{path} has an index that is no number")
    yield from sorted(indexes, key=int)
