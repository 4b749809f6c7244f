"""Compare our signature check with another implementation.

The messages are honest, manipulated, or random.
"""

import base64
import random

import pytest
import signxml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.federation.saml.attack import SAML, assertion_of
from tests.federation.saml.conftest import GOOD, World

from daypass.errors import Fault
from daypass.testing.saml import decode, encode
from daypass.testing.saml_forge import Signing

_CODES = {"InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim", "ValidationError"}


def _other_verifier_takes(world: World, assertion: etree._Element) -> str:
    """Return the subject that signxml verifies, or raise."""
    alone = etree.fromstring(etree.tostring(assertion, with_tail=False))
    result = signxml.XMLVerifier().verify(
        alone, x509_cert=world.idp.key.certificate, expect_config=signxml.SignatureConfiguration(location="./")
    )
    subject = result.signed_xml.find(f"{SAML}Subject/{SAML}NameID")
    return str(subject.text)


@pytest.mark.parametrize("method", ["rsa-sha256", "rsa-sha384", "rsa-sha512"])
@pytest.mark.parametrize("prefixes", ["", "xs saml"])
def test_what_we_take_another_verifier_takes(world: World, method: str, prefixes: str) -> None:
    """Another implementation verifies our accepted responses.

    It returns the same subject.
    """
    response = world.response(how=Signing(method=method, digest=method[4:], prefixes=prefixes))
    assert _other_verifier_takes(world, assertion_of(decode(response))) == world.judge(response).subject


def test_we_take_what_another_signer_signed(world: World) -> None:
    """Daypass accepts responses that another implementation signed."""
    root = world.unsigned()
    assertion = assertion_of(root)
    signer = signxml.XMLSigner(c14n_algorithm=signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    signed = signer.sign(
        etree.fromstring(etree.tostring(assertion, with_tail=False)),
        key=world.idp.key.private,
        cert=[world.idp.key.certificate],
        reference_uri=assertion.get("ID"),
    )
    root.replace(assertion, signed)
    assert world.judge(root).subject == "alice@example.org"


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_is_taken_that_was_not_signed(world: World, seed: int) -> None:
    """A manipulated message is refused, or gives the signed identity.

    A refusal has a known code.
    """
    dice = random.Random(seed)  # noqa: S311 - test data
    genuine = world.response(signed=dice.choice(["assertion", "both"]))
    bent = _bend(decode(genuine), dice)
    try:
        identity = world.judge(bent)
    except Fault as fault:
        assert fault.code in _CODES  # noqa: PT017 - either outcome is right
        return
    control = world.judge(genuine)
    assert (identity.subject, identity.roles, identity.session_name) == (
        control.subject,
        control.roles,
        control.session_name,
    )


def _bend(root: etree._Element, dice: random.Random) -> bytes:
    """Move, copy, drop, rename or rewrite elements at random.

    Sometimes bytes are changed too.
    """
    for _ in range(dice.randint(1, 3)):
        elements = [element for element in root.iter() if element is not root]
        one, other = dice.choice(elements), dice.choice([root, *elements])
        match dice.randrange(6):
            case 0 if other not in list(one.iter()):
                other.append(one)
            case 1 if (parent := one.getparent()) is not None:
                parent.remove(one)
            case 2:
                other.insert(0, etree.fromstring(etree.tostring(one, with_tail=False)))
            case 3:
                one.text = dice.choice(["mallory", "", "urn:amazon:webservices", str(other.text)])
            case 4 if one.attrib:
                one.set(dice.choice([str(name) for name in one.attrib]), dice.choice(["x", "", "_forged"]))
            case _:
                one.tag = dice.choice([str(other.tag), "{urn:x}y"])
    octets = bytearray(etree.tostring(root))
    for _ in range(dice.randrange(3)):
        octets[dice.randrange(len(octets))] = dice.randrange(256)
    return bytes(octets)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda raw: base64.b64encode(raw).decode())))
@example("")
@example("\ud800")
@example("=" * 100)
@example("PD94bWwgdmVyc2lvbj0iMS4wIj8+")
def test_any_text_is_refused_in_awss_shape(world: World, text: str) -> None:
    """No other exception is raised."""
    with pytest.raises(Fault) as refused:
        world.judge(text)
    assert refused.value.code in _CODES


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="<>/=\"' samlp:ReonAti&;#x![CDATA]-?\n", max_size=400))
def test_any_markup_is_refused_in_awss_shape(world: World, text: str) -> None:
    """Markup is refused without other exceptions.

    It is tested alone and inside a response.
    """
    root = etree.tostring(world.unsigned(GOOD), encoding="unicode")
    for document in (text, root.replace("alice@example.org", text), root.replace("</saml:Subject>", text)):
        try:
            world.judge(encode(document.encode("utf-8", "surrogatepass")))
        except Fault as fault:
            assert fault.code in _CODES  # noqa: PT017 - unsigned: it can only be refused
        else:
            pytest.fail("an unsigned response was taken")
