"""Compare strings, ARNs and booleans.

Owns one matcher for each family: whether the request's value matches one of the policy's. Leaves negation and
multivalued keys to condition.py. Source: IAM User Guide, "Condition operators": String, Boolean and ARN.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.resource import match_any
from daypass.policy.template import (
    Part,
    PatternToken,
    Variable,
    fill,
    fill_tokens,
    has_variables,
    parse_template,
    parts_of_arn,
    pattern_tokens,
    substitute,
)
from daypass.policy.wildcard import Match, Token, compile_wildcard

Fits: TypeAlias = Callable[[str, ConditionKeys], bool | None]
"""Whether a value matches; None if one of the two does not parse as its type."""
_ARN_PARTS = 6


def string_equals(values: Sequence[str], *, variables: bool) -> Fits:
    """Match exactly. `*` and `?` are literal, and `${*}` is a literal `*`."""
    fixed, with_variables = _split(values, variables=variables)
    wanted = frozenset(fixed)
    if not with_variables:
        return lambda value, _: value in wanted
    return lambda value, context: value in wanted or any(fill(parts, context) == value for parts in with_variables)


def fixed_texts(values: Sequence[str], *, variables: bool) -> frozenset[str] | None:
    """Return the strings of a StringEquals, or None if they vary by request."""
    fixed, with_variables = _split(values, variables=variables)
    return None if with_variables else frozenset(fixed)


def string_equals_ignoring_case(values: Sequence[str], *, variables: bool) -> Fits:
    """Match exactly except for case."""
    fixed, with_variables = _split(values, variables=variables)
    wanted = frozenset(text.lower() for text in fixed)

    def fits(value: str, context: ConditionKeys) -> bool:
        lowered = value.lower()
        if lowered in wanted:
            return True
        for parts in with_variables:
            filled = fill(parts, context)
            if filled is not None and filled.lower() == lowered:
                return True
        return False

    return fits


def string_like(values: Sequence[str], *, variables: bool) -> Fits:
    """Match with `*` and `?`, which match any character."""
    fixed: list[Match] = []
    with_variables: list[list[PatternToken]] = []
    for text in values:
        parts = parse_template(text, variables=variables)
        tokens = pattern_tokens(parts)
        if has_variables(parts):
            with_variables.append(tokens)
        else:
            fixed.append(compile_wildcard(_settled(tokens)))
    return match_any(frozenset(), fixed, with_variables)


def arn_like(values: Sequence[str], *, variables: bool) -> Fits:
    """Match the six parts of an ARN one by one.

    An invalid ARN never matches, on either side.
    """
    fits = arn_unlike(values, variables=variables)
    return lambda value, context: fits(value, context) is True


def arn_unlike(values: Sequence[str], *, variables: bool) -> Fits:
    """Match ARNs for a negated operator.

    An invalid ARN, on either side, is not a different ARN.
    """
    templates = [parse_template(text, variables=variables) for text in values]
    # A variable that is the whole pattern is a whole ARN, in which wildcards are literal.
    alone = [parts[0] for parts in templates if len(parts) == 1 and isinstance(parts[0], Variable)]
    patterns = [parts_of_arn(pattern_tokens(parts)) for parts in templates]
    whole = [parts for parts in patterns if len(parts) == _ARN_PARTS and parts[0] == ["arn"]]
    fixed = [
        tuple(compile_wildcard(_settled(tokens)) for tokens in parts[1:])
        for parts in whole
        if not any(isinstance(token, Variable) for tokens in parts for token in tokens)
    ]
    with_variables = [
        parts for parts in whole if any(isinstance(token, Variable) for tokens in parts for token in tokens)
    ]
    unmatched = False if len(whole) + len(alone) == len(patterns) else None

    def fits(value: str, context: ConditionKeys) -> bool | None:
        cut = value.split(":", _ARN_PARTS - 1)
        if len(cut) != _ARN_PARTS or cut[0] != "arn":
            return None
        for matchers in fixed:
            if _all_match(matchers, cut):
                return True
        for parts in with_variables:
            filled = [fill_tokens(tokens, context) for tokens in parts[1:]]
            if _all_match([compile_wildcard(tokens) for tokens in filled if tokens is not None], cut):
                return True
        if any(substitute(variable, context) == value for variable in alone):
            return True
        return unmatched

    return fits


def boolean(values: Sequence[str], *, variables: bool) -> Fits:
    """Match true with true and false with false. Other values never match."""
    del variables  # AWS's documentation contradicts itself; a variable here never matches
    wanted = frozenset(text.lower() for text in values) & {"true", "false"}
    return lambda value, _: value.lower() in wanted


def _all_match(matchers: Sequence[Match], cut: Sequence[str]) -> bool:
    """Return whether each part after `arn` has one matcher, and it matches."""
    if len(matchers) != _ARN_PARTS - 1:
        return False  # a variable had no value
    return all(match(part) for match, part in zip(matchers, cut[1:], strict=True))


def _settled(tokens: Sequence[PatternToken]) -> list[Token]:
    return [token for token in tokens if not isinstance(token, Variable)]


def _split(values: Sequence[str], *, variables: bool) -> tuple[list[str], list[tuple[Part, ...]]]:
    """Return the constant values, unescaped, and the templates of the others."""
    fixed: list[str] = []
    with_variables: list[tuple[Part, ...]] = []
    for text in values:
        parts = parse_template(text, variables=variables)
        if has_variables(parts):
            with_variables.append(parts)
        else:
            fixed.append("".join(part if isinstance(part, str) else getattr(part, "text", "") for part in parts))
    return fixed, with_variables
