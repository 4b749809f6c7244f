"""The content of a denial's message is the same with and without short cuts."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.engine_requests import A, B, allow, deny, identity
from tests.policy.oracle.strategies import contexts
from tests.policy.oracle.test_differential import examples

from daypass.authenticate.caller import user_caller
from daypass.authorize.denial import describe_denial
from daypass.directory.identity import Identity
from daypass.operations.authorization_message import CUT, Condition, DenialNote, fit
from daypass.policy.authorization_request import AuthorizationRequest, ContextValue
from daypass.policy.evaluate import Policies
from daypass.policy.language.known_keys import find_key
from daypass.policy.reasons.explain import explain

_USER = Identity(
    account=A,
    id="AIDAALICE",
    arn=f"arn:aws:iam::{A}:user/alice",
    name="alice",
    tags={},
    policies=identity(allow("s3:*", Condition={"StringEquals": {"ex:Plain": "a", "aws:ResourceTag/team": "k"}})),
    boundary=None,
)
_CALLER = user_caller(_USER, "AKIAALICE")
_RESOURCE_KEYS = st.fixed_dictionaries(
    {},
    optional={
        "aws:resourcetag/team": st.just("x"),
        "iam:resourcetag/team": st.just("x"),
        "aws:principaltag/aws:resourcetag/team": st.just("x"),
        "ex:resourcetag/": st.just("x"),
    },
)
_DENIES = identity(deny("s3:*", Condition={"StringLike": {"ex:other": "*"}}))


def written_one_by_one(request: AuthorizationRequest, policies: Policies) -> list[Condition]:
    """Return the keys of the message, each of which is found by itself."""
    trace = explain(request, policies)
    failed = {
        reason.key.lower()
        for of_type in trace.types
        for policy in of_type.policies
        for statement in policy.statements
        for reason in statement.reasons
    }
    found = []
    for key in sorted(request.context, key=lambda key: (key not in failed, key)):
        known, value = find_key(key), request.context[key]
        values = (value,) if isinstance(value, str) else value
        found.append(Condition("", key if known is None else known.name, values))
    return found


@given(context=contexts(), more=_RESOURCE_KEYS, account=st.sampled_from((A, B)), policies=st.sampled_from((0, 1)))
@examples(60)
def test_the_keys_of_a_request(
    context: dict[str, ContextValue], more: dict[str, str], account: str, policies: int
) -> None:
    """Keys of failed conditions come first; those of another account's resource are left out."""
    given = Policies((_USER.policies, _DENIES)[policies])
    request = AuthorizationRequest("s3:GetObject", "arn:aws:s3:::b/k", account, _CALLER.principal, {**context, **more})
    note = describe_denial(request, given, _CALLER, at=datetime(2026, 3, 14, tzinfo=UTC))
    shown = {
        key: value
        for key, value in request.context.items()
        if account == A or not key.startswith(("aws:resourcetag/", "iam:resourcetag/"))
    }
    same_side = msgspec.structs.replace(request, context=shown, resource_account=A)
    assert list(note.context) == written_one_by_one(same_side, given)


_lengths = st.sampled_from((0, 1, 99, 100, 101, 199, 200, 201, 400))
_texts = _lengths.map(lambda length: "k" * length)
_conditions = st.builds(Condition, st.just(""), _texts, st.lists(_texts, max_size=10).map(tuple))


def cut_one_by_one(condition: Condition) -> Condition:
    """Return a condition whose parts are as short as a message allows."""
    values = [text if len(text) <= 200 else text[:199] + CUT for text in condition.values[:8]]
    key = condition.key if len(condition.key) <= 200 else condition.key[:199] + CUT
    return Condition(condition.operator, key, (*values, *([CUT] if len(condition.values) > 8 else [])))


@given(found=st.lists(_conditions, max_size=5))
@examples(100)
def test_long_strings_and_lists_are_cut(found: list[Condition]) -> None:
    """A string has at most 200 characters, and a list at most eight items and a mark."""
    fields: dict[str, Any] = {"reason": "", "explicit": False}
    note = DenialNote(0, A, "", "", "", "s3:GetObject", "*", context=tuple(found), **fields)
    assert list(fit(note, 100_000).context) == [cut_one_by_one(one) for one in found]
