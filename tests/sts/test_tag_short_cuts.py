"""Tags that are handled together have the results of tags that are handled one by one."""

import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daypass.errors import InvalidParameterValue
from daypass.operations.sts.packed_size import packed_percent
from daypass.operations.sts.session_tags import SessionTag, SessionTags, read_tags, tags_context

_characters = st.sampled_from("aAb\u03c3\u03a3\u03c2İiß:\n\0 -é𝄞") | st.characters(exclude_categories=["Cs"])
_keys = st.one_of(
    st.text(_characters, max_size=6),
    st.sampled_from(["aws:", "AWS:x", "aWs:y", "xaws:", "\naws:z", "a\naws:z", "Team", "team", "ΑΣ", "ας"]),
)
_lists = st.lists(st.tuples(_keys, st.text(_characters, max_size=6)), max_size=6)


def one_by_one(tags: tuple[SessionTag, ...]) -> SessionTags:
    """Return the requested tags, each of which is tested by itself."""
    folded = [tag.key.lower() for tag in tags]
    if len(set(folded)) != len(folded):
        raise InvalidParameterValue("duplicate")
    for key in folded:
        if key.startswith("aws:"):
            raise InvalidParameterValue("reserved")
    return SessionTags({tag.key: tag.value for tag in tags}, ())


@settings(max_examples=100, deadline=None)
@given(_lists)
@example([("\naws:z", "v"), ("other", "v")])
@example([("other", "v"), ("aws:z", "v")])
def test_the_requested_tags(pairs: list[tuple[str, str]]) -> None:
    """The same tags are accepted, and in the same order; the others are refused."""
    tags = tuple(SessionTag(key, value) for key, value in pairs)
    expected = None
    with contextlib.suppress(InvalidParameterValue):
        expected = one_by_one(tags)
    if expected is None:
        with pytest.raises(InvalidParameterValue):
            read_tags(tags, ())
    else:
        found = read_tags(tags, ())
        assert found == expected
        assert list(found.tags) == list(expected.tags)


@settings(max_examples=100, deadline=None)
@given(_lists.map(dict))
def test_the_condition_keys_of_tags(tags: Mapping[str, str]) -> None:
    """Each key is folded by itself, also where lower case depends on the next letter."""
    expected: dict[str, str | tuple[str, ...]] = {"aws:tagkeys": tuple(tags)} if tags else {}
    for key, value in tags.items():
        expected["aws:requesttag/" + key.lower()] = value
    found = tags_context(SessionTags(tags))
    assert list(found.items()) == list(expected.items())


@settings(max_examples=100, deadline=None)
@given(_lists.map(dict))
def test_the_packed_size_of_tags(tags: Mapping[str, str]) -> None:
    """A tag costs its key and its value in UTF-8, and five bytes."""
    size = sum(len(key.encode()) + len(value.encode()) + 5 for key, value in tags.items())
    assert packed_percent((), tags) == -(-size * 32 * 100 // (461 * 32))
