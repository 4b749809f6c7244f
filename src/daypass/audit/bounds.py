"""How long the strings of an audit event may be, in bytes of the line that is written.

Owns the cutting alone. A string is measured as JSON writes it, because one character may take six bytes there: what an
attacker sends is bounded by what it costs the disk. Pure.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

CUT = "…"
_CUT_BYTES = len(CUT.encode())
_WIDEST = 6  # bytes of one character in JSON: \u0001
_QUOTES = 2
_encode = msgspec.json.Encoder().encode


class Bounds(msgspec.Struct, frozen=True):
    """How much of the parameters of a call is kept.

    `characters` and `text_bytes` bound one string, `items` the members of a list or mapping, and `inner_items` those of
    a list or mapping inside another. With no inner items, such a value becomes one mark.
    """

    characters: int
    text_bytes: int
    items: int
    inner_items: int


def cut_text(text: str, most_bytes: int) -> str:
    """Return the beginning of a string that takes at most `most_bytes` in JSON, with a mark where it was cut.

    Raises UnicodeEncodeError for a lone surrogate, which JSON in UTF-8 cannot hold.
    """
    if len(text) * _WIDEST <= most_bytes or _written_bytes(text) <= most_bytes:
        return text
    # No character takes less than one byte, so the first bisection already works on a bounded string.
    low, high = 0, min(len(text), most_bytes)
    while low < high:
        middle = (low + high + 1) // 2
        if _written_bytes(text[:middle]) <= most_bytes - _CUT_BYTES:
            low = middle
        else:
            high = middle - 1
    return text[:low] + CUT


def _written_bytes(text: str) -> int:
    return len(_encode(text)) - _QUOTES


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
