"""Read the canonical bytes of a usual SignedInfo in one step.

Owns one pattern for the form that identity providers send: the parts in order, without identifiers of their own, one
reference with the two transforms of SAML. The pattern matches the bytes that the key signs, so no parser is between
them and the values. None decides nothing: schema_checks.py and signature.py read every other form from the tree.
Source: XML Signature 1.1, 4.4; Exclusive XML Canonicalization 1.0.
"""

import re
from itertools import islice

import msgspec
from lxml import etree

from daypass.federation.saml.xml_names import DS, ENVELOPED, EXCLUSIVE_C14N

# More than a usual SignedInfo has. Canonical form takes time for each element.
_MOST_ELEMENTS = 12
MOST_PREFIXES = 32

_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"
_URL = r"[A-Za-z0-9:/.#+_-]{1,120}"
_EXCLUSIVE = rf"{re.escape(EXCLUSIVE_C14N)}(?:WithComments)?"
_INCLUSIVE = (
    rf"<(?:(?P<inner>{_NAME}):)?InclusiveNamespaces xmlns(?(inner):(?P=inner))=\"{re.escape(EXCLUSIVE_C14N)}\""
    r" PrefixList=\"(?P<prefixes>[A-Za-z0-9_.# -]{0,512})\"></(?(inner)(?P=inner):)InclusiveNamespaces>"
)


def _element(name: str, attributes: str = "", *content: str) -> str:
    tag = f"(?(outer)(?P=outer):){name}"
    return r"[ \t\n]{0,64}".join([f"<{tag}{attributes}>", *content, f"</{tag}>"])


def _empty(name: str, algorithm: str) -> str:
    tag = f"(?(outer)(?P=outer):){name}"
    return f'<{tag} Algorithm="{algorithm}"></{tag}>'


_TRANSFORMS = _element(
    "Transforms",
    "",
    _empty("Transform", re.escape(ENVELOPED)),
    _element("Transform", f' Algorithm="{_EXCLUSIVE}"', f"(?:{_INCLUSIVE})?"),
)
_REFERENCE = _element(
    "Reference",
    ' URI="#(?P<identifier>[A-Za-z0-9_.-]{1,256})"',
    _TRANSFORMS,
    _empty("DigestMethod", f"(?P<digest_method>{_URL})"),
    _element("DigestValue", "", r"(?P<digest>[A-Za-z0-9+/= \n]{1,256})"),
)
_SIGNED_INFO = re.compile(
    r"[ \t\n]{0,64}".join(
        [
            rf"<(?:(?P<outer>{_NAME}):)?SignedInfo xmlns(?(outer):(?P=outer))=\"{re.escape(DS)}\">",
            _empty("CanonicalizationMethod", _EXCLUSIVE),
            _empty("SignatureMethod", f"(?P<method>{_URL})"),
            _REFERENCE,
            "</(?(outer)(?P=outer):)SignedInfo>",
        ]
    ).encode()
)


class SignedInfo(msgspec.Struct, frozen=True):
    """The values of a SignedInfo, and its canonical bytes.

    `prefixes` is the PrefixList of the second transform. The digest is in base64.
    """

    octets: bytes
    method: str
    identifier: str
    prefixes: list[str] | None
    digest_method: str
    digest: str


def find_usual_signed_info(element: etree._Element) -> SignedInfo | None:
    """Return the values of a SignedInfo of the usual form, or None."""
    if next(islice(element.iter(), _MOST_ELEMENTS, None), None) is not None:
        return None
    try:
        octets = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except etree.LxmlError:
        return None
    found = _SIGNED_INFO.fullmatch(octets)
    if found is None:
        return None
    _, method, identifier, _, prefixes, digest_method, digest = found.groups()
    listed = None if prefixes is None else prefixes.decode().split()
    if listed is not None and len(listed) > MOST_PREFIXES:
        return None
    return SignedInfo(octets, method.decode(), identifier.decode(), listed, digest_method.decode(), digest.decode())
