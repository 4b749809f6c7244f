"""Laws that every policy set keeps, whatever its documents contain.

They do not need the reference: each compares the engine's decisions before and after a change with a known effect.
"""

import contextlib
import json
import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.growth import LINEAR, growth
from tests.policy.oracle.callers import CALLERS, HERE
from tests.policy.oracle.engine import engine_verdict
from tests.policy.oracle.hostile import HOSTILE_TEXTS, documents_nearly, json_values
from tests.policy.oracle.reference import Situation, Verdict
from tests.policy.oracle.reference_values import Document, globs, pieces
from tests.policy.oracle.strategies import questions, situations, statements
from tests.policy.oracle.test_differential import examples

from daypass.errors import MalformedPolicyDocument
from daypass.policy.authorization_request import AuthorizationRequest, PrincipalKind
from daypass.policy.compiled import PolicySource, PolicyType, compile_document
from daypass.policy.language.document import DocumentKind, parse_document

_USER = CALLERS[1]
_SETS = ("identity", "boundary", "session", "resource")


def _changed(situation: Situation, where: str, value: Any) -> Situation:
    change: dict[str, Any] = {where: value}
    return replace(situation, **change)


def _added(situation: Situation, where: str, document: Document) -> Situation:
    """Add a document to a set."""
    present: tuple[Document, ...] | None = getattr(situation, where)
    assume(present is not None)
    return _changed(situation, where, (*(present or ()), document))


def _statements(document: Document) -> list[Document]:
    found = document["Statement"]
    return found if isinstance(found, list) else [found]


@given(
    situation=situations(trust=False),
    question=questions(),
    statement=statements(effects=("Deny",)),
    where=st.sampled_from(_SETS),
)
@examples(80)
def test_a_deny_never_adds_access(
    situation: Situation, question: AuthorizationRequest, statement: Document, where: str
) -> None:
    """A Deny that is added to any policy can only remove access."""
    denial = {**statement, "Principal": "*"} if where == "resource" else statement
    after = _added(situation, where, {"Version": "2012-10-17", "Statement": [denial]})
    if engine_verdict(question, after).allowed:
        assert engine_verdict(question, situation).allowed


@given(situation=situations(trust=False), question=questions(), where=st.sampled_from(_SETS), pick=st.randoms())
@examples(80)
def test_an_allow_taken_away_never_adds_access(
    situation: Situation, question: AuthorizationRequest, where: str, pick: random.Random
) -> None:
    """A removed Allow never adds access."""
    before: tuple[Document, ...] = getattr(situation, where) or ()
    grants = [(d, s) for d in before for s in _statements(d) if s["Effect"] == "Allow"]
    assume(grants)
    document, grant = pick.choice(grants)
    rest = [s for s in _statements(document) if s is not grant]
    smaller = tuple({**d, "Statement": rest} if d is document else d for d in before if d is not document or rest)
    after = _changed(situation, where, smaller)
    if engine_verdict(question, after).allowed:
        assert engine_verdict(question, situation).allowed


@given(situation=situations(trust=False), question=questions(), limit=st.sampled_from(("boundary", "session")))
@examples(80)
def test_a_limit_never_widens(situation: Situation, question: AuthorizationRequest, limit: str) -> None:
    """A boundary or a session policy never adds access.

    The one exception is AWS's: a federated user without a session policy has no permissions to limit.
    """
    assume(limit != "session" or question.principal.kind is not PrincipalKind.FEDERATED_USER)
    if engine_verdict(question, situation).allowed:
        assert engine_verdict(question, _changed(situation, limit, None)).allowed


@given(situation=situations(trust=False), question=questions(), which=st.sampled_from(("service", "resource")))
@examples(60)
def test_an_organization_never_widens(situation: Situation, question: AuthorizationRequest, which: str) -> None:
    """A level of control policies never adds access."""
    levels = getattr(situation, f"{which}_control")
    assume(levels)
    if engine_verdict(question, situation).allowed:
        assert engine_verdict(question, _changed(situation, f"{which}_control", levels[1:])).allowed


def _shuffled(value: Any, pick: random.Random) -> Any:
    """Shuffle every list and every map. The documents mean the same."""
    if isinstance(value, dict):
        return {key: _shuffled(inner, pick) for key, inner in pick.sample(list(value.items()), len(value))}
    if isinstance(value, list | tuple):
        return type(value)(_shuffled(inner, pick) for inner in pick.sample(list(value), len(value)))
    return value


@pytest.mark.parametrize("trust", [False, True])
@given(data=st.data(), pick=st.randoms(use_true_random=False))
@examples(50)
def test_order_means_nothing(*, trust: bool, data: st.DataObject, pick: random.Random) -> None:
    """The order of statements, policies, levels and values has no effect."""
    situation = data.draw(situations(trust=trust))
    question = data.draw(questions(trust=trust))
    other = replace(
        situation, **{name: _shuffled(getattr(situation, name), pick) for name in (*_SETS, "service_control")}
    )
    assert engine_verdict(question, other) == engine_verdict(question, situation)


@given(situation=situations(trust=False), question=questions())
@examples(50)
def test_a_key_that_nobody_asks_for_means_nothing(situation: Situation, question: AuthorizationRequest) -> None:
    """Context keys that policies do not test have no effect."""
    richer = msgspec.structs.replace(question, context={**question.context, "ex:unheard": "a", "ex:unseen": ("a", "b")})
    assert engine_verdict(richer, situation) == engine_verdict(question, situation)


# Wildcards --------------------------------------------------------------------------------------------------


def _like(pattern: str, value: str) -> bool:
    """Match one pattern with the engine's public interface."""
    condition = {"StringLike": {"ex:key": pattern}}
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    question = AuthorizationRequest(
        action="s3:GetObject",
        resource="arn:aws:s3:::b/k",
        resource_account=HERE,
        principal=_USER,
        context={"ex:key": value},
    )
    return engine_verdict(question, Situation(identity=({"Version": "2012-10-17", "Statement": statement},))).allowed


@given(pattern=st.text("ab*?:[.\\^\n", max_size=12), value=st.text("ab*:[.\\^\n", max_size=12))
@example(pattern="a*c", value="abcc")
@example(pattern="*?*", value="")
@example(pattern="**a**", value="ba")
@example(pattern="a*ab", value="aab")
@examples(300)
def test_wildcards_agree_with_the_table(pattern: str, value: str) -> None:
    """A pattern matches exactly if the textbook's table says so."""
    assert _like(pattern, value) is globs(pieces(pattern, variables=False, context={}) or [], value)


_HOSTILE_PATTERNS = {
    "stars and one letter": lambda n: ("*a" * n + "b", "a" * n * 4),
    "stars alone": lambda n: ("*" * n + "b", "a" * n * 4),
    "question marks after a star": lambda n: ("*" + "?" * n + "b", "a" * n * 4),
    "a long tail": lambda n: ("*" + "a" * n + "b*", "a" * n * 4),
    "alternating": lambda n: ("*a?" * n + "b", "a" * n * 4),
}


@pytest.mark.parametrize("shape", sorted(_HOSTILE_PATTERNS))
def test_a_hostile_pattern_costs_no_more_than_its_length(shape: str) -> None:
    """The time to match a hostile pattern grows linearly with its length.

    Callers write session policies: eight times the length must not cost as much as backtracking.
    """
    assert growth(lambda size: _like(*_HOSTILE_PATTERNS[shape](size)), 250) < LINEAR


# Bad input --------------------------------------------------------------------------------------------------


def _take(text: str, kind: DocumentKind) -> None:
    """Parse and compile, or refuse with MalformedPolicyDocument."""
    with contextlib.suppress(MalformedPolicyDocument):
        compile_document(parse_document(text, kind), PolicySource(PolicyType.IDENTITY, "any"))


@given(text=st.text() | json_values(), kind=st.sampled_from(DocumentKind))
@examples(300)
def test_any_text_is_parsed_or_refused(text: str, kind: DocumentKind) -> None:
    """Any string is parsed or raises MalformedPolicyDocument, never another error."""
    _take(text, kind)


@given(text=documents_nearly(), kind=st.sampled_from(DocumentKind))
@examples(300)
def test_nearly_a_policy_is_parsed_or_refused(text: str, kind: DocumentKind) -> None:
    """The same is true of a valid policy with one wrong part."""
    _take(text, kind)


@pytest.mark.parametrize("kind", DocumentKind)
@pytest.mark.parametrize("name", sorted(HOSTILE_TEXTS))
def test_hostile_texts_are_refused(name: str, kind: DocumentKind) -> None:
    """Deep, large and unusual JSON is refused without a traceback or a hang."""
    with pytest.raises(MalformedPolicyDocument, match=r"\w"):
        parse_document(HOSTILE_TEXTS[name], kind)


@given(text=documents_nearly(), question=questions())
@examples(150)
def test_whatever_is_parsed_can_be_decided(text: str, question: AuthorizationRequest) -> None:
    """A parsed document never breaks a decision.

    Alone it never allows an unrelated caller.
    """
    try:
        parse_document(text, DocumentKind.IDENTITY)
    except MalformedPolicyDocument:
        return
    verdict = engine_verdict(question, Situation(identity=(json.loads(text),)))
    assert verdict in {Verdict(True, False), Verdict(False, False), Verdict(False, True)}
    if question.principal.account != question.resource_account:
        assert not verdict.allowed
