"""Write XML answers whose values need no escapes.

Nearly all answers are such. Owns the fast way beside response_shapes.py, which writes all others. The rules:

- The writers append the values as they are, and count the markup characters around them. If the encoded answer has
  another number of characters outside of HARMLESS, a value needs an escape, and the answer is not used.
- A value that does not have the type of its shape raises an exception, and so does an unknown member. The general
  writer then writes the answer, or says what is wrong.
- The strings around the values of a structure depend on its members alone, and are made once for each set of members.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from daypass.wire.model import Shape
from daypass.wire.response_shapes import Write, xml
from daypass.wire.safe_text import HARMLESS, xml_text

# Appends the strings of a value, and returns the number of markup characters among them.
Append = Callable[[Any, list[str]], int]
Render = Callable[[Mapping[str, Any], str], bytes]

NOT_WRITTEN = (ValueError, TypeError, LookupError, AttributeError)
"""Raised for an answer that the general writer must write. UnicodeEncodeError is a ValueError."""

_OF_TAGS = 4  # the < and > of both tags of an element; their / is harmless
_MOST_PLANS = 32  # for one structure: an operation returns the same few sets of members


def compile_unescaped(shapes: Mapping[str, Shape], name: str, timestamp: Write, around: tuple[str, str, str]) -> Render:
    """Return the fast writer of an operation's answers.

    `around` is the document before the result, between the result and the request id, and after that. The writer raises
    NOT_WRITTEN if it cannot write the answer.
    """
    append = _compile(shapes, name, xml(timestamp).scalars)
    start, middle, end = around
    markup = len("".join(around).encode().translate(None, HARMLESS))

    def render(result: Mapping[str, Any], request_id: str) -> bytes:
        strings = [start]
        expected = markup + append(result, strings)
        strings += (middle, request_id, end)
        document = "".join(strings).encode()
        if len(document.translate(None, HARMLESS)) != expected:
            raise ValueError("a value needs an escape")
        return document

    return render


def _compile(shapes: Mapping[str, Shape], name: str, scalars: Mapping[str, Write]) -> Append:
    shape = shapes[name]
    if shape.type == "structure":
        return _StructureWriter(shapes, shape, scalars).append
    if shape.type == "list" and shape.member:
        element = shapes[shape.member.shape]
        if element.type == "structure":
            return _list_of_structures(_StructureWriter(shapes, element, scalars))
        return _list(_compile(shapes, shape.member.shape, scalars))
    if shape.type == "map" and shape.key and shape.value:
        return _map(_compile(shapes, shape.key.shape, scalars), _compile(shapes, shape.value.shape, scalars))
    return _scalar(scalars[shape.type])


def _scalar(write: Write) -> Append:
    def append(value: Any, strings: list[str]) -> int:
        # A value that is not a string stays, and fails where the strings are joined.
        strings.append(value if write is xml_text else write(value))
        return 0

    return append


class _Plan(NamedTuple):
    """How the structures that have one set of members are written.

    `append_all` writes a list of them, if they have scalars only. It returns -1, and writes no string, if one of the
    members is None.
    """

    append: Append
    append_all: Append | None = None


class _StructureWriter:
    """Writes the values of a structure, by a plan for each set of members."""

    def __init__(self, shapes: Mapping[str, Shape], shape: Shape, scalars: Mapping[str, Write]) -> None:
        self._order = tuple(shape.members)
        kinds = {member: shapes[ref.shape].type for member, ref in shape.members.items()}
        self._scalars = {member: scalars[kind] for member, kind in kinds.items() if kind in scalars}
        self._nested = {
            member: _compile(shapes, ref.shape, scalars)
            for member, ref in shape.members.items()
            if kinds[member] not in scalars
        }
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def append(self, value: Mapping[str, Any], strings: list[str]) -> int:
        """Append one structure."""
        names = tuple(value)
        # The body of `plan`, inlined: each structure of each answer comes here.
        return (self._plans.get(names) or self._make(names)).append(value, strings)

    def plan(self, names: tuple[str, ...]) -> _Plan:
        """Return the plan for a set of members.

        Raises LookupError for an unknown member.
        """
        return self._plans.get(names) or self._make(names)

    def _make(self, names: tuple[str, ...]) -> _Plan:
        given = set(names)
        if not given <= set(self._order):
            raise LookupError("unknown members")
        present = [name for name in self._order if name in given]
        if len(present) < 2:  # noqa: PLR2004 - itemgetter returns a tuple for two names or more
            plan = _Plan(_steps(self._nested, self._scalars, present))
        elif self._nested.keys().isdisjoint(present):
            plan = _flat(self._scalars, present)
        else:
            plan = _Plan(_mixed(self._nested, self._scalars, present))
        if len(self._plans) < _MOST_PLANS:
            self._plans[names] = plan
        return plan


def _flat(scalars: Mapping[str, Write], names: list[str]) -> _Plan:
    """Return the plan of structures that have exactly these scalars."""
    pick, pieces = itemgetter(*names), _pieces(names)
    in_list = [f"<member>{pieces[0]}", *pieces[1:-1], f"{pieces[-1]}</member>"]
    converted = [(2 * at + 1, scalars[name]) for at, name in enumerate(names) if scalars[name] is not xml_text]
    markup = _OF_TAGS * len(names)
    some = _steps({}, scalars, names)

    def append(value: Mapping[str, Any], strings: list[str]) -> int:
        values = pick(value)
        if None in values:
            return some(value, strings)
        parts = pieces.copy()
        parts[1::2] = values
        for at, write in converted:
            parts[at] = write(parts[at])
        strings += parts
        return markup

    def append_all(values: Sequence[Mapping[str, Any]], strings: list[str]) -> int:
        parts = in_list * len(values)
        for at, column in enumerate(zip(*map(pick, values), strict=True)):
            if None in column:
                return -1
            parts[2 * at + 1 :: len(in_list)] = column
        for at, write in converted:
            parts[at :: len(in_list)] = map(write, parts[at :: len(in_list)])
        strings += parts
        return (markup + _OF_TAGS) * len(values)

    return _Plan(append, append_all)


def _mixed(nested: Mapping[str, Append], scalars: Mapping[str, Write], names: list[str]) -> Append:
    """Return the writer of a structure that has these members, scalars and others."""
    pick, pieces = itemgetter(*names), _pieces(names)
    places = [(2 * at + 1, name) for at, name in enumerate(names)]
    converted = [(at, scalars[name]) for at, name in places if name not in nested and scalars[name] is not xml_text]
    inner = [(at, nested[name]) for at, name in places if name in nested]
    markup = _OF_TAGS * len(names)
    some = _steps(nested, scalars, names)

    def append(value: Mapping[str, Any], strings: list[str]) -> int:
        values = pick(value)
        if None in values:
            return some(value, strings)
        parts = pieces.copy()
        parts[1::2] = values
        for at, write in converted:
            parts[at] = write(parts[at])
        start, expected = 0, markup
        for at, append_member in inner:
            strings += parts[start:at]
            expected += append_member(parts[at], strings)
            start = at + 1
        strings += parts[start:]
        return expected

    return append


def _pieces(names: list[str]) -> list[str]:
    """Return the strings around the values of members, with a place for each value between two of them."""
    pieces = [""] * (2 * len(names) + 1)
    pieces[::2] = (f"<{names[0]}>", *[f"</{one}><{two}>" for one, two in pairwise(names)], f"</{names[-1]}>")
    return pieces


def _steps(nested: Mapping[str, Append], scalars: Mapping[str, Write], names: list[str]) -> Append:
    """Return the writer of a structure that has these members, or some of them and None."""
    members = [(name, f"<{name}>", nested.get(name) or _scalar(scalars[name]), f"</{name}>") for name in names]

    def append(value: Mapping[str, Any], strings: list[str]) -> int:
        markup = 0
        for name, start, append_member, end in members:
            member = value[name]
            if member is not None:
                strings.append(start)
                markup += _OF_TAGS + append_member(member, strings)
                strings.append(end)
        return markup

    return append


def _list(append_element: Append) -> Append:
    def append(values: Any, strings: list[str]) -> int:
        if not isinstance(values, list | tuple):
            raise TypeError("a list is expected")  # an iterator can be read only once
        markup = _OF_TAGS * len(values)
        for value in values:
            strings.append("<member>")
            markup += append_element(value, strings)
            strings.append("</member>")
        return markup

    return append


def _list_of_structures(writer: _StructureWriter) -> Append:
    append_each = _list(writer.append)

    def append(values: Any, strings: list[str]) -> int:
        # Structures with the same members are written column by column.
        if isinstance(values, list | tuple) and set(map(type, values)) == {dict}:
            members = set(map(tuple, values))
            append_all = writer.plan(members.pop()).append_all
            if not members and append_all is not None:
                markup = append_all(values, strings)
                if markup >= 0:
                    return markup
        return append_each(values, strings)

    return append


_OF_ENTRY = 3 * _OF_TAGS


def _map(append_key: Append, append_value: Append) -> Append:
    def append(values: Mapping[Any, Any], strings: list[str]) -> int:
        markup = _OF_ENTRY * len(values)
        for key, value in values.items():
            strings.append("<entry><key>")
            markup += append_key(key, strings)
            strings.append("</key><value>")
            markup += append_value(value, strings)
            strings.append("</value></entry>")
        return markup

    return append
