"""Explanations: every policy, the mismatches, the missing keys, the words."""

import pytest
from tests.policy.engine_requests import (
    ALL,
    NOTHING,
    ROLE_ARN,
    A,
    allow,
    denial,
    deny,
    identity,
    policies,
    question,
    resource,
    session,
    trust,
    trusting,
    user,
)

from daypass.policy.compiled import PolicySet, PolicyType
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document_text import Span, statement_spans
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import EvaluationDecision, Part, Reason, explain
from daypass.policy.reasons.explanation_text import describe


def test_each_reason_says_what_was_wanted_and_what_there_was() -> None:
    """Action, resource and each condition key have their own reason."""
    statement = allow("s3:Put*", "arn:aws:s3:::c/*", Condition={"StringEquals": {"x:a": "1", "x:b": "2"}})
    trace = explain(question(context={"x:a": "0"}), Policies(identity(statement)))
    (traced,) = trace.types[0].policies[0].statements
    assert not traced.applies
    assert traced.reasons == (
        Reason(Part.ACTION, ("s3:Put*",), "s3:GetObject"),
        Reason(Part.RESOURCE, ("arn:aws:s3:::c/*",), "arn:aws:s3:::b/k"),
        Reason(Part.CONDITION, ("1",), "0", operator="StringEquals", key="x:a"),
        Reason(Part.CONDITION, ("2",), None, operator="StringEquals", key="x:b"),
    )


def test_missing_keys_are_those_of_statements_about_the_request() -> None:
    """Missing keys are those of conditions and variables about the request.

    Statements about other actions do not count.
    """
    given = identity(
        allow("s3:*", "arn:aws:s3:::${aws:username}/*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        allow("ec2:*", Condition={"StringEquals": {"ec2:Region": "x"}}),
    )
    assert explain(question(), Policies(given)).missing == ("aws:SecureTransport", "aws:username")


def test_the_trace_carries_the_same_decision() -> None:
    """The trace uses the same statements and has the same decision."""
    for given in (Policies(ALL), Policies(NOTHING), Policies(identity(allow(), deny("s3:*", Sid="Stop")))):
        assert explain(question(), given).decision == decide(question(), given)


def test_matched_statements_are_those_that_decided() -> None:
    """All Denies that apply, or else all Allows."""
    stopped = explain(question(), Policies(identity(allow(), deny("s3:*", Sid="Stop"), deny("s3:Get*", Sid="Too"))))
    assert [one.ref.sid for one in stopped.matched] == ["Stop", "Too"]
    assert stopped.types[0].outcome is EvaluationDecision.EXPLICIT_DENY
    let = explain(question(), Policies(identity(allow(Sid="A"), allow("s3:*", Sid="B"), allow("ec2:*", Sid="C"))))
    assert [one.ref.sid for one in let.matched] == ["A", "B"]
    assert let.types[0].outcome is EvaluationDecision.ALLOWED


def test_every_type_and_level_is_looked_at() -> None:
    """Types are in the order of evaluation, control policies level by level."""
    level = policies(PolicyType.SERVICE_CONTROL, allow())
    given = Policies(
        NOTHING,
        boundary=ALL,
        session=ALL,
        service_control=(level, level),
        resource=resource({**deny(), "Principal": {"AWS": A}}),
    )
    found = [(one.type, one.level) for one in explain(question(), given).types]
    assert found == [
        (PolicyType.SERVICE_CONTROL, 0),
        (PolicyType.SERVICE_CONTROL, 1),
        (PolicyType.RESOURCE, None),
        (PolicyType.IDENTITY, None),
        (PolicyType.BOUNDARY, None),
        (PolicyType.SESSION, None),
    ]


def test_statements_are_found_in_their_text() -> None:
    """Lines and columns count from one, the end is exclusive.

    Braces inside strings are ignored.
    """
    text = '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Sid": "}{"},\n    {\n      "a": {}\n    }\n  ]\n}'
    assert statement_spans(text) == (Span(4, 5, 4, 18), Span(5, 5, 7, 6))
    assert statement_spans('{"Statement": {"a": [{}]}, "Id": {}}') == (Span(1, 15, 1, 26),)


def holding(of: PolicyType, found: PolicySet) -> Policies:
    """Return a situation in which all other types allow."""
    return {
        PolicyType.IDENTITY: Policies(found),
        PolicyType.BOUNDARY: Policies(ALL, boundary=found),
        PolicyType.SESSION: Policies(ALL, session=found),
        PolicyType.SERVICE_CONTROL: Policies(ALL, service_control=(found,)),
    }[of]


EXPLICIT = {
    PolicyType.IDENTITY: "with an explicit deny in an identity-based policy",
    PolicyType.BOUNDARY: "with an explicit deny in a permissions boundary",
    PolicyType.SESSION: "with an explicit deny in a session policy",
    PolicyType.SERVICE_CONTROL: "with an explicit deny in a service control policy",
}


@pytest.mark.parametrize("of", list(EXPLICIT))
def test_awss_words_for_each_type(of: PolicyType) -> None:
    """The page "Troubleshoot access denied error messages" has these messages."""
    lacking = denial(question(), holding(of, policies(of, allow("iam:*"))))
    assert because(lacking) == f"because no {of.value} allows the s3:GetObject action"
    stopped = denial(question(), holding(of, policies(of, allow(), deny("s3:*"))))
    assert because(stopped) == EXPLICIT[of]


def test_awss_words_for_policies_of_resources() -> None:
    """Test resource policies, resource control policies and trust policies."""
    stop = {**deny(), "Principal": "*"}
    found = denial(question(), Policies(ALL, resource=resource(stop)))
    assert because(found) == "with an explicit deny in a resource-based policy"
    across = denial(question(user("222222222222")), Policies(ALL))
    assert because(across) == "because no resource-based policy allows the s3:GetObject action"
    fence = policies(PolicyType.RESOURCE_CONTROL, stop)
    found = denial(question(), Policies(ALL, resource_control=(fence,)))
    assert because(found) == "with an explicit deny in a resource control policy"
    asked = question(session(), "sts:AssumeRole", ROLE_ARN)
    shut = Policies(ALL, resource=trust(trusting({"AWS": "222222222222"})), trust=True)
    assert because(denial(asked, shut)) == "because no role trust policy allows the sts:AssumeRole action"


def test_the_story_names_the_missing_condition() -> None:
    """The explanation alone tells a reader which condition is missing."""
    given: PolicySet = trust(trusting({"AWS": A}, Condition={"StringEquals": {"sts:ExternalId": "abc"}}))
    asked, held = question(action="sts:AssumeRole", on=ROLE_ARN), Policies(ALL, resource=given, trust=True)
    assert because(denial(asked, held)) == "because no role trust policy allows the sts:AssumeRole action"
    of_types = [of_type for of_type in explain(asked, held).types if of_type.type is PolicyType.RESOURCE]
    [statement] = [each for of_type in of_types for policy in of_type.policies for each in policy.statements]
    assert [describe(reason) for reason in statement.reasons] == [
        "StringEquals sts:ExternalId asks for abc; the request has no sts:ExternalId"
    ]


def test_nobody_else_can_write_an_allowed() -> None:
    """Only decide() can create an Allowed."""
    with pytest.raises(TypeError, match="decide"):
        Allowed((), None)
    decision = decide(question(), Policies(ALL))
    assert isinstance(decision, Allowed)
    assert decision.statements[0].source.type is PolicyType.IDENTITY
    assert isinstance(decide(question(), Policies(NOTHING)), Denied)
