"""Check the schema of a response before any cryptography.

Owns the grammar around signatures: the allowed elements, their places, numbers and identifiers. Values that name a
subject are not read here.

- After these checks there is one assertion, at most one signature for it and at most one for the response.
- Each signature is a direct child of the element that it signs, with one reference to that parent. This stops signature
  wrapping.

Rules: SAML core 5.4 (signature profile); docs/decisions/0003-saml-signature.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from lxml import etree

from daypass.federation.saml.element_text import local_name, read_text
from daypass.federation.saml.saml_faults import bad_signature, malformed, not_signed
from daypass.federation.saml.signed_info import MOST_PREFIXES, find_usual_signed_info
from daypass.federation.saml.xml_names import (
    CANONICALIZATIONS,
    DS,
    DS11,
    ENVELOPED,
    INCLUSIVE_NAMESPACES,
    SAML,
    SAMLP,
    XENC,
    XENC11,
    ds,
    saml,
    samlp,
)

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,255}")
# The length first, which leaves the slower function a few names.
_IDENTIFIERS = etree.XPath(
    "/descendant::*/@*[string-length(local-name()) = 2][translate(local-name(), 'ID', 'id') = 'id']"
)
# In any namespace, or in none.
_ASSERTIONS = ("{*}Assertion", "{*}EncryptedAssertion")
# XML Signature and XML Encryption use the name Id, SAML uses ID. Other spellings are refused.
_IDENTIFIER_NAMES: Mapping[str, str] = {
    SAMLP: "ID",
    SAML: "ID",
    DS: "Id",
    DS11: "Id",
    XENC: "Id",
    XENC11: "Id",
}


@dataclass(frozen=True, slots=True)
class ElementGrammar:
    """The content model of an element: its attributes and its children.

    Each child has a minimum and a maximum number.
    """

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

# One row for each element of a signature, none below KeyInfo, whose content is never used.
_SIGNATURE: Mapping[str, ElementGrammar] = {
    ds("Signature"): ElementGrammar(
        {ds("SignedInfo"): _ONE, ds("SignatureValue"): _ONE, ds("KeyInfo"): _MAYBE}, frozenset({"Id"})
    ),
    ds("SignedInfo"): ElementGrammar(
        {ds("CanonicalizationMethod"): _ONE, ds("SignatureMethod"): _ONE, ds("Reference"): _ONE},
        frozenset({"Id"}),
    ),
    ds("CanonicalizationMethod"): ElementGrammar({INCLUSIVE_NAMESPACES: _MAYBE}, frozenset({"Algorithm"})),
    ds("SignatureMethod"): ElementGrammar({}, frozenset({"Algorithm"})),
    ds("Reference"): ElementGrammar(
        {ds("Transforms"): _ONE, ds("DigestMethod"): _ONE, ds("DigestValue"): _ONE},
        frozenset({"Id", "URI", "Type"}),
    ),
    ds("Transforms"): ElementGrammar({ds("Transform"): (2, 2)}),
    ds("Transform"): ElementGrammar({INCLUSIVE_NAMESPACES: _MAYBE}, frozenset({"Algorithm"})),
    ds("DigestMethod"): ElementGrammar({}, frozenset({"Algorithm"})),
    INCLUSIVE_NAMESPACES: ElementGrammar({}, frozenset({"PrefixList"})),
    ds("SignatureValue"): ElementGrammar({}, frozenset({"Id"})),
    ds("DigestValue"): ElementGrammar({}),
}
_ONLY_ID = frozenset({"Id"})
_USUAL_PARTS = frozenset(
    [
        (ds("SignedInfo"), ds("SignatureValue")),
        (ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo")),
    ]
)
_WITH_TEXT = frozenset({ds("SignatureValue"), ds("DigestValue")})

_KEY_INFO = ds("KeyInfo")
# Allowed in a KeyInfo, at any depth. A reference to an external key is refused, not ignored.
_IN_KEY_INFO = frozenset(
    {
        *map(ds, ("X509Data", "X509Certificate", "X509IssuerSerial", "X509IssuerName", "X509SerialNumber")),
        *map(ds, ("X509SubjectName", "X509SKI", "X509CRL", "KeyName")),
        *map(ds, ("KeyValue", "RSAKeyValue", "Modulus", "Exponent")),
        *(f"{{{DS11}}}{name}" for name in ("X509Digest", "DEREncodedKeyValue")),
        *(f"{{{DS11}}}{name}" for name in ("ECKeyValue", "NamedCurve", "PublicKey")),
    }
)
_NAMED_KEY, _KEY_NAME = ds("KeyName"), re.compile(r"[^/\\\x00-\x1f]{0,512}")


class ShapedResponse(msgspec.Struct, frozen=True):
    """A response that passed the schema checks. It is not verified yet."""

    root: etree._Element
    signed: bool
    unverified_assertion: etree._Element
    encrypted: bool


def shape_response(root: etree._Element) -> ShapedResponse:
    """Return the response if its schema is valid.

    Raises the Fault that STS returns otherwise.
    """
    if root.tag != samlp("Response"):
        raise malformed(f"the root is {root.tag!s:.200}, not a SAML 2.0 Response")
    require_unique_identifiers(root)
    if len(list(root.iter(*_ASSERTIONS))) != 1:
        raise malformed("there must be exactly one Assertion or EncryptedAssertion")
    found = sort_children(root, _RESPONSE)
    encrypted = bool(found.get(saml("EncryptedAssertion")))
    assertions = found.get(saml("EncryptedAssertion") if encrypted else saml("Assertion"))
    if not assertions:
        raise malformed("the Assertion is not a direct child of the Response")
    assertion = assertions[0]
    _require_signatures_in_place(root, {root, assertion})
    return ShapedResponse(root, bool(found.get(ds("Signature"))), assertion, encrypted)


def shape_assertion(assertion: etree._Element) -> None:
    """Check the schema of an assertion without a Response around it.

    A decrypted assertion has none. Raises the Fault that STS returns.
    """
    if assertion.tag != saml("Assertion"):
        raise malformed(f"{assertion.tag!s:.200} is not a SAML 2.0 Assertion")
    require_unique_identifiers(assertion)
    if len(list(assertion.iter(*_ASSERTIONS))) != 1:
        raise malformed("the Assertion contains another Assertion")
    _require_signatures_in_place(assertion, {assertion})
    if not is_signed(assertion):
        raise not_signed()


def is_signed(element: etree._Element) -> bool:
    """Return whether a signature is a direct child of `element`."""
    return element.find(ds("Signature")) is not None


def require_unique_identifiers(root: etree._Element) -> None:
    """Refuse duplicate identifiers, and those under ambiguous names.

    Only some parsers treat such a name as an identifier.
    """
    seen: set[str] = set()
    # Attributes by XPath: lxml's own iteration over an element's attributes is quadratic in their number.
    identifiers: list[etree._ElementUnicodeResult] = cast("Any", _IDENTIFIERS(root))
    for value in identifiers:
        owner = value.getparent()
        allowed = None if owner is None else _IDENTIFIER_NAMES.get(etree.QName(owner).namespace or "")
        if value.attrname != allowed:
            raise malformed(f"an identifier attribute {value.attrname!s:.60} is not allowed in this place")
        if not _ID.fullmatch(value):
            raise malformed("an identifier is not a valid XML name")
        if str(value) in seen:
            raise malformed("an identifier occurs twice")
        seen.add(str(value))


def sort_children(element: etree._Element, allowed: Mapping[str, tuple[int, int]]) -> dict[str, list[etree._Element]]:
    """Return the children by name.

    Raises a Fault for a child that is not `allowed`, for too few or too many children, and for text between them.
    """
    found: dict[str, list[etree._Element]] = {}
    for child in element:
        name, tail = child.tag, child.tail
        if name not in allowed:
            raise malformed(f"{local_name(child):.60} is not allowed in {local_name(element)}")
        if tail and tail.strip():
            raise malformed(f"text stands between the children of {local_name(element)}")
        if name in found:
            found[name].append(child)
        else:
            found[name] = [child]
    if found and (text := element.text) and text.strip():
        raise malformed(f"text stands between the children of {local_name(element)}")
    for name, (least, most) in allowed.items():
        number = len(found[name]) if name in found else 0
        if not least <= number <= most:
            raise malformed(f"{local_name(element)} has {number} {name.partition('}')[2]}")
    return found


def _require_signatures_in_place(root: etree._Element, owners: set[etree._Element]) -> None:
    """Refuse each signature that is not the only one of an owner.

    Refuse also a signature of another shape.
    """
    seen: set[etree._Element] = set()
    for signature in list(root.iter(ds("Signature"))):
        owner = signature.getparent()
        if owner is None or owner not in owners or owner in seen:
            raise bad_signature("a Signature is in a place that does not allow it, or is not the only one there")
        seen.add(owner)
        if not _is_usual(signature, owner):
            _require_signature_shape(signature)
            _require_reference(signature, owner)


def _is_usual(signature: etree._Element, owner: etree._Element) -> bool:
    """Return whether a signature surely passes both checks of its shape. False decides nothing.

    Raises the Fault for a KeyInfo that is not allowed.
    """
    parts = list(signature)
    if tuple([part.tag for part in parts]) not in _USUAL_PARTS or not _ONLY_ID.issuperset(_keys(signature)):
        return False
    value = parts[1]
    if len(value) or not _ONLY_ID.issuperset(_keys(value)) or _has_text_between(signature, parts):
        return False
    usual = find_usual_signed_info(parts[0])
    if usual is None or usual.identifier != owner.get("ID"):
        return False
    for key_info in parts[2:]:
        _require_harmless_key_info(key_info)
    return True


def _keys(element: etree._Element) -> list[str]:
    return cast("list[str]", element.keys())


def _has_text_between(element: etree._Element, children: list[etree._Element]) -> bool:
    texts = [element.text, *[child.tail for child in children]]
    return any(text.strip() for text in texts if text)


def _require_signature_shape(signature: etree._Element) -> None:
    pending = [signature]
    while pending:
        element = pending.pop()
        grammar = _SIGNATURE[element.tag]
        if not grammar.attributes.issuperset(_keys(element)):
            raise bad_signature(f"{local_name(element)} has an attribute that is not allowed there")
        if element.tag in _WITH_TEXT and not len(element):
            continue
        children = sort_children(element, grammar.children)
        in_order = [child for name in grammar.children if name in children for child in children[name]]
        if in_order != list(element):
            raise bad_signature(f"the parts of {local_name(element)} are out of order")
        if not in_order and (text := element.text) and text.strip():
            raise bad_signature(f"{local_name(element)} contains text")
        for child in in_order:
            if child.tag == _KEY_INFO:
                _require_harmless_key_info(child)
            else:
                pending.append(child)


def _require_harmless_key_info(key_info: etree._Element) -> None:
    for child in key_info.iterdescendants():
        if child.tag not in _IN_KEY_INFO:
            raise bad_signature(f"KeyInfo contains a {local_name(child):.60}, which is not allowed")
        if child.tag == _NAMED_KEY and not _KEY_NAME.fullmatch(read_text(child)):
            raise bad_signature("KeyInfo contains a KeyName that is a path")


def _require_reference(signature: etree._Element, owner: etree._Element) -> None:
    signed_info = signature[0] if signature[0].tag == ds("SignedInfo") else _only(signature, "SignedInfo")
    reference = _only(signed_info, "Reference")
    identifier = owner.get("ID")
    if not identifier or reference.get("URI") != f"#{identifier}":
        raise bad_signature("the Reference does not point to the element that contains the Signature")
    transforms = list(_only(reference, "Transforms"))
    enveloped, canonicalization = (transform.get("Algorithm") for transform in transforms)
    if enveloped != ENVELOPED or canonicalization not in CANONICALIZATIONS:
        raise bad_signature("the transforms are not enveloped-signature and exclusive canonicalization")
    if len(transforms[0]):
        raise bad_signature("the enveloped-signature transform has parameters")
    method = _only(signed_info, "CanonicalizationMethod")
    if method.get("Algorithm") not in CANONICALIZATIONS:
        raise bad_signature("the canonicalization method of SignedInfo is not exclusive canonicalization")
    for parametrised in (transforms[1], method):
        find_prefixes(parametrised)


def find_prefixes(element: etree._Element) -> list[str] | None:
    """Return the PrefixList of an exclusive canonicalization, or None."""
    parameter = element.find(INCLUSIVE_NAMESPACES)
    if parameter is None:
        return None
    prefixes = (parameter.get("PrefixList") or "").split()
    if len(prefixes) > MOST_PREFIXES:
        raise bad_signature("the PrefixList is too long")
    return prefixes


def _only(element: etree._Element, name: str) -> etree._Element:
    """Return the one child of this name; the schema checks require it."""
    child = element.find(ds(name))
    if child is None:
        raise bad_signature(f"{local_name(element)} has no {name}")
    return child
