"""The text of a policy.

Owns reading it within limits, with numbers as written, its size without white space, and the place of each statement.
Leaves strict JSON to daypass.strict_json, and the elements to elements.py.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from daypass.strict_json import JsonReader, NumberText

MAX_TEXT = 131_072  # the longest policy document in IAM's service model
MAX_DEPTH = 16  # the language itself needs six
_LINE = MAX_TEXT * 2
_READER = JsonReader(max_depth=MAX_DEPTH, max_characters=MAX_TEXT, integer=NumberText, decimal=NumberText)
# A string without an end is one token too: retries at each quote would cost the square of its length.
_TEXT = r'"[^"\\]*+(?:\\.[^"\\]*+)*"?'
_TOKENS = re.compile(rf"{_TEXT}|[][{{}}:]|\n", re.DOTALL)
_STRINGS_OR_SPACE = re.compile(rf"({_TEXT})|[ \t\r\n]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """The place of a statement in a policy.

    Lines and columns count from one; the end is exclusive.
    """

    start_line: int
    start_column: int
    end_line: int
    end_column: int


def read_json(text: str) -> Any:
    """Return the JSON value of `text`, or raise NotStrictJsonError."""
    return _READER.read(text)


def without_white_space(text: str) -> str:
    """Return `text` without the white space outside of JSON strings."""
    return _STRINGS_OR_SPACE.sub(lambda found: found.group(1) or "", text)


def statement_spans(text: str) -> tuple[Span, ...]:
    """Return the place of each statement of a well-formed policy.

    They are in order.
    """
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
