"""Scope-down policies: each must allow the request, and no resource policy replaces them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.engine_requests import (
    ALL,
    NOTHING,
    ROLE_ARN,
    allow,
    deny,
    is_allowed,
    policies,
    question,
    resource,
    session,
    trust,
    trusting,
)

from daypass.policy.compiled import PolicySet
from daypass.policy.decision import Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.reasons.explain import EvaluationDecision, explain
from daypass.policy.source import PolicyType

ANY, OTHER = policies(PolicyType.SESSION, allow()), policies(PolicyType.SESSION, allow("sqs:*"))
STOP = policies(PolicyType.SESSION, allow(), deny())
BOTH = policies(PolicyType.SESSION, allow("s3:*"), allow("sqs:*"))
LAYERS = st.lists(st.sampled_from([ANY, OTHER, STOP, BOTH, NOTHING]), max_size=3).map(tuple)
OWN = st.sampled_from([None, ANY, OTHER, STOP])
GRANTS = st.sampled_from([None, resource({**allow(), "Principal": {"AWS": session().arn}})])


@given(layers=LAYERS, own=OWN, identity=st.sampled_from([ALL, NOTHING]), grant=GRANTS)
def test_layers_intersect(
    layers: tuple[PolicySet, ...], own: PolicySet | None, identity: PolicySet, grant: PolicySet | None
) -> None:
    """The result is allowed exactly if it is allowed without layers and by each layer alone."""
    without = Policies(identity, session=own, resource=grant)
    alone = [is_allowed(question(session()), Policies(ALL, session=layer)) for layer in layers]
    found = msgspec.structs.replace(without, scoped=layers)
    assert is_allowed(question(session()), found) is (is_allowed(question(session()), without) and all(alone))


@pytest.mark.parametrize("layer", [OTHER, STOP, NOTHING])
def test_a_resource_policy_that_names_the_session_bypasses_no_layer(layer: PolicySet) -> None:
    """It makes the session policy unnecessary."""
    grant = resource({**allow(), "Principal": {"AWS": session().arn}})
    assert is_allowed(question(session()), Policies(NOTHING, session=OTHER, resource=grant))
    assert not is_allowed(question(session()), Policies(NOTHING, session=OTHER, scoped=(layer,), resource=grant))


def test_a_trust_policy_bypasses_no_layer() -> None:
    """The trust policy of a role that names the session needs the layer too."""
    grant, wanted = trust(trusting({"AWS": session().arn})), question(session(), "sts:AssumeRole", ROLE_ARN)
    assert is_allowed(wanted, Policies(NOTHING, resource=grant, trust=True))
    assert not is_allowed(wanted, Policies(NOTHING, scoped=(OTHER,), resource=grant, trust=True))


def test_an_explanation_names_the_layer() -> None:
    """Each layer has its own outcome, and the refusal is AWS's for session policies."""
    found = Policies(ALL, scoped=(ANY, OTHER))
    decision = decide(question(session()), found)
    assert isinstance(decision, Denied)
    assert decision.by is PolicyType.SESSION
    outcomes = [one.outcome for one in explain(question(session()), found).types if one.type is PolicyType.SESSION]
    assert outcomes == [EvaluationDecision.ALLOWED, EvaluationDecision.IMPLICIT_DENY]
