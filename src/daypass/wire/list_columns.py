"""Parse long lists of plain structures column by column.

50 session tags are such a list. Owns the fast way beside request_shapes.py, which parses all other parameters and
reports every violation. The rules:

- Which parameter is which member of which element depends on the names alone. This layout is kept for each sequence of
  names, which clients repeat, while the values differ.
- A list has a layout if its member is optional, its elements are structures of strings, and all elements have the same
  members, among them the required ones. Each name is spelled in full, without a further part.
- The constraints of a member are checked for all elements at once. If one of them is violated, or the number of
  elements is, the general way parses the whole request again and reports it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from daypass.bounded_memory import BoundedMemory
from daypass.wire.constraints import ConstraintRule, compile_column_check, rules_of
from daypass.wire.member_names import is_flattened, wire_name
from daypass.wire.model import Shape

_INDEX = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)  # as in branches.py
_FEWEST, _MOST = 12, 160  # parameters of a request with a layout; 50 tags are 100
_LONGEST_NAME = 64
_MOST_LAYOUTS = 32  # of one operation

_Check = Callable[[Sequence[str]], bool]


class _ListShape(NamedTuple):
    """A member that is a list of plain structures. `members` are the names of an element and their checks."""

    member: str
    start: str
    members: Mapping[str, tuple[str, _Check]]
    required: frozenset[str]
    rules: tuple[ConstraintRule, ...]


class _ListLayout(NamedTuple):
    """The parameters of one list. `columns` has those of each member in the order of the elements."""

    shape: _ListShape
    columns: Mapping[str, tuple[str, ...]]


class RequestLayout(NamedTuple):
    """The lists of a request, and the names of its other parameters."""

    lists: tuple[_ListLayout, ...]
    others: tuple[str, ...]

    def read(self, params: Mapping[str, str]) -> dict[str, list[dict[str, str]]] | None:
        """Return the lists by member, or None if a constraint is violated."""
        found = {}
        for shape, columns in self.lists:
            members = shape.members
            values = [[*map(params.__getitem__, names)] for names in columns.values()]
            names = [members[name][0] for name in columns]
            if not all(members[name][1](column) for name, column in zip(columns, values, strict=True)):
                return None
            elements = _elements(names, values)
            if not all(rule.holds(elements) for rule in shape.rules):
                return None
            found[shape.member] = elements
        return found


def _elements(names: list[str], columns: list[list[str]]) -> list[dict[str, str]]:
    if len(names) == 2:  # noqa: PLR2004 - those of tags; a third of the time
        first, second = names
        return [{first: one, second: other} for one, other in zip(*columns, strict=True)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


class ListLayouts:
    """The layouts of one operation's requests, bounded for any names."""

    def __init__(self, shapes: Mapping[str, Shape], name: str) -> None:
        self._lists = _list_shapes(shapes, shapes[name])
        self._layouts: BoundedMemory[tuple[str, ...], RequestLayout | None] = BoundedMemory(_MOST_LAYOUTS)

    def __len__(self) -> int:
        return len(self._layouts)

    def find(self, params: Mapping[str, str]) -> RequestLayout | None:
        """Return the layout of a request, or None for the general way."""
        if not self._lists or not _FEWEST <= len(params) <= _MOST:
            return None
        names = tuple(params)
        layout = self._layouts.get(names, _UNKNOWN)
        if layout is not _UNKNOWN:
            return layout
        made = self._make(names)
        if max(map(len, names)) <= _LONGEST_NAME:
            self._layouts.put(names, made)
        return made

    def _make(self, names: tuple[str, ...]) -> RequestLayout | None:
        lists = []
        others = names
        for shape in self._lists:
            own = [name for name in others if name.partition(".")[0] == shape.start.partition(".")[0]]
            if not own:
                continue
            layout = _lay_out(shape, own)
            if layout is None:
                return None
            lists.append(layout)
            taken = set(own)
            others = tuple([name for name in others if name not in taken])
        return RequestLayout(tuple(lists), others) if lists else None


_UNKNOWN = RequestLayout((), ())


def _list_shapes(shapes: Mapping[str, Shape], shape: Shape) -> tuple[_ListShape, ...]:
    found = []
    for member, ref in shape.members.items():
        own = shapes[ref.shape]
        if own.type != "list" or own.member is None or member in shape.required or is_flattened(shapes, ref):
            continue
        element = shapes[own.member.shape]
        if element.type != "structure" or element.union:
            continue
        if any(shapes[each.shape].type != "string" for each in element.members.values()):
            continue
        members = {
            wire_name(shapes, name, each): (name, compile_column_check(shapes[each.shape]))
            for name, each in element.members.items()
        }
        required = frozenset([wire_name(shapes, name, element.members[name]) for name in element.required])
        start = f"{wire_name(shapes, member, ref)}.{own.member.location_name or 'member'}."
        found.append(_ListShape(member, start, members, required, rules_of(own)))
    return tuple(found)


def _lay_out(shape: _ListShape, names: list[str]) -> _ListLayout | None:
    """Return the layout of a list's parameters, or None if they are not all of its plain form."""
    elements: dict[str, dict[str, str]] = {}
    for name in names:
        index, dot, member = name.removeprefix(shape.start).partition(".")
        if not (name.startswith(shape.start) and dot and member in shape.members and _INDEX.fullmatch(index)):
            return None
        elements.setdefault(index, {})[member] = name
    given = {frozenset(each) for each in elements.values()}
    if len(given) != 1 or not shape.required <= given.pop():
        return None
    ordered = [elements[index] for index in sorted(elements, key=int)]
    members = [member for member in shape.members if member in ordered[0]]
    return _ListLayout(shape, {member: tuple([each[member] for each in ordered]) for member in members})
