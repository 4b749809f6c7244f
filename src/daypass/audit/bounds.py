"""Limits on the strings of an audit event, in bytes as written.

Owns truncation and escaping. Strings are measured encoded, where one character may take six bytes, so that the limits
bound an attacker's disk space. Pure.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec

CUT = "…"
_CUT_BYTES = len(CUT.encode())
_WIDEST = 6  # bytes of one character in JSON: \u0001
_QUOTES = 2
_encode = msgspec.json.Encoder().encode
# JSON may contain these unescaped (RFC 8259 section 7), but terminals interpret DEL and C1 controls, programs split
# lines at U+0085, U+2028 and U+2029, and bidirectional controls reorder a displayed line.
_ACTED_ON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


class Bounds(msgspec.Struct, frozen=True):
    """How much of a call's parameters is stored.

    `characters` and `text_bytes` limit one string, `items` the members of a list or mapping, and `inner_items` those of
    a nested one; with 0, that becomes one mark.
    """

    characters: int
    text_bytes: int
    items: int
    inner_items: int
    uncut: int = 0

    def __post_init__(self) -> None:
        # A string of so many characters is never cut, whatever they are.
        msgspec.structs.force_setattr(self, "uncut", min(self.characters, self.text_bytes // _WIDEST))


def encode_json(value: Any) -> bytes:
    """Return JSON in which control and line-separating characters are escaped.

    Terminals and line readers would interpret these. Raises UnicodeEncodeError for a lone surrogate.
    """
    encoded = _encode(value)
    if encoded.isascii() and b"\x7f" not in encoded:  # nearly always true
        return encoded
    return _ACTED_ON.sub(_escape, encoded.decode()).encode()


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]  # json.dumps escapes everything except printable ASCII, a run at a time.


def cut_text(text: str, most_bytes: int) -> str:
    """Return a string cut to `most_bytes` in JSON, with a mark at the cut.

    Raises UnicodeEncodeError for a lone surrogate, which JSON in UTF-8 cannot contain.
    """
    # Each character takes at least one byte, so a longer string is cut without encoding all of it.
    if len(text) * _WIDEST <= most_bytes or (len(text) <= most_bytes and _written_bytes(text) <= most_bytes):
        return text
    low, high = 0, min(len(text), most_bytes)
    while low < high:
        middle = (low + high + 1) // 2
        if _written_bytes(text[:middle]) <= most_bytes - _CUT_BYTES:
            low = middle
        else:
            high = middle - 1
    return text[:low] + CUT


def _written_bytes(text: str) -> int:
    return len(encode_json(text)) - _QUOTES


def cut_value(value: Any, bounds: Bounds) -> Any:
    """Return a parameter's value, with long parts cut at any depth."""
    return _cut(value, bounds, bounds.items)


def _cut(value: Any, bounds: Bounds, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= bounds.uncut else _cut_string(value, bounds)
    if isinstance(value, bytes):
        return CUT
    if isinstance(value, list | tuple):
        return value if len(value) <= most and _are_uncut(value, bounds) else _cut_list(value, bounds, most)
    if isinstance(value, Mapping):
        return _cut_mapping(value, bounds, most) if most else CUT
    return value


def _cut_string(value: str, bounds: Bounds) -> str:
    short = value if len(value) <= bounds.characters else value[: bounds.characters] + CUT
    return cut_text(short, bounds.text_bytes)


def _cut_list(values: Sequence[Any], bounds: Bounds, most: int) -> list[Any]:
    kept = [_cut(one, bounds, bounds.inner_items) for one in values[:most]]
    return kept if len(values) <= most else [*kept, CUT]


def _cut_mapping(values: Mapping[Any, Any], bounds: Bounds, most: int) -> dict[Any, Any]:
    return {
        _cut(name, bounds, most): _cut(one, bounds, bounds.inner_items) for name, one in islice(values.items(), most)
    }


def _are_uncut(values: Sequence[Any], bounds: Bounds) -> bool:
    """Return whether a list surely needs no cut, without a look at each value.

    It contains short strings alone, or mappings with the same members, which are short strings, such as session tags.
    """
    if set(map(type, values)) != {dict}:
        return _are_short(values, bounds)
    names = tuple(values[0])
    # With as many members as the first mapping, and each of its names, a mapping has the same names.
    if set(map(len, values)) != {len(names)} or len(names) > bounds.inner_items or not _are_short(names, bounds):
        return False
    try:
        return all(_are_short([*map(itemgetter(name), values)], bounds) for name in names)
    except KeyError:
        return False


def _are_short(values: Sequence[Any], bounds: Bounds) -> bool:
    return set(map(type, values)) == {str} and max(map(len, values)) <= bounds.uncut
