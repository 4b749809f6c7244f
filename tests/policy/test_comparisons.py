"""Every operator at its limit: the value below, the value itself, the value above.

IAM JSON policy elements: Condition operators. A value that does not parse does not match, and a negated operator is not
true for it.
"""

from typing import Any

import pytest
from tests.policy.engine_requests import (
    ALL,
    NOTHING,
    WEB,
    A,
    B,
    allow,
    deny,
    holds,
    identity,
    is_allowed,
    policies,
    question,
    resource,
    root,
    session,
    stops,
    text_of,
    trusting,
    user,
)

from daypass.errors import LimitExceeded, MalformedPolicyDocument
from daypass.policy.compiled import PolicyType
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, check_size, parse_document, size_of
from daypass.policy.operators.table import OPERATORS, Family

KEY = "s3:x"
# Whether each operator holds for a smaller value, for the value itself, and for a larger one.
ORDERED = {
    "Equals": (False, True, False),
    "NotEquals": (True, False, True),
    "LessThan": (True, False, False),
    "LessThanEquals": (True, True, False),
    "GreaterThan": (False, False, True),
    "GreaterThanEquals": (False, True, True),
}
VALUES = {
    "Numeric": [
        ("10", ("9", "10", "11")),
        ("10", ("9.999999999", "10.0", "10.000000001")),
        ("-1", ("-2", "-1", "0")),
        ("1e2", ("99", "100", "101")),
    ],
    "Date": [
        ("2026-03-01T12:00:00Z", ("2026-03-01T11:59:59Z", "2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z")),
        ("2026-03-01T12:00:00Z", ("2026-03-01T11:59:59.999Z", "2026-03-01T12:00:00.000Z", "2026-03-01T12:00:00.001Z")),
        ("2026-03-01T12:00:00Z", ("2026-03-01T12:59:59+01:00", "2026-03-01T11:00:00-01:00", "1772366401")),
        ("2026-03-01", ("2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:01Z")),
        ("1772366400", ("1772366399", "2026-03-01T12:00:00Z", "1772366401")),
    ],
}


@pytest.mark.parametrize("relation", ORDERED)
@pytest.mark.parametrize(
    ("family", "limit", "values"), [(family, *case) for family, cases in VALUES.items() for case in cases]
)
def test_numbers_and_dates(family: str, limit: str, values: tuple[str, str, str], relation: str) -> None:
    """Test each relation below, at and above its value.

    IfExists has the same result if the key exists.
    """
    found = tuple(holds(family + relation, KEY, limit, {KEY: value}) for value in values)
    assert found == ORDERED[relation]
    assert found == tuple(holds(f"{family}{relation}IfExists", KEY, limit, {KEY: value}) for value in values)
    assert found == tuple(stops(family + relation, KEY, limit, {KEY: value}) for value in values)


def test_the_table_of_relations_is_whole() -> None:
    """A new operator of numbers or dates needs a row above."""
    asked = {family + relation for family in VALUES for relation in ORDERED}
    assert asked == {name for name, each in OPERATORS.items() if each.family in {Family.NUMERIC, Family.DATE}}


NO_ZONE = "2026-03-01T12:00:00"
UNREADABLE = {
    "Date": [
        "2026-13-01",
        "2026-02-29",
        "2026-00-01",
        "2026-03-01T24:00:01Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:60Z",
        NO_ZONE,
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60",
        "0000-01-01",
        "soon",
        "",
    ],
    "Numeric": ["ten", "", "1e1000", "0x10", "1,5", "--1", "NaN", "Infinity", "\u0661"],
}


@pytest.mark.parametrize(
    ("family", "value"), [(family, value) for family, given in UNREADABLE.items() for value in given]
)
def test_an_unreadable_value_fails_closed(family: str, value: str) -> None:
    """An Allow does not apply under any relation, a negated Deny does."""
    good = "2026-03-01" if family == "Date" else "1"
    for relation in ORDERED:
        assert not holds(family + relation, KEY, good, {KEY: value}), relation
    assert stops(f"{family}NotEquals", KEY, good, {KEY: value})
    if family == "Numeric" or value == NO_ZONE:
        assert not any(holds(family + relation, KEY, value, {KEY: good}) for relation in ORDERED)
        return
    # A policy with such a date is refused.
    with pytest.raises(MalformedPolicyDocument):
        parse_document(text_of(allow(Condition={"DateEquals": {KEY: value}})), DocumentKind.IDENTITY)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_date_at_the_ends_of_the_calendar_costs_no_exception(value: str) -> None:
    """In UTC these dates are outside of the calendar."""
    before = value.startswith("0001")
    assert holds("DateLessThan", KEY, "2026-03-01", {KEY: value}) is before
    assert holds("DateGreaterThan", KEY, "2026-03-01", {KEY: value}) is not before


@pytest.mark.parametrize("minute", ["00", "30", "59"])
def test_a_zone_has_minutes(minute: str) -> None:
    """The minutes of a zone are at most 59."""
    assert holds("DateEquals", KEY, f"2026-03-01T12:{minute}:00Z", {KEY: f"2026-03-01T12:{minute}:00+00:00"})
    assert holds("DateLessThanEquals", KEY, "2026-03-01T12:00:00Z", {KEY: f"2026-03-01T12:00:00+00:{minute}"})


NAME = {"aws:username": "alice"}
ARN = f"arn:aws:iam::{A}:user/alice"
WITH_VARIABLE = {
    "StringEquals": ("${aws:username}", "alice", "bob"),
    "StringEqualsIgnoreCase": ("${aws:username}", "ALICE", "bob"),
    "StringLike": ("${aws:username}-*", "alice-1", "bob-1"),
    "ArnEquals": (f"arn:aws:iam::{A}:user/${{aws:username}}", ARN, f"arn:aws:iam::{A}:user/bob"),
    "ArnLike": (f"arn:aws:iam::{A}:user/${{aws:username}}", ARN, f"arn:aws:iam::{A}:user/bob"),
}
NEGATED = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}


@pytest.mark.parametrize("operator", WITH_VARIABLE)
def test_variables(operator: str) -> None:
    """String and ARN operators have variables, alone and beside plain values.

    The negated operator has the opposite result.
    """
    pattern, fits, other = WITH_VARIABLE[operator]
    plain = ARN.replace("alice", "carol") if operator.startswith("Arn") else "carol"
    for wanted in (pattern, [pattern, plain], [plain, pattern]):
        for value, expected in ((fits, True), (other, False), (plain, wanted != pattern)):
            context = {**NAME, KEY: value}
            assert holds(operator, KEY, wanted, context) is expected
            assert holds(NEGATED[operator], KEY, wanted, context) is not expected
            assert stops(operator, KEY, wanted, context) is expected
    # A variable without a value does not match.
    assert not holds(operator, KEY, pattern, {KEY: fits})


def test_which_operators_take_variables() -> None:
    """IAM User Guide, "Where you can use policy variables": strings and ARNs only."""
    taking = {name for name, each in OPERATORS.items() if each.variables}
    assert taking == {*NEGATED, *NEGATED.values()}


def test_a_list_without_values_fits_nothing() -> None:
    """An empty list does not match, with any operator."""
    for name, each in OPERATORS.items():
        if each.family is not Family.NULL:
            assert not (holds(name, KEY, [], {KEY: "a"}) and not each.negated), name


STRANGE = [
    f"brn:aws:iam::{A}:role/app",
    f"zzz:aws:iam::{A}:role/app",
    f"ARN:aws:iam::{A}:role/app",
    "arn:aws:iam",
    "arn:aws:iam:::",
    "arn",
    "",
    "role/app",
]


@pytest.mark.parametrize("value", STRANGE[:-4] + STRANGE[-3:])
@pytest.mark.parametrize("operator", ["ArnLike", "ArnEquals"])
def test_a_text_that_is_not_an_arn_neither_matches_nor_differs(operator: str, value: str) -> None:
    """On either side, an Allow never applies and a negated Deny always does."""
    role = f"arn:aws:iam::{A}:role/app"
    for one, other in ((role, value), (value, role), ("arn:*:*:*:*:*", value)):
        assert not holds(operator, KEY, one, {KEY: other})
        assert not holds(NEGATED[operator], KEY, one, {KEY: other})
    assert stops(NEGATED[operator], KEY, role, {KEY: value})


@pytest.mark.parametrize("operator", ["ArnNotLike", "ArnNotEquals"])
def test_a_value_that_is_no_arn_among_several(operator: str) -> None:
    """ForAnyValue with an invalid value: no negated Allow, but a negated Deny."""
    role, other = f"arn:aws:iam::{A}:role/app", f"arn:aws:iam::{A}:role/other"
    for values, holding, stopping in (
        (("role/app",), False, True),
        (("role/app", role), False, True),
        (("role/app", other), True, True),
        ((role,), False, False),
    ):
        assert holds(f"ForAnyValue:{operator}", KEY, role, {KEY: values}) is holding
        assert stops(f"ForAnyValue:{operator}", KEY, role, {KEY: values}) is stopping


# Principals ---------------------------------------------------------------------------------------------------

OTHER = f"arn:aws:iam::{A}:oidc-provider/other.example"


def test_a_deny_names_federated_callers_and_services() -> None:
    """A Deny names federated callers and services only by their own names."""
    for name, denied in (({"Federated": WEB.federated}, True), ({"Federated": OTHER}, False), ("*", True)):
        given = resource(trusting({"Federated": WEB.federated}, "s3:*", Resource="*"), deny(Principal=name))
        assert is_allowed(question(WEB), Policies(NOTHING, resource=given)) is not denied


def test_the_name_of_an_account_delegates_to_its_root_user_and_no_more() -> None:
    """A session policy still limits the root user.

    The root user's ARN is the account's name, not a user's.
    """
    named = resource(trusting({"AWS": f"arn:aws:iam::{A}:root"}, "s3:*", Resource="*"))
    only = policies(PolicyType.SESSION, allow("s3:ListBucket"))
    assert is_allowed(question(root()), Policies(NOTHING, resource=named))
    assert not is_allowed(question(root()), Policies(NOTHING, session=only, resource=named))


def test_not_principal_star_allows_no_caller() -> None:
    """Every caller is excepted, in the same account and from another one."""
    given = resource({"Effect": "Allow", "NotPrincipal": "*", "Action": "s3:*", "Resource": "*"})
    for caller in (user(), user(B), session(), session(B), WEB):
        assert not is_allowed(question(caller), Policies(NOTHING, resource=given))
    assert not is_allowed(question(user(B)), Policies(ALL, resource=given))


def test_not_principal_with_deny_spares_a_user_by_one_of_its_names() -> None:
    """A user needs its ARN and account, a session its role and session."""
    account = f"arn:aws:iam::{A}:root"
    role, itself = session().issuer_arn, session().arn
    for caller, names, spared in (
        (user(), [user().arn, account], True),
        (user(), [user().arn], False),
        (user(), [account], False),
        (session(), [role, itself, account], True),
        (session(), [role, account], False),
        (session(), [itself, account], False),
        (user(name="bob"), [user().arn, account], False),
    ):
        statement = {"Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": "*", "Resource": "*"}
        given = resource(trusting({"AWS": A}, "s3:*", Resource="*"), statement)
        assert is_allowed(question(caller), Policies(ALL, resource=given)) is spared, names


def test_every_level_of_resource_control_must_allow() -> None:
    """One level without an Allow refuses, even if the others allow."""
    full = policies(PolicyType.RESOURCE_CONTROL, allow(Principal="*"))
    without = policies(PolicyType.RESOURCE_CONTROL, deny("ec2:*", Principal="*"))
    stopping = policies(PolicyType.RESOURCE_CONTROL, allow(Principal="*"), deny("s3:*", Principal="*"))
    for levels, allowed in (
        ((), True),
        ((full,), True),
        ((full, full), True),
        ((without,), False),
        ((full, without), False),
        ((without, full), False),
        ((full, stopping), False),
    ):
        assert is_allowed(question(), Policies(ALL, resource_control=levels)) is allowed


@pytest.mark.parametrize(
    ("statement", "taken"),
    [
        (allow(Principal="*"), True),
        (allow("s3:*", Principal="*"), False),
        (allow(resource="arn:aws:s3:::b/*", Principal="*"), False),
        (allow("s3:*", "arn:aws:s3:::b/*", Principal="*"), False),
        (allow(Principal="*", Condition={"Bool": {"aws:SecureTransport": "true"}}), False),
        ({"Effect": "Allow", "NotAction": "*", "Resource": "*", "Principal": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "*", "Principal": "*"}, False),
    ],
)
def test_a_resource_control_policy_allows_everything_or_nothing(statement: dict[str, Any], *, taken: bool) -> None:
    """Only AWS's own full access policy may allow; customer policies must deny."""
    if taken:
        parse_document(text_of(statement), DocumentKind.RESOURCE_CONTROL)
        return
    with pytest.raises(MalformedPolicyDocument):
        parse_document(text_of(statement), DocumentKind.RESOURCE_CONTROL)


@pytest.mark.parametrize("vendor", ["s3", "ecs", "sqs", "st", "stsx", "sts2", "xray", "wafv2"])
def test_a_trust_policy_speaks_of_sts_alone(vendor: str) -> None:
    """Other services are refused, before and after "sts" in the alphabet."""
    for action in (f"{vendor}:*", f"{vendor}:AssumeRole"):
        with pytest.raises(MalformedPolicyDocument, match="may only specify STS AssumeRole actions"):
            parse_document(text_of(trusting({"AWS": A}, action)), DocumentKind.TRUST)


@pytest.mark.parametrize(("over", "taken"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("count_white_space", [True, False])
def test_the_size_of_a_document(over: int, *, taken: bool, count_white_space: bool) -> None:
    """A document exactly as large as the quota is accepted."""
    text = text_of(allow(Sid="with spaces"), version=None)
    limit = size_of(text, count_white_space=count_white_space) - over
    assert (size_of(text, count_white_space=False) < len(text)) is True
    if taken:
        check_size(text, limit, count_white_space=count_white_space)
        return
    with pytest.raises(LimitExceeded, match=f"PolicySize: {limit}"):
        check_size(text, limit, count_white_space=count_white_space)


def test_an_identity_policy_is_not_a_question_of_order() -> None:
    """A Deny counts before and after the Allow."""
    for statements in ((allow(), deny("s3:GetObject")), (deny("s3:GetObject"), allow())):
        assert not is_allowed(question(), Policies(identity(*statements)))
