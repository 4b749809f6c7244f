"""Match the Resource and NotResource elements.

Owns the reach of their wildcards and the places where variables are allowed. Source: IAM User Guide, "IAM JSON policy
elements: Resource". The rules:
- A `*` at the end of one of the first five parts of an ARN matches colons too; a `*` inside a part does not.
- The last part may contain colons.
- Variables are replaced only after the fifth colon.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile

from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.template import (
    Part,
    PatternToken,
    Variable,
    fill_tokens,
    has_variables,
    parse_template,
    pattern_tokens,
)
from daypass.policy.wildcard import Match, Wild, compile_wildcard

ResourceMatch = Callable[[str, ConditionKeys], bool]
_ARN_COLONS = 5


def compile_resources(patterns: Sequence[str], *, inverted: bool, allow: bool, variables: bool) -> ResourceMatch | None:
    """Return the matcher of Resource, or of NotResource if `inverted`.

    None matches every resource.
    """
    if "*" in patterns and not inverted:
        return None
    exact: set[str] = set()
    fixed: list[Match] = []
    open_tokens: list[list[PatternToken]] = []
    for pattern in patterns:
        parts = resource_parts(pattern, variables=variables)
        tokens = _resource_tokens(parts)
        if has_variables(parts):
            open_tokens.append(tokens)
        elif any(isinstance(token, Wild) for token in tokens):
            fixed.append(compile_wildcard([token for token in tokens if not isinstance(token, Variable)]))
        else:
            exact.add("".join(str(token) for token in tokens))
    if inverted:
        return _outside(frozenset(exact), tuple(fixed), tuple(open_tokens), allow=allow)
    return match_any(frozenset(exact), tuple(fixed), tuple(open_tokens))


def literal_heads(patterns: Sequence[str] | None, *, inverted: bool, variables: bool) -> tuple[str, ...]:
    """Return literal prefixes. A matching resource starts with one of them.

    Every resource starts with the empty prefix.
    """
    if patterns is None or inverted:
        return ("",)
    tokens = (pattern_tokens(resource_parts(pattern, variables=variables)) for pattern in patterns)
    return tuple("".join(str(token) for token in takewhile(_is_literal, found)) for found in tokens)


def _is_literal(token: PatternToken) -> bool:
    return isinstance(token, str)


def resource_parts(pattern: str, *, variables: bool) -> tuple[Part, ...]:
    """Return the parts of a pattern.

    Variables exist only after the fifth colon.
    """
    head = -1
    for _ in range(_ARN_COLONS):
        head = pattern.find(":", head + 1)
        if head < 0:
            return (pattern,)
    return (pattern[: head + 1], *parse_template(pattern[head + 1 :], variables=variables))


def _resource_tokens(parts: Sequence[Part]) -> list[PatternToken]:
    """Return the tokens of a pattern.

    Wildcards inside one of the first five parts do not match colons.
    """
    tokens = pattern_tokens(parts)
    colons = 0
    for at, token in enumerate(tokens):
        if isinstance(token, str):
            colons += token.count(":")
        if colons >= _ARN_COLONS or not isinstance(token, Wild):
            continue
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        ends_part = following is None or (isinstance(following, str) and following.startswith(":"))
        if token is Wild.ANY and not ends_part:
            tokens[at] = Wild.PART_ANY
        elif token is Wild.ONE:
            tokens[at] = Wild.PART_ONE
    return tokens


def match_any(
    exact: frozenset[str], fixed: Sequence[Match], open_tokens: Sequence[list[PatternToken]]
) -> ResourceMatch:
    """Return the matcher of a string that equals or fits one of the patterns.

    `open_tokens` are patterns with variables. A pattern fits no string if a variable has no value.
    """
    if not open_tokens and not exact and len(fixed) == 1:
        only = fixed[0]
        return lambda resource, _: only(resource)
    if not open_tokens and not fixed:
        return lambda resource, _: resource in exact

    def match(resource: str, context: ConditionKeys) -> bool:
        if resource in exact:
            return True
        for pattern in fixed:
            if pattern(resource):
                return True
        for tokens in open_tokens:
            filled = fill_tokens(tokens, context)
            if filled is not None and compile_wildcard(filled)(resource):
                return True
        return False

    return match


def _outside(
    exact: frozenset[str],
    fixed: tuple[Match, ...],
    open_tokens: tuple[list[PatternToken], ...],
    *,
    allow: bool,
) -> ResourceMatch:
    """Match NotResource.

    Without a variable's value, the exceptions are unknown, and an Allow does not apply.
    """
    inside = match_any(exact, fixed, open_tokens)

    def match(resource: str, context: ConditionKeys) -> bool:
        if allow and any(fill_tokens(tokens, context) is None for tokens in open_tokens):
            return False
        return not inside(resource, context)

    return match
