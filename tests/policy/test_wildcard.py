"""Wildcards: correct for every pattern, and linear for every pattern."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.growth import LINEAR, growth

from daypass.policy import wildcard
from daypass.policy.wildcard import Token, Wild, compile_wildcard, tokens_of


def textbook(tokens: list[Token], text: str) -> bool:
    """Match with the textbook's table: slow and simple."""
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
    """Each matcher agrees with the textbook's table."""
    assert compile_wildcard(tokens)(text) is textbook(tokens, text)


@pytest.mark.parametrize(
    "pattern", ["*a" * 20 + "b", "*a?" * 12 + "b", "*" * 30 + "b", "a*" * 20 + "b?", "*" + "a" * 30 + "?b*c"]
)
def test_time_grows_with_the_text_and_no_faster(pattern: str) -> None:
    """A backtracking matcher would not end."""
    match = compile_wildcard(tokens_of(pattern))
    assert not match("a" * 4_000)
    assert growth(lambda size: match("a" * size), 4_000) < LINEAR


def lines_run(match: Callable[[str], bool], text: str) -> int:
    """Count the lines that a match executes, with a filled cache."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != wildcard.__file__:
            return None
        count += event == "line"
        return trace

    match(text)
    sys.settrace(trace)
    try:
        match(text)
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize(
    "pattern",
    ["*" + "?" * 500 + "b", "*" + "a?" * 200 + "b", "*a?b", "a?*a?*a?*b", "?" * 300, "*?a*" * 50 + "?b", "*ab?" * 40],
)
@pytest.mark.parametrize("within_parts", [False, True])
def test_steps_grow_with_the_pattern_and_not_with_the_text(pattern: str, *, within_parts: bool) -> None:
    """A longer string does not take more steps: one step moves over the whole string."""
    tokens: list[Token] = tokens_of(pattern)
    if within_parts:
        to_part = {Wild.ANY: Wild.PART_ANY, Wild.ONE: Wild.PART_ONE}
        tokens = [to_part[token] if isinstance(token, Wild) else token for token in tokens]
    match = compile_wildcard(tokens)
    assert lines_run(match, "ab" * 1_000) <= 12 * len(pattern) + 40
    assert lines_run(match, "a" * 2_000) <= 12 * len(pattern) + 40


@given(
    st.lists(st.sampled_from(["a", "b", ":", "?", "*", "é", "\U0001f600", "ab"]), max_size=12).map("".join),
    st.lists(st.sampled_from(["a", "b", ":", "é", "\U0001f600", "\n"]), max_size=30).map("".join),
)
@settings(max_examples=300, deadline=None)
def test_question_marks_mean_one_character_each(pattern: str, text: str) -> None:
    """The matcher agrees with one that tries every possibility."""

    def tries(at: int, on: int) -> bool:
        if at == len(pattern):
            return on == len(text)
        if pattern[at] == "*":
            return any(tries(at + 1, later) for later in range(on, len(text) + 1))
        return on < len(text) and pattern[at] in ("?", text[on]) and tries(at + 1, on + 1)

    assert compile_wildcard(tokens_of(pattern))(text) is tries(0, 0)
