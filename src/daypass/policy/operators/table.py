"""The condition operators, and the composition of their names.

Owns the table and the parsing of a name such as `ForAnyValue:StringLikeIfExists`. Source: IAM User Guide, "IAM JSON
policy elements: Condition operators" and "Single-valued vs. multivalued keys". Names are case-sensitive: AWS does not
document that case is ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Family(Enum):
    """The comparison of an operator."""

    EQUALS = "StringEquals"
    EQUALS_IGNORING_CASE = "StringEqualsIgnoreCase"
    LIKE = "StringLike"
    NUMERIC = "Numeric"
    DATE = "Date"
    BOOL = "Bool"
    BINARY = "Binary"
    ADDRESS = "IpAddress"
    ARN = "Arn"
    NULL = "Null"


class Relation(Enum):
    """The relation of the request's value to the policy's value."""

    EQUAL = "Equals"
    LESS = "LessThan"
    LESS_OR_EQUAL = "LessThanEquals"
    GREATER = "GreaterThan"
    GREATER_OR_EQUAL = "GreaterThanEquals"


class Quantifier(Enum):
    """The rule for a multivalued key: how many values must match."""

    NONE = ""
    ANY = "ForAnyValue"
    ALL = "ForAllValues"


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table."""

    family: Family
    negated: bool = False
    relation: Relation = Relation.EQUAL
    variables: bool = False


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """An operator in a policy, with its prefix and suffix."""

    operator: Operator
    quantifier: Quantifier
    if_exists: bool


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "StringEquals": Operator(Family.EQUALS, variables=True),
        "StringNotEquals": Operator(Family.EQUALS, negated=True, variables=True),
        "StringEqualsIgnoreCase": Operator(Family.EQUALS_IGNORING_CASE, variables=True),
        "StringNotEqualsIgnoreCase": Operator(Family.EQUALS_IGNORING_CASE, negated=True, variables=True),
        "StringLike": Operator(Family.LIKE, variables=True),
        "StringNotLike": Operator(Family.LIKE, negated=True, variables=True),
        "NumericEquals": Operator(Family.NUMERIC),
        "NumericNotEquals": Operator(Family.NUMERIC, negated=True),
        "NumericLessThan": Operator(Family.NUMERIC, relation=Relation.LESS),
        "NumericLessThanEquals": Operator(Family.NUMERIC, relation=Relation.LESS_OR_EQUAL),
        "NumericGreaterThan": Operator(Family.NUMERIC, relation=Relation.GREATER),
        "NumericGreaterThanEquals": Operator(Family.NUMERIC, relation=Relation.GREATER_OR_EQUAL),
        "DateEquals": Operator(Family.DATE),
        "DateNotEquals": Operator(Family.DATE, negated=True),
        "DateLessThan": Operator(Family.DATE, relation=Relation.LESS),
        "DateLessThanEquals": Operator(Family.DATE, relation=Relation.LESS_OR_EQUAL),
        "DateGreaterThan": Operator(Family.DATE, relation=Relation.GREATER),
        "DateGreaterThanEquals": Operator(Family.DATE, relation=Relation.GREATER_OR_EQUAL),
        "Bool": Operator(Family.BOOL),
        "BinaryEquals": Operator(Family.BINARY),
        "IpAddress": Operator(Family.ADDRESS),
        "NotIpAddress": Operator(Family.ADDRESS, negated=True),
        "ArnEquals": Operator(Family.ARN, variables=True),
        "ArnLike": Operator(Family.ARN, variables=True),
        "ArnNotEquals": Operator(Family.ARN, negated=True, variables=True),
        "ArnNotLike": Operator(Family.ARN, negated=True, variables=True),
        "Null": Operator(Family.NULL),
    }
)
_PREFIXES: Mapping[str, Quantifier] = MappingProxyType({"ForAnyValue": Quantifier.ANY, "ForAllValues": Quantifier.ALL})


def find_operator(name: str) -> OperatorUse | None:
    """Return the operator with this name, or None if it does not exist."""
    return _USES.get(name)


def _compose(name: str) -> OperatorUse | None:
    prefix, colon, rest = name.rpartition(":")
    quantifier = _PREFIXES.get(prefix) if colon else Quantifier.NONE
    bare = rest.removesuffix("IfExists")
    operator = OPERATORS.get(bare)
    if quantifier is None or operator is None:
        return None
    plain = quantifier is Quantifier.NONE and bare == rest
    if operator.family is Family.NULL and not plain:
        return None  # Null itself tests whether the key exists
    return OperatorUse(operator, quantifier, if_exists=bare != rest)


_NAMES = (
    f"{prefix}{operator}{suffix}"
    for prefix in ("", *(f"{prefix}:" for prefix in _PREFIXES))
    for operator in OPERATORS
    for suffix in ("", "IfExists")
)
_USES: Mapping[str, OperatorUse] = MappingProxyType(
    {name: use for name in _NAMES if (use := _compose(name)) is not None}
)
