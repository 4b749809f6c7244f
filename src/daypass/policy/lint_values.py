"""Condition values that can never match, because they do not parse.

Owns the check for each family of operators. It uses the same parsers as evaluation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from daypass.policy.operators.numeric_operators import find_bytes, find_instant, find_network, find_number
from daypass.policy.operators.table import Family, OperatorUse
from daypass.policy.template import parse_template, parts_of_arn, pattern_tokens

_ARN_PARTS = 6


def _is_truth(text: str) -> bool:
    return text.lower() in {"true", "false"}


_READABLE: Mapping[Family, Callable[[str], bool]] = MappingProxyType(
    {
        Family.NUMERIC: lambda text: find_number(text) is not None,
        Family.DATE: lambda text: find_instant(text) is not None,
        Family.ADDRESS: lambda text: find_network(text) is not None,
        Family.BINARY: lambda text: find_bytes(text) is not None,
        Family.BOOL: _is_truth,
        Family.NULL: _is_truth,
    }
)


def unreadable_values(use: OperatorUse, values: Sequence[str], *, variables: bool) -> Iterator[str]:
    """Yield the values that can never match."""
    readable = _READABLE.get(use.operator.family)
    for value in values:
        if readable is not None and not readable(value):
            yield value
        if use.operator.family is Family.ARN and not _is_arn_pattern(value, variables=variables):
            yield value


def _is_arn_pattern(text: str, *, variables: bool) -> bool:
    parts = parts_of_arn(pattern_tokens(parse_template(text, variables=variables)))
    whole_variable = variables and text.startswith("${") and text.endswith("}")
    return whole_variable or (len(parts) == _ARN_PARTS and parts[0] == ["arn"])
