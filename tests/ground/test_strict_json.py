"""The JSON reader for tokens, policies and files.

The tests check the common rules, and the options of each reader.
"""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daypass.strict_json import JsonReader, NotStrictJsonError, NumberText, any_integer, parse_object

READER = JsonReader(max_depth=3, max_characters=60, refuses_nul=True)
LAX = JsonReader(max_depth=3, integer=any_integer)
EXACT = JsonReader(max_depth=3, integer=NumberText, decimal=NumberText)


@pytest.mark.parametrize("reader", [READER, LAX, EXACT], ids=["strict", "lax", "exact"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 1}', 'duplicate key "a"'),
        ('[{"a": {"b": 1, "b": 2}}]', 'duplicate key "b"'),
        ('{"\\u0061": 1, "a": 1}', 'duplicate key "a"'),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[[[[]]]]", "nested deeper than 3 levels"),
        ('"\\ud800"', "a lone surrogate"),
        ('"\ud800"', "a lone surrogate"),
        ('{"\\udc00": 1}', "a lone surrogate"),
        ("1 2", "text after the end"),
        ("[1] x", "text after the end"),
        ("", "not JSON"),
        ("'a'", "not JSON"),
        ("\ufeff1", "not JSON"),
        ("[01]", "not JSON"),
        ("[1,]", "not JSON"),
        ('"\t"', "not JSON"),
        ('"', "not JSON"),
    ],
)
def test_every_reader_refuses(reader: JsonReader, text: str, words: str) -> None:
    """Parsers differ on each of these documents."""
    with pytest.raises(NotStrictJsonError, match=words):
        reader.read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' \t\r\n[1, -2.5e3, "\\ud83d\\ude00é", true, null] \n', [1, -2500.0, "😀é", True, None]),
        ('{"[[[[": "{{{{\\"[[["}', {"[[[[": '{{{{"[[['}),
        ("[[[1]], [[2]]]", [[[1]], [[2]]]),
        ("9999999999999999999", 9999999999999999999),
    ],
)
def test_every_reader_reads(text: str, value: object) -> None:
    """Brackets inside strings are not nesting.

    A pair of surrogates is one character.
    """
    assert READER.read(text) == LAX.read(text) == value


@pytest.mark.parametrize("text", ["99999999999999999999", "1e999", "-1e999", '"\\u0000"', '"' + "a" * 59 + '"'])
def test_a_strict_reader_refuses_more(text: str) -> None:
    """A strict reader also refuses long numbers, NUL and long documents."""
    with pytest.raises(NotStrictJsonError):
        READER.read(text)


def test_a_reader_chooses_how_it_returns_numbers() -> None:
    """Numbers are returned as strings, with a limited length or unlimited."""
    assert EXACT.read("[1.0, 1e999, 007e1]".replace("007e1", "7e1")) == ["1.0", "1e999", "7e1"]
    assert LAX.read("1" * 4000) == int("1" * 4000)
    with pytest.raises(NotStrictJsonError, match="too long"):
        LAX.read("1" * 5000)
    with pytest.raises(NotStrictJsonError, match="too large"):
        LAX.read("1e999")
    assert LAX.read('"\\u0000"') == "\0"


@pytest.mark.parametrize(("text", "place"), [('{\n "a": x}', (2, 7)), ("[1]\n\n  2", (3, 3)), ("NaN", (0, 0))])
def test_a_refusal_names_the_place_where_it_is_known(text: str, place: tuple[int, int]) -> None:
    """Line and column count from one."""
    with pytest.raises(NotStrictJsonError) as refused:
        LAX.read(text)
    assert (refused.value.line, refused.value.column) == place


def test_several_values_are_read_one_after_the_other() -> None:
    """White space between values is optional; the rules apply to each value."""
    assert list(LAX.read_several(' {"a": 1}[2]\n3 ')) == [{"a": 1}, [2], 3]
    assert list(LAX.read_several(" \n")) == []
    for text in ('{} {"a": 1, "a": 2}', "1 \ufeff2", '1 "\\ud800"', "1 [", "[] [[[[]]]]"):
        with pytest.raises(NotStrictJsonError):
            list(LAX.read_several(text))


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"a"', b"\xff", b'{"a": "\xed\xa0\x80"}', b"\xef\xbb\xbf{}"])
def test_a_document_is_an_object_in_utf_8(data: bytes) -> None:
    """Tokens and key sets are objects in UTF-8."""
    with pytest.raises(NotStrictJsonError):
        parse_object(data)


@pytest.mark.parametrize("text", ['"' * 100_000, '"\\' * 100_000, "[" * 100_000, '["' * 100_000, "{" * 1_000_000])
@pytest.mark.timeout(60)
def test_no_text_costs_more_than_its_length(text: str) -> None:
    """Parsing any document is linear in its length.

    A string without an end is one token. Deep nesting is refused before the recursive parser sees it.
    """
    with pytest.raises(NotStrictJsonError):
        LAX.read(text)


_STRINGS = st.sampled_from(["", "a", "b", "\u00e9", "\0", "\\", '"', "/", "\x7f", "2026-01-01T00:00:00Z", "1" * 25])
_NUMBERS = st.one_of(
    st.integers(-(10**22), 10**22),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, 10**19]),
    st.floats(allow_nan=True, allow_infinity=True),
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_STRINGS, inner, max_size=3)),
    max_leaves=12,
)
# Pieces that change what a text means, or only how it is written.
_PIECES = st.sampled_from(
    ['"a":1,', ',"a":1', '"\\u0061":1,', " ", "\n", "1", "-", "0", ".0", "e5", "E400", "[", "]", "{", "}", ",", "NaN",
     '"\\ud800"', "\ufeff", "\xa0", "true", '{"a":1,"a":1}', "[" * 17 + "]" * 17]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(value=st.dictionaries(_STRINGS, _VALUES, max_size=4), spaced=st.booleans(), bends=st.lists(_PIECES, max_size=2))
@example(value={"a": 10**19}, spaced=False, bends=[])
@example(value={"a": -(10**18)}, spaced=False, bends=[])
@example(value={"a": -0.0}, spaced=True, bends=[])
def test_a_plain_document_is_read_like_any_other(value: object, spaced: bool, bends: list[str]) -> None:  # noqa: FBT001
    """Its quick reading has the values, types and order of the strict reader, and refuses the same documents."""
    text = json.dumps(value, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=False)
    for number, bend in enumerate(bends):
        at = (len(text) * (number + 1) * 7) // 19
        text = text[:at] + bend + text[at:]
    data = text.encode("utf-8", "surrogatepass")
    strict = JsonReader(max_depth=16, refuses_nul=True)
    try:
        expected = repr(strict.read_object(data))
    except NotStrictJsonError as refused:
        with pytest.raises(NotStrictJsonError, match=f"^{re.escape(str(refused))}$"):
            parse_object(data)
    else:
        assert repr(parse_object(data)) == expected
