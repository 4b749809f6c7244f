"""Traps 21 to 38: condition keys, operators and values."""

import base64
from typing import Any

import pytest
from tests.policy.engine_requests import A, allow, deny, holds, identity, is_allowed, question, stops

from daypass.policy.evaluate import Policies

ARN = f"arn:aws:iam::{A}:role/app"


def test_trap_21_key_names_ignore_case_and_values_do_not() -> None:
    """Keys match in any case, also the tag part; StringEquals is case-sensitive."""
    assert holds("StringEquals", "AWS:principalTAG/Team", "art", {"aws:principaltag/team": "art"})
    assert not holds("StringEquals", "aws:PrincipalTag/team", "Art", {"aws:principaltag/team": "art"})
    assert holds("StringEqualsIgnoreCase", "aws:PrincipalTag/team", "Art", {"aws:principaltag/team": "art"})


def test_trap_22_negated_operators_are_true_of_a_missing_key() -> None:
    """A Deny with StringNotEquals applies if the key is absent.

    IfExists is not needed.
    """
    assert holds("StringNotEquals", "aws:PrincipalTag/team", "art", {})
    assert stops("StringNotEquals", "aws:PrincipalTag/team", "art", {})
    for operator in ("StringNotLike", "StringNotEqualsIgnoreCase", "ArnNotLike", "NumericNotEquals", "NotIpAddress"):
        assert holds(operator, "aws:PrincipalTag/team", "1", {})


def test_trap_23_a_negated_list_means_none_of_them() -> None:
    """StringNotEquals ["a", "b"] is false for a and for b."""
    for value in ("a", "b"):
        assert not holds("StringNotEquals", "aws:PrincipalTag/x", ["a", "b"], {"aws:principaltag/x": value})
    assert holds("StringNotEquals", "aws:PrincipalTag/x", ["a", "b"], {"aws:principaltag/x": "c"})


def test_trap_24_set_operators_on_missing_and_empty_keys() -> None:
    """ForAllValues is true without values, ForAnyValue false, even negated.

    Null detects the missing key.
    """
    for context in ({}, {"aws:tagkeys": ()}):
        assert holds("ForAllValues:StringEquals", "aws:TagKeys", "a", context)
        assert holds("ForAllValues:StringNotEquals", "aws:TagKeys", "a", context)
        assert not holds("ForAnyValue:StringEquals", "aws:TagKeys", "a", context)
        assert not holds("ForAnyValue:StringNotEquals", "aws:TagKeys", "a", context)
    closed = {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}
    assert not is_allowed(question(), Policies(identity(allow(Condition=closed))))


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("ForAllValues:StringNotEquals", ("art", "hr"), False),
        ("ForAllValues:StringNotEquals", ("law", "hr"), True),
        ("ForAnyValue:StringNotEquals", ("art", "hr"), True),
        ("ForAnyValue:StringNotEquals", ("art", "prod"), False),
        ("ForAllValues:StringEquals", ("art", "prod"), True),
        ("ForAllValues:StringEquals", ("art", "hr"), False),
        ("ForAnyValue:StringEquals", ("art", "hr"), True),
        ("ForAnyValue:StringEquals", ("law", "hr"), False),
    ],
)
def test_trap_25_set_operators_negate_the_comparison_not_the_whole(
    operator: str, values: tuple[str, ...], expected: object
) -> None:
    """ForAllValues negated: every value differs; ForAnyValue: at least one."""
    assert holds(operator, "aws:TagKeys", ["prod", "art"], {"aws:tagkeys": values}) is expected


def test_trap_26_a_multivalued_key_needs_a_set_operator() -> None:
    """A plain operator never allows several values, negated or not.

    A single value counts as a set of one.
    """
    several = {"aws:tagkeys": ("a", "b")}
    for operator in ("StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists", "StringNotLike"):
        assert not holds(operator, "aws:TagKeys", "a", several)
        assert not holds(operator, "aws:TagKeys", "z", several)
        # The caller chooses the number of values, and must not bypass a Deny with it.
        assert stops(operator, "aws:TagKeys", "a", several)
        assert stops(operator, "aws:TagKeys", "a", {"aws:tagkeys": ("z",)})
    assert holds("ForAnyValue:StringEquals", "aws:PrincipalTag/x", "a", {"aws:principaltag/x": "a"})
    assert not holds("ForAllValues:StringEquals", "aws:PrincipalTag/x", "a", {"aws:principaltag/x": "b"})


def test_trap_27_if_exists_still_compares_what_exists() -> None:
    """A present key must match; a missing key is ignored, also by ForAnyValue."""
    assert holds("StringEqualsIfExists", "aws:PrincipalTag/x", "a", {})
    assert not holds("StringEqualsIfExists", "aws:PrincipalTag/x", "a", {"aws:principaltag/x": "b"})
    assert holds("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a", {})
    assert not holds("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a", {"aws:tagkeys": ("b",)})


@pytest.mark.parametrize(
    ("wanted", "absent", "present"),
    [("true", True, False), ("false", False, True), (True, True, False), (["true", "false"], True, True)],
)
def test_trap_28_null_asks_whether_the_key_is_there(wanted: Any, absent: object, present: object) -> None:
    """`true` is absent, `false` is present, both always hold.

    A key with an empty value is absent.
    """
    assert holds("Null", "aws:TagKeys", wanted, {}) is absent
    assert holds("Null", "aws:TagKeys", wanted, {"aws:tagkeys": ()}) is absent
    assert holds("Null", "aws:PrincipalTag/x", wanted, {"aws:principaltag/x": ""}) is absent
    assert holds("Null", "aws:PrincipalTag/x", wanted, {"aws:principaltag/x": "v"}) is present


def test_null_with_anything_else_takes_the_closed_side() -> None:
    """Other values than true and false fail closed, for Allow and Deny."""
    for context in ({}, {"aws:principaltag/x": "v"}):
        assert not holds("Null", "aws:PrincipalTag/x", "False ", context)
        assert stops("Null", "aws:PrincipalTag/x", "False ", context)


def test_trap_29_the_empty_text_is_a_value() -> None:
    """StringLike with "" matches the empty string.

    Under ForAllValues the empty string does not make an Allow apply, nor stop a Deny.
    """
    assert holds("StringLike", "s3:prefix", ["", "home/*"], {"s3:prefix": ""})
    assert not holds("StringEquals", "s3:prefix", "a", {"s3:prefix": ""})
    assert not holds("ForAllValues:StringEquals", "s3:prefix", "a", {"s3:prefix": ""})
    assert stops("ForAllValues:StringEquals", "s3:prefix", "a", {"s3:prefix": ""})


@pytest.mark.parametrize("wanted", [True, "true", "True", "TRUE"])
def test_trap_30_bool_knows_true_and_false_alone(wanted: Any) -> None:
    """Any case matches; other words never match, on either side."""
    assert holds("Bool", "aws:SecureTransport", wanted, {"aws:securetransport": "true"})
    assert not holds("Bool", "aws:SecureTransport", wanted, {"aws:securetransport": "false"})
    assert not holds("Bool", "aws:SecureTransport", "yes", {"aws:securetransport": "yes"})
    assert not holds("Bool", "aws:SecureTransport", "false", {"aws:securetransport": "0"})


def test_trap_30_bool_false_is_not_true_of_a_missing_key() -> None:
    """A Deny of calls without MFA needs BoolIfExists.

    Calls with long-term keys do not have the key.
    """
    assert not stops("Bool", "aws:MultiFactorAuthPresent", "false", {})
    assert stops("BoolIfExists", "aws:MultiFactorAuthPresent", "false", {})


@pytest.mark.parametrize(
    ("operator", "wanted", "had", "expected"),
    [
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", "0.1", "0.10000000000000000001", False),
        ("NumericEquals", "9007199254740993", "9007199254740992", False),
        ("NumericLessThan", "10", "9.99", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", 10, "10", True),
        ("NumericGreaterThan", "-1", "0", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("NumericNotEquals", "10", "11", True),
        ("NumericNotEquals", "10", "10.00", False),
        ("NumericLessThan", "100", "10abc", False),
        ("NumericNotEquals", "10", "abc", False),
        ("NumericNotEquals", "abc", "10", False),
        ("NumericEquals", "${aws:PrincipalTag/n}", "10", False),
    ],
)
def test_trap_31_numbers_are_exact_and_whole(operator: str, wanted: Any, had: str, expected: object) -> None:
    """Numbers are decimals; invalid numbers never match, even negated.

    Variables do not exist here.
    """
    context = {"s3:max-keys": had, "aws:principaltag/n": "10"}
    assert holds(operator, "s3:max-keys", wanted, context) is expected


def test_trap_31_a_deny_fires_on_what_is_no_number() -> None:
    """An invalid number counts against the caller."""
    assert stops("NumericNotEquals", "s3:max-keys", "10", {"s3:max-keys": "10abc"})
    assert stops("NumericGreaterThan", "s3:max-keys", "10", {"s3:max-keys": "many"})
    assert not stops("NumericGreaterThan", "s3:max-keys", "10", {"s3:max-keys": "9"})


@pytest.mark.parametrize(
    ("operator", "wanted", "had", "expected"),
    [
        ("DateEquals", "2026", "2026-01-01T00:00:00Z", True),
        ("DateEquals", "2026-03", "2026-03-01T00:00:00Z", True),
        ("DateEquals", "2026-03-05T10:00Z", "2026-03-05T12:00:00+02:00", True),
        ("DateEquals", "2026-03-05T10:00:00.250Z", "2026-03-05T10:00:00.25Z", True),
        ("DateEquals", "1772704800", "2026-03-05T10:00:00Z", True),
        ("DateLessThan", "2026-03-05T10:00:00Z", "1772704799", True),
        ("DateLessThan", "2026-03-05T10:00:00Z", "1772704800", False),
        ("DateGreaterThan", "2026-03-05T10:00:00", "2027-01-01T00:00:00Z", False),
        ("DateLessThan", "2030-01-01T00:00:00Z", "2026-02-30", False),
        ("DateNotEquals", "2030-01-01T00:00:00Z", "soon", False),
    ],
)
def test_trap_32_dates_and_epoch_seconds_are_one_scale(operator: str, wanted: str, had: str, expected: object) -> None:
    """W3C dates and epoch seconds compare; four digits are a year.

    A time needs its zone.
    """
    assert holds(operator, "aws:CurrentTime", wanted, {"aws:currenttime": had}) is expected


@pytest.mark.parametrize(
    ("network", "address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.77/24", "203.0.113.1", True),
        ("0.0.0.0/0", "198.51.100.1", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "198.51.100.1", False),
        ("2001:DB8::/32", "2001:0db8:0000::0001", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("203.0.113.0/24", "::ffff:203.0.113.9", True),
        ("203.0.113.0/33", "203.0.113.0", False),
        ("203.0.113.0/24", "203.0.113.999", False),
        ("203.0.113.0/255.255.255.0", "203.0.113.1", False),
    ],
)
def test_trap_33_addresses_are_compared_as_bits(network: str, address: str, expected: object) -> None:
    """Defaults are /32 and /128, host bits are ignored, families never match."""
    assert holds("IpAddress", "aws:SourceIp", network, {"aws:sourceip": address}) is expected


def test_trap_33_not_ip_address() -> None:
    """A list of IPv4 networks excludes every IPv6 caller.

    An invalid address counts against the caller.
    """
    assert holds("NotIpAddress", "aws:SourceIp", ["10.0.0.0/8"], {"aws:sourceip": "2001:db8::1"})
    assert not holds("NotIpAddress", "aws:SourceIp", ["192.0.2.0/24", "10.0.0.0/8"], {"aws:sourceip": "10.1.1.1"})
    assert not holds("NotIpAddress", "aws:SourceIp", ["10.0.0.0/8"], {"aws:sourceip": "here"})
    assert stops("NotIpAddress", "aws:SourceIp", ["10.0.0.0/8"], {"aws:sourceip": "here"})


def test_trap_34_bytes_are_compared_decoded() -> None:
    """Both sides are base64; invalid base64 counts against the caller."""
    encoded = base64.b64encode(b"key\x00").decode()
    assert holds("BinaryEquals", "x:key", encoded, {"x:key": encoded})
    assert not holds("BinaryEquals", "x:key", encoded, {"x:key": base64.b64encode(b"kez\x00").decode()})
    assert not holds("BinaryEquals", "x:key", "%%", {"x:key": "%%"})


@pytest.mark.parametrize("operator", ["ArnLike", "ArnEquals"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (ARN, True),
        (f"arn:aws:iam::{A}:role/*", True),
        ("arn:*:iam::*:role/a?p", True),
        ("arn:aws:*", False),
        ("*", False),
        ("arn:aws:iam:*:role/app", False),
        (f"arn:aws:iam::{A}:role/ap", False),
    ],
)
def test_trap_35_arns_are_matched_part_by_part(operator: str, pattern: str, expected: object) -> None:
    """Six parts match one by one; ArnEquals is ArnLike; invalid ARNs never match."""
    assert holds(operator, "aws:PrincipalArn", pattern, {"aws:principalarn": ARN}) is expected


@pytest.mark.parametrize("pattern", ["arn:aws:iam::*", "*", "foo", "", [f"arn:aws:iam::{A}:role/other", "*"]])
@pytest.mark.parametrize("operator", ["ArnNotLike", "ArnNotEquals"])
def test_what_is_no_arn_is_not_thereby_another_arn(operator: str, pattern: Any) -> None:
    """An invalid pattern never makes an Allow apply, nor stops a Deny."""
    assert not holds(operator, "aws:PrincipalArn", pattern, {"aws:principalarn": ARN})
    assert stops(operator, "aws:PrincipalArn", pattern, {"aws:principalarn": ARN})
    assert not holds(operator, "aws:PrincipalArn", ARN, {"aws:principalarn": "anonymous"})


def test_a_variable_may_stand_for_a_whole_arn() -> None:
    """ARN operators have variables; a whole ARN from a variable has no wildcards."""
    context = {"aws:principalarn": ARN, "aws:sourcearn": ARN}
    assert holds("ArnEquals", "aws:SourceArn", "${aws:PrincipalArn}", context)
    assert stops("ArnEquals", "aws:SourceArn", "${aws:PrincipalArn}", context)
    assert not holds("ArnNotLike", "aws:SourceArn", "${aws:PrincipalArn}", context)
    other = {**context, "aws:sourcearn": f"{ARN}s"}
    assert not holds("ArnEquals", "aws:SourceArn", "${aws:PrincipalArn}", other)
    assert holds("ArnNotLike", "aws:SourceArn", "${aws:PrincipalArn}", other)


def test_trap_35_the_sixth_part_holds_colons_and_string_like_crosses_them() -> None:
    """`*` matches colons at the end of an ARN, and everywhere under StringLike."""
    queue = {"aws:sourcearn": "arn:aws:logs:eu-west-1:1:log-group:a:*"}
    assert holds("ArnLike", "aws:SourceArn", "arn:aws:logs:*:1:log-group*", queue)
    assert not holds("ArnLike", "aws:SourceArn", "arn:aws:*:log-group*", queue)
    assert holds("StringLike", "aws:SourceArn", "arn:aws:*:log-group*", queue)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*c", "abcc", True),
        ("a*c", "ac", True),
        ("a*c", "a/b:\nc", True),
        ("a*c", "abcd", False),
        ("a?c", "ac", False),
        ("a?c", "a\nc", True),
        ("*a*b*", "xxaxxbxx", True),
        ("*a?b*", "xxaxxbaxb", True),
        ("ab*ba", "aba", False),
        ("*", "", True),
        ("?", "", False),
        ("", "", True),
        ("", "a", False),
        ("**?**", "a", True),
    ],
)
def test_trap_36_string_like(pattern: str, text: str, expected: object) -> None:
    """`*` matches any characters, `?` exactly one; both ends are anchored."""
    assert holds("StringLike", "x:y", pattern, {"x:y": text}) is expected
    assert holds("StringNotLike", "x:y", pattern, {"x:y": text}) is not expected


def test_trap_37_string_equals_takes_wildcards_as_letters() -> None:
    """Wildcards are literal, and escapes of variables mean one character."""
    assert holds("StringEquals", "x:y", "a*", {"x:y": "a*"})
    assert not holds("StringEquals", "x:y", "a*", {"x:y": "ab"})
    assert holds("StringEquals", "x:y", "a${*}${?}${$}", {"x:y": "a*?$"})
    assert not holds("StringEquals", "x:y", "a${*}", {"x:y": "a${*}"})


@pytest.mark.parametrize("letter", list(".+^$()[]{}|\\"))
def test_trap_38_no_letter_of_a_policy_is_a_regular_expression(letter: str) -> None:
    """All characters except `*` and `?` are literal."""
    assert holds("StringLike", "x:y", f"a{letter}*", {"x:y": f"a{letter}b"})
    assert not holds("StringLike", "x:y", f"a{letter}*", {"x:y": "aab"})


def test_conditions_are_all_needed_and_values_are_alternatives() -> None:
    """Operators AND, keys AND, values OR."""
    both = {"StringEquals": {"x:a": ["1", "2"], "x:b": "1"}, "StringLike": {"x:c": "z*"}}
    given = Policies(identity(allow(Condition=both)))
    good = {"x:a": "2", "x:b": "1", "x:c": "zz"}
    assert is_allowed(question(context=good), given)
    for key in good:
        assert not is_allowed(question(context={**good, key: "0"}), given)


def test_a_plain_false_condition_spares_even_where_another_cannot_be_read() -> None:
    """A Deny with one false condition does not apply.

    Another condition that cannot be evaluated has no effect.
    """
    unread = {"NumericEquals": {"x:n": "1"}, "StringEquals": {"x:a": "no"}}
    given = Policies(identity(allow(), deny(Condition=unread)))
    assert is_allowed(question(context={"x:n": "what", "x:a": "yes"}), given)
