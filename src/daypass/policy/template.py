"""Policy variables: strings with `${…}`, and their values in a request.

Owns the parsing of variables, defaults and the escapes `${*}`, `${?}` and `${$}`, and the substitution of values.
Source: IAM User Guide, "IAM policy elements: Variables and tags". A value is substituted once, as a literal string, and
never parsed again: `${$}{x}` is the string `${x}`, and the name of a user `*` is not a wildcard.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.wildcard import Token, Wild, tokens_of

_VARIABLE = re.compile(r"\$\{(?:([*?$])|([^{}',]+)(?:, ?'([^']*)')?)\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A key whose value is inserted here, and its default for absent keys."""

    key: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A string without wildcards: every character is literal."""

    text: str


Part = str | Literal | Variable


def parse_template(text: str, *, variables: bool) -> tuple[Part, ...]:
    """Return the parts of `text`: plain strings, literals and variables.

    Without variables (Version 2008-10-17, or no Version) the whole string is plain.
    """
    if not variables or "${" not in text:
        return (text,)
    parts: list[Part] = []
    start = 0
    for found in _VARIABLE.finditer(text):
        if found.start() > start:
            parts.append(text[start : found.start()])
        escape, key, default = found.groups()
        parts.append(Literal(escape) if escape else Variable(key.lower(), default))
        start = found.end()
    if start < len(text):
        parts.append(text[start:])
    return tuple(parts)


def has_variables(parts: Iterable[Part]) -> bool:
    """Return whether the string depends on the request."""
    return any(isinstance(part, Variable) for part in parts)


def substitute(part: Variable, context: ConditionKeys) -> str | None:
    """Return the value of a variable, or None if it has no value.

    A multivalued key cannot be a variable, nor have its default, which is only for absent keys.
    """
    value = context.get(part.key)
    if value is None:
        return part.default
    return value if isinstance(value, str) else None


def fill(parts: Iterable[Part], context: ConditionKeys) -> str | None:
    """Return the string with all values and without wildcards.

    Return None if a value is missing.
    """
    pieces: list[str] = []
    for part in parts:
        if isinstance(part, Variable):
            value = substitute(part, context)
            if value is None:
                return None
            pieces.append(value)
        else:
            pieces.append(part if isinstance(part, str) else part.text)
    return "".join(pieces)


PatternToken = Token | Variable


def pattern_tokens(parts: Iterable[Part]) -> list[PatternToken]:
    """Return the tokens of a pattern.

    Plain strings have wildcards, literals do not; variables stay.
    """
    found: list[PatternToken] = []
    for part in parts:
        if isinstance(part, str):
            found.extend(tokens_of(part))
        else:
            found.append(part.text if isinstance(part, Literal) else part)
    return found


def fill_tokens(tokens: Iterable[PatternToken], context: ConditionKeys) -> list[Token] | None:
    """Return the tokens with literal values instead of variables.

    Return None if a value is missing.
    """
    filled: list[Token] = []
    for token in tokens:
        if isinstance(token, Variable):
            value = substitute(token, context)
            if value is None:
                return None
            filled.append(value)
        else:
            filled.append(token)
    return filled


def parts_of_arn(tokens: Iterable[PatternToken]) -> list[list[PatternToken]]:
    """Split a pattern at the first five colons that its author wrote.

    Colons inside a value do not count.
    """
    cut: list[list[PatternToken]] = [[]]
    for token in tokens:
        if isinstance(token, Wild | Variable):
            cut[-1].append(token)
            continue
        pieces = token.split(":", 6 - len(cut))
        for at, piece in enumerate(pieces):
            if at:
                cut.append([])
            if piece:
                cut[-1].append(piece)
    return cut
