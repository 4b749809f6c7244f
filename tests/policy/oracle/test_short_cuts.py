"""The engine's short cuts do not change a decision.

The oracle of this folder compares whether a request is allowed. Here the whole decision is compared: the type of policy
that denied, and every statement.
"""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.engine_requests import allow, deny, identity
from tests.policy.oracle.callers import CALLERS
from tests.policy.oracle.engine import engine_policies
from tests.policy.oracle.reference import Situation
from tests.policy.oracle.straightforward import Found, decide_plainly
from tests.policy.oracle.strategies import contexts, questions, situations
from tests.policy.oracle.test_differential import examples

from daypass.policy.authorization_request import CALL, LONGEST_VALUE, AuthorizationRequest, span
from daypass.policy.decision import Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.operators.numeric_operators import find_address, find_network, in_networks


def found_by_engine(request: AuthorizationRequest, policies: Policies) -> Found:
    """Return the engine's decision in the form of the straightforward evaluation."""
    decision = decide(request, policies)
    named = tuple(f"{ref.source.id} {ref.index}" for ref in decision.statements)
    if isinstance(decision, Denied):
        assert not decision.failure
        return "explicit" if decision.explicit else "implicit", decision.by, named
    return "allow", None, named


@given(situation=situations(trust=False), question=questions())
@examples(60)
def test_every_policy_type(situation: Situation, question: AuthorizationRequest) -> None:
    """All policy types together, in one account and across two."""
    policies = engine_policies(situation)
    assert found_by_engine(question, policies) == decide_plainly(question, policies)


@given(situation=situations(trust=True), question=questions(trust=True))
@examples(40)
def test_trust_policies(situation: Situation, question: AuthorizationRequest) -> None:
    """Trust policies, which must allow by themselves."""
    policies = engine_policies(situation)
    assert found_by_engine(question, policies) == decide_plainly(question, policies)


@given(situation=situations(trust=False), question=questions())
@examples(40)
def test_a_set_without_a_deny_says_so(situation: Situation, question: AuthorizationRequest) -> None:
    """A set is searched for a Deny if, and only if, one of its statements is a Deny."""
    for policy_set in engine_policies(situation).sets():
        denies = [one for policy in policy_set.policies for one in policy.statements if not one.statement.allow]
        assert policy_set.has_denies is bool(denies)
        if not policy_set.has_denies:
            assert list(policy_set.candidates(question.action)[0].candidates_for(question.resource)) == []


@given(situation=situations(trust=False), passed=st.booleans())
@examples(40)
def test_policies_say_whether_one_set_has_a_deny(situation: Situation, *, passed: bool) -> None:
    """The sets alone decide: neither a passed value nor that of the policies before a change has an influence."""
    policies = engine_policies(situation)
    assert policies.has_denies is any(each.has_denies for each in policies.sets())
    assert msgspec.structs.replace(policies, has_denies=passed).has_denies is policies.has_denies
    limited = msgspec.structs.replace(policies, boundary=identity(deny("s3:*")))
    assert limited.has_denies
    assert isinstance(
        decide(AuthorizationRequest("s3:GetObject", "arn:aws:s3:::b/k", "", CALLERS[1], {}), limited), Denied
    )
    for place in ("resource_control", "service_control", "scoped"):
        assert msgspec.structs.replace(
            policies, **{place: (identity(allow("s3:*")), identity(deny("s3:*")))}
        ).has_denies


_lengths = st.sampled_from((0, 1, 31, 32, 33, 200, LONGEST_VALUE - 1, LONGEST_VALUE, LONGEST_VALUE + 1))
_values = st.lists(_lengths, max_size=4).map(lambda lengths: tuple("x" * length for length in lengths))


@given(value=_values)
@examples(100)
def test_the_cost_of_several_values_is_the_sum_of_theirs(value: tuple[str, ...]) -> None:
    """Short values are measured together; the sum is the same."""
    assert span(value) == sum(span(text) for text in value)


@given(context=contexts(), more=_values)
@examples(100)
def test_the_longest_value_counts(context: dict[str, str | tuple[str, ...]], more: tuple[str, ...]) -> None:
    """The quick estimate divides by the longest value, of whichever key."""
    context = {**context, "ex:many": more}
    request = AuthorizationRequest("s3:GetObject", "arn:aws:s3:::b/k", "", CALLERS[1], context)
    longest = max(
        len(value) if isinstance(value, str) else span(value)
        for value in (request.action, request.resource, *context.values())
    )
    assert request.affordable == (50_000_000 // (longest + CALL) if longest <= LONGEST_VALUE else 0)


_addresses = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(("::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.1", "10.0.0.01", "", "nowhere", "1" * 200, "::1")),
)


@given(
    networks=st.lists(st.one_of(_addresses, st.sampled_from(("10.0.0.0/8", "::/0", "::ffff:10.0.0.0/104", "10/8")))),
    value=_addresses,
)
@examples(100)
def test_a_remembered_address_is_in_the_same_networks(networks: list[str], value: str) -> None:
    """An address matches as one that is parsed for each comparison."""
    address, parsed = find_address(value), [find_network(text) for text in networks]
    fits = in_networks(networks)
    for _ in range(2):
        if address is None:
            assert fits(value, {}) is None
        else:
            inside = any(
                network is not None and network[0] == address.version and int(address) >> network[1] == network[2]
                for network in parsed
            )
            assert fits(value, {}) is (True if inside else None if None in parsed else False)
