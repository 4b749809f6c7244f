"""Generate values for any shape of the service models, for tests with botocore as oracle."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from daypass.wire.constraints import compile_pattern
from daypass.wire.model import Shape

Shapes = Mapping[str, Shape]

_LETTERS = "aZ09 _-+=,.@:/*&<>\"'%?#~é\u4e00\t\r\n"
_FROM_PATTERN = re.compile(r"[\^(v]|\\d\{|\\u002F")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# All characters that XML can represent; those that it must escape are more likely.
_PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
XML_TEXT = st.text(st.one_of(st.sampled_from(_LETTERS), _PRINTABLE), max_size=8)


def inputs(shapes: Shapes, name: str) -> st.SearchStrategy[Any]:
    """Return valid values of an input shape."""
    shape = shapes[name]
    if shape.type == "string":
        return _strings(shape)
    if shape.type == "integer":
        return st.integers(shape.min or 0, shape.max if shape.max is not None else 2**31 - 1)
    return _others(shapes, shape, inputs)


def outputs(shapes: Shapes, name: str) -> st.SearchStrategy[Any]:
    """Return values of an output shape, which are not validated."""
    shape = shapes[name]
    if shape.type == "string":
        return XML_TEXT
    if shape.type == "integer":
        return st.integers(-(2**31), 2**31 - 1)
    return _others(shapes, shape, outputs)


def _others(shapes: Shapes, shape: Shape, inner: Any) -> st.SearchStrategy[Any]:
    if shape.union:
        return st.one_of(
            [inner(shapes, ref.shape).map(lambda part, name=name: {name: part}) for name, ref in shape.members.items()]
        )
    if shape.type == "structure":
        members = {name: inner(shapes, ref.shape) for name, ref in shape.members.items()}
        required = {name: members.pop(name) for name in list(members) if name in shape.required}
        # In the Query protocol, a structure without members looks like an absent one.
        return st.fixed_dictionaries(required, optional=members).filter(lambda value: value or not members)
    if shape.type == "list" and shape.member:
        least = shape.min or 0
        return st.lists(inner(shapes, shape.member.shape), min_size=least, max_size=least + 2)
    if shape.type == "map" and shape.key and shape.value:
        keys = inner(shapes, shape.key.shape)
        return st.dictionaries(keys, inner(shapes, shape.value.shape), min_size=1, max_size=2)
    return {
        "boolean": st.booleans(),
        "blob": st.binary(max_size=8),
        "timestamp": st.integers(0, 2**32).map(lambda seconds: _EPOCH + timedelta(seconds=seconds)),
    }[shape.type]


def _strings(shape: Shape) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    if shape.pattern and _FROM_PATTERN.match(shape.pattern):
        matches = st.from_regex(re.compile(shape.pattern, re.ASCII), fullmatch=True)
        return matches.filter(lambda text: (shape.min or 0) <= len(text) <= (shape.max or len(text)))
    allowed = compile_pattern(shape.pattern) if shape.pattern else lambda _: True
    least = shape.min or (0 if allowed("") else 1)
    most = shape.max if shape.max is not None else least + 6
    alphabet = [letter for letter in _LETTERS if allowed(letter)]
    tail = st.text(alphabet, max_size=min(most - least, 6))
    head = st.text(alphabet, min_size=min(least, 6), max_size=min(least, 6))
    return st.builds(lambda start, end: (start + alphabet[0] * (least - len(start))) + end, head, tail)
