"""Policy variables: text with `${…}` in it, and what it becomes in a request.

Owns finding variables, their defaults and the escapes `${*}`, `${?}` and `${$}`, and putting values in.
Source: IAM User Guide, "IAM policy elements: Variables and tags".
A value is put in once, as literal text, and what comes out is never read again: `${$}{x}` is the text `${x}`,
and a user named `*` is no wildcard.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from daypass.policy.question import Context
from daypass.policy.wildcard import Token, Wild, tokens_of

_VARIABLE = re.compile(r"\$\{(?:([*?$])|([^{}',]+)(?:, ?'([^']*)')?)\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A key whose value stands here, and what stands here when the request does not have the key."""

    key: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Literal:
    """Text in which no character is a wildcard."""

    text: str


Part = str | Literal | Variable


def parse_template(text: str, *, variables: bool) -> tuple[Part, ...]:
    """Return the parts of `text`: plain text, literal text and variables.

    Without variables (Version 2008-10-17, or none) the whole text is plain.
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
    """Tell whether the text depends on the request."""
    return any(isinstance(part, Variable) for part in parts)


def substitute(part: Variable, context: Context) -> str | None:
    """Return the value that stands for a variable, or None where there is none.

    A multivalued key cannot be a variable; its default is for absent keys alone, so it does not help either.
    """
    value = context.get(part.key)
    if value is None:
        return part.default
    return value if isinstance(value, str) else None


def fill(parts: Iterable[Part], context: Context) -> str | None:
    """Return the text with all values put in and no wildcard meant, or None where one is missing."""
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
    """Return the tokens of a pattern: plain text has wildcards, literals have none, variables stay."""
    found: list[PatternToken] = []
    for part in parts:
        if isinstance(part, str):
            found.extend(tokens_of(part))
        else:
            found.append(part.text if isinstance(part, Literal) else part)
    return found


def fill_tokens(tokens: Iterable[PatternToken], context: Context) -> list[Token] | None:
    """Return the tokens with literal values in place of variables, or None where one is missing."""
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
    """Cut a pattern at the first five colons that its author wrote. A colon inside a value cuts nothing."""
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
