"""Responses that real identity providers sent to this server.

They were recorded without their signatures and are signed again. The files in `shapes` are named after provider and
version. Times, names and addresses are ours.
"""

from datetime import timedelta
from pathlib import Path
from string import Template

import pytest
from lxml import etree
from tests.federation.saml.attack import SAML, child
from tests.federation.saml.conftest import NOW, PROVIDER, ROLE, World

from daypass.errors import Fault
from daypass.testing.saml import encode, instant
from daypass.testing.saml_forge import sign

SHAPES = {path.stem: path.read_text(encoding="utf-8") for path in Path(__file__).with_name("shapes").glob("*.xml")}
# The elements that each provider signed, with its defaults or with its manual's example.
SIGNED = {
    "lemonldap-ng-2.16.1": ("assertion", "response"),
    "pysaml2-7.5.5": ("assertion", "response"),
    "saml-idp-1.2.1": ("assertion", "response"),
    "samlify-2.13.1": ("assertion",),
    "simplesamlphp-1.19.7": ("assertion", "response"),
}


def response(shape: str, *, name: str = "alice@example.org", asked: str = "_asked") -> etree._Element:
    """Return a current response of a provider, unsigned."""
    end = NOW + timedelta(minutes=5)
    text = Template(SHAPES[shape]).substitute(
        idp="https://idp.example.org",
        acs="https://signin.aws.amazon.com/saml",
        audience="urn:amazon:webservices",
        role=ROLE,
        provider=PROVIDER,
        name=name,
        now=instant(NOW),
        milli=f"{NOW:%Y-%m-%dT%H:%M:%S}.123Z",
        end=instant(end),
        end_milli=f"{end:%Y-%m-%dT%H:%M:%S}.123Z",
        later=instant(NOW + timedelta(hours=8)),
    )
    return etree.fromstring(text.replace('InResponseTo="_asked"', f'InResponseTo="{asked}"').encode())


def seal(root: etree._Element, world: World, shape: str) -> None:
    """Sign as the provider does. Pysaml2 adds an Id to its signatures."""
    for number, what in enumerate(SIGNED[shape], 1):
        signature = sign(child(root, f"{SAML}Assertion") if what == "assertion" else root, world.idp.key)
        if shape.startswith("pysaml2"):
            signature.set("Id", f"Signature{number}")


def test_each_provider_has_its_shape() -> None:
    """Each file is tested by one provider."""
    assert set(SHAPES) == set(SIGNED)


@pytest.mark.parametrize("shape", SIGNED)
def test_a_provider_s_response_is_taken(world: World, shape: str) -> None:
    """Each response gives the same identity; in_response_to is kept."""
    root = response(shape)
    seal(root, world, shape)
    identity = world.judge(root)
    assert identity.session_name == "alice@example.org"
    assert [(pair.role, pair.provider) for pair in identity.roles] == [(ROLE, PROVIDER)]


@pytest.mark.parametrize("shape", SIGNED)
def test_a_provider_s_response_is_refused_once_touched(world: World, shape: str) -> None:
    """The signature does not match if one letter of the name is changed."""
    root = response(shape)
    seal(root, world, shape)
    value = next(each for each in root.iter(f"{SAML}AttributeValue") if each.text == "alice@example.org")
    value.text = "alicf@example.org"
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(root)


@pytest.mark.parametrize("shape", SIGNED)
def test_a_provider_s_response_survives_encryption(world: World, shape: str) -> None:
    """Namespaces that were declared outside the assertion are kept."""
    root = response(shape)
    world.idp.seal(root, signed="both" if len(SIGNED[shape]) > 1 else "assertion", encryption=world.encryption)
    assert world.judge(encode(root)).session_name == "alice@example.org"


def test_an_empty_in_response_to_answers_nobody(world: World) -> None:
    """Samlify writes an empty attribute if the sign-in began at the provider."""
    root = response("samlify-2.13.1", asked="")
    seal(root, world, "samlify-2.13.1")
    assert not world.judge(root).in_response_to
