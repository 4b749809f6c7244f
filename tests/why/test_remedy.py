"""The remedy for a denial is correct, and never bypasses a condition."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.engine_requests import (
    ALL,
    NOTHING,
    allow,
    deny,
    identity,
    policies,
    question,
    resource,
    trust,
    trusting,
    user,
)
from tests.policy.oracle.engine import engine_policies
from tests.policy.oracle.strategies import questions, situations

from daypass.authorize.remedy import Remedy, closest_statements, find_remedy
from daypass.policy.authorization_request import AuthorizationRequest, ContextValue
from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.reasons.explain import EvaluationDecision, Part, explain
from daypass.policy.source import PolicyType

ALICE = user().arn
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
NO_MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
OFFICE = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
TEAM = {"StringEquals": {"aws:PrincipalTag/team": ["red", "blue"]}}
TRUSTED: dict[str, Any] = {"action": "sts:AssumeRole", "on": "arn:aws:iam::111111111111:role/target"}


# The checks of a remedy --------------------------------------------------------------------------------------


def is_allowed(asked: AuthorizationRequest, given: Policies) -> bool:
    """Return the engine's decision."""
    return isinstance(decide(asked, given), Allowed)


def with_context(asked: AuthorizationRequest, context: Mapping[str, ContextValue]) -> AuthorizationRequest:
    """Return the request in another context."""
    return msgspec.structs.replace(asked, context=dict(context))


def remedied(given: Policies, remedy: Remedy) -> Policies:
    """Return the policies with the statements of a remedy."""
    for one in remedy.statements:
        given = one.added_to(given)
    return given


def nearest(asked: AuthorizationRequest, given: Policies) -> list[tuple[bool, CompiledStatement]]:
    """Return the closest statements, and whether only their conditions fail."""
    sets = (given.identity, given.boundary, given.session, given.resource)
    every = [one for one in (*given.service_control, *given.resource_control, *sets) if one is not None]
    compiled = {one.ref: one for each in every for policy in each.policies for one in policy.statements}
    return [
        (all(reason.part is Part.CONDITION for reason in one.reasons), compiled[one.ref])
        for one in closest_statements(explain(asked, given))
    ]


def assert_helps(asked: AuthorizationRequest, given: Policies, remedy: Remedy) -> None:
    """Check that the whole remedy allows, and that each condition is needed."""
    after = remedied(given, remedy)
    assert is_allowed(with_context(asked, remedy.context), after)
    if not remedy.needs:
        assert is_allowed(asked, after)
    for need in remedy.needs:
        key = need.requirement.key
        without = {name: value for name, value in remedy.context.items() if name != key}
        without |= {key: asked.context[key]} if key in asked.context else {}
        assert not is_allowed(with_context(asked, without), after), need.words


def assert_lets_no_condition_go(asked: AuthorizationRequest, given: Policies, remedy: Remedy) -> None:
    """Check that no statement bypasses an Allow that fails only on conditions.

    A statement must have the conditions of the closest Allows.
    """
    trace = explain(asked, given)
    decision = trace.decision
    assert isinstance(decision, Denied)
    empty = (
        one.level for one in trace.types if one.type is decision.by and one.outcome is EvaluationDecision.IMPLICIT_DENY
    )
    level = next(empty, None) or 0
    added = [one for one in remedy.statements if not decision.explicit]
    lacking = [one for one in added if (one.by, one.level) == (decision.by, level)]
    near = nearest(asked, given)
    if any(is_only for is_only, _ in near):
        assert not lacking
    for statement in lacking[:1]:
        written = statement.statement.get("Condition", {})
        for _, one in near:
            for test in one.statement.conditions:
                values = {key.lower(): values for key, values in written[test.operator].items()}
                assert set(values[test.key.lower()]) == set(test.values)


# Any policies at all -----------------------------------------------------------------------------------------

_CONDITIONS: tuple[dict[str, Any], ...] = (
    MFA,
    NO_MFA,
    OFFICE,
    TEAM,
    {"NotIpAddress": {"aws:SourceIp": "10.1.0.0/16"}},
    {"StringNotEquals": {"aws:PrincipalTag/team": "red"}},
    {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}},
    {"StringLike": {"sts:ExternalId": "red-*"}},
    {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}},
    {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
    {"ForAnyValue:StringEquals": {"aws:TagKeys": ["team", "cost"]}},
    {"Null": {"aws:RequestTag/team": "false"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/${aws:username}"}},
)
_CONTEXTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"aws:securetransport": st.sampled_from(("true", "false")), "aws:currenttime": st.just("2029-12-31T23:59:59Z")},
    optional={
        "aws:multifactorauthpresent": st.sampled_from(("true", "false")),
        "aws:multifactorauthage": st.sampled_from(("10", "9999")),
        "aws:sourceip": st.sampled_from(("10.0.0.1", "10.1.0.1", "192.0.2.7")),
        "aws:principaltag/team": st.sampled_from(("red", "green")),
        "sts:externalid": st.just("blue"),
        "aws:tagkeys": st.sampled_from(((), ("team",), ("cost", "team"), ("other",))),
        "aws:username": st.just("alice"),
        "aws:principalarn": st.just(ALICE),
    },
)


@st.composite
def _statements(draw: st.DrawFn, *, on_trust: bool) -> tuple[dict[str, Any], ...]:
    found = []
    for _ in range(draw(st.integers(0, 3))):
        statement: dict[str, Any] = {"Effect": draw(st.sampled_from(("Allow", "Allow", "Allow", "Deny")))}
        if on_trust:
            principal = draw(st.sampled_from((ALICE, "111111111111", "arn:aws:iam::111111111111:user/bob")))
            statement |= {"Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
        else:
            statement["Action"] = draw(st.sampled_from(("sts:AssumeRole", "sts:*", "s3:GetObject")))
            statement["Resource"] = draw(st.sampled_from(("*", TRUSTED["on"], "arn:aws:iam::111111111111:role/other")))
        block: dict[str, dict[str, Any]] = {}
        for condition in draw(st.lists(st.sampled_from(_CONDITIONS), max_size=3)):
            for operator, keys in condition.items():
                block.setdefault(operator, {}).update(keys)
        found.append({**statement, "Condition": block} if block else statement)
    return tuple(found)


def _set(draw: st.DrawFn, of_type: PolicyType) -> PolicySet:
    found = draw(_statements(on_trust=False))
    return policies(of_type, *found) if found else NOTHING


@st.composite
def _conditional(draw: st.DrawFn) -> tuple[AuthorizationRequest, Policies]:
    """Draw a request with small policies, mostly conditional statements about it."""
    trusting_it = draw(_statements(on_trust=True))
    limits = st.sampled_from((None, None, "drawn"))
    given = Policies(
        identity=draw(st.sampled_from((ALL, None))) or _set(draw, PolicyType.IDENTITY),
        boundary=_set(draw, PolicyType.BOUNDARY) if draw(limits) else None,
        session=_set(draw, PolicyType.SESSION) if draw(limits) else None,
        service_control=(_set(draw, PolicyType.SERVICE_CONTROL),) if draw(limits) else (),
        resource=trust(*trusting_it) if trusting_it else NOTHING,
        trust=True,
    )
    return question(
        **TRUSTED, context=draw(_CONTEXTS), account=draw(st.sampled_from(("111111111111", "222222222222")))
    ), given


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=_conditional())
def test_a_remedy_keeps_every_condition(drawn: tuple[AuthorizationRequest, Policies]) -> None:
    """Test small policies with common conditions, of every type."""
    asked, given = drawn
    remedy = find_remedy(asked, given)
    if remedy is not None:
        assert_helps(asked, given, remedy)
        assert_lets_no_condition_go(asked, given, remedy)


@pytest.mark.parametrize("is_trust", [False, True])
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_remedy_holds_for_odd_policies_too(data: st.DataObject, *, is_trust: bool) -> None:
    """Test policies of any shape, as in the tests of the engine."""
    asked, given = data.draw(questions(trust=is_trust)), engine_policies(data.draw(situations(trust=is_trust)))
    remedy = find_remedy(asked, given)
    if remedy is not None:
        assert_helps(asked, given, remedy)
        assert_lets_no_condition_go(asked, given, remedy)


# The sentences -----------------------------------------------------------------------------------------------


def advice(given: Policies, context: Mapping[str, ContextValue] | None = None, **more: Any) -> tuple[list[str], Any]:
    """Return the sentences of a remedy and its statements."""
    asked = question(**{**TRUSTED, **more}, context=context)
    remedy = find_remedy(asked, given)
    assert remedy is not None
    assert_helps(asked, given, remedy)
    return [need.words for need in remedy.needs], [one.statement for one in remedy.statements]


def on_trust(*statements: dict[str, Any]) -> Policies:
    """Return policies in which only the trust policy does not allow."""
    return Policies(identity=ALL, resource=trust(*statements), trust=True)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (MFA, "Use an MFA code: --mfa-serial auto. (Bool aws:MultiFactorAuthPresent: true)"),
        ({"Null": {"aws:MultiFactorAuthPresent": "false"}}, "Use an MFA code: --mfa-serial auto. (Null"),
        (
            {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}},
            "The age of the MFA code in seconds (--mfa-serial auto) must be less than 300.",
        ),
        (
            {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}},
            "The source IP address of the call must be in 10.0.0.0/8 or 2001:db8::/32.",
        ),
        (TEAM, "The tag team of the calling user, role or session must be red or blue."),
        ({"StringEquals": {"iam:ResourceTag/env": "dev"}}, "The tag env of the resource must be dev."),
        ({"StringLike": {"aws:RequestTag/cost": "c-*"}}, "The tag cost that the request sends must match c-*."),
        (
            {"StringEquals": {"sts:ExternalId": "e1"}},
            "The external ID that the request sends (--external-id) must be e1.",
        ),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "The time of the call must be before 2020"),
        ({"DateGreaterThan": {"aws:CurrentTime": "2090-01-01T00:00:00Z"}}, "The time of the call must be after 2090"),
        ({"Bool": {"aws:SecureTransport": "true"}}, "Make the call over TLS, to an https URL. (Bool"),
        ({"StringEquals": {"sts:SourceIdentity": "ann"}}, "The source identity that the request sends must be ann."),
        ({"StringLike": {"sts:RoleSessionName": "ci-*"}}, "The role session name must match ci-*."),
        (
            {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
            "The condition key aws:PrincipalOrgID must be o-1. (StringEq",
        ),
        ({"NumericGreaterThanEquals": {"ex:Level": "3"}}, "The condition key ex:Level must be at least 3."),
        ({"BinaryEquals": {"ex:Hash": "YQ=="}}, "The condition key ex:Hash must be YQ==."),
        (
            {"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}},
            "At least one value of the tag keys that the request sends must be team.",
        ),
        (
            {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}},
            "The ARN of the caller must match arn:aws:iam::*",
        ),
    ],
)
@pytest.mark.parametrize("where", ["trust", "identity", "boundary", "session", "service_control"])
def test_missed_conditions_are_to_be_met(condition: dict[str, Any], words: str, where: str) -> None:
    """Each sentence has key, operator and values, for every type of policy.

    No statement is shown.
    """
    everything = on_trust(trusting({"AWS": ALICE}))
    if where == "trust":
        given = on_trust(trusting({"AWS": ALICE}, Condition=condition))
    elif where == "service_control":
        level = policies(PolicyType.SERVICE_CONTROL, allow(Condition=condition))
        given = msgspec.structs.replace(everything, service_control=(level,))
    else:
        of_type = {"identity": PolicyType.IDENTITY, "boundary": PolicyType.BOUNDARY, "session": PolicyType.SESSION}
        given = Policies(identity=ALL, resource=trust(trusting({"AWS": "111111111111"})), trust=True)
        given = msgspec.structs.replace(given, **{where: policies(of_type[where], allow(Condition=condition))})
    (said,), statements = advice(given, {"aws:username": "alice"})
    assert said.startswith(words)
    assert statements == []


def test_every_missed_condition_is_said() -> None:
    """All missed conditions are listed, but not those that the request meets."""
    condition = {**MFA, **OFFICE, "Bool": {**MFA["Bool"], "aws:SecureTransport": "true"}}
    given = on_trust(trusting({"AWS": ALICE}, Condition=condition))
    said, statements = advice(given, {"aws:securetransport": "true", "aws:sourceip": "192.0.2.1"})
    assert [words.partition(" (")[0] for words in said] == [
        "Use an MFA code: --mfa-serial auto.",
        "The source IP address of the call must be in 10.0.0.0/8.",
    ]
    assert statements == []


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (NO_MFA, "Use an MFA code: --mfa-serial auto. (BoolIfExists aws:MultiFactorAuthPresent: false)"),
        (
            {"Null": {"aws:MultiFactorAuthAge": "true"}},
            "The age of the MFA code in seconds (--mfa-serial auto) must be pr",
        ),
        (
            {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
            "The source IP address of the call must be in 10.0.0.0/8.",
        ),
        ({"Bool": {"aws:SecureTransport": "false"}}, "Make the call over TLS, to an https URL. (Bool"),
        (
            {"StringNotEquals": {"aws:PrincipalTag/team": "red"}},
            "The tag team of the calling user, role or session must be red.",
        ),
        ({"StringNotLike": {"sts:RoleSessionName": "ci-*"}}, "The role session name must match ci-*."),
    ],
)
@pytest.mark.parametrize(
    "where", [PolicyType.IDENTITY, PolicyType.BOUNDARY, PolicyType.SESSION, PolicyType.SERVICE_CONTROL]
)
def test_a_deny_is_to_be_avoided(condition: dict[str, Any], words: str, where: PolicyType) -> None:
    """The remedy is another request, never another policy."""
    names = {PolicyType.IDENTITY: "identity", PolicyType.BOUNDARY: "boundary", PolicyType.SESSION: "session"}
    denying = policies(where, allow(), deny(Condition=condition))
    change: dict[str, Any] = {names[where]: denying} if where in names else {"service_control": (denying,)}
    given = msgspec.structs.replace(on_trust(trusting({"AWS": ALICE})), **change)
    (said,), statements = advice(given, {"aws:securetransport": "false", "aws:sourceip": "192.0.2.1"})
    assert said.startswith(words)
    assert statements == []


def test_a_deny_without_conditions_has_no_remedy() -> None:
    """Neither the caller nor an Allow can help."""
    given = Policies(identity=identity(allow(), deny("s3:*")))
    assert find_remedy(question(), given) is None


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (
            {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "NotIpAddress": {"aws:SourceIp": "10.1.0.0/16"}},
            [
                "The source IP address of the call must be in 10.0.0.0/8.",
                "The source IP address of the call must be outside of 10.1.0.0/16, or be absent.",
            ],
        ),
        (
            {
                "DateGreaterThan": {"aws:CurrentTime": "2090-01-01T00:00:00Z"},
                "DateLessThan": {"aws:CurrentTime": "2090-02-01T00:00:00Z"},
            },
            [
                "The time of the call must be after 2090-01-01T00:00:00Z.",
                "The time of the call must be before 2090-02-01T00:00:00Z.",
            ],
        ),
        (
            {
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"]},
                "Null": {"aws:TagKeys": "false"},
            },
            [
                "Each value of the tag keys that the request sends must be team or cost, or be absent.",
                "The tag keys that the request sends must be present.",
            ],
        ),
    ],
)
def test_every_condition_on_a_key_that_changes_is_said(condition: dict[str, Any], said: list[str]) -> None:
    """A new address must meet both conditions on it.

    A call from 192.0.2.1 is outside of 10.1.0.0/16. A caller who moves into 10.0.0.0/8 must know of that condition.
    """
    given = on_trust(trusting({"AWS": ALICE}, Condition={**condition, "Bool": {"aws:SecureTransport": "true"}}))
    context = {"aws:sourceip": "192.0.2.1", "aws:currenttime": "2026-11-29T00:00:00Z", "aws:securetransport": "true"}
    words, statements = advice(given, context)
    assert [each.partition(" (")[0] for each in words] == said
    assert statements == []


def test_a_statement_has_the_conditions_of_the_nearest() -> None:
    """The condition on bob is required of alice too."""
    bob = "arn:aws:iam::111111111111:user/bob"
    said, (statement,) = advice(on_trust(trusting({"AWS": bob}, Condition=MFA)))
    assert statement["Principal"] == {"AWS": ALICE}
    assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": ["true"]}}
    assert said == ["Use an MFA code: --mfa-serial auto. (Bool aws:MultiFactorAuthPresent: true)"]
    # Other callers must meet a condition too that this request meets already.
    said, (statement,) = advice(on_trust(trusting({"AWS": bob}, Condition=MFA)), {"aws:multifactorauthpresent": "true"})
    assert (said, "Condition" in statement) == ([], True)


def test_conditions_that_cannot_stand_together_have_no_statement() -> None:
    """The tool cannot choose between two external IDs."""
    others = [
        trusting(
            {"AWS": f"arn:aws:iam::111111111111:user/{name}"}, Condition={"StringEquals": {"sts:ExternalId": name}}
        )
        for name in ("bob", "carol")
    ]
    assert find_remedy(question(**TRUSTED), on_trust(*others)) is None


def test_a_resource_policy_with_conditions_is_not_walked_around() -> None:
    """In one account either side is enough.

    An identity policy would allow alice without MFA, thus it is not shown.
    """
    bucket = resource(allow("s3:GetObject", "arn:aws:s3:::b/*", Principal={"AWS": ALICE}, Condition=MFA))
    said, statements = advice(Policies(identity=NOTHING, resource=bucket), action="s3:GetObject", on="arn:aws:s3:::b/k")
    assert said == ["Use an MFA code: --mfa-serial auto. (Bool aws:MultiFactorAuthPresent: true)"]
    assert statements == []


def test_both_sides_are_told() -> None:
    """The caller's account needs a statement, and the other account MFA."""
    given = Policies(identity=NOTHING, resource=trust(trusting({"AWS": ALICE}, Condition=MFA)), trust=True)
    remedy = find_remedy(question(**TRUSTED, account="222222222222"), given)
    assert remedy is not None
    assert [one.by for one in remedy.statements] == [PolicyType.IDENTITY]
    assert [need.requirement.test.key for need in remedy.needs] == ["aws:MultiFactorAuthPresent"]


def test_what_no_request_can_meet_has_no_remedy() -> None:
    """Two networks do not have a common address."""
    both = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "NotIpAddress": {"aws:SourceIp": "10.0.0.0/7"}}
    assert find_remedy(question(**TRUSTED), on_trust(trusting({"AWS": ALICE}, Condition=both))) is None


def test_a_search_ends() -> None:
    """Thirty Denies with ten conditions each have too many combinations.

    The search stops early.
    """
    denies = [
        deny(Condition={"StringNotEquals": {f"ex:Key{key}": f"value{number}" for key in range(10)}})
        for number in range(30)
    ]
    assert find_remedy(question(), Policies(identity=identity(allow(), *denies))) is None


def test_a_star_in_a_resource_is_a_star() -> None:
    """The remedy for the object named `*` is not for all objects."""
    _, (statement,) = advice(Policies(identity=NOTHING), action="s3:GetObject", on="arn:aws:s3:::b/*")
    assert statement["Resource"] == "arn:aws:s3:::b/${*}"
    added = identity(json.loads(json.dumps(dict(statement))))
    assert not is_allowed(question(on="arn:aws:s3:::b/k"), Policies(identity=added))
