"""Read JSON from untrusted sources, with only one interpretation.

For tokens, key sets, discovery documents, policies and files of operators. Parsers differ on the inputs below, and a
check can be bypassed if two readers see different values. Every reader refuses:

* an object with two equal keys,
* NaN and Infinity, and decimal numbers that a float cannot represent,
* values that are nested deeper than the reader allows, before the recursive parser sees them,
* text after the value, and lone surrogates, which cannot be encoded again.

A reader sets the maximum length and depth, how numbers are returned, and whether NUL is refused.
Source: RFC 8259, RFC 8725 section 2.4 and 3.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec

_LONGEST_ECHO = 64
_MOST_DIGITS = 19
_BLANK = re.compile(r"[ \t\n\r]*")
# An unterminated string matches to the end: retries at each quote would be quadratic.
_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"?|([\[{])|([\]}])', re.DOTALL)
_UNSAFE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class NotStrictJsonError(ValueError):
    """The text is not JSON, or two parsers could read it differently.

    `line` and `column` count from one; 0 if unknown.
    """

    def __init__(self, words: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(words)
        self.line = line
        self.column = column


class NumberText(str):
    """A JSON number as its source text: `1.0` stays `1.0`."""

    __slots__ = ()


def short_integer(digits: str) -> int:
    """Return an integer of at most 19 characters: enough for times and counts."""
    if len(digits) > _MOST_DIGITS:
        raise NotStrictJsonError("a number is too long")
    return int(digits)


def any_integer(digits: str) -> int:
    """Return an integer of any length that Python converts."""
    try:
        return int(digits)
    except ValueError:
        raise NotStrictJsonError("a number is too long") from None


def finite_number(digits: str) -> float:
    """Return a decimal number that a float can represent."""
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrictJsonError("a number is too large")
    return number


class JsonReader:
    """Parses JSON within limits. The cost is linear in the length."""

    def __init__(
        self,
        *,
        max_depth: int,
        max_characters: int | None = None,
        refuses_nul: bool = False,
        integer: Callable[[str], Any] = short_integer,
        decimal: Callable[[str], Any] = finite_number,
    ) -> None:
        self._max_depth = max_depth
        self._max_characters = max_characters
        self._refuses_nul = refuses_nul
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_unique, parse_int=integer, parse_float=decimal, parse_constant=_no_constant
        )

    def read(self, text: str) -> Any:
        """Return the value in `text`, or raise NotStrictJsonError."""
        is_unsafe = self._look_over(text)
        value, end = self._decode(text, _skip_blank(text, 0), is_unsafe=is_unsafe)
        end = _skip_blank(text, end)
        if end != len(text):
            raise _not_json(json.JSONDecodeError("text after the end", text, end))
        return value

    def read_several(self, text: str) -> Iterator[Any]:
        """Yield the successive values in `text`, or raise NotStrictJsonError."""
        is_unsafe = self._look_over(text)
        at = _skip_blank(text, 0)
        while at < len(text):
            value, at = self._decode(text, at, is_unsafe=is_unsafe)
            yield value
            at = _skip_blank(text, at)

    def read_object(self, data: bytes) -> dict[str, Any]:
        """Return the object in `data` (UTF-8), or raise NotStrictJsonError."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise NotStrictJsonError("not UTF-8") from None
        value = self.read(text)
        if not isinstance(value, dict):
            raise NotStrictJsonError("not an object")
        return value

    def _decode(self, text: str, at: int, *, is_unsafe: bool) -> tuple[Any, int]:
        try:
            value, end = self._decoder.raw_decode(text, at)
            if is_unsafe:
                self._check_characters(value)
        except json.JSONDecodeError as error:
            raise _not_json(error) from None
        except RecursionError:
            raise NotStrictJsonError(f"nested deeper than {self._max_depth} levels") from None
        return value, end

    def _look_over(self, text: str) -> bool:
        """Refuse a text that is too long or too deep.

        Return whether one of its strings could contain NUL or a lone surrogate.
        """
        if self._max_characters is not None and len(text) > self._max_characters:
            raise NotStrictJsonError(f"longer than {self._max_characters} characters")
        # Rarely needed: most documents have fewer brackets than the allowed depth.
        if text.count("[") + text.count("{") > self._max_depth:
            self._check_depth(text)
        # Rarely needed: in decoded text only an escape can produce them.
        return ("\\u" in text or not text.isascii()) and _UNSAFE.search(text) is not None

    def _check_depth(self, text: str) -> None:
        depth = 0
        for found in _BRACKETS.finditer(text):
            depth += (found.lastindex == 1) - (found.lastindex == 2)  # noqa: PLR2004 - the second group closes
            if depth > self._max_depth:
                raise NotStrictJsonError(f"nested deeper than {self._max_depth} levels")

    def _check_characters(self, value: Any) -> None:
        for found in _strings(value):
            if _SURROGATE.search(found):
                raise NotStrictJsonError("contains half a character (a lone surrogate)")
            if self._refuses_nul and "\0" in found:
                raise NotStrictJsonError("NUL in a string")


def _skip_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def _not_json(error: json.JSONDecodeError) -> NotStrictJsonError:
    return NotStrictJsonError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _strings(item)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                # In ASCII, because a key can contain characters that cannot be encoded.
                raise NotStrictJsonError(f"duplicate key {json.dumps(key[:_LONGEST_ECHO])}")
            seen.add(key)
    return found


def _no_constant(name: str) -> NoReturn:
    raise NotStrictJsonError(f"{name} is not a JSON number")


_DEPTH_OF_DOCUMENTS = 16
_DOCUMENTS = JsonReader(max_depth=_DEPTH_OF_DOCUMENTS, refuses_nul=True)
# Each byte that can be part of a whole number becomes 1: a search for many of them is fast.
_DIGITS = bytes(1 if byte in b"0123456789-" else 0 for byte in range(256))
_TOO_MANY_DIGITS = b"\1" * (_MOST_DIGITS + 1)


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the object of a token, a key set or a discovery document.

    Raises NotStrictJsonError if the text is not an object in strict JSON.
    """
    found = _find_plain_object(data)
    return _DOCUMENTS.read_object(data) if found is None else found


def _find_plain_object(data: bytes) -> dict[str, Any] | None:
    """Return the object in a plain text, or None. None decides nothing.

    msgspec keeps the last of two equal keys. Apart from white space it writes the same bytes again, so no key occurs
    twice.
    """
    if not data.isascii() or b"\\" in data or data.count(b"[") + data.count(b"{") > _DEPTH_OF_DOCUMENTS:
        return None
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    if type(value) is not dict or _TOO_MANY_DIGITS in data.translate(_DIGITS):
        return None
    written = msgspec.json.encode(value)
    return value if written == data or written == msgspec.json.format(data, indent=-1) else None
