"""The index of statements by resource excludes only what cannot apply."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.engine_requests import allow, deny, identity, is_allowed, question

from daypass.policy.compiled import compile_set
from daypass.policy.evaluate import Policies

PATTERNS = st.sampled_from(
    [
        "*",
        "arn:aws:s3:::b/k",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b*",
        "arn:aws:s3:::*/k",
        "arn:aws:s3:*",
        "arn:aws:s3:::${aws:username}/k",
        "arn:aws:s3:::c/k",
        "arn:aws:s3:::b/${*}",
        "arn:*:s3:::b/k",
    ]
)
RESOURCES = st.sampled_from(["arn:aws:s3:::b/k", "arn:aws:s3:::c/k", "arn:aws:s3:::b/*", "arn:aws:s3:::b", "*"])


@given(st.lists(st.lists(PATTERNS, min_size=1, max_size=2), min_size=7, max_size=12), RESOURCES)
@settings(max_examples=60, deadline=None)
def test_many_statements_say_what_each_says_alone(listed: list[list[str]], target: str) -> None:
    """An indexed set allows and denies like its single statements."""
    asked = question(on=target, context={"aws:username": "b"})
    alone = [is_allowed(asked, Policies(identity(allow(resource=patterns)))) for patterns in listed]
    together = identity(*(allow(resource=patterns) for patterns in listed))
    assert is_allowed(asked, Policies(together)) is any(alone)
    stops = identity(*(deny(resource=patterns) for patterns in listed))
    both = compile_set([*identity(allow()).policies, *stops.policies])
    assert is_allowed(asked, Policies(both)) is not any(alone)


def test_a_flood_of_actions_does_not_grow_the_cache_without_end() -> None:
    """The cache of statements by action has a limit."""
    found = identity(allow())
    for number in range(2_000):
        assert is_allowed(question(action=f"s3:Invented{number}"), Policies(found))
    assert len(found._by_action) <= 512
