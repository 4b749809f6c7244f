"""The quick forms of checks: each must agree with the rule in its plain form.

The limits of a tree are asked of libxml2 in one step, and printable strings are not looked at character by character.
"""

import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daypass.federation.saml.condition_keys import CONDITION_KEYS, read_conditions
from daypass.federation.saml.element_text import find_problem_with_name
from daypass.federation.saml.xml_parser import RESPONSE, Limits, UnreadableXmlError, parse_xml

DEPTH, ATTRIBUTES = 3, 2
SMALL = Limits(octets=10_000, markup=1_000, namespaces=20, depth=DEPTH, attributes=ATTRIBUTES)
FORMATTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

TREES = st.recursive(
    st.tuples(st.integers(0, ATTRIBUTES + 1), st.just(())),
    lambda inner: st.tuples(st.integers(0, ATTRIBUTES + 1), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)
Tree = tuple[int, "tuple[Tree, ...]"]


def _write(tree: Tree) -> str:
    attributes, children = tree
    written = " ".join(f'b{number}=""' for number in range(attributes))
    return f"<a {written}>{''.join(map(_write, children))}</a>"


def _depth(tree: Tree) -> int:
    return 1 + max(map(_depth, tree[1]), default=0)


def _widest(tree: Tree) -> int:
    return max(tree[0], *map(_widest, tree[1])) if tree[1] else tree[0]


def _nested(depth: int, attributes: int) -> Tree:
    return (attributes, ()) if depth == 1 else (0, (_nested(depth - 1, attributes),))


@given(TREES)
@example(_nested(DEPTH, ATTRIBUTES))
@example(_nested(DEPTH + 1, 0))
@example(_nested(DEPTH, ATTRIBUTES + 1))
def test_a_document_is_refused_exactly_if_a_limit_is_broken(tree: Tree) -> None:
    """Depth and attributes are limited at each element, as a count over the tree says."""
    document = _write(tree).encode()
    if _depth(tree) <= DEPTH and _widest(tree) <= ATTRIBUTES:
        assert parse_xml(document, SMALL).tag == "a"
        return
    with pytest.raises(UnreadableXmlError, match=r"nested more than 3 levels|more than 2 attributes"):
        parse_xml(document, SMALL)


def test_namespace_declarations_are_not_counted_as_attributes() -> None:
    """They have a limit of their own."""
    document = b'<a xmlns:b="urn:b" xmlns:c="urn:c" xmlns:d="urn:d" b:e="" c:e=""/>'
    assert len(parse_xml(document, SMALL).attrib) == ATTRIBUTES
    with pytest.raises(UnreadableXmlError, match="attributes"):
        parse_xml(document.replace(b"/>", b' d:e=""/>'), SMALL)


@pytest.mark.parametrize("inside", ["<!-- c -->", "<?p i?>"])
@pytest.mark.parametrize("place", ["<a>{}</a>", "<a><b/>{}</a>", "<a><b><c>{}</c></b></a>"])
def test_what_is_not_an_element_is_refused_at_every_level(inside: str, place: str) -> None:
    """A comment splits text, and a reader may see the first part only."""
    with pytest.raises(UnreadableXmlError, match="comments, processing instructions"):
        parse_xml(place.format(inside).encode(), RESPONSE)


def test_every_character_is_judged_by_its_category() -> None:
    """A printable string skips the look at each character, which must never let one pass."""
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if character.isprintable():
            assert unicodedata.category(character) not in FORMATTING
    for character in ("\x00", "\x7f", "\x85", "\xad", "\u200b", "\u202e", "\u2028", "\ue000", "\U000e0001", "\u0378"):
        assert find_problem_with_name(f"a{character}b") == "contains a control or formatting character"
    for character in (" ", "\xa0", "\u2003", "\u3000", "ä", "字"):
        assert find_problem_with_name(f"a{character}b") is None


def test_a_condition_key_is_a_list_whatever_attributes_are_absent() -> None:
    """Its type is that of the service reference, for each attribute by itself."""
    for attribute, keys in CONDITION_KEYS.items():
        found = read_conditions({attribute: ("one",)})
        assert found == {key.name: ("one",) if key.many else "one" for key in keys}
        assert read_conditions({attribute: ()}) == {}


def test_no_key_is_a_list_for_one_attribute_only() -> None:
    """Else the type would depend on the attributes of the others."""
    rows = sorted((key.name, key.many) for keys in CONDITION_KEYS.values() for key in keys)
    assert all(one[1] == other[1] for one, other in pairwise(rows) if one[0] == other[0])
