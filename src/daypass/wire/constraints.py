r"""The constraints of the service models, and the report of violations.

Owns AWS's messages ("N validation error(s) detected: …"), and the translation of patterns from Java to Python.
request_shapes.py finds values and their paths. Source: recorded responses of STS and IAM; for lists of plain values,
those of similar AWS services.

Java's `\w`, `\d` and `\s` are ASCII by default; Java's `matches` is Python's `fullmatch`; `\uXXXX` is the same in both.
Only the Unicode categories need a translation. Python's `\w` for strings is exactly the union of the categories L and N
with the underscore; a test verifies that for every code point.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from daypass.errors import ValidationError
from daypass.wire.model import Shape

# AWS prints a refused value in full. A valid one is never longer than the first limit. Many hostile ones must not cause
# a large response.
MAX_QUOTED = 2_048
MAX_REPORT = 16_384

# A far too long string is refused without running the pattern.
_PATTERN_SLACK = 8_192

NOT_NULL = "Member must not be null"

_CATEGORIES: Mapping[str, str] = {
    r"\p{L}\p{Z}\p{N}_": r"\w\u0020\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000",
}

# A pattern of one set of characters, as those of tags are. Negated sets and sets of sets are left out.
_ONE_SET = re.compile(r"\[(?:[^\[\]\\&^]|\\[^\[\]&^]|\\p\{[A-Z]\})+\][*+]")


@dataclass(frozen=True, slots=True)
class ConstraintRule:
    """One constraint, and AWS's message for it."""

    holds: Callable[[Any], object]
    words: str


class ConstraintViolations(msgspec.Struct):
    """The violations of one request, in the order of their discovery."""

    count: int = 0
    lines: list[str] = msgspec.field(default_factory=list)
    size: int = 0

    def add(self, path: str, quoted: str, words: str) -> None:
        """Add the constraint that the value at `path` violates."""
        self.count += 1
        if self.size < MAX_REPORT:
            self.lines.append(f"Value{quoted} at '{path}' failed to satisfy constraint: {words}")
            self.size += len(self.lines[-1])

    def missing(self, path: str) -> None:
        """Add that the required member at `path` is absent."""
        self.add(path, " null", NOT_NULL)

    def raise_if_any(self) -> None:
        """Raise a ValidationError with AWS's message if there are violations."""
        if not self.count:
            return
        errors = "error" if self.count == 1 else "errors"
        raise ValidationError(f"{self.count} validation {errors} detected: {'; '.join(self.lines)}")


def rules_of(shape: Shape) -> tuple[ConstraintRule, ...]:
    """Return the constraints of a shape, in AWS's order."""
    bounds = _value_bounds(shape) if shape.type in ("integer", "long") else _length_bounds(shape)
    rules = [*bounds]
    if shape.pattern is not None:
        words = f"Member must satisfy regular expression pattern: {shape.pattern}"
        rules.append(ConstraintRule(_pattern_rule(shape.pattern, shape.max), words))
    if shape.enum:
        words = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        rules.append(ConstraintRule(frozenset(shape.enum).__contains__, words))
    return tuple(rules)


def compile_column_check(shape: Shape) -> Callable[[Sequence[str]], bool]:
    """Return the test of all strings of a list against a shape.

    The list is not empty.
    """
    least, most = shape.min or 0, sys.maxsize if shape.max is None else shape.max
    matches = None if shape.pattern is None else _compile_column_pattern(shape.pattern)
    values = frozenset(shape.enum)

    def holds(column: Sequence[str]) -> bool:
        lengths = [*map(len, column)]
        return (
            max(lengths) <= most
            and min(lengths) >= least
            and (matches is None or matches(column))
            and (not values or values.issuperset(column))
        )

    return holds


def _compile_column_pattern(pattern: str) -> Callable[[Sequence[str]], bool]:
    """Return the test of all strings of a list against a Java pattern."""
    matches = compile_pattern(pattern)
    if not _ONE_SET.fullmatch(pattern):
        return lambda column: all(map(matches, column))
    # All strings together consist of the set's characters if each of them does; + refuses an empty one.
    if pattern.endswith("*"):
        return lambda column: matches("".join(column)) is not None
    return lambda column: "" not in column and matches("".join(column)) is not None


def _length_bounds(shape: Shape) -> list[ConstraintRule]:
    rules, least, most = [], shape.min, shape.max
    if most is not None:
        words = f"Member must have length less than or equal to {most}"
        rules.append(ConstraintRule(lambda value: len(value) <= most, words))
    if least:
        words = f"Member must have length greater than or equal to {least}"
        rules.append(ConstraintRule(lambda value: len(value) >= least, words))
    return rules


def _value_bounds(shape: Shape) -> list[ConstraintRule]:
    rules, least, most = [], shape.min, shape.max
    if most is not None:
        words = f"Member must have value less than or equal to {most}"
        rules.append(ConstraintRule(lambda value: value <= most, words))
    if least is not None:
        words = f"Member must have value greater than or equal to {least}"
        rules.append(ConstraintRule(lambda value: value >= least, words))
    return rules


def _pattern_rule(pattern: str, longest: int | None) -> Callable[[str], object]:
    matches = compile_pattern(pattern)
    if longest is None:
        return matches
    limit = longest + _PATTERN_SLACK
    return lambda value: len(value) > limit or matches(value)


def quoted(value: object) -> str:
    """Return a refused value as the message quotes it, cut if it is too long."""
    return f" '{_printed(value, MAX_QUOTED)}'"


def shortened(text: str, room: int = MAX_QUOTED) -> str:
    """Return a string that fits in `room`, with a mark if it was cut."""
    return text if len(text) <= room else f"{text[:room]}…"


def _printed(value: object, room: int) -> str:
    """Print a value as Java prints collections: [a, b] and {k=v}."""
    if isinstance(value, list):
        # Each element takes at least two characters: later ones are never visible.
        text = f"[{', '.join(_printed(element, room) for element in value[: room // 2])}]"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{name}={_printed(part, room)}' for name, part in value.items())}}}"
    else:
        text = str(value)
    return shortened(text, room)


def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Return the test of a Java pattern.

    It is truthy for a string that matches as a whole. Raises ValueError for an unknown category.
    """
    flags = re.ASCII
    translated = pattern
    for java, python in _CATEGORIES.items():
        if java in translated:
            translated, flags = translated.replace(java, python), re.UNICODE
    if r"\p" in translated:
        raise ValueError(f"a pattern uses a category that has no translation: {pattern}")
    return re.compile(translated, flags).fullmatch
