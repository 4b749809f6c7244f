"""Evaluate the Condition of one statement.

Owns the operators of the reference, their quantifiers and suffixes. Written from the documentation: IAM User Guide,
"Condition operators", "Set operators for multivalued context keys".
"""

import operator
import re
from collections.abc import Callable
from typing import Any

from tests.policy.oracle.reference_values import (
    Context,
    Document,
    address,
    globs,
    globs_arn,
    instant,
    is_within,
    network,
    number,
    octets,
    pieces,
    truth,
)

Order = Callable[[Any, Any], bool]
ORDERS: dict[str, Order] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
# The parsers of the request's value and of the policy's value, and the comparison. These operators have no variables.
MEASURED: dict[str, tuple[Callable[[str], Any], Callable[[str], Any], Order]] = {
    **{f"Numeric{name}": (number, number, order) for name, order in ORDERS.items()},
    **{f"Date{name}": (instant, instant, order) for name, order in ORDERS.items()},
    "BinaryEquals": (octets, octets, operator.eq),
    "IpAddress": (address, network, is_within),
}
# These operators have variables. ArnEquals and ArnLike are the same.
PATTERNED: dict[str, Callable[[str, list[tuple[str, bool]]], bool]] = {
    "StringEquals": lambda value, wanted: value == "".join(char for char, _ in wanted),
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == "".join(char for char, _ in wanted).lower(),
    "StringLike": lambda value, wanted: globs(wanted, value),
    "ArnEquals": lambda value, wanted: globs_arn(wanted, value),
    "ArnLike": lambda value, wanted: globs_arn(wanted, value),
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def holds(statement: Document, context: Context, *, variables: bool) -> bool:
    """Evaluate a statement's whole Condition: every operator and every key."""
    # Undecidable conditions fail closed: a Deny applies, an Allow does not.
    doubt = statement["Effect"] == "Deny"
    return all(
        _one_holds(name, values, context.get(key.lower()), context, variables=variables, doubt=doubt)
        for name, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _one_holds(
    full_name: str,
    wanted: Any,
    present: str | tuple[str, ...] | None,
    context: Context,
    *,
    variables: bool,
    doubt: bool,
) -> bool:
    texts = [_text(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
    values = (present,) if isinstance(present, str) else present or ()
    # "The key exists and its value is not null." The empty string counts as null.
    null = not any(values)
    if full_name == "Null":
        return any(truth(text) == null for text in texts) or (doubt and None in map(truth, texts))
    quantifier, _, name = full_name.rpartition(":")
    name, if_exists = name.removesuffix("IfExists"), name.endswith("IfExists")

    def passes(value: str) -> bool:
        return _passes(name, value, texts, context, variables=variables, doubt=doubt)

    if not values:
        missing = {"ForAllValues": True, "ForAnyValue": False}.get(quantifier, name in NEGATED)
        return if_exists or missing
    if quantifier == "ForAllValues":
        # The documentation says: true for "a null data set, such as an empty string".
        return all(map(passes, values)) or (null and doubt)
    if quantifier == "ForAnyValue":
        return any(map(passes, values))
    # "Requires a set operator": a plain operator cannot evaluate a key with several values.
    return passes(present) if isinstance(present, str) else doubt


def _passes(name: str, value: str, texts: list[str], context: Context, *, variables: bool, doubt: bool) -> bool:
    """Return whether any of the policy's values matches or, for a negated operator, all of them differ."""
    positive = NEGATED.get(name, name)
    if positive == "Bool":
        return any(truth(value) is truth(text) is not None for text in texts)
    hits: list[bool | None]
    if positive in MEASURED:
        read_value, read_text, order = MEASURED[positive]
        if read_value(value) is None:
            return doubt
        pairs = [(read_value(value), read_text(text)) for text in texts]
        # A value that does not parse leaves its comparison undecided.
        hits = [None if left is None or right is None else order(left, right) for left, right in pairs]
    else:
        patterns = [pieces(text, variables=variables, context=context) for text in texts]
        # A pattern with a variable without a value does not match.
        hits = [pattern is not None and PATTERNED[positive](value, pattern) for pattern in patterns]
        if name in {"ArnNotEquals", "ArnNotLike"} and not all(map(_is_arn, [value, *texts])) and True not in hits:
            return doubt
    if True not in hits and (None in hits or (name in NEGATED and not hits)):
        return doubt
    return (True in hits) != (name in NEGATED)


def _is_arn(text: str) -> bool:
    return re.match(r"arn(:[^:]*){4}:|\$\{[^{}]+\}$", text) is not None


def _text(value: Any) -> str:
    """Return the JSON form of numbers and booleans."""
    return str(value).lower() if isinstance(value, bool) else str(value)
