"""Parse XML documents with a hardened parser and limits.

Every document is untrusted.

- A DOCTYPE is refused in every encoding; entities, network access and recovery are off.
- Only UTF-8 is accepted, since a proxy may read a second encoding differently.
- Sizes and numbers are checked before any step that takes more than linear time.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from lxml import etree


class UnreadableXmlError(Exception):
    """The document is refused.

    The message says why, for the audit log and for `saml inspect`.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one document.

    They bound memory, far above real providers.
    """

    octets: int
    markup: int  # "<" characters: bounds elements, comments and instructions before parsing
    namespaces: int  # namespace declarations: a lookup is linear in their number
    depth: int
    attributes: int  # of one element: canonical form sorts them
    comments: bool = False  # whether comments and instructions are allowed inside the root


# 100,000 characters of base64 are 75,000 octets. Canonical form is longer than its source: it closes every element with
# a tag and repeats namespace declarations.
RESPONSE = Limits(octets=75_000, markup=4_000, namespaces=256, depth=40, attributes=32)
CANONICAL = Limits(octets=3_000_000, markup=8_000, namespaces=20_000, depth=40, attributes=32)
METADATA = Limits(octets=20_000_000, markup=200_000, namespaces=20_000, depth=60, attributes=64, comments=True)

_DECLARED_ENCODING = re.compile(r"\A<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"'>]*)[\"']")
# A namespace declaration with a long prefix, padding or name, which canonical form would repeat wherever it is used.
# Every quantifier is bounded: the search is linear.
_PREFIX = r"xmlns(?::[^\s=\"'<>]{1,64})?"
_LONG_NAMESPACE = re.compile(
    r"xmlns:[^\s=\"'<>]{65}"
    rf"|{_PREFIX}\s{{9}}"
    rf"|{_PREFIX}\s{{0,8}}=\s{{9}}"
    rf"|{_PREFIX}\s{{0,8}}=\s{{0,8}}(?:\"[^\"]{{257}}|'[^']{{257}})"
)
_ENCODINGS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_ELEMENTS = (etree.Comment, etree.ProcessingInstruction, etree.Entity)


def parse_xml(document: bytes, limits: Limits) -> etree._Element:
    """Return the root of `document`, or raise UnreadableXmlError."""
    _weigh(document, limits)
    try:
        root = etree.fromstring(document, _parser(limits))
    except (etree.XMLSyntaxError, ValueError, AssertionError) as problem:
        raise UnreadableXmlError(f"not well-formed XML: {problem}") from None
    except etree.LxmlError as problem:  # pragma: no cover - lxml's other errors
        raise UnreadableXmlError(f"unreadable: {problem}") from None
    # The parser decides; the byte search above only saves parsing.
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableXmlError("a DOCTYPE is not allowed")
    if not _is_within(root, limits):
        _survey(root, limits)
    return root


def _parser(limits: Limits) -> etree.XMLParser:
    # `encoding` overrides the declaration: a document has exactly one reading.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=limits.comments,
        remove_pis=limits.comments,
    )


def _weigh(document: bytes, limits: Limits) -> None:
    """Refuse documents that break a limit, by counting characters."""
    if len(document) > limits.octets:
        raise UnreadableXmlError(f"larger than {limits.octets} bytes")
    try:
        text = document.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError:
        raise UnreadableXmlError("not UTF-8") from None
    if "\0" in text:
        raise UnreadableXmlError("contains a NUL character")
    declared = _DECLARED_ENCODING.match(text)
    if declared and declared[1].lower() not in _ENCODINGS:
        raise UnreadableXmlError(f"declares the encoding {declared[1][:40]!r}; only UTF-8 is read")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableXmlError("a DOCTYPE is not allowed")
    if text.count("<") > limits.markup:
        raise UnreadableXmlError(f"more than {limits.markup} pieces of markup")
    if text.count("xmlns") > limits.namespaces:
        raise UnreadableXmlError(f"more than {limits.namespaces} namespace declarations")
    if _LONG_NAMESPACE.search(text):
        raise UnreadableXmlError("a namespace declaration of more than 256 characters")


def _is_within(root: etree._Element, limits: Limits) -> bool:
    """Return whether a document surely keeps the limits of the tree, in one step of libxml2."""
    if next(root.iter(*_NOT_ELEMENTS), None) is not None:
        return False
    return not cast("bool", _beyond(limits.depth, limits.attributes)(root))


@lru_cache
def _beyond(depth: int, attributes: int) -> etree.XPath:
    too_deep, too_wide = "/*" * (depth + 1), f"/descendant::*[@*[{attributes + 1}]]"
    return etree.XPath(f"boolean({too_deep} | {too_wide})")


def _survey(root: etree._Element, limits: Limits) -> None:
    """Check the limits of the tree, level by level, and say which one it breaks.

    It needs neither recursion nor repeated access to ancestors.
    """
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise UnreadableXmlError(f"nested more than {limits.depth} levels deep")
        for element in level:
            if not isinstance(element.tag, str):
                raise UnreadableXmlError("comments, processing instructions and entities are not allowed inside")
            if len(element.attrib) > limits.attributes:
                raise UnreadableXmlError(f"an element with more than {limits.attributes} attributes")
        level = [child for element in level for child in element]


def cut_out(element: etree._Element) -> etree._Element:
    """Return a copy of `element` as a document of its own.

    It has the namespaces that were in scope. It is serialized and parsed again, not copied in memory: the surrounding
    document must not stay reachable.
    """
    return parse_xml(etree.tostring(element, with_tail=False, encoding="utf-8"), CANONICAL)
