"""Read JSON that an attacker may have written, in one way only.

Owns what JSON may look like inside tokens, discovery documents and key sets: no duplicate members, no NaN,
no numbers that cannot be times or counts, no depth, no NUL, no lone surrogates. Parsers differ on each of
these, and where parsers differ, two readers of one token see two identities. What the members mean is their
readers' work.
Source: RFC 8259, RFC 8725 section 2.4 and 3.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_DEPTH = 16
_MAX_DIGITS = 19
_BLANK = " \t\n\r"
# A string that never ends is taken to the end at once: trying again from each later quote would be quadratic.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)
_UNSAFE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class NotStrict(ValueError):  # noqa: N818 - it says what the text is
    """The text is not JSON, or is JSON that two parsers could read differently."""


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the object that `data` holds. Cost is linear in its length."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrict("not UTF-8") from None
    _refuse_depth(text)
    try:
        text = text.strip(_BLANK)
        value, end = _DECODER.raw_decode(text)
    except (json.JSONDecodeError, RecursionError):
        raise NotStrict("not JSON") from None
    if end != len(text):
        raise NotStrict("not JSON")
    if not isinstance(value, dict):
        raise NotStrict("not an object")
    _refuse_unsafe_text(text, value)
    return value


def _refuse_depth(text: str) -> None:
    # Nearly every honest document has fewer brackets than the depth allowed, so the scan is seldom needed.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += (found.lastindex == 1) - (found.lastindex == 2)  # noqa: PLR2004 - the second group closes
        if depth > MAX_DEPTH:
            raise NotStrict("nested too deeply")


def _refuse_unsafe_text(text: str, value: object) -> None:
    # Only an escape can spell these, and honest documents seldom have one, so the walk is seldom needed.
    if "\\u" not in text or not _UNSAFE_ESCAPE.search(text):
        return
    for found in _texts(value):
        if "\0" in found or _SURROGATE.search(found):
            raise NotStrict("NUL or half a surrogate pair in a string")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _texts(item)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrict("duplicate member")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotStrict("integer too large")
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrict("number too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise NotStrict(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_fraction, parse_constant=_no_constant
)
