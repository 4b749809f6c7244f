"""Java's patterns, translated to Python."""

import sys
import unicodedata

import pytest

from daypass.wire.constraints import compile_pattern
from daypass.wire.model import SERVICES, load_service

TAG_KEY = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+"


def test_every_pattern_of_the_models_compiles() -> None:
    """Every pattern of the models has a translation."""
    patterns = {shape.pattern for name in SERVICES for shape in load_service(name).shapes.values() if shape.pattern}
    assert len(patterns) > 30
    for pattern in patterns:
        compile_pattern(pattern)


def test_letters_numbers_and_separators_are_unicodes() -> None:
    """The translation of categories agrees with Unicode for every code point."""
    matches = compile_pattern(TAG_KEY)
    for point in range(sys.maxunicode + 1):
        letter = chr(point)
        expected = unicodedata.category(letter)[0] in "LZN" or letter in "_.:/=+-@"
        assert bool(matches(letter)) is expected, hex(point)


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        (r"[\w+=,.@-]*", "a_b=", True),
        (r"[\w+=,.@-]*", "é", False),
        (r"[\w+=,.@-]*", "a\n", False),
        (r"[\d]*", "٣", False),
        (r"^p-[0-9a-zA-Z_]{8,128}$", "p-12345678\n", False),
        (r"[\u0009\u000A\u000D\u0020-\u00FF]+", "{\n\tÿ}", True),
        (r"[\u0009\u000A\u000D\u0020-\u00FF]+", "Ā", False),
        (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "/a/b/", True),
        (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "/a", False),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, matched: bool) -> None:  # noqa: FBT001
    """Classes are ASCII, and a final line end does not match."""
    assert bool(compile_pattern(pattern)(text)) is matched


def test_an_unknown_category_is_refused() -> None:
    """A pattern with an unknown category is refused rather than misread."""
    with pytest.raises(ValueError, match="category"):
        compile_pattern(r"[\p{Lu}]+")
