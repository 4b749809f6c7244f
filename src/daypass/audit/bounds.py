"""How long the strings of an audit event may be, in bytes of the line that is written, and how they are written.

Owns the cutting and the escapes. A string is measured as it is written, because one character may take six bytes there:
what an attacker sends is bounded by what it costs the disk. Pure.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

CUT = "…"
_CUT_BYTES = len(CUT.encode())
_WIDEST = 6  # bytes of one character in JSON: \u0001
_QUOTES = 2
_encode = msgspec.json.Encoder().encode
# JSON may hold these as they are (RFC 8259 section 7). But a terminal obeys DEL and C1 controls, programs split lines
# at U+0085, U+2028 and U+2029, and marks of direction show a line in another order than it has.
_ACTED_ON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


class Bounds(msgspec.Struct, frozen=True):
    """How much of the parameters of a call is kept.

    `characters` and `text_bytes` bound one string, `items` the members of a list or mapping, and `inner_items` those of
    a list or mapping inside another. With no inner items, such a value becomes one mark.
    """

    characters: int
    text_bytes: int
    items: int
    inner_items: int


def encode_json(value: Any) -> bytes:
    """Return JSON in which each character that a terminal or a reader of lines would act on is escaped.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    encoded = _encode(value)
    if encoded.isascii() and b"\x7f" not in encoded:  # as nearly all are
        return encoded
    return _ACTED_ON.sub(_escape, encoded.decode()).encode()


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]  # It escapes all but printable ASCII, a run at a time.


def cut_text(text: str, most_bytes: int) -> str:
    """Return the beginning of a string that takes at most `most_bytes` in JSON, with a mark where it was cut.

    Raises UnicodeEncodeError for a lone surrogate, which JSON in UTF-8 cannot hold.
    """
    # No character takes less than one byte, so a string with more characters is cut without being encoded whole.
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
    """Return the value of a parameter with bounded strings, lists and mappings, however deep they stand."""
    return _cut(value, bounds, bounds.items)


def _cut(value: Any, bounds: Bounds, most: int) -> Any:
    if isinstance(value, str):
        short = value if len(value) <= bounds.characters else value[: bounds.characters] + CUT
        return cut_text(short, bounds.text_bytes)
    if isinstance(value, bytes):
        return CUT
    if isinstance(value, list | tuple):
        kept = [_cut(one, bounds, bounds.inner_items) for one in value[:most]]
        return kept if len(value) <= most else [*kept, CUT]
    if isinstance(value, Mapping):
        if not most:
            return CUT
        return {
            _cut(name, bounds, most): _cut(one, bounds, bounds.inner_items) for name, one in islice(value.items(), most)
        }
    return value
