"""Parsing of files: invalid files, files over a limit, and the place of an error."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.apply.file.file_parser import MAX_DEPTH, read_text
from daypass.apply.file.nodes import ApplyFileError, LocatedValue


def plain(node: LocatedValue) -> object:
    """Return a node's values."""
    if isinstance(node.value, dict):
        return {name: plain(member) for name, member in node.value.items()}
    if isinstance(node.value, list):
        return [plain(element) for element in node.value]
    return node.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2012-10-17\n", {"a": "2012-10-17"}),
        ("a: no\n", {"a": "no"}),
        ("a: true\n", {"a": True}),
        ("012345678901: x\n", {"012345678901": "x"}),
        ("a: 0123\n", {"a": "0123"}),
        ("a: '12'\n", {"a": "12"}),
        ("a: &x [1, 2.5]\nb: *x\n", {"a": [1, 2.5], "b": [1, 2.5]}),
        ('{"a": [true, null, 1]}', {"a": [True, None, 1]}),
        ("\ufeffa: b\n", {"a": "b"}),
    ],
)
def test_values_are_what_a_person_meant(text: str, value: object) -> None:
    """A date, a `no` and an account id with a leading zero are strings.

    Keys always are.
    """
    assert plain(read_text(text.encode())) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("# only words\n", "empty"),
        ("a: b", "may be incomplete"),
        ("a: [b\n", "not YAML"),
        ("a: 1\na: 2\n", "line 2, column 1"),
        ('{"a": 1, "a": 2}', "duplicate key"),
        ('{"a": [1, 2', "not JSON"),
        ('{"a": NaN}', "not a JSON number"),
        ('{"a": "\\ud800"}', "half a character"),
        ("a: *nothing\n", "is not defined above"),
        ("a: &x [*x]\n", "is not defined above"),
        ("a: !!python/object:os.system x\n", "tags"),
        ("? [a]\n: b\n", "a key is a text"),
        ("a: {<<: {b: c}}\n", "merge keys"),
        ("a: b\n---\nc: d\n", "second document"),
        ("a: " + "[" * 200 + "]" * 200 + "\n", f"deeper than {MAX_DEPTH}"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", f"deeper than {MAX_DEPTH}"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", f"deeper than {MAX_DEPTH}"),
    ],
)
def test_what_cannot_be_read_says_where(text: str, says: str) -> None:
    """The message is clear, with line and column if known."""
    with pytest.raises(ApplyFileError) as caught:
        read_text(text.encode())
    assert says in str(caught.value)


def test_a_bomb_of_aliases_costs_nothing() -> None:
    """An alias counts as much as its target, so that ten lines are not a billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ApplyFileError, match="more than"):
        read_text(("\n".join(lines) + "\n").encode())


def test_a_long_text_behind_aliases_weighs_what_it_is_long() -> None:
    """Repeating one string of a megabyte costs its full length."""
    text = "a: &a " + "x" * 1_000_000 + "\nb: [" + ", ".join(["*a"] * 1000) + "]\n"
    with pytest.raises(ApplyFileError, match="more than"):
        read_text(text.encode())


def test_bytes_that_are_no_utf_8_are_told_by_line() -> None:
    """The message has the line of the invalid bytes."""
    with pytest.raises(ApplyFileError, match="line 2"):
        read_text(b"a: b\nc: \xff\n")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Only an ApplyFileError is ever raised."""
    with suppress(ApplyFileError):
        read_text((text + "\n").encode(errors="replace"))
