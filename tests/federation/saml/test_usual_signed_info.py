"""The quick reading of a SignedInfo, against the tree of the same bytes.

A SignedInfo that the pattern matches has exactly the allowed parts, and the values are those that a parser finds.
"""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree
from tests.federation.saml.attack import DS, assertion_of, child, signature_of
from tests.federation.saml.conftest import GOOD, World

from daypass.errors import Fault
from daypass.federation.saml.signature import check_signature, find_unverified_signature, verify_signed_element
from daypass.federation.saml.signed_info import SignedInfo, find_usual_signed_info
from daypass.federation.saml.xml_names import EXCLUSIVE_C14N
from daypass.federation.saml.xml_parser import RESPONSE, UnreadableXmlError, cut_out, parse_xml
from daypass.testing.saml import decode
from daypass.testing.saml_forge import Signing

INCLUSIVE = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"
URL = "http://www.w3.org/2000/09/xmldsig#"
Node = tuple[str, tuple[tuple[str, str], ...], str, "tuple[Node, ...]"]

USUAL = (
    f'<p:SignedInfo xmlns:p="{URL}"><p:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"/>'
    '<p:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    f'<p:Reference URI="#_a"><p:Transforms><p:Transform Algorithm="{URL}enveloped-signature"/>'
    f'<p:Transform Algorithm="{EXCLUSIVE_C14N}"><e:InclusiveNamespaces xmlns:e="{EXCLUSIVE_C14N}" PrefixList="xs"/>'
    '</p:Transform></p:Transforms><p:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    "<p:DigestValue>QUJD</p:DigestValue></p:Reference></p:SignedInfo>"
)
_BENDS = 20  # most of them are not well-formed
# Pieces of XML to insert, or to put in the place of a part.
PIECES = (
    "", " ", "\n", "x", '"', "#", "&#13;", "&amp;", "<p:X/>", ' Id="_b"', ' p:URI="#_b"', ' URI="#_b"', "=",
    "WithComments", "</p:Transform>", "<p:Transform/>", f'<p:Transform Algorithm="{EXCLUSIVE_C14N}"/>',
    f'<p:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"/>', "<p:DigestValue>QQ==</p:DigestValue>",
    '<p:SignatureMethod Algorithm="a"/>', "<!-- c -->", "<?p i?>", f' xmlns="{URL}"', ' xmlns:q="urn:q"',
    f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE_C14N}" PrefixList="saml"/>', "<![CDATA[x]]>", "\u00e4", "\t",
)  # fmt: skip


def _node(element: etree._Element) -> Node:
    texts = [element.text or "", *[each.tail or "" for each in element]]
    children = tuple(_node(each) for each in element)
    attributes = tuple(sorted((str(name), str(value)) for name, value in element.attrib.items()))
    return str(element.tag), attributes, "".join(texts).strip(), children


def _leaf(name: str, algorithm: str, *children: Node) -> Node:
    return f"{DS}{name}", (("Algorithm", algorithm),), "", children


def _expected(info: SignedInfo, canonicalizations: tuple[str, str]) -> Node:
    listed = () if info.prefixes is None else ((INCLUSIVE, (("PrefixList", " ".join(info.prefixes)),), "", ()),)
    transforms: Node = (
        f"{DS}Transforms",
        (),
        "",
        (_leaf("Transform", f"{URL}enveloped-signature"), _leaf("Transform", canonicalizations[1], *listed)),
    )
    digest = (f"{DS}DigestValue", (), info.digest.strip(), ())
    parts = (transforms, _leaf("DigestMethod", info.digest_method), digest)
    reference: Node = (f"{DS}Reference", (("URI", f"#{info.identifier}"),), "", parts)
    first = _leaf("CanonicalizationMethod", canonicalizations[0])
    return f"{DS}SignedInfo", (), "", (first, _leaf("SignatureMethod", info.method), reference)


def _require_agreement(info: SignedInfo, element: etree._Element) -> None:
    """Require that the octets, parsed again, have the values and no other part."""
    assert info.octets == etree.tostring(cut_out(element), method="c14n", exclusive=True)
    signed = etree.fromstring(info.octets)
    for parameter in signed.iter(INCLUSIVE):
        parameter.set("PrefixList", " ".join((parameter.get("PrefixList") or "").split()))
    methods = (signed[0], child(child(signed, f"{DS}Reference"), f"{DS}Transforms")[1])
    chosen = [method.get("Algorithm") or "" for method in methods]
    assert {name.removesuffix("WithComments") for name in chosen} == {EXCLUSIVE_C14N}
    assert _node(signed) == _expected(info, (chosen[0], chosen[1]))


@pytest.mark.parametrize("method", ["rsa-sha256", "rsa-sha384", "rsa-sha512"])
@pytest.mark.parametrize("prefixes", ["", "xs saml"])
def test_the_form_of_providers_is_read_in_one_step(world: World, method: str, prefixes: str) -> None:
    """The values are those of the tree."""
    how = Signing(method=method, digest=method[4:], prefixes=prefixes)
    element = signature_of(assertion_of(decode(world.response(how=how))))[0]
    info = find_usual_signed_info(element)
    assert info is not None
    _require_agreement(info, element)
    assert info.prefixes == (prefixes.split() or None)


def _bend(dice: random.Random) -> str:
    """Return the usual SignedInfo with a few pieces inserted, replaced or moved."""
    text = USUAL
    for _ in range(dice.randint(1, 3)):
        at = dice.choice([index for index, character in enumerate(text) if character in '<>/"' or dice.random() < 0.02])
        length = dice.choice([0, 0, 1, dice.randint(0, 60)])
        text = text[:at] + dice.choice(PIECES) + text[at + length :]
    return text


@given(seed=st.integers(0, 2**32 - 1))
def test_a_bent_form_is_read_as_its_tree_or_not_at_all(seed: int) -> None:
    """The pattern never matches bytes with another part, order or value."""
    dice = random.Random(seed)  # noqa: S311 - test data
    for _ in range(_BENDS):
        try:
            element = parse_xml(_bend(dice).encode(), RESPONSE)
        except UnreadableXmlError:
            continue
        info = find_usual_signed_info(element)
        if info is not None:
            _require_agreement(info, element)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("<p:SignedInfo ", '<p:SignedInfo Id="_b" '),
        (f'Algorithm="{EXCLUSIVE_C14N}"/>', 'Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'),
        ("enveloped-signature", "base64"),
        ('URI="#_a"', 'URI=""'),
        ('URI="#_a"', 'URI="_a"'),
        ('URI="#_a"', 'URI="#xpointer(/)"'),
        ('URI="#_a"', 'URI="#_a" Type="t"'),
        ('PrefixList="xs"', ""),
        ('PrefixList="xs"', f'PrefixList="{"a " * 33}"'),
        ("</p:Reference>", '</p:Reference><p:Reference URI="#_a"/>'),
        ("<p:DigestValue>", "<p:DigestValue>&lt;"),
        ("QUJD", "QU<p:X/>JD"),
        ("</p:Transforms>", "</p:Transforms>x"),
        ("</p:SignedInfo>", "x</p:SignedInfo>"),
        (URL, "http://www.w3.org/2009/xmldsig11#"),
    ],
)
def test_another_form_is_left_to_the_tree(part: str, other: str) -> None:
    """The pattern decides nothing about it."""
    assert find_usual_signed_info(etree.fromstring(USUAL)) is not None
    assert part in USUAL
    assert find_usual_signed_info(etree.fromstring(USUAL.replace(part, other, 1))) is None


def test_white_space_between_the_parts_is_usual() -> None:
    """Some providers write each part on a line of its own."""
    spaced = USUAL.replace("><", ">\n  <").replace("<p:DigestValue>QUJD", "<p:DigestValue>\nQUJD\n")
    element = etree.fromstring(spaced)
    info = find_usual_signed_info(element)
    assert info is not None
    assert info.digest.strip() == "QUJD"
    _require_agreement(info, element)


PLACES = st.lists(
    st.sampled_from(["", 'xmlns="urn:d"', 'xmlns=""', 'xmlns:a="urn:a"', 'xmlns:a="urn:b"', 'xmlns:b="urn:b"']),
    min_size=3,
    max_size=3,
)
NAMES = st.lists(st.sampled_from(["x", "a:x", "b:x"]), min_size=3, max_size=3)
PREFIXES = st.sampled_from([None, [], ["a"], ["a", "b"], ["#default"], ["c"]])


@given(places=PLACES, names=NAMES, prefixes=PREFIXES, key=st.sampled_from(["k", "a:k", "xml:lang"]))
@example(['xmlns:a="urn:a"', "", ""], ["x", "x", "x"], ["a"], "a:k")
def test_the_canonical_form_in_place_is_that_of_the_element_alone(
    places: list[str], names: list[str], prefixes: list[str] | None, key: str
) -> None:
    """Namespaces that surrounding elements declare count in both, and their text in neither."""
    opened = "".join(f"<{name} {place}>t" for name, place in zip(names, places, strict=True))
    closed = "".join(f"</{name}>u" for name in reversed(names)).removesuffix("u")
    known = 'xmlns:a="urn:o" xmlns:b="urn:p" xml:lang="de"'
    outer = etree.fromstring(f'<o {known} >t{opened}<a:y {key}="1" b:j="2"/>v{closed}</o>'.encode())
    for element in outer.iter():

        def canonical(root: etree._Element) -> bytes:
            return etree.tostring(root, method="c14n", exclusive=True, inclusive_ns_prefixes=prefixes)

        assert canonical(element) == canonical(cut_out(element))


def test_a_verified_element_is_a_document_of_its_own(world: World) -> None:
    """The response around it cannot be reached, and its signature is outside the signed bytes."""
    assertion = assertion_of(decode(world.response(GOOD)))
    keys = [each.key for each in world.trust.metadata.signing_keys]
    check_signature(assertion, keys, allow_sha1=False)
    assert signature_of(assertion) is not None
    verified = verify_signed_element(assertion, keys, allow_sha1=False).element
    assert verified.getparent() is None
    assert verified.getroottree().getroot() is verified
    assert verified.find(f"{DS}Signature") is None


def test_a_reference_to_another_element_is_refused(world: World) -> None:
    """The reference of the usual form must name the element that contains the signature."""
    root = decode(world.response(GOOD))
    assertion_of(root).set("ID", "_another")
    with pytest.raises(Fault, match=r"."):
        world.judge(root)


def test_an_unverified_signature_is_read_from_both_forms(world: World) -> None:
    """The octets that a key is tried on are the same, in the usual form and in another."""
    assertion = assertion_of(decode(world.response(GOOD)))
    usual = find_unverified_signature(assertion)
    signature_of(assertion)[0].set("Id", "_other")
    other = find_unverified_signature(assertion)
    assert usual is not None
    assert other is not None
    [key, *_] = [each.key for each in world.trust.metadata.signing_keys]
    assert usual.is_made_by(key)
    assert not other.is_made_by(key)
    assert other.octets == usual.octets.replace(b'">', b'" Id="_other">', 1)
