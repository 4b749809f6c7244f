"""Wildcards, exhaustively: every short pattern with every short string.

Random patterns rarely match random strings, or find a matcher that matches too much. The textbook's table has the
expected results.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from tests.policy.engine_requests import reaches
from tests.policy.test_wildcard import textbook

from daypass.policy.wildcard import Token, Wild, compile_wildcard


def texts(alphabet: str, longest: int) -> Iterator[str]:
    """Yield every string of these letters."""
    for length in range(longest + 1):
        for letters in product(alphabet, repeat=length):
            yield "".join(letters)


@pytest.mark.parametrize(
    ("tokens", "most", "alphabet", "longest"),
    [
        ((Wild.ANY, "a"), 7, "ab", 6),
        ((Wild.ANY, Wild.ONE, "a"), 5, "ab", 5),
        ((Wild.ANY, "ab", "a"), 4, "ab", 6),
        ((Wild.ANY, Wild.PART_ANY, Wild.ONE, Wild.PART_ONE, ":"), 3, "a:", 4),
        ((Wild.PART_ANY, Wild.PART_ONE, "a", ":"), 4, "a:", 4),
    ],
)
def test_every_pattern_takes_what_the_textbook_takes(
    tokens: Sequence[Token], most: int, alphabet: str, longest: int
) -> None:
    """Each matcher agrees with the textbook, for every kind of pattern."""
    asked = tuple(texts(alphabet, longest))
    for length in range(most + 1):
        for pattern in product(tokens, repeat=length):
            match = compile_wildcard(pattern)
            wrong = [text for text in asked if match(text) is not textbook(list(pattern), text)]
            assert not wrong, (pattern, wrong)


RESOURCES = [
    # Within the first five parts a wildcard stops at the colon; after them it does not.
    ("arn:aws:s3:::b/a*c", "arn:aws:s3:::b/ab:bc", True),
    ("arn:aws:s3:::b/a?c", "arn:aws:s3:::b/a:c", True),
    ("arn:aws:s3:*::b", "arn:aws:s3:eu:1:b", False),
    ("arn:aws:s3:*:*:b", "arn:aws:s3:eu:1:b", True),
    ("arn:aws:s3:?u:*:b", "arn:aws:s3:eu:1:b", True),
    ("arn:aws:s3:e?:*:b", "arn:aws:s3:e::b", False),
    ("arn:aws:s3:e*a:*:b", "arn:aws:s3:e:a:1:b", False),
    # Several patterns: each of them counts, also those without a wildcard.
    (["arn:aws:s3:::one", "arn:aws:s3:::b/*"], "arn:aws:s3:::one", True),
    (["arn:aws:s3:::one", "arn:aws:s3:::b/*"], "arn:aws:s3:::b/k", True),
    (["arn:aws:s3:::one", "arn:aws:s3:::b/*"], "arn:aws:s3:::two", False),
    (["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"], "arn:aws:s3:::a/k", True),
    (["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"], "arn:aws:s3:::b/k", True),
    (["arn:aws:s3:::one", "arn:aws:s3:::two"], "arn:aws:s3:::two", True),
    (["arn:aws:s3:::one", "arn:aws:s3:::two"], "arn:aws:s3:::three", False),
    (["arn:aws:s3:::a/*", "arn:aws:s3:::${aws:username}"], "arn:aws:s3:::a/k", True),
    (["arn:aws:s3:::a/*", "arn:aws:s3:::${aws:username}"], "arn:aws:s3:::alice", True),
    (["arn:aws:s3:::a/*", "arn:aws:s3:::${aws:username}"], "arn:aws:s3:::bob", False),
    (["arn:aws:s3:::one", "arn:aws:s3:::${aws:username}"], "arn:aws:s3:::one", True),
    (["arn:aws:s3:::one", "arn:aws:s3:::${aws:nothing}"], "arn:aws:s3:::two", False),
]


@pytest.mark.parametrize(("pattern", "target", "expected"), RESOURCES)
def test_resources(pattern: str | list[str], target: str, *, expected: bool) -> None:
    """An Allow covers the resources that its Resource matches."""
    assert reaches(pattern, target, context={"aws:username": "alice"}) is expected
