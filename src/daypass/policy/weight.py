"""The size of a statement, computed when the statement is compiled.

work.py multiplies the sizes with those of a request. A size is never smaller than the actual work, so that a limit of
sizes limits the work.
"""

import msgspec

from daypass.policy.authorization_request import CALL, LONGEST_VALUE, ConditionKeys, span
from daypass.policy.language.statement import ConditionTest, Statement
from daypass.policy.operators.table import Family, find_operator
from daypass.policy.resource import resource_parts
from daypass.policy.template import Part, Variable, parse_template

_ELEMENT = 8  # cost, in characters, of one element before a comparison
_VALUE = 8  # cost, in characters, of a number, a date or a network
_VARIABLE = 64  # cost, in characters, of inserting a value into a pattern, beside the value's own

_PATTERNS = frozenset({Family.LIKE, Family.ARN})
_TEXTS = frozenset({Family.EQUALS, Family.EQUALS_IGNORING_CASE})


class PatternSize(msgspec.Struct, frozen=True):
    """The characters of some patterns, and the keys of their variables."""

    characters: int
    variables: tuple[str, ...] = ()

    def filled(self, context: ConditionKeys) -> int:
        """Return the characters of the patterns with the values of a request."""
        total = self.characters
        for key in self.variables:
            total += len(context.get(key, ""))
        return total


class Weight(msgspec.Struct, frozen=True):
    """The cost of one statement.

    It compares its resources with the resource, and each condition with a key's value. `characters` is the sum, with
    the longest possible value for each variable: a limit without the single keys.
    """

    resources: PatternSize
    conditions: tuple[tuple[str, PatternSize], ...]
    characters: int

    def work(self, context: ConditionKeys, resource_span: int) -> int:
        """Return an upper bound of pattern characters times value characters."""
        total = _ELEMENT * CALL + self.resources.filled(context) * resource_span
        for key, size in self.conditions:
            value = context.get(key)
            total += _ELEMENT * CALL if value is None else size.filled(context) * span(value)
        return total


ConditionSize = tuple[str, PatternSize]
"""The key of a condition in lower case, and the size of its values."""


def weigh(statement: Statement, conditions: tuple[ConditionSize, ...], *, variables: bool) -> Weight:
    """Return the weight of a statement with these sizes of its conditions.

    `variables`: its patterns can contain variables.
    """
    resources = _size([resource_parts(pattern, variables=variables) for pattern in statement.resources or ()])
    sizes = (resources, *(size for _, size in conditions))
    return Weight(
        resources=resources,
        conditions=conditions,
        characters=_ELEMENT + sum(size.characters + LONGEST_VALUE * len(size.variables) for size in sizes),
    )


def weigh_condition(test: ConditionTest, *, variables: bool) -> ConditionSize:
    """Return the size of a condition."""
    return test.key.lower(), _values_size(test, variables=variables)


def _values_size(test: ConditionTest, *, variables: bool) -> PatternSize:
    use = find_operator(test.operator)
    family = Family.LIKE if use is None else use.operator.family
    if family not in _PATTERNS | _TEXTS:
        return PatternSize(_ELEMENT + _VALUE * len(test.values))
    parsed = [parse_template(text, variables=variables) for text in test.values]
    if family in _TEXTS:  # values without variables take one lookup, whatever their number
        parsed = [parts for parts in parsed if any(isinstance(part, Variable) for part in parts)]
    return _size(parsed)


def _size(patterns: list[tuple[Part, ...]]) -> PatternSize:
    return PatternSize(
        _ELEMENT + sum(1 + sum(map(_length, parts)) for parts in patterns),
        tuple(part.key for parts in patterns for part in parts if isinstance(part, Variable)),
    )


def _length(part: Part) -> int:
    if isinstance(part, Variable):
        return _VARIABLE + len(part.default or "")
    return len(part if isinstance(part, str) else part.text)
