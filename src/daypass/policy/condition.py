"""One condition of a statement, compiled to a function of the context.

Owns missing keys, negation, IfExists and multivalued keys. Leaves the comparison of values to operators/. Source: IAM
User Guide, "Condition operators" and "Set operators for multivalued context keys".

The rules:
- If the key is missing, a positive operator is false, a negated operator true, IfExists true, ForAllValues true,
  ForAnyValue false.
- A negated operator with several values is true if the request's value does not match any of them.
- A value that cannot be parsed or compared counts against the caller: false in an Allow, true in a Deny (`on_doubt`).
  So do several values under an operator without a set prefix, negated or not.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.language.statement import ConditionTest
from daypass.policy.operators.numeric_operators import find_bytes, find_instant, find_number, in_networks, ordered
from daypass.policy.operators.string_operators import (
    Fits,
    arn_like,
    arn_unlike,
    boolean,
    fixed_texts,
    string_equals,
    string_equals_ignoring_case,
    string_like,
)
from daypass.policy.operators.table import Family, Operator, OperatorUse, Quantifier, find_operator

Holds = Callable[[ConditionKeys], bool]


class UnknownOperatorError(ValueError):
    """The operator of a condition does not exist.

    The parser and the compiler refuse it.
    """


_TEXT: Mapping[Family, Callable[..., Fits]] = MappingProxyType(
    {
        Family.EQUALS: string_equals,
        Family.EQUALS_IGNORING_CASE: string_equals_ignoring_case,
        Family.LIKE: string_like,
        Family.ARN: arn_like,
        Family.BOOL: boolean,
    }
)
_READERS: Mapping[Family, Callable[[str], object]] = MappingProxyType(
    {Family.NUMERIC: find_number, Family.DATE: find_instant, Family.BINARY: find_bytes}
)


def compile_condition(test: ConditionTest, *, variables: bool, on_doubt: bool) -> Holds:
    """Return the function that tests whether one condition holds."""
    use = find_operator(test.operator)
    if use is None:
        raise UnknownOperatorError(test.operator)
    key = test.key.lower()
    if use.operator.family is Family.NULL:
        return _null(key, test.values, on_doubt=on_doubt)
    if use.quantifier is Quantifier.NONE:
        fixed = _fixed(use, test.values, variables=variables)
        if fixed is not None:
            return _one_of(key, fixed, on_doubt=on_doubt)
    fits = _comparison(use.operator, test.values, variables=variables)
    if not test.values and use.operator.negated:
        fits = _nothing_to_compare
    if use.quantifier is Quantifier.ALL:
        return _for_all(key, fits, negated=use.operator.negated, on_doubt=on_doubt)
    if use.quantifier is Quantifier.ANY:
        return _for_any(key, fits, use, on_doubt=on_doubt)
    if use.operator.negated:
        return _negated(key, fits, on_doubt=on_doubt)
    return _positive(key, fits, if_exists=use.if_exists, on_doubt=on_doubt)


def _comparison(row: Operator, values: Sequence[str], *, variables: bool) -> Fits:
    if row.family is Family.ARN and row.negated:
        return arn_unlike(values, variables=variables)
    if row.family in _TEXT:
        return _TEXT[row.family](values, variables=variables)
    if row.family is Family.ADDRESS:
        return in_networks(values)
    return ordered(_READERS[row.family], row.relation, values)


def _fixed(use: OperatorUse, values: Sequence[str], *, variables: bool) -> frozenset[str] | None:
    """Return the values of a plain StringEquals, or None for other conditions.

    With these, the most frequent condition takes one lookup.
    """
    if use.operator.family is not Family.EQUALS or use.operator.negated or use.if_exists:
        return None
    return fixed_texts(values, variables=variables)


def _one_of(key: str, fixed: frozenset[str], *, on_doubt: bool) -> Holds:
    if not on_doubt:
        return lambda context: context.get(key) in fixed

    def holds(context: ConditionKeys) -> bool:
        value = context.get(key)
        return value in fixed or (bool(value) and not isinstance(value, str))

    return holds


def _nothing_to_compare(_value: str, _context: ConditionKeys) -> None:
    """Return doubt: an empty list of values must not make an Allow apply."""


def _positive(key: str, fits: Fits, *, if_exists: bool, on_doubt: bool) -> Holds:
    def holds(context: ConditionKeys) -> bool:
        value = context.get(key)
        if value is None or value == ():
            return if_exists
        found = fits(value, context) if isinstance(value, str) else None
        return on_doubt if found is None else found

    return holds


def _negated(key: str, fits: Fits, *, on_doubt: bool) -> Holds:
    def holds(context: ConditionKeys) -> bool:
        value = context.get(key)
        if value is None or value == ():
            return True
        found = fits(value, context) if isinstance(value, str) else None
        return on_doubt if found is None else not found

    return holds


def _for_all(key: str, fits: Fits, *, negated: bool, on_doubt: bool) -> Holds:
    """Require that every value matches (negated: does not match).

    Returns True without values. A Deny treats a single empty value as no value; an Allow compares it.
    """

    def holds(context: ConditionKeys) -> bool:
        values = _values(context, key)
        if on_doubt and not any(values):
            return True
        doubtful = False
        for value in values:
            found = fits(value, context)
            if found is None:
                doubtful = True
            elif found is negated:
                return False
        return on_doubt if doubtful else True

    return holds


def _for_any(key: str, fits: Fits, use: OperatorUse, *, on_doubt: bool) -> Holds:
    """Require that at least one value matches (negated: does not match).

    Returns False without values, unless the operator has IfExists.
    """
    negated, if_exists = use.operator.negated, use.if_exists

    def holds(context: ConditionKeys) -> bool:
        values = _values(context, key)
        if not values:
            return if_exists
        doubtful = False
        for value in values:
            found = fits(value, context)
            if found is None:
                doubtful = True
            elif found is not negated:
                return True
        return on_doubt if doubtful else False

    return holds


def _null(key: str, values: Sequence[str], *, on_doubt: bool) -> Holds:
    """Require that the key is absent (`true`) or present (`false`).

    A key without a non-empty value is absent.
    """
    wanted = {text.lower() for text in values}
    unreadable = on_doubt and not wanted <= {"true", "false"}
    absent, present = "true" in wanted or unreadable, "false" in wanted or unreadable

    def holds(context: ConditionKeys) -> bool:
        return present if any(_values(context, key)) else absent

    return holds


def _values(context: ConditionKeys, key: str) -> tuple[str, ...]:
    value = context.get(key)
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
