"""Strings that are not policies, almost policies, or hostile policies."""

import json
from typing import Any

from hypothesis import strategies as st
from tests.policy.oracle.strategies import documents

_WORDS = (
    "Version", "Id", "Statement", "Sid", "Effect", "Allow", "Deny", "Action", "NotAction", "Resource",
    "NotResource",
    "Principal", "NotPrincipal", "AWS", "Service", "Federated", "Condition", "StringEquals", "Null",
    "Bool", "IpAddress",
    "DateEquals", "NumericEquals", "BinaryEquals", "ArnLike", "ForAllValues:StringLike", "2012-10-17", "*",
    "s3:*", "${",
    "${}", "${aws:username", "${a, 'b}", "${a,'b'}", "arn:aws:s3:::b", "10.0.0.0/99", "true", "", "\ud800",
    "\x00", "a" * 300,
)  # fmt: skip
_SCALARS = st.one_of(st.sampled_from(_WORDS), st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=12,
)

_ALLOW = '{"Effect":"Allow","Action":"*","Resource":"*"}'


def _with(more: str) -> str:
    return '{"Version":"2012-10-17","Statement":[' + _ALLOW[:-1] + "," + more + "}]}"


HOSTILE_TEXTS = {
    "empty": "",
    "a lone brace": "{",
    "deep lists": "[" * 100_000,
    "deep lists, closed": "[" * 50_000 + "]" * 50_000,
    "deep maps": '{"Statement":' * 50_000,
    "depth inside a condition": _with('"Condition":{"StringEquals":{"aws:username":' + "[" * 5000 + "]" * 5000 + "}}"),
    "an endless number": '{"Version":' + "1" * 100_000 + "}",
    "an endless exponent": '{"Version":"2012-10-17","Statement":[' + _ALLOW + '],"Id":1e999999999}',
    "not a number": '{"Version":"2012-10-17","Statement":NaN}',
    "a byte order mark": '\ufeff{"Version":"2012-10-17","Statement":[' + _ALLOW + "]}",
    "two Versions": '{"Version":"2012-10-17","Version":"2012-10-17","Statement":[' + _ALLOW + "]}",
    "two Effects": _with('"Effect":"Deny"'),
    "text after the end": '{"Version":"2012-10-17","Statement":[' + _ALLOW + "]} x",
    "no statement": '{"Version":"2012-10-17","Statement":[]}',
    "an unknown version": '{"Version":"2012-10-18","Statement":[' + _ALLOW + "]}",
    "an unknown element": _with('"X":1'),
    "an unknown operator": _with('"Condition":{"StringIs":{"aws:username":"a"}}'),
    "an effect in small letters": _with('"Sid":"a"').replace("Allow", "allow"),
}


def json_values() -> st.SearchStrategy[str]:
    """Draw any JSON made of the language's own words."""
    return _VALUES.map(json.dumps)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in _places(part, (*path, key)))]


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {k: _put(v, tuple(rest), new) if k == key else v for k, v in value.items()}
    return [_put(v, tuple(rest), new) if i == key else v for i, v in enumerate(value)]


@st.composite
def documents_nearly(draw: st.DrawFn) -> str:
    """Draw a valid document and replace one or two parts of it."""
    document: Any = draw(documents(most=2, principals=draw(st.booleans())))
    for _ in range(draw(st.integers(0, 2))):
        document = _put(document, draw(st.sampled_from(_places(document))), draw(_VALUES))
    return json.dumps(document)
