"""The constraints of the service models, AWS's words for each, and the report of what breaks them.

Owns the wording "N validation error(s) detected: …". What a parameter is and where it stands is
reading.py's work. Words: recorded answers of STS and IAM; those for lists of plain values, of other AWS
services built alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daypass.errors import ValidationError
from daypass.wire.model import Shape
from daypass.wire.patterns import compile_pattern

# AWS prints a refused value in full. No honest value is longer than the first; a hostile request must not
# be able to make a large answer out of many of them.
MAX_QUOTED = 2_048
MAX_REPORT = 16_384

# A text far beyond its greatest length is refused for that alone: no pattern runs over it.
_PATTERN_SLACK = 8_192

NOT_NULL = "Member must not be null"


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint, and AWS's words for it."""

    holds: Callable[[Any], object]
    words: str


@dataclass(slots=True)
class Report:
    """What was found wrong with one request, in the order in which it was found."""

    count: int = 0
    lines: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, path: str, quoted: str, words: str) -> None:
        """Note that the value at `path` breaks a constraint."""
        self.count += 1
        if self.size < MAX_REPORT:
            self.lines.append(f"Value{quoted} at '{path}' failed to satisfy constraint: {words}")
            self.size += len(self.lines[-1])

    def missing(self, path: str) -> None:
        """Note that the required member at `path` is absent."""
        self.add(path, " null", NOT_NULL)

    def raise_if_any(self) -> None:
        """Raise what was found as AWS puts it, if anything was."""
        if not self.count:
            return
        errors = "error" if self.count == 1 else "errors"
        raise ValidationError(f"{self.count} validation {errors} detected: {'; '.join(self.lines)}")


def rules_of(shape: Shape) -> tuple[Rule, ...]:
    """Return the constraints of a shape, in the order in which AWS lists them."""
    bounds = _value_bounds(shape) if shape.type in ("integer", "long") else _length_bounds(shape)
    rules = [*bounds]
    if shape.pattern is not None:
        words = f"Member must satisfy regular expression pattern: {shape.pattern}"
        rules.append(Rule(_pattern_rule(shape.pattern, shape.max), words))
    if shape.enum:
        words = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        rules.append(Rule(frozenset(shape.enum).__contains__, words))
    return tuple(rules)


def _length_bounds(shape: Shape) -> list[Rule]:
    rules, least, most = [], shape.min, shape.max
    if most is not None:
        words = f"Member must have length less than or equal to {most}"
        rules.append(Rule(lambda value: len(value) <= most, words))
    if least:
        words = f"Member must have length greater than or equal to {least}"
        rules.append(Rule(lambda value: len(value) >= least, words))
    return rules


def _value_bounds(shape: Shape) -> list[Rule]:
    rules, least, most = [], shape.min, shape.max
    if most is not None:
        words = f"Member must have value less than or equal to {most}"
        rules.append(Rule(lambda value: value <= most, words))
    if least is not None:
        words = f"Member must have value greater than or equal to {least}"
        rules.append(Rule(lambda value: value >= least, words))
    return rules


def _pattern_rule(pattern: str, longest: int | None) -> Callable[[str], object]:
    matches = compile_pattern(pattern)
    if longest is None:
        return matches
    reach = longest + _PATTERN_SLACK
    return lambda value: len(value) > reach or matches(value)


def quoted(value: object) -> str:
    """Return a refused value as it stands in the message, cut when it is absurdly long."""
    return f" '{_printed(value, MAX_QUOTED)}'"


def shortened(text: str, room: int = MAX_QUOTED) -> str:
    """Return a text that fits in `room`, with a mark where it was cut."""
    return text if len(text) <= room else f"{text[:room]}…"


def _printed(value: object, room: int) -> str:
    """Print a value as Java prints collections: [a, b] and {k=v}."""
    if isinstance(value, list):
        # Each element takes two characters at least, so no more than this can be seen.
        text = f"[{', '.join(_printed(element, room) for element in value[: room // 2])}]"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{name}={_printed(part, room)}' for name, part in value.items())}}}"
    else:
        text = str(value)
    return shortened(text, room)
