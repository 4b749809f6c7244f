"""Parsers of request parameters, compiled once from the service model.

A reader finds its value, converts it to its type, and reports violated constraints with the path in AWS's spelling:
`tags.1.member.key`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from daypass.errors import MalformedInput
from daypass.wire.branches import Branch, find_elements, grow, indexes_of
from daypass.wire.constraints import ConstraintRule, ConstraintViolations, quoted, rules_of, shortened
from daypass.wire.list_columns import ListLayouts
from daypass.wire.member_names import is_flattened, wire_name
from daypass.wire.model import Ref, Shape
from daypass.wire.scalars import SCALARS, parse_scalar

Shapes = Mapping[str, Shape]
Values = dict[str, Any]

# The maximum length of a map's key in the path of an error.
_MAX_KEY = 128

# A reader takes the value's branch, its name there, and its path in AWS's spelling, and returns None for an absent
# value.
Reader = Callable[[Branch, str, str, ConstraintViolations], Any]


def compile_input(shapes: Shapes, name: str) -> Callable[[dict[str, str]], Values]:
    """Return the parser of an operation's parameters."""
    parse_any = compile_general_input(shapes, name)
    layouts, order = ListLayouts(shapes, name), tuple(shapes[name].members)

    def parse(params: dict[str, str]) -> Values:
        layout = layouts.find(params)
        lists = None if layout is None else layout.read(params)
        if layout is None or lists is None:
            return parse_any(params)
        values = {**parse_any({name: params[name] for name in layout.others}), **lists}
        return {member: values[member] for member in order if member in values}

    return parse


def compile_general_input(shapes: Shapes, name: str) -> Callable[[dict[str, str]], Values]:
    """Return the parser that reads any parameters, and reports all violations."""
    read = _members(shapes, shapes[name])
    members = shapes[name].members.items()
    compound = frozenset(
        wire_name(shapes, member, ref) for member, ref in members if shapes[ref.shape].type not in SCALARS
    )

    def parse(params: dict[str, str]) -> Values:
        report = ConstraintViolations()
        values = read(grow(params, compound), "", report)
        report.raise_if_any()
        return values

    return parse


def _camel(member: str) -> str:
    return member[0].lower() + member[1:]


def _members(shapes: Shapes, shape: Shape) -> Callable[[Branch, str, ConstraintViolations], Values]:
    members = tuple(
        (
            member,
            wire_name(shapes, member, ref),
            _camel(member),
            _reader(shapes, ref),
            member in shape.required,
        )
        for member, ref in shape.members.items()
    )

    def read(branch: Branch, prefix: str, report: ConstraintViolations) -> Values:
        values, texts, branches = {}, branch.texts, branch.branches
        for member, spelled, camel, reader, required in members:
            value = None
            # The hot path: most members of most calls are absent.
            if spelled in texts or spelled in branches:
                value = reader(branch, spelled, prefix + camel, report)
            if value is not None:
                values[member] = value
            elif required:
                report.missing(prefix + camel)
        return values

    return read


def _reader(shapes: Shapes, ref: Ref) -> Reader:
    shape = shapes[ref.shape]
    if shape.type == "structure":
        return _structure(shapes, shape)
    if shape.type == "list":
        return _list(shapes, ref)
    if shape.type == "map":
        return _map(shapes, ref)
    return _scalar(shape, rules_of(shape))


def _scalar(shape: Shape, rules: tuple[ConstraintRule, ...]) -> Reader:
    convert, sensitive = SCALARS[shape.type], shape.sensitive

    def read(branch: Branch, name: str, path: str, report: ConstraintViolations) -> Any:
        text = branch.texts.get(name)
        if text is None:
            return None
        value = text if convert is str else parse_scalar(convert, text, path)
        for rule in rules:
            if not rule.holds(value):
                # AWS omits the values that its model marks as sensitive.
                report.add(path, "" if sensitive else quoted(value), rule.words)
        return value

    return read


def _structure(shapes: Shapes, shape: Shape) -> Reader:
    read_members = _members(shapes, shape)

    def read(branch: Branch, name: str, path: str, report: ConstraintViolations) -> Values | None:
        own = branch.branches.get(name)
        if own is not None:
            values = read_members(own, f"{path}.", report)
            if shape.union and len(values) != 1:
                raise MalformedInput(detail=f"{path} must have exactly one member")
            return values
        if branch.texts.get(name):
            raise MalformedInput(detail=f"{path} is a string, but a structure is expected")
        return None

    return read


def _list(shapes: Shapes, ref: Ref) -> Reader:
    shape = shapes[ref.shape]
    element = _ref(shape.member)
    read_element, element_rules = _element_reader(shapes, element)
    container = None if is_flattened(shapes, ref) else element.location_name or "member"
    rules = rules_of(shape)

    def read(branch: Branch, name: str, path: str, report: ConstraintViolations) -> list[Any] | None:
        elements = find_elements(branch, name, container, path)
        if elements is None:
            return None
        values = []
        for position, index in enumerate(indexes_of(elements, path), 1):
            value = read_element(elements, index, f"{path}.{position}.member", report)
            values.append(_present(value, path))
        _check_each(report, (path, values), values, element_rules, "Member")
        _check(report, path, values, rules)
        return values

    return read


def _map(shapes: Shapes, ref: Ref) -> Reader:
    shape = shapes[ref.shape]
    key, value_ref = _ref(shape.key), _ref(shape.value)
    read_key, key_rules = _element_reader(shapes, key)
    read_value, value_rules = _element_reader(shapes, value_ref)
    key_name, value_name = key.location_name or "key", value_ref.location_name or "value"
    container = None if is_flattened(shapes, ref) else "entry"
    rules = rules_of(shape)

    def read(branch: Branch, name: str, path: str, report: ConstraintViolations) -> Values | None:
        elements = find_elements(branch, name, container, path)
        if elements is None:
            return None
        values: Values = {}
        for index in indexes_of(elements, path):
            entry = elements.branches.get(index, Branch())
            own = _present(read_key(entry, key_name, path, report), path)
            value = read_value(entry, value_name, f"{path}.{shortened(str(own), _MAX_KEY)}.member", report)
            values.setdefault(own, _present(value, path))
        _check_each(report, (path, values), values, key_rules, "Map keys")
        _check_each(report, (path, values), values.values(), value_rules, "Map value")
        _check(report, path, values, rules)
        return values

    return read


def _ref(ref: Ref | None) -> Ref:
    if ref is None:
        raise ValueError("a list or map without elements")
    return ref


def _element_reader(shapes: Shapes, ref: Ref) -> tuple[Reader, tuple[ConstraintRule, ...]]:
    """Return the reader of an element, and the rules for the whole list.

    AWS reports violations of these once for a list.
    """
    shape = shapes[ref.shape]
    if shape.type in SCALARS:
        return _scalar(shape, ()), rules_of(shape)
    return _reader(shapes, ref), ()


def _present(value: Any, path: str) -> Any:
    if value is None:
        raise MalformedInput(detail=f"{path} has an element that is not of its type")
    return value


def _check(report: ConstraintViolations, path: str, values: Any, rules: tuple[ConstraintRule, ...]) -> None:
    for rule in rules:
        if not rule.holds(values):
            report.add(path, quoted(values), rule.words)


def _check_each(
    report: ConstraintViolations,
    at: tuple[str, Any],
    values: Iterable[Any],
    rules: tuple[ConstraintRule, ...],
    who: str,
) -> None:
    """Report a list or map once if its elements violate one of their rules.

    AWS then lists all of the rules.
    """
    if not rules or all(rule.holds(value) for value in values for rule in rules):
        return
    path, whole = at
    report.add(path, quoted(whole), f"{who} must satisfy constraint: [{', '.join(r.words for r in rules)}]")
