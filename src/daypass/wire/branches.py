"""The parameters of lists, maps and structures as a tree of prefixes.

Lists are `Name.member.1`, maps `Name.entry.1.key`. Indexes only order the elements, so gaps and huge indexes are free.
Unknown spellings are refused: a silently dropped session policy would widen a session.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from daypass.errors import MalformedInput

# No shape of STS or IAM has deeper names; supported.py refuses them.
MAX_DEPTH = 10

_INDEX = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


@dataclass(slots=True)
class Branch:
    """Parameters that share a prefix.

    `texts` end here, `branches` have further parts.
    """

    texts: dict[str, str] = field(default_factory=dict)
    branches: dict[str, "Branch"] = field(default_factory=dict)


def grow(params: dict[str, str], compound: frozenset[str]) -> Branch:
    """Return all parameters as a tree.

    Only names that start with one of `compound` get branches.
    """
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
    """Return the branch of a list's or map's elements, or None if absent.

    `Name=` is an empty one. `container` is the word between name and index, or None for a flattened list. Raises
    MalformedInput without elements.
    """
    own = branch.branches.get(name)
    if own is None:
        text = branch.texts.get(name)
        if text:
            raise MalformedInput(detail=f"{path} is a string, but a list or map is expected")
        return None if text is None else Branch()
    held = own if container is None else own.branches.get(container)
    if held is None:
        raise MalformedInput(detail=f"{path} has no {container}")
    return held


def indexes_of(elements: Branch, path: str) -> Iterator[str]:
    """Yield the indexes of a list's or map's elements in numeric order.

    Raises MalformedInput for an index that is not a number.
    """
    indexes = {*elements.texts, *elements.branches}
    for index in indexes:
        if not _INDEX.fullmatch(index):
            raise MalformedInput(detail=f"{path} has an index that is not a number")
    yield from sorted(indexes, key=int)
