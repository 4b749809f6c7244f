"""The shape that a response must have before any cryptography looks at it.

Owns the grammar around signatures: which elements may stand where, how many, and which identifiers they
carry. It reads no value that names anybody. Behind it there is one assertion, and at most one signature for
it and one for the response, each a direct child of what it signs, with one reference to its parent: signature
wrapping has nothing left to wrap.
Rules: SAML core 5.4 (signature profile); docs/decisions/0003-saml-signature.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from lxml import etree

from daypass.federation.saml.names import (
    DS,
    DS11,
    ENVELOPED,
    EXCLUSIVE_C14N,
    INCLUSIVE_NAMESPACES,
    SAML,
    SAMLP,
    XENC,
    XENC11,
    ds,
    saml,
    samlp,
)
from daypass.federation.saml.refusals import bad_signature, malformed, unsigned
from daypass.federation.saml.text import local_name, read_text

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,255}")
_IDENTIFIERS = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")
_ASSERTIONS = etree.XPath(
    "count(//*[local-name() = 'Assertion' or local-name() = 'EncryptedAssertion'])", smart_strings=False
)
# XML Signature and XML Encryption call it Id, SAML calls it ID, and nobody may call it anything else.
_IDENTIFIER_NAMES: Mapping[str, str] = {
    SAMLP: "ID",
    SAML: "ID",
    DS: "Id",
    DS11: "Id",
    XENC: "Id",
    XENC11: "Id",
}
_PREFIXES = 32


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an element may contain: children with their least and most number, and attributes."""

    children: Mapping[str, tuple[int, int]]
    attributes: frozenset[str] = frozenset()


_ONE, _MAYBE = (1, 1), (0, 1)

_RESPONSE: Mapping[str, tuple[int, int]] = {
    saml("Issuer"): _MAYBE,
    ds("Signature"): _MAYBE,
    samlp("Extensions"): _MAYBE,
    samlp("Status"): _ONE,
    saml("Assertion"): _MAYBE,
    saml("EncryptedAssertion"): _MAYBE,
}

# One row an element of a signature. KeyInfo is not descended into: nothing in it is ever used.
_SIGNATURE: Mapping[str, Grammar] = {
    ds("Signature"): Grammar(
        {ds("SignedInfo"): _ONE, ds("SignatureValue"): _ONE, ds("KeyInfo"): _MAYBE}, frozenset({"Id"})
    ),
    ds("SignedInfo"): Grammar(
        {ds("CanonicalizationMethod"): _ONE, ds("SignatureMethod"): _ONE, ds("Reference"): _ONE},
        frozenset({"Id"}),
    ),
    ds("CanonicalizationMethod"): Grammar({INCLUSIVE_NAMESPACES: _MAYBE}, frozenset({"Algorithm"})),
    ds("SignatureMethod"): Grammar({}, frozenset({"Algorithm"})),
    ds("Reference"): Grammar(
        {ds("Transforms"): _ONE, ds("DigestMethod"): _ONE, ds("DigestValue"): _ONE},
        frozenset({"Id", "URI", "Type"}),
    ),
    ds("Transforms"): Grammar({ds("Transform"): (2, 2)}),
    ds("Transform"): Grammar({INCLUSIVE_NAMESPACES: _MAYBE}, frozenset({"Algorithm"})),
    ds("DigestMethod"): Grammar({}, frozenset({"Algorithm"})),
    INCLUSIVE_NAMESPACES: Grammar({}, frozenset({"PrefixList"})),
    ds("SignatureValue"): Grammar({}, frozenset({"Id"})),
    ds("DigestValue"): Grammar({}),
}
_WITH_TEXT = frozenset({ds("SignatureValue"), ds("DigestValue")})

# What a KeyInfo may show, at any depth. A way to fetch a key from somewhere is refused, not ignored.
_KEY_INFO = frozenset(
    {
        *map(ds, ("X509Data", "X509Certificate", "X509IssuerSerial", "X509IssuerName", "X509SerialNumber")),
        *map(ds, ("X509SubjectName", "X509SKI", "X509CRL", "KeyName")),
        *map(ds, ("KeyValue", "RSAKeyValue", "Modulus", "Exponent")),
        *(f"{{{DS11}}}{name}" for name in ("X509Digest", "DEREncodedKeyValue")),
        *(f"{{{DS11}}}{name}" for name in ("ECKeyValue", "NamedCurve", "PublicKey")),
    }
)
_KEY_NAME = re.compile(r"[^/\\\x00-\x1f]{0,512}")


@dataclass(frozen=True, slots=True)
class ShapedResponse:
    """A response of the right shape. Nothing in it is verified yet."""

    root: etree._Element
    signed: bool
    unverified_assertion: etree._Element
    encrypted: bool


def shape_response(root: etree._Element) -> ShapedResponse:
    """Check the shape of a whole response; raise the Fault that STS answers with otherwise."""
    if root.tag != samlp("Response"):
        raise malformed(f"the root is {root.tag!s:.200}, not a SAML 2.0 Response")
    require_unique_identifiers(root)
    if cast("float", _ASSERTIONS(root)) != 1:
        raise malformed("there must be exactly one Assertion or EncryptedAssertion")
    found = sort_children(root, _RESPONSE)
    encrypted = bool(found.get(saml("EncryptedAssertion")))
    assertions = found.get(saml("EncryptedAssertion") if encrypted else saml("Assertion"))
    if not assertions:
        raise malformed("the Assertion is not a child of the Response")
    assertion = assertions[0]
    _require_signatures_in_place(root, {root, assertion})
    return ShapedResponse(root, bool(found.get(ds("Signature"))), assertion, encrypted)


def shape_assertion(assertion: etree._Element) -> None:
    """Check the shape of an assertion that stands alone, as one that was decrypted does."""
    if assertion.tag != saml("Assertion"):
        raise malformed(f"{assertion.tag!s:.200} is not a SAML 2.0 Assertion")
    require_unique_identifiers(assertion)
    if cast("float", _ASSERTIONS(assertion)) != 1:
        raise malformed("an Assertion lies inside the Assertion")
    _require_signatures_in_place(assertion, {assertion})
    if not is_signed(assertion):
        raise unsigned("the Assertion carries no signature of its own")


def is_signed(element: etree._Element) -> bool:
    """Tell whether a signature of its own is a child of `element`."""
    return element.find(ds("Signature")) is not None


def require_unique_identifiers(root: etree._Element) -> None:
    """Refuse identifiers that occur twice, or under a name that only some readers take for one."""
    seen: set[str] = set()
    # Attributes by XPath: lxml's own walk over an element's attributes is quadratic in their number.
    identifiers: list[etree._ElementUnicodeResult] = cast("Any", _IDENTIFIERS(root))
    for value in identifiers:
        owner = value.getparent()
        allowed = None if owner is None else _IDENTIFIER_NAMES.get(etree.QName(owner).namespace or "")
        if value.attrname != allowed:
            raise malformed(f"an identifier attribute {value.attrname!s:.60} does not belong where it stands")
        if not _ID.fullmatch(value):
            raise malformed("an identifier is not a plain name")
        if str(value) in seen:
            raise malformed("an identifier occurs twice")
        seen.add(str(value))


def sort_children(element: etree._Element, allowed: Mapping[str, tuple[int, int]]) -> dict[str, list[etree._Element]]:
    """Return the children by name.

    Refuse one that is not `allowed`, too few, too many, or stray text between them.
    """
    found: dict[str, list[etree._Element]] = {}
    for child in element:
        if child.tag not in allowed:
            raise malformed(f"{local_name(child):.60} may not stand in {local_name(element)}")
        if child.tail and child.tail.strip():
            raise malformed(f"text stands between the children of {local_name(element)}")
        found.setdefault(child.tag, []).append(child)
    if len(element) and element.text and element.text.strip():
        raise malformed(f"text stands between the children of {local_name(element)}")
    for name, (least, most) in allowed.items():
        if not least <= len(found.get(name, ())) <= most:
            raise malformed(f"{local_name(element)} has {len(found.get(name, ()))} {name.partition('}')[2]}")
    return found


def _require_signatures_in_place(root: etree._Element, owners: set[etree._Element]) -> None:
    """Refuse a signature that is not the one signature of an owner, or not of the permitted shape."""
    seen: set[etree._Element] = set()
    for signature in list(root.iter(ds("Signature"))):
        owner = signature.getparent()
        if owner is None or owner not in owners or owner in seen:
            raise bad_signature("a Signature stands where none belongs, or beside another")
        seen.add(owner)
        _require_signature_shape(signature)
        _require_reference(signature, owner)


def _require_signature_shape(signature: etree._Element) -> None:
    pending = [signature]
    while pending:
        element = pending.pop()
        grammar = _SIGNATURE[element.tag]
        if any(name not in grammar.attributes for name in cast("list[str]", element.attrib.keys())):
            raise bad_signature(f"{local_name(element)} has an attribute that does not belong there")
        if element.tag in _WITH_TEXT and not len(element):
            continue
        children = sort_children(element, grammar.children)
        order = list(grammar.children)
        if [order.index(str(child.tag)) for child in element] != sorted(
            order.index(str(child.tag)) for child in element
        ):
            raise bad_signature(f"the parts of {local_name(element)} are out of order")
        if not len(element) and element.text and element.text.strip():
            raise bad_signature(f"{local_name(element)} holds text")
        for key_info in children.pop(ds("KeyInfo"), []):
            _require_harmless_key_info(key_info)
        pending.extend(child for same in children.values() for child in same)


def _require_harmless_key_info(key_info: etree._Element) -> None:
    for child in key_info.iterdescendants():
        if child.tag not in _KEY_INFO:
            raise bad_signature(f"KeyInfo offers a {local_name(child):.60}")
        if child.tag == ds("KeyName") and not _KEY_NAME.fullmatch(read_text(child)):
            raise bad_signature("KeyInfo names a key by a path")


def _require_reference(signature: etree._Element, owner: etree._Element) -> None:
    signed_info = signature[0] if signature[0].tag == ds("SignedInfo") else _only(signature, "SignedInfo")
    reference = _only(signed_info, "Reference")
    identifier = owner.get("ID")
    if not identifier or reference.get("URI") != f"#{identifier}":
        raise bad_signature("the Reference does not name the element that the Signature stands in")
    transforms = list(_only(reference, "Transforms"))
    if [transform.get("Algorithm") for transform in transforms] != [ENVELOPED, EXCLUSIVE_C14N]:
        raise bad_signature("the transforms are not enveloped-signature and exclusive canonicalization")
    if len(transforms[0]):
        raise bad_signature("the enveloped-signature transform has parameters")
    method = _only(signed_info, "CanonicalizationMethod")
    if method.get("Algorithm") != EXCLUSIVE_C14N:
        raise bad_signature("SignedInfo is not in exclusive canonical form")
    for parametrised in (transforms[1], method):
        find_prefixes(parametrised)


def find_prefixes(element: etree._Element) -> list[str] | None:
    """Return the prefixes that exclusive canonicalization shall treat as the inclusive one would."""
    parameter = element.find(INCLUSIVE_NAMESPACES)
    if parameter is None:
        return None
    prefixes = (parameter.get("PrefixList") or "").split()
    if len(prefixes) > _PREFIXES:
        raise bad_signature("the PrefixList is too long")
    return prefixes


def _only(element: etree._Element, name: str) -> etree._Element:
    """Return the child that the grammar has already shown to be there once."""
    child = element.find(ds(name))
    if child is None:
        raise bad_signature(f"{local_name(element)} has no {name}")
    return child
