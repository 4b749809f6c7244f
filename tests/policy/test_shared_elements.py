"""Compiled elements that several policies share, and the table of composed operators."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.policy.compiled import CompiledStatement, PolicySource, PolicyType, compile_document
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.operators.table import OPERATORS, _compose, find_operator

_SHORT = {"StringEquals": {"sts:ExternalId": "a"}}


def _compile(
    condition: Mapping[str, object],
    *,
    owner: str = "arn:aws:iam::111111111111:role/r",
    effect: str = "Allow",
    version: str = "2012-10-17",
) -> CompiledStatement:
    statement = {"Effect": effect, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}
    document = parse_document(json.dumps({"Version": version, "Statement": statement}), DocumentKind.TRUST)
    (compiled,) = compile_document(document, PolicySource(PolicyType.RESOURCE, "trust-policy", owner)).statements
    return compiled


def test_equal_elements_of_an_account_are_shared() -> None:
    """Two roles with the same condition and actions need the memory of one."""
    one, other = _compile(_SHORT), _compile(_SHORT, owner="arn:aws:iam::111111111111:role/other")
    assert one.conditions[0] is other.conditions[0]
    assert one.weight.conditions[0] is other.weight.conditions[0]
    assert one.action is other.action


@pytest.mark.parametrize("owner", ["arn:aws:iam::222222222222:role/r", "", "arn:aws"])
def test_conditions_are_not_shared_beyond_an_account(owner: str) -> None:
    """The time of a compilation does not tell the conditions of another account."""
    assert _compile(_SHORT).conditions[0] is not _compile(_SHORT, owner=owner).conditions[0]


@pytest.mark.parametrize(
    ("condition", "effect", "version"),
    [
        ({"StringEquals": {"sts:ExternalId": "b"}}, "Allow", "2012-10-17"),
        ({"StringEquals": {"sts:externalid": "a"}}, "Allow", "2012-10-17"),
        ({"StringEquals": {"sts:ExternalId": ["a", "a"]}}, "Allow", "2012-10-17"),
        ({"StringLike": {"sts:ExternalId": "a"}}, "Allow", "2012-10-17"),
        ({"StringEqualsIfExists": {"sts:ExternalId": "a"}}, "Allow", "2012-10-17"),
        (_SHORT, "Deny", "2012-10-17"),
        (_SHORT, "Allow", "2008-10-17"),
    ],
)
def test_each_difference_counts(condition: Mapping[str, object], effect: str, version: str) -> None:
    """Doubt works against the caller in an Allow and in a Deny, and only the newer version has variables."""
    assert _compile(_SHORT).conditions[0] is not _compile(condition, effect=effect, version=version).conditions[0]


def test_long_conditions_are_not_kept() -> None:
    """The memory of the shared ones is limited."""
    long = {"StringEquals": {"sts:ExternalId": "a" * 256}}
    assert _compile(long).conditions[0] is not _compile(long).conditions[0]


@given(
    st.lists(
        st.sampled_from([*OPERATORS, ":", "ForAnyValue", "ForAllValues", "IfExists", "", " ", "stringequals"]),
        max_size=5,
    ).map("".join)
)
def test_the_table_has_every_composed_operator(name: str) -> None:
    """A name that is not in the table cannot be composed either."""
    assert find_operator(name) == _compose(name)
