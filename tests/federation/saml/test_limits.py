"""Limits of a SAML message, at each limit and one beyond it.

They bound sizes, depths, lengths and counts.
"""

import base64
import copy
from dataclasses import replace

import pytest
from lxml import etree
from tests.federation.saml.attack import DS, SAML, SAMLP, assertion_of, child, signature_of
from tests.federation.saml.conftest import GOOD, NOW, World

from daypass.errors import Fault, InvalidInput
from daypass.federation.saml.metadata import parse_metadata
from daypass.federation.saml.schema_checks import sort_children
from daypass.federation.saml.xml_parser import (
    CANONICAL,
    METADATA,
    RESPONSE,
    Limits,
    UnreadableXmlError,
    cut_out,
    parse_xml,
)
from daypass.testing.saml import Assertion, SamlIdentityProvider, encode
from daypass.testing.saml_forge import METHODS, Signing, encrypt, make_key_pair, sign

TAKEN, INVALID = "", "InvalidIdentityToken"
XENC = "{http://www.w3.org/2001/04/xmlenc#}"


def outcome(world: World, response: str | etree._Element | bytes, **how: object) -> str:
    """Return the code with which a response is refused, or TAKEN."""
    try:
        world.judge(response, **how)
    except Fault as refusal:
        return refusal.code
    return TAKEN


DIFFERENT: list[tuple[dict[str, object], str]] = [
    ({"name_id": "n"}, TAKEN),
    ({"name_id": "n" * 2_048}, TAKEN),
    ({"name_id": "n" * 2_049}, INVALID),
    ({"session_name": "n"}, INVALID),
    ({"session_name": "nn"}, TAKEN),
    ({"session_name": "n" * 64}, TAKEN),
    ({"session_name": "n" * 65}, INVALID),
    ({"source_identity": "n"}, INVALID),
    ({"source_identity": "nn"}, TAKEN),
    ({"source_identity": "n" * 65}, TAKEN),
    ({"source_identity": "n" * 256}, TAKEN),
    ({"source_identity": "n" * 257}, INVALID),
    ({"session_duration": "899"}, INVALID),
    ({"session_duration": "900"}, TAKEN),
    ({"session_duration": "43200"}, TAKEN),
    ({"session_duration": "43201"}, INVALID),
    ({"session_duration": "0900"}, TAKEN),
    ({"session_duration": "0000900"}, INVALID),
    ({"session_duration": "-900"}, INVALID),
    ({"tags": {f"k{number}": "" for number in range(50)}}, TAKEN),
    ({"tags": {f"k{number}": "" for number in range(51)}}, INVALID),
    ({"tags": {"": "v"}}, INVALID),
    ({"tags": {"k" * 128: "v" * 256}}, TAKEN),
    ({"tags": {"k" * 129: "v"}}, INVALID),
    ({"tags": {"k": "v" * 257}}, INVALID),
]


@pytest.mark.parametrize(("changes", "code"), DIFFERENT)
def test_what_an_assertion_says(world: World, changes: dict[str, object], code: str) -> None:
    """Each value at its limit has one outcome, and no identity if refused."""
    assertion: Assertion = replace(GOOD, **changes)  # type: ignore[arg-type] # the fields of Assertion
    assert outcome(world, world.response(assertion)) == code


@pytest.mark.parametrize(("over", "code"), [(-1, TAKEN), (0, TAKEN), (1, "ValidationError")])
def test_the_length_of_a_response(world: World, over: int, code: str) -> None:
    """The limit is 100,000 characters with white space, before decoding."""
    text = world.response()
    assert outcome(world, text + "\n" * (100_000 + over - len(text))) == code


@pytest.mark.parametrize(("number", "taken"), [(19, True), (20, True), (21, False)])
def test_the_number_of_signing_certificates(number: int, *, taken: bool) -> None:
    """Twenty different certificates are allowed; a repeated one counts once."""
    keys = [make_key_pair("p-256") for _ in range(number)]
    text = SamlIdentityProvider(keys=[*keys, keys[0]]).metadata_xml()
    if taken:
        assert len(parse_metadata(text, now=NOW).signing_keys) == number
        return
    with pytest.raises(InvalidInput, match="more than 20 signing certificates"):
        parse_metadata(text, now=NOW)


@pytest.mark.parametrize(("characters", "taken"), [(9_999_999, True), (10_000_000, True), (10_000_001, False)])
def test_the_length_of_metadata(world: World, characters: int, *, taken: bool) -> None:
    """AWS accepts 10,000,000 characters."""
    text = world.idp.metadata_xml()
    padded = text + "\n" * (characters - len(text))
    if taken:
        assert parse_metadata(padded, now=NOW).entity_id == world.idp.entity_id
        return
    with pytest.raises(InvalidInput, match="1,000 to 10,000,000 characters"):
        parse_metadata(padded, now=NOW)


@pytest.mark.parametrize(("characters", "words"), [(999, "1,000 to 10,000,000"), (1_000, "not an EntityDescriptor")])
def test_metadata_that_is_too_short_is_none(characters: int, words: str) -> None:
    """AWS requires at least a thousand characters."""
    with pytest.raises(InvalidInput, match=words):
        parse_metadata(f"<x>{'y' * (characters - 7)}</x>", now=NOW)


@pytest.mark.parametrize(("length", "taken"), [(1, True), (1_024, True), (1_025, False)])
def test_the_length_of_an_entity_id(length: int, *, taken: bool) -> None:
    """SAML core 8.3.6: 1,024 characters."""
    name = "e" * length
    text = SamlIdentityProvider(name, keys=[make_key_pair("p-256")]).metadata_xml()
    if taken:
        assert parse_metadata(text, now=NOW).entity_id == name
        return
    with pytest.raises(InvalidInput, match=r"longer than 1,024 characters"):
        parse_metadata(text, now=NOW)


# XML ----------------------------------------------------------------------------------------------------------

KINDS = {"response": RESPONSE, "canonical": CANONICAL, "metadata": METADATA}
LIMITS = {
    "response": Limits(75_000, 4_000, 256, 40, 32),
    "canonical": Limits(3_000_000, 8_000, 20_000, 40, 32),
    "metadata": Limits(20_000_000, 200_000, 20_000, 60, 64, comments=True),
}


def test_the_limits_are_those_of_the_documentation() -> None:
    """docs/decisions/0003-saml-signature.md gives the reason for each."""
    assert KINDS == LIMITS


def deep(number: int) -> str:
    """Return nested elements."""
    return "<a>" * number + "</a>" * number


def attributed(number: int) -> str:
    """Return an element with so many attributes."""
    return "<a " + " ".join(f"x{each}=''" for each in range(number)) + "/>"


def marked(number: int) -> str:
    """Return so many tags."""
    return "<a>" + "<b/>" * (number - 2) + "</a>"


def declared(number: int) -> str:
    """Return so many namespace declarations."""
    return "<a>" + '<b xmlns="u"/>' * number + "</a>"


def long(number: int) -> str:
    """Return a document with so many characters."""
    return f"<a>{'x' * (number - 7)}</a>"


@pytest.mark.parametrize("kind", ["response", "canonical"])
@pytest.mark.parametrize(
    ("make", "limit"),
    [(deep, "depth"), (attributed, "attributes"), (marked, "markup"), (declared, "namespaces"), (long, "octets")],
)
def test_a_document_at_its_limit(kind: str, make: object, limit: str) -> None:
    """One more of any of them is refused before it costs time."""
    limits = KINDS[kind]
    if limit == "namespaces" and limits.namespaces > limits.markup:
        return  # the document is too short for so many tags
    most = getattr(limits, limit)
    assert callable(make)
    parse_xml(make(most).encode(), limits)
    with pytest.raises(UnreadableXmlError):
        parse_xml(make(most + 1).encode(), limits)


@pytest.mark.parametrize(("make", "limit"), [(deep, "depth"), (attributed, "attributes")])
def test_metadata_at_its_limit(make: object, limit: str) -> None:
    """The other limits of metadata are high enough for a large federation."""
    most = getattr(METADATA, limit)
    assert callable(make)
    parse_xml(make(most).encode(), METADATA)
    with pytest.raises(UnreadableXmlError):
        parse_xml(make(most + 1).encode(), METADATA)


def test_what_is_cut_out_has_nothing_of_its_surroundings() -> None:
    """A copied element has the namespaces in scope, but no surroundings."""
    outer = etree.fromstring('<a xmlns:p="urn:p"><p:b p:c="1"><d/></p:b>behind</a>')
    cut = cut_out(outer[0])
    assert (cut.tag, cut.tail, cut.getparent(), len(cut)) == ("{urn:p}b", None, None, 1)


# Shapes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["A", "LogoutResponse", "Respons", "Responsf", "Zzz"])
def test_a_message_that_is_no_response(world: World, name: str) -> None:
    """The root must be a Response, not an element with a similar name."""
    root = world.sealed(world.unsigned())
    assert outcome(world, copy.deepcopy(root)) == TAKEN
    root.tag = f"{SAMLP}{name}"
    assert outcome(world, root) == INVALID


@pytest.mark.parametrize("name", ["Advice", "Assertio", "Assertioo", "Zzz"])
def test_an_encrypted_element_that_is_not_an_assertion(world: World, name: str) -> None:
    """A signed element is refused unless it is an Assertion."""
    root = world.unsigned()
    assertion = assertion_of(root)
    assertion.tag = f"{SAML}{name}"
    sign(assertion, world.idp.key)
    root.replace(assertion, encrypt(etree.tostring(assertion, with_tail=False), world.encryption))
    assert outcome(world, root) == INVALID


@pytest.mark.parametrize("place", ["front", "between"])
@pytest.mark.parametrize(
    "path",
    [
        "",
        f"{SAML}Assertion",
        f"{SAML}Assertion/{SAML}Subject",
        f"{SAML}Assertion/{SAML}Conditions",
        f"{SAML}Assertion/{SAML}AttributeStatement",
        f"{SAML}Assertion/{SAML}AuthnStatement",
    ],
)
def test_text_between_elements(world: World, path: str, place: str) -> None:
    """Two parsers could read such text differently, so it is refused, with and without a signature."""
    root = world.unsigned()
    element = child(root, path) if path else root
    if place == "front":
        element.text = "text"
    else:
        element[0].tail = "text"
    if path.endswith("AuthnStatement"):
        assert outcome(world, world.sealed(root)) == TAKEN  # only its attributes are read
        return
    assert outcome(world, world.sealed(root)) == INVALID


def test_the_children_of_an_element_are_counted() -> None:
    """Too few, too many and other children are refused."""
    element = etree.fromstring("<a><b/><b/></a>")
    assert [len(found) for found in sort_children(element, {"b": (2, 2)}).values()] == [2]
    for least, most in ((0, 1), (3, 3)):
        with pytest.raises(Fault):
            sort_children(element, {"b": (least, most)})
    with pytest.raises(Fault):
        sort_children(element, {"c": (0, 9)})


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 2, 1), (1, 2, 0), (2, 1, 0)])
def test_the_parts_of_a_signature_stand_in_their_order(world: World, order: tuple[int, int, int]) -> None:
    """SignedInfo, SignatureValue, KeyInfo must be in the schema's order.

    The signature itself would match in any order.
    """
    root = world.sealed(world.unsigned())
    signature = signature_of(assertion_of(root))
    parts = list(signature)
    assert [part.tag for part in parts] == [f"{DS}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
    for part in parts:
        signature.remove(part)
    signature.extend(parts[at] for at in order)
    assert outcome(world, root) == INVALID


def test_an_elliptic_key_signs_by_its_own_algorithm_alone(world: World) -> None:
    """A signature of an EC key that claims an RSA algorithm is refused.

    It is not tried as another kind of signature.
    """
    idp = SamlIdentityProvider(keys=[make_key_pair("p-256")])
    metadata = parse_metadata(idp.metadata_xml(), now=NOW)
    world = replace(world, idp=idp, trust=replace(world.trust, metadata=metadata))
    honest = Signing(method="ecdsa-sha256")
    assert outcome(world, world.sealed(world.unsigned(), how=honest)) == TAKEN
    for claimed in ("rsa-sha256", "rsa-sha512", "ecdsa-sha384", "hmac-sha256"):
        bent = replace(honest, claimed_method=METHODS[claimed])
        assert outcome(world, world.sealed(world.unsigned(), how=bent)) == INVALID


@pytest.mark.parametrize("cipher", ["aes128-cbc", "aes256-cbc", "aes128-gcm", "aes256-gcm"])
@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 15, 16, 17, 28, 31, 32, 33])
def test_a_ciphertext_of_any_length_is_refused_and_costs_no_exception(world: World, cipher: str, length: int) -> None:
    """The ciphertext is too short, or does not consist of whole blocks."""
    root = world.unsigned()
    sealed = encrypt(b"<a/>", replace(world.encryption, cipher=cipher))
    value = sealed.find(f"{XENC}EncryptedData/{XENC}CipherData/{XENC}CipherValue")
    assert value is not None
    value.text = base64.b64encode(bytes(length)).decode()
    root.replace(assertion_of(root), sealed)
    assert outcome(world, root) == INVALID


def test_a_longer_key_than_the_cipher_s_is_no_key(world: World) -> None:
    """A content key of 32 bytes is refused for AES-128."""
    root = world.sealed(world.unsigned())
    plaintext = etree.tostring(assertion_of(root), with_tail=False)
    for claimed, code in (("aes256-gcm", TAKEN), ("aes128-gcm", INVALID), ("aes192-gcm", INVALID)):
        sealed = encrypt(plaintext, world.encryption)
        method = sealed.find(f"{XENC}EncryptedData/{XENC}EncryptionMethod")
        assert method is not None
        method.set("Algorithm", f"http://www.w3.org/2009/xmlenc11#{claimed}")
        bent = copy.deepcopy(root)
        bent.replace(assertion_of(bent), sealed)
        assert outcome(world, encode(bent)) == code


@pytest.mark.parametrize("more", range(16))
def test_a_padding_of_every_length_is_taken_off(world: World, more: int) -> None:
    """XML Encryption 5.2: one to sixteen bytes; the last one is the length."""
    root = world.sealed(world.unsigned())
    plaintext = etree.tostring(assertion_of(root), with_tail=False) + b" " * more
    root.replace(assertion_of(root), encrypt(plaintext, replace(world.encryption, cipher="aes256-cbc")))
    assert outcome(world, root) == TAKEN


def test_a_signature_elsewhere_is_refused(world: World) -> None:
    """Only the Response and the Assertion may be signed.

    A valid signature of another element is refused too.
    """
    root = world.unsigned()
    extensions = etree.Element(f"{SAMLP}Extensions")
    root.insert(1, extensions)
    policy = etree.SubElement(extensions, f"{SAMLP}NameIDPolicy", ID="_policy")
    assert outcome(world, world.sealed(copy.deepcopy(root))) == TAKEN
    sign(policy, world.idp.key)
    assert outcome(world, world.sealed(root)) == INVALID
