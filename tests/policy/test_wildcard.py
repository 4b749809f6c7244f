"""Wildcards: right for every pattern, and linear whatever the pattern."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.policy.wildcard import Token, Wild, compile_wildcard, tokens_of


def textbook(tokens: list[Token], text: str) -> bool:
    """Match by the table that textbooks give: slow and plain."""
    letters = [one for token in tokens for one in (token if isinstance(token, str) else [token])]
    row = [True] + [False] * len(text)
    for letter in letters:
        star = letter in (Wild.ANY, Wild.PART_ANY)
        after = [row[0] and star]
        for at, character in enumerate(text):
            colon_stops = letter in (Wild.PART_ANY, Wild.PART_ONE) and character == ":"
            if star:
                after.append(row[at + 1] or (after[at] and not colon_stops))
            else:
                fits = letter == character if isinstance(letter, str) else not colon_stops
                after.append(row[at] and fits)
        row = after
    return row[-1]


TOKENS = st.lists(st.one_of(st.sampled_from(list(Wild)), st.text("ab:", min_size=1, max_size=3)), max_size=7)


@given(TOKENS, st.text("ab:", max_size=10))
@settings(max_examples=400, deadline=None)
def test_every_matcher_agrees_with_the_textbook(tokens: list[Token], text: str) -> None:
    """Fast paths, pieces and states find what the plain table finds."""
    assert compile_wildcard(tokens)(text) is textbook(tokens, text)


def fastest(pattern: str, text: str) -> float:
    """Return the shortest of several times."""
    match = compile_wildcard(tokens_of(pattern))
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        assert not match(text)
        times.append(time.perf_counter() - begun)
    return min(times)


@pytest.mark.parametrize(
    "pattern", ["*a" * 20 + "b", "*a?" * 12 + "b", "*" * 30 + "b", "a*" * 20 + "b?", "*" + "a" * 30 + "?b*c"]
)
def test_time_grows_with_the_text_and_no_faster(pattern: str) -> None:
    """Ten times the text takes about ten times as long; a backtracking matcher would not come back."""
    short, long = fastest(pattern, "a" * 4_000), fastest(pattern, "a" * 40_000)
    assert long < max(short, 2e-5) * 40
