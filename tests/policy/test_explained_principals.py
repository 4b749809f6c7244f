"""Explanations of principals, the linter's values, and multivalued keys."""

from typing import Any

import pytest
from tests.policy.engine_requests import (
    ANONYMOUS,
    NOTHING,
    SERVICE,
    WEB,
    A,
    B,
    allow,
    deny,
    policies,
    question,
    resource,
    root,
    text_of,
    trusting,
    user,
)

from daypass.policy.authorization_request import Principal
from daypass.policy.compiled import PolicySet, PolicyType
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.language.keys import find_key
from daypass.policy.language.lint import lint
from daypass.policy.principal import PolicyBypass
from daypass.policy.reasons.explain import Part, StatementTrace, explain
from daypass.policy.reasons.explanation_text import describe, name_statement

OF_OTHERS = {"AWS": f"arn:aws:iam::{B}:user/bob"}


def traced(caller: Principal, given: PolicySet, *, kind: PolicyType = PolicyType.RESOURCE) -> StatementTrace:
    """Return the explanation of a policy's single statement with principals."""
    if kind is PolicyType.RESOURCE_CONTROL:
        found = explain(question(caller), Policies(NOTHING, resource_control=(given,)))
    else:
        found = explain(question(caller), Policies(NOTHING, resource=given))
    policy = next(one for one in found.types if one.type is kind).policies[0]
    (statement,) = policy.statements
    return statement


@pytest.mark.parametrize(
    ("caller", "principal", "bypass"),
    [
        (user(), {"AWS": A}, PolicyBypass.DELEGATED),
        (user(), {"AWS": user().arn}, PolicyBypass.BYPASS_BOUNDARY),
        (user(), "*", PolicyBypass.BYPASS_IDENTITY),
        (root(), {"AWS": A}, PolicyBypass.DELEGATED),
        (WEB, {"Federated": WEB.federated}, PolicyBypass.BYPASS_ALL),
        (SERVICE, {"Service": SERVICE.service}, PolicyBypass.BYPASS_ALL),
    ],
)
def test_an_allow_that_means_the_caller_says_how_far_it_carries(
    caller: Principal, principal: Any, bypass: PolicyBypass
) -> None:
    """An Allow for the caller has its reach, and no mismatch."""
    found = traced(caller, resource(trusting(principal, "s3:*", Resource="*")))
    assert (found.applies, found.reasons, found.bypass) == (True, (), bypass)


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        (user(), user().arn),
        (root(), root().arn),
        (WEB, WEB.federated),
        (SERVICE, SERVICE.service),
        (ANONYMOUS, ANONYMOUS.kind.value),
    ],
)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_statement_about_others_says_who_asked(caller: Principal, name: str, effect: str) -> None:
    """A statement about others shows the caller's best name, and no reach."""
    statement = {**trusting(OF_OTHERS, "s3:*", Resource="*"), "Effect": effect}
    found = traced(caller, resource(statement))
    assert (found.applies, found.bypass) == (False, None)
    (reason,) = found.reasons
    assert (reason.part, reason.had, reason.wanted) == (Part.PRINCIPAL, name, (f"AWS:{OF_OTHERS['AWS']}",))


def test_an_allow_that_does_not_apply_carries_nowhere() -> None:
    """An Allow for the caller that does not apply has no reach."""
    found = traced(user(), resource(trusting({"AWS": A}, "ec2:*", Resource="*")))
    assert (found.applies, found.bypass, [reason.part for reason in found.reasons]) == (False, None, [Part.ACTION])


def test_a_deny_carries_nowhere() -> None:
    """Only an Allow has a reach."""
    found = traced(user(), resource(deny(Principal={"AWS": A})))
    assert (found.applies, found.bypass) == (True, None)


def test_the_allow_of_a_control_policy_means_everybody() -> None:
    """The Principal of a control policy's Allow is read like a Deny's."""
    found = traced(WEB, policies(PolicyType.RESOURCE_CONTROL, allow(Principal="*")), kind=PolicyType.RESOURCE_CONTROL)
    assert (found.applies, found.reasons) == (True, ())


def test_statements_and_values_have_names_for_people() -> None:
    """Statements show their Sid, several values are in brackets."""
    named = traced(user(), resource(deny(Sid="Stop", Principal={"AWS": A})))
    bare = traced(user(), resource(deny(Principal={"AWS": A})))
    assert name_statement(named.ref).startswith('statement 0 "Stop" of ')
    assert name_statement(bare.ref).startswith("statement 0 of ")
    several = allow(Principal="*", Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": ["x", "y"]}})
    found = explain(question(context={"aws:tagkeys": ("a", "b")}), Policies(NOTHING, resource=resource(several)))
    reason = next(one for one in found.types if one.type is PolicyType.RESOURCE).policies[0].statements[0].reasons[0]
    assert describe(reason) == "ForAnyValue:StringEquals aws:TagKeys asks for x, y; the request has [a, b]"


READABLE = [
    ("NumericEquals", "s3:max-keys", "10", "ten"),
    ("IpAddress", "aws:SourceIp", "10.0.0.0/8", "10.0.0.0/33"),
    ("Bool", "aws:SecureTransport", "true", "yes"),
    ("Null", "aws:TagKeys", "false", "no"),
    ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{A}:role/*", "role/*"),
    ("BinaryEquals", "s3:x", "QQ==", "!"),
]


@pytest.mark.parametrize(("operator", "key", "good", "bad"), READABLE)
def test_values_that_can_never_match_are_found(operator: str, key: str, good: str, bad: str) -> None:
    """Each family of operators has its own parser."""
    for value, expected in ((good, False), (bad, True), ([good, bad], True)):
        document = parse_document(text_of(deny(Condition={operator: {key: value}})), DocumentKind.IDENTITY)
        assert ("unreadable-value" in [found.rule for found in lint(document)]) is expected, value


def test_a_date_with_its_zone_is_readable() -> None:
    """A date without its zone does not parse."""
    for value, expected in (("2026-03-01T12:00:00Z", False), ("2026-03-01", False), ("2026-03-01T12:00:00", True)):
        condition = {"DateLessThan": {"aws:CurrentTime": value}}
        document = parse_document(text_of(deny(Condition=condition)), DocumentKind.IDENTITY)
        assert ("unreadable-value" in [found.rule for found in lint(document)]) is expected, value


SEVERAL = ("aws:TagKeys", "aws:CalledVia", "sts:TransitiveTagKeys", "sts:RequestContextProviders", "id.example:amr")
ONE = (
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:TokenIssueTime",
    "aws:PrincipalArn",
    "aws:SourceIp",
    "aws:SecureTransport",
)


def test_which_keys_have_several_values() -> None:
    """The keys are ArrayOf in the service authorization reference.

    A set operator is only for these keys.
    """
    found = {name: find_key(name) for name in (*SEVERAL, *ONE)}
    assert {name for name, key in found.items() if key is not None and key.multivalued} == set(SEVERAL)
