"""The engine and the reference make the same decisions.

The decisions are equal if both allow, or both deny, and a Deny statement is or is not the reason. A normal run uses a
few fixed examples. With a number of examples, they are random, and a difference is shrunk before it is shown:

    DAYPASS_ORACLE_EXAMPLES=20000 pytest tests/policy/oracle/test_differential.py --timeout=0
"""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Verbosity, given, note, settings
from hypothesis import strategies as st
from tests.policy.oracle.callers import CALLERS, HERE, principal_elements
from tests.policy.oracle.engine import engine_verdict
from tests.policy.oracle.reference import Situation, judge
from tests.policy.oracle.reference_values import Document
from tests.policy.oracle.strategies import (
    ACTIONS,
    FULL_ACCESS,
    comparisons,
    condition_blocks,
    contexts,
    documents,
    questions,
    situations,
)

from daypass.errors import MalformedPolicyDocument
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.language.document import DocumentKind, parse_document

Test = TypeVar("Test", bound=Callable[..., Any])
_MORE = int(os.environ.get("DAYPASS_ORACLE_EXAMPLES", "0"))
_USER = CALLERS[1]


def examples(count: int) -> Callable[[Test], Test]:
    """Use `count` fixed examples, or the number of random ones in the environment."""
    return settings(
        max_examples=_MORE or count,
        derandomize=not _MORE,
        database=None,
        deadline=None,
        verbosity=Verbosity.normal,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def assert_same_answer(question: AuthorizationRequest, situation: Situation) -> None:
    """Evaluate with both, and compare."""
    expected = judge(question, situation)
    found = engine_verdict(question, situation)
    note(f"reference {expected}, engine {found}")
    assert found == expected


@given(block=condition_blocks(1), context=contexts(), version=st.sampled_from(("2012-10-17", "2008-10-17", None)))
@examples(300)
def test_one_condition(block: Document, context: dict[str, Any], version: str | None) -> None:
    """Test every operator, quantifier and suffix.

    The values are present, missing, single or several.
    """
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": block}
    document = {"Statement": statement} if version is None else {"Version": version, "Statement": statement}
    question = AuthorizationRequest(
        action=ACTIONS[0],
        resource="arn:aws:s3:::b/k",
        resource_account=HERE,
        principal=_USER,
        context=context,
    )
    assert_same_answer(question, Situation(identity=(document,)))


@given(
    comparison=comparisons(),
    effect=st.sampled_from(("Allow", "Deny")),
    username=st.sampled_from((None, "a", "*", "a:a", "${ex:other}")),
    version=st.sampled_from(("2012-10-17", "2008-10-17")),
)
@examples(200)
def test_one_text(*, comparison: tuple[str, str, str], effect: str, username: str | None, version: str) -> None:
    """Strings that are hard to parse mean the same to both, or are refused by both."""
    operator, wanted, given_text = comparison
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": {operator: {"ex:Key": wanted}}}
    document = {"Version": version, "Statement": statement}
    with contextlib.suppress(MalformedPolicyDocument):
        parse_document(json.dumps(document), DocumentKind.IDENTITY)
        context = {"ex:key": given_text, **({} if username is None else {"aws:username": username})}
        question = AuthorizationRequest("s3:GetObject", "arn:aws:s3:::b/k", HERE, _USER, context)
        assert_same_answer(question, Situation(identity=(FULL_ACCESS, document) if effect == "Deny" else (document,)))


@given(document=documents(conditions=0), question=questions(callers=(_USER,)))
@examples(200)
def test_actions_and_resources(document: Document, question: AuthorizationRequest) -> None:
    """Test patterns, case and variables of actions and resources."""
    assert_same_answer(question, Situation(identity=(document,)))


@given(
    named=principal_elements(),
    effect=st.sampled_from(("Allow", "Deny")),
    element=st.sampled_from(("Principal", "Principal", "NotPrincipal")),
    open_handed=st.booleans(),
    question=questions(),
)
@examples(200)
def test_one_principal(
    *, named: Any, effect: str, element: str, open_handed: bool, question: AuthorizationRequest
) -> None:
    """Test every name of every kind of caller, with and without permissions of its own."""
    statement = {"Effect": effect, element: named, "Action": "*", "Resource": "*"}
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    resource = {"Version": "2012-10-17", "Statement": [statement, *([everyone] if effect == "Deny" else [])]}
    own = (FULL_ACCESS,) if open_handed else ()
    assert_same_answer(question, Situation(identity=own, session=own or None, resource=(resource,)))


@given(situation=situations(trust=False), question=questions())
@examples(80)
def test_every_policy_type(situation: Situation, question: AuthorizationRequest) -> None:
    """Test all policy types together, in one account and across two."""
    assert_same_answer(question, situation)


@given(situation=situations(trust=True), question=questions(trust=True))
@examples(50)
def test_trust_policies(situation: Situation, question: AuthorizationRequest) -> None:
    """Test trust policies, which must allow by themselves."""
    assert_same_answer(question, situation)


@pytest.mark.slow
@given(situation=situations(trust=False), question=questions())
@examples(250)
def test_more_of_every_policy_type(situation: Situation, question: AuthorizationRequest) -> None:
    """Test all policy types with other examples."""
    assert_same_answer(question, situation)


@pytest.mark.slow
@given(situation=situations(trust=True), question=questions(trust=True))
@examples(150)
def test_more_trust_policies(situation: Situation, question: AuthorizationRequest) -> None:
    """Test trust policies with other examples."""
    assert_same_answer(question, situation)
