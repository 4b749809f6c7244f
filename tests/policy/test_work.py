"""The work of a decision has a limit, and is estimated from sizes alone."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.engine_requests import (
    ALL,
    NOTHING,
    A,
    allow,
    denial,
    deny,
    identity,
    is_allowed,
    policies,
    question,
    resource,
    trust,
    trusting,
    user,
)

from daypass.policy.authorization_request import MOST_WORK, AuthorizationRequest, ContextValue
from daypass.policy.compiled import PolicySet, PolicyType, compile_set
from daypass.policy.decision import TOO_MUCH_WORK
from daypass.policy.evaluate import Policies, is_light
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import explain
from daypass.policy.work import LIGHT_WORK, decision_work

AGENT = {"aws:useragent": "a" * 1_024}
HOSTILE = ["*" + "?" * 511 + f"b{number}*" for number in range(10)]


def many(statement: dict[str, Any], times: int, of_type: PolicyType = PolicyType.IDENTITY) -> PolicySet:
    """Return a set of equal policies, as for a user in many groups."""
    return compile_set(policies(of_type, statement).policies * times)


# The budget ---------------------------------------------------------------------------------------------------

LONG_KEYS: dict[str, ContextValue] = {
    "aws:useragent": "a" * 1_024,
    "aws:principalarn": "arn:aws:iam::111111111111:role/" + "a" * 480,
    "aws:tagkeys": tuple(f"{number}" + "a" * 100 for number in range(50)),
    "aws:sourceip": "192.0.2.1",
    "aws:currenttime": "2026-01-01T00:00:00Z",
    "aws:multifactorauthage": "100",
}
CONDITIONS: list[dict[str, Any]] = [
    {"StringLike": {"aws:UserAgent": HOSTILE}},
    {"StringNotLike": {"aws:UserAgent": ["*", *HOSTILE]}},
    {"StringLike": {"aws:UserAgent": [f"*{'a?' * 200}{number}" for number in range(10)]}},
    {"StringLike": {"aws:UserAgent": ["*${aws:UserAgent}?"] * 10}},
    {"StringEquals": {"aws:UserAgent": ["${aws:PrincipalArn}${aws:UserAgent}"] * 10}},
    {"ArnLike": {"aws:PrincipalArn": [f"arn:*:?am:*:*:*{'a?' * 100}{number}" for number in range(20)]}},
    {"ForAnyValue:StringLike": {"aws:TagKeys": [f"*a?{number}" for number in range(100)]}},
    {"ForAllValues:StringNotLike": {"aws:TagKeys": [f"*a?{number}" for number in range(100)]}},
    {"IpAddress": {"aws:SourceIp": [f"10.0.{number}.0/24" for number in range(250)]}},
    {"DateLessThan": {"aws:CurrentTime": [f"2020-01-01T00:00:{number:02}Z" for number in range(60)] * 5}},
    {"NumericLessThan": {"aws:MultiFactorAuthAge": [str(number) for number in range(90)] * 5}},
    {"StringEqualsIgnoreCase": {"aws:UserAgent": "b"}},
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=[next(iter(condition)) for condition in CONDITIONS])
def test_no_operator_is_without_a_bound(condition: dict[str, Any]) -> None:
    """With growing size, every operator leaves the event loop and is then refused.

    The refusal wins although an Allow exists.
    """
    asked, statement = question(context=LONG_KEYS), deny(Condition=condition)
    one = decision_work(asked, [identity(statement)], MOST_WORK)
    times = MOST_WORK // one + 1
    over = compile_set([*ALL.policies, *many(statement, times).policies])
    assert denial(asked, Policies(over)).failure == TOO_MUCH_WORK
    half = compile_set([*ALL.policies, *many(statement, max(1, 2 * LIGHT_WORK // one)).policies])
    assert not is_light(asked, Policies(half))
    assert not denies_for_size(asked, Policies(half))


def denies_for_size(asked: AuthorizationRequest, given: Policies) -> bool:
    """Return whether a request is refused because of its size."""
    return not is_allowed(asked, given) and denial(asked, given).failure == TOO_MUCH_WORK


HEAVY = deny(Condition={"StringLike": {"aws:UserAgent": HOSTILE}})
EVERYWHERE = MOST_WORK // (5_000 * 1_056) + 2


@pytest.mark.parametrize(
    "given_policies",
    [
        Policies(compile_set([*ALL.policies, *many(HEAVY, EVERYWHERE).policies])),
        Policies(ALL, boundary=compile_set([*ALL.policies, *many(HEAVY, EVERYWHERE).policies])),
        Policies(ALL, session=compile_set([*ALL.policies, *many(HEAVY, EVERYWHERE, PolicyType.SESSION).policies])),
        Policies(ALL, service_control=(ALL, many(HEAVY, EVERYWHERE, PolicyType.SERVICE_CONTROL))),
        Policies(
            ALL,
            resource_control=(many({**HEAVY, "Principal": "*"}, EVERYWHERE, PolicyType.RESOURCE_CONTROL),),
        ),
        Policies(ALL, resource=compile_set(resource({**HEAVY, "Principal": "*"}).policies * EVERYWHERE)),
        Policies(
            identity=compile_set([*ALL.policies, *many(HEAVY, EVERYWHERE // 2 + 1).policies]),
            boundary=compile_set([*ALL.policies, *many(HEAVY, EVERYWHERE // 2 + 1).policies]),
        ),
    ],
    ids=["identity", "boundary", "session", "service control", "resource control", "resource", "together"],
)
def test_no_source_of_policies_is_without_a_bound(given_policies: Policies) -> None:
    """The budget covers all policies together, even if an Allow was found."""
    asked = question(context=AGENT)
    assert denial(asked, given_policies).failure == TOO_MUCH_WORK
    assert "too many patterns" in because(denial(asked, given_policies))
    assert explain(asked, given_policies).types == ()


def test_a_trust_policy_has_the_same_bound() -> None:
    """A role's own account may write any policy; its callers are refused."""
    heavy = {**trusting({"AWS": A}), "Effect": "Deny", "Condition": {"StringLike": {"aws:UserAgent": HOSTILE}}}
    limits = Policies(
        ALL,
        resource=compile_set([*trust(trusting({"AWS": A})).policies, *trust(heavy).policies * EVERYWHERE]),
        trust=True,
    )
    assert denial(question(user(), "sts:AssumeRole", context=AGENT), limits).failure == TOO_MUCH_WORK


def test_resources_and_actions_count_too() -> None:
    """Patterns of Resource count, and of Action without cached candidates."""
    name = "arn:aws:s3:::" + "a" * 2_000
    by_resource = many(deny(resource=[f"arn:aws:s3:::*a?{number}" for number in range(200)]), 100)
    assert denies_for_size(question(on=name), Policies(compile_set([*ALL.policies, *by_resource.policies])))
    assert is_allowed(question(on="arn:aws:s3:::b"), Policies(compile_set([*ALL.policies, *by_resource.policies])))
    by_action = many(deny(action=[f"s3:*e?{number}x" for number in range(1_000)]), 20)
    assert not is_light(question(action="s3:" + "e" * 100), Policies(by_action))


def test_the_same_request_has_the_same_work() -> None:
    """A cache never changes a decision: the same request has the same work."""
    chosen = [many(allow(action=["s3:G*e?Object", "s3:*"]), 50)]
    asked = question()
    before = decision_work(asked, chosen, MOST_WORK)
    assert is_allowed(asked, Policies(chosen[0]))
    assert decision_work(asked, chosen, MOST_WORK) == before


def test_what_does_not_speak_of_the_request_costs_nothing() -> None:
    """A hundred long policies about other actions stay in the event loop."""
    others = many(deny("s3:PutObject", Condition={"StringLike": {"aws:UserAgent": HOSTILE}}), 100)
    given_policies = Policies(compile_set([*ALL.policies, *others.policies]))
    assert is_allowed(question(context=AGENT), given_policies)
    assert is_light(question(context=AGENT), given_policies)


@given(st.integers(0, 3_000), st.integers(0, 40), st.integers(0, 40), st.sampled_from(["*a?b", "${x:z}*", "a", "*"]))
@settings(max_examples=60, deadline=None)
def test_the_quick_estimate_is_never_more_generous(length: int, statements: int, values: int, pattern: str) -> None:
    """The quick estimate never accepts more than the exact one."""
    condition = {"StringLike": {"x:y": [pattern] * values}}
    chosen = many(deny(Condition=condition), statements)
    asked = question(context={"x:y": "a" * length, "x:z": "b" * (length // 2)})
    given_policies = Policies(chosen)
    if given_policies.characters <= asked.affordable:
        assert decision_work(asked, given_policies.sets(), 10 * MOST_WORK) <= MOST_WORK


def test_nothing_is_light() -> None:
    """The event loop decides ordinary requests itself."""
    assert is_light(question(), Policies(NOTHING))
    everyday = many(allow("s3:Get*", ["arn:aws:s3:::b/*", "arn:aws:s3:::c/${aws:username}/*"]), 20)
    assert is_light(question(context={"aws:useragent": "aws-cli/2.0 " * 20, "aws:username": "bob"}), Policies(everyday))
