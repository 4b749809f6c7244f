"""Encrypted assertions are decrypted as by AWS, without an oracle."""

import base64
from dataclasses import replace

import pytest
from lxml import etree
from tests.federation.saml.attack import SAML, Attack, Bent, Book, assertion_of, child, forged, run
from tests.federation.saml.conftest import World

from daypass.errors import Fault
from daypass.federation.saml.xml_parser import Limits, parse_xml
from daypass.testing.saml_forge import encrypt, make_key_pair, sign

BOOK = Book()
_XENC = "{http://www.w3.org/2001/04/xmlenc#}"


def _sealed(world: World, plaintext: bytes, **how: object) -> etree._Element:
    """Return an unsigned response whose encrypted assertion is `plaintext`."""
    root = world.unsigned()
    encryption = replace(world.encryption, **how)  # type: ignore[arg-type] # names that only the tests use
    root.replace(assertion_of(root), encrypt(plaintext, encryption))
    return root


def _signed_assertion(world: World) -> bytes:
    root = world.sealed(world.unsigned())
    return etree.tostring(assertion_of(root), with_tail=False)


@BOOK.accepts("enc-control-signed-inside")
def _(world: World, root: etree._Element) -> Bent:
    return world.response(encryption=world.encryption)


@BOOK.accepts("enc-control-cbc")
def _(world: World, root: etree._Element) -> Bent:
    return world.response(encryption=replace(world.encryption, cipher="aes256-cbc"))


@BOOK.accepts("enc-control-both-signed")
def _(world: World, root: etree._Element) -> Bent:
    return world.response(signed="both", encryption=world.encryption)


@BOOK.accepts("enc-key-beside-the-data")
def _(world: World, root: etree._Element) -> Bent:
    return world.response(encryption=replace(world.encryption, key_beside=True))


@BOOK.accepts("enc-declaration-inside")
def _(world: World, root: etree._Element) -> Bent:
    return _sealed(world, b'<?xml version="1.0" encoding="UTF-8"?>\n' + _signed_assertion(world))


@BOOK.rejects("enc-control-response-signed")
def _(world: World, root: etree._Element) -> Bent:
    # AWS requires a signature on the assertion itself; a signature around the ciphertext is not enough.
    return world.response(signed="response", encryption=world.encryption)


@BOOK.rejects("enc-unsigned-forged")
def _(world: World, root: etree._Element) -> Bent:
    return _sealed(world, etree.tostring(forged(assertion_of(root)), with_tail=False))


@BOOK.rejects("enc-forged-before-signed")
def _(world: World, root: etree._Element) -> Bent:
    evil = encrypt(etree.tostring(forged(assertion_of(root)), with_tail=False), world.encryption)
    root.insert(root.index(assertion_of(root)), evil)
    return root


@BOOK.rejects("enc-forged-after-signed")
def _(world: World, root: etree._Element) -> Bent:
    root.append(encrypt(etree.tostring(forged(assertion_of(root)), with_tail=False), world.encryption))
    return root


@BOOK.rejects("enc-signed-by-attacker")
def _(world: World, root: etree._Element) -> Bent:
    evil = forged(assertion_of(root))
    sign(evil, world.attacker)
    return _sealed(world, etree.tostring(evil, with_tail=False))


@BOOK.rejects("enc-swapped-under-response-sig")
def _(world: World, root: etree._Element) -> Bent:
    bent = world.sealed(world.unsigned(), "both")
    evil = encrypt(etree.tostring(forged(assertion_of(root)), with_tail=False), world.encryption)
    bent.replace(assertion_of(bent), evil)
    return bent


@BOOK.rejects("enc-rsa15")
def _(world: World, root: etree._Element) -> Bent:
    return world.response(encryption=replace(world.encryption, transport="rsa15"))


@BOOK.rejects("enc-garbage-plaintext")
def _(world: World, root: etree._Element) -> Bent:
    return _sealed(world, b"\x8f\x00garbage")


@BOOK.rejects("enc-nothing")
def _(world: World, root: etree._Element) -> Bent:
    return _sealed(world, b"")


@BOOK.rejects("enc-dtd-inside")
def _(world: World, root: etree._Element) -> Bent:
    doctype = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    return _sealed(world, doctype + _signed_assertion(world))


@BOOK.rejects("enc-response-inside")
def _(world: World, root: etree._Element) -> Bent:
    return _sealed(world, etree.tostring(root))


@BOOK.rejects("enc-two-assertions-inside")
def _(world: World, root: etree._Element) -> Bent:
    evil = forged(assertion_of(root))
    evil.append(assertion_of(root))
    return _sealed(world, etree.tostring(evil, with_tail=False))


@BOOK.rejects("enc-two-keys")
def _(world: World, root: etree._Element) -> Bent:
    bent = _sealed(world, _signed_assertion(world), key_beside=True)
    inner = _sealed(world, _signed_assertion(world))
    info = next(inner.iter("{http://www.w3.org/2000/09/xmldsig#}KeyInfo"))
    next(bent.iter(f"{_XENC}EncryptedData")).insert(1, info)
    return bent


@BOOK.rejects("enc-cipher-reference")
def _(world: World, root: etree._Element) -> Bent:
    bent = _sealed(world, _signed_assertion(world))
    data = child(next(bent.iter(f"{_XENC}EncryptedData")), f"{_XENC}CipherData")
    data.clear()
    etree.SubElement(data, f"{_XENC}CipherReference").set("URI", "file:///etc/passwd")
    return bent


@BOOK.rejects("enc-unknown-cipher")
def _(world: World, root: etree._Element) -> Bent:
    bent = _sealed(world, _signed_assertion(world))
    method = child(next(bent.iter(f"{_XENC}EncryptedData")), f"{_XENC}EncryptionMethod")
    method.set("Algorithm", "http://www.w3.org/2001/04/xmlenc#tripledes-cbc")
    return bent


@BOOK.rejects("enc-signature-beside")
def _(world: World, root: etree._Element) -> Bent:
    bent = _sealed(world, etree.tostring(forged(assertion_of(root)), with_tail=False))
    signature = child(assertion_of(root), "{http://www.w3.org/2000/09/xmldsig#}Signature")
    child(bent, f"{SAML}EncryptedAssertion").append(signature)
    return bent


@BOOK.parametrize()
def test_encrypted(world: World, attack: Attack) -> None:
    """Encryption decides who can read; only the signature proves the author."""
    run(world, attack)


@pytest.mark.parametrize("cipher", [f"aes{bits}-{mode}" for bits in (128, 192, 256) for mode in ("gcm", "cbc")])
@pytest.mark.parametrize(
    ("transport", "digest"), [("oaep", "sha1"), ("oaep", "sha256"), ("oaep11", "sha256"), ("oaep11", "sha512")]
)
def test_every_listed_cipher_opens(world: World, cipher: str, transport: str, digest: str) -> None:
    """AES in GCM and CBC, keys wrapped by either form of OAEP."""
    how = replace(world.encryption, cipher=cipher, transport=transport, digest=digest)
    assert world.judge(world.response(encryption=how)).subject == "alice@example.org"


def test_either_of_two_private_keys_opens(world: World) -> None:
    """A provider has two keys during a rotation."""
    other = make_key_pair()
    keys = (other.private, *world.trust.decryption_keys)
    response = world.response(encryption=world.encryption)
    assert world.judge(response, decryption_keys=keys).subject == "alice@example.org"
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(response, decryption_keys=(other.private,))
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(response, decryption_keys=())


def test_a_provider_may_require_encryption(world: World) -> None:
    """Required refuses plain assertions; Allowed accepts both."""
    assert world.judge(world.response(encryption=world.encryption), require_encryption=True).subject
    with pytest.raises(Fault, match="Invalid base64 SAMLResponse"):
        world.judge(world.response(), require_encryption=True)


@pytest.mark.parametrize("cipher", ["aes128-cbc", "aes256-gcm"])
def test_every_failure_looks_the_same(world: World, cipher: str) -> None:
    """All failures have one answer, or the plaintext could be guessed.

    The failures are a bad key, bad padding, bad XML, no signature and a bad signature.
    """
    honest = _sealed(world, _signed_assertion(world), cipher=cipher)
    wrong_key = replace(world.encryption, to=make_key_pair().certificate.public_key())  # type: ignore[arg-type] # RSA
    spoiled = [_flipped(honest, position) for position in (0, 15, 16, 40, -1, -17)]
    elsewhere = world.unsigned()
    elsewhere.replace(assertion_of(elsewhere), encrypt(_signed_assertion(world), wrong_key))
    unsigned = etree.tostring(assertion_of(world.unsigned()), with_tail=False)
    evil = forged(assertion_of(world.unsigned()))
    sign(evil, world.attacker)
    changed = _signed_assertion(world).replace(b"alice", b"mallo")
    inside = [
        b"",
        b"<",
        b"\xff",
        b"<a/>",
        b"<!DOCTYPE a><a/>",
        unsigned,
        etree.tostring(evil, with_tail=False),
        changed,
    ]
    answers = set()
    other_ways = [_spoiled(honest, *how) for how in _SPOILED]
    for response in [*spoiled, elsewhere, *other_ways, *(_sealed(world, text, cipher=cipher) for text in inside)]:
        with pytest.raises(Fault) as refused:
            world.judge(response)
        answers.add((refused.value.code, refused.value.message, refused.value.detail))
    [(code, message, detail)] = answers
    assert (code, message) == ("InvalidIdentityToken", "Response signature invalid")
    assert "padded" not in detail


_SPOILED = [
    ("EncryptedData", "EncryptionMethod", "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
    ("EncryptedData", "EncryptionMethod", ""),
    ("EncryptedKey", "EncryptionMethod", "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
    ("EncryptedData", "CipherData/{http://www.w3.org/2001/04/xmlenc#}CipherValue", "@@"),
    ("EncryptedData", "CipherData/{http://www.w3.org/2001/04/xmlenc#}CipherValue", "AAAA"),
    ("EncryptedData", "CipherData/{http://www.w3.org/2001/04/xmlenc#}CipherValue", "A" * 64),
    ("EncryptedKey", "CipherData/{http://www.w3.org/2001/04/xmlenc#}CipherValue", "A" * 4),
    ("EncryptedKey", "CipherData/{http://www.w3.org/2001/04/xmlenc#}CipherValue", "A" * 344),
]


def _spoiled(root: etree._Element, owner: str, path: str, value: str) -> etree._Element:
    """Return a response with another algorithm or another cipher value."""
    copied = etree.fromstring(etree.tostring(root))
    found = child(next(copied.iter(f"{_XENC}{owner}")), f"{_XENC}{path}")
    if path == "EncryptionMethod":
        found.set("Algorithm", value)
    else:
        found.text = value
    return copied


@pytest.mark.parametrize("cipher", ["aes128-cbc", "aes256-cbc"])
def test_bad_padding_costs_what_bad_xml_costs(world: World, cipher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valid and invalid padding lead through the same steps.

    The content is parsed once for every last byte.
    """
    parsed: list[int] = []

    def counted(document: bytes, limits: Limits) -> etree._Element:
        parsed.append(len(document))
        return parse_xml(document, limits)

    monkeypatch.setattr("daypass.federation.saml.encryption.parse_xml", counted)
    honest = _sealed(world, b"\x8f" * 64, cipher=cipher)
    for change in range(1, 256, 7):
        parsed.clear()
        with pytest.raises(Fault, match="Response signature invalid"):
            world.judge(_flipped(honest, -17, change))
        assert len(parsed) == 1


def _flipped(root: etree._Element, position: int, change: int = 0x55) -> etree._Element:
    copied = etree.fromstring(etree.tostring(root))
    value = child(next(copied.iter(f"{_XENC}EncryptedData")), f"{_XENC}CipherData/{_XENC}CipherValue")
    octets = bytearray(base64.b64decode(str(value.text)))
    octets[position] ^= change
    value.text = base64.b64encode(octets).decode()
    return copied
