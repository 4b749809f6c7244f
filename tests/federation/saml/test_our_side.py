"""Our own metadata, and the keys to which providers encrypt."""

import base64

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from lxml import etree
from tests.federation.saml.conftest import OUR_URL, World

from daypass.errors import InvalidInput
from daypass.federation.saml.private_key import parse_private_key
from daypass.federation.saml.requests.service_provider import describe_service_provider
from daypass.testing.saml_forge import KeyPair, make_key_pair

_MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"


def _pem(key: KeyPair, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def test_our_metadata_names_us_and_asks_for_what_we_check() -> None:
    """It has entity ID, addresses, keys, and the required attributes.

    It also requests signed assertions.
    """
    document = describe_service_provider(
        entity_id="https://sts.example.net/a&b", consumers=[OUR_URL, "https://other/x"], certificates=[b"one", b"two"]
    )
    root = etree.fromstring(document.encode())
    assert root.get("entityID") == "https://sts.example.net/a&b"
    role = root.find(f"{_MD}SPSSODescriptor")
    assert role is not None
    assert role.get("WantAssertionsSigned") == "true"
    assert role.get("AuthnRequestsSigned") == "true"
    keys = role.findall(f"{_MD}KeyDescriptor")
    assert list(role)[:3] == keys  # the schema requires them first
    assert [key.get("use") for key in keys] == ["signing", "signing", "signing"]
    assert [base64.b64decode("".join(str(text) for text in key.itertext())) for key in keys] == [b"one", b"two", b"one"]
    services = role.findall(f"{_MD}AssertionConsumerService")
    assert [(each.get("Location"), each.get("isDefault")) for each in services] == [
        (OUR_URL, "true"),
        ("https://other/x", None),
    ]
    wanted = {each.get("FriendlyName") for each in role.iter(f"{_MD}RequestedAttribute")}
    assert wanted == {"Role", "RoleSessionName"}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_in_either_form_opens_assertions(world: World, form: PrivateFormat) -> None:
    """PKCS#8, and the older form that openssl wrote for years."""
    key = parse_private_key(_pem(world.recipient_key, form))
    assert world.judge(world.response(encryption=world.encryption), decryption_keys=(key,)).subject


def test_a_key_that_opens_nothing_is_refused(world: World) -> None:
    """Unusable keys are refused with AWS's message.

    They are not PEM, have a passphrase, are weak, not RSA, a certificate, or much too long.
    """
    locked = world.attacker.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    bad = [
        "",
        "\ud800",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        locked.decode(),
        world.attacker.certificate.public_bytes(Encoding.PEM).decode(),
        _pem(make_key_pair("p-256")),
        _pem(make_key_pair("rsa-1024")),
        "x" * 20_000,
    ]
    for pem in bad:
        with pytest.raises(InvalidInput, match="Invalid private key") as refused:
            parse_private_key(pem)
        assert refused.value.detail
