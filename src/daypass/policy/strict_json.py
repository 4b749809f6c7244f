"""JSON as a policy may use it: bounded, without duplicate keys, numbers kept as they were written.

Owns reading the text and finding where in it each statement stands. What the elements mean is not known here.
Python's own reader keeps the last of two equal keys and accepts NaN; two readers that disagree about a policy
are a way past it.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_TEXT = 131_072  # the longest policy document in IAM's service model
MAX_DEPTH = 16  # the language itself needs six
_LONGEST_ECHO = 64
# A text that never ends is one token too: to try again at each quote inside it would cost the square of its length.
_TEXT = r'"(?:[^"\\]|\\.)*+"?'
_TOKENS = re.compile(rf"{_TEXT}|[][{{}}:]|\n", re.DOTALL)
_STRINGS_OR_SPACE = re.compile(rf"({_TEXT})|[ \t\r\n]+", re.DOTALL)


class NotStrictJsonError(ValueError):
    """The text is not JSON, or JSON that readers could understand in two ways."""


class NumberText(str):
    """A JSON number, as its source text: `1.0` stays `1.0`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Where a statement stands: lines and columns count from one, the end is exclusive."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int


def read_json(text: str) -> Any:
    """Return the value that `text` holds, or raise NotStrictJsonError."""
    if len(text) > MAX_TEXT:
        raise NotStrictJsonError(f"longer than {MAX_TEXT} characters")
    _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except NotStrictJsonError:
        raise
    except (ValueError, RecursionError) as problem:
        raise NotStrictJsonError("not JSON") from problem
    if "\\u" in text or not text.isascii():
        _check_characters(value)
    return value


def without_white_space(text: str) -> str:
    """Return `text` without the white space that stands outside of JSON strings."""
    return _STRINGS_OR_SPACE.sub(lambda found: found.group(1) or "", text)


def statement_spans(text: str) -> tuple[Span, ...]:
    """Return where each statement of a well-formed policy stands in its text, in order."""
    spans: list[Span] = []
    opened: list[str] = []
    begun: tuple[int, int] | None = None
    line, line_start, key, in_statements = 1, 0, "", False
    for token in _TOKENS.finditer(text):
        mark = token.group()
        if mark == "\n":
            line, line_start = line + 1, token.end()
        elif mark in "{[":
            depth = len(opened)
            in_statements = in_statements or (depth == 1 and key == "Statement")
            if begun is None and in_statements and mark == "{":
                begun = (depth, line * _LINE + token.start() - line_start + 1)
            opened.append(mark)
        elif mark in "}]":
            opened.pop()
            if begun is not None and begun[0] == len(opened):
                start_line, start_column = divmod(begun[1], _LINE)
                spans.append(Span(start_line, start_column, line, token.end() - line_start + 1))
                begun = None
            if len(opened) <= 1:
                in_statements, key = False, ""
        elif mark[0] == '"' and len(opened) == 1:
            key = json.loads(mark, strict=False)
    return tuple(spans)


_LINE = MAX_TEXT * 2


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the recursive reader sees it."""
    depth = 0
    for token in _TOKENS.finditer(text):
        mark = token.group()
        if mark in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotStrictJsonError(f"nested deeper than {MAX_DEPTH}")
        elif mark in "}]":
            depth -= 1


def _check_characters(value: Any) -> None:
    """Refuse lone surrogates: text with them cannot be written down again."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        raise NotStrictJsonError("a lone surrogate") from problem


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                # In ASCII, since a key may hold what cannot be written down.
                raise NotStrictJsonError(f"the key {json.dumps(key[:_LONGEST_ECHO])} stands twice")
            seen.add(key)
    return found


def _no_constant(name: str) -> NoReturn:
    raise NotStrictJsonError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates,
    parse_int=NumberText,
    parse_float=NumberText,
    parse_constant=_no_constant,
)
