"""Signatures that are forged, weakened, confused or truncated."""

import base64
import copy
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree
from tests.federation.saml.attack import (
    DS,
    EVIL,
    SAML,
    Attack,
    Bent,
    Book,
    Verdict,
    assertion_of,
    child,
    forged,
    run,
    signature_of,
)
from tests.federation.saml.conftest import GOOD, NOW, World

from daypass.errors import Fault
from daypass.federation.saml.metadata import parse_metadata
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import DS as DS_NAME
from daypass.testing.saml_forge import (
    ENVELOPED,
    EXCLUSIVE,
    Signing,
    digest_of,
    make_key_pair,
    sign,
    signed_info,
)

BOOK = Book()
_KEY_INFO = f'<ds:KeyInfo xmlns:ds="{DS_NAME}">%s</ds:KeyInfo>'
_X509 = "<ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data>"
_HREF = "http://127.0.0.1:9/key"


def _evil(world: World, how: Signing, *, by_attacker: bool = True) -> etree._Element:
    """Return a response with a forged assertion, signed as requested."""
    root = world.unsigned()
    child(assertion_of(root), f"{SAML}Subject/{SAML}NameID").text = EVIL
    sign(assertion_of(root), world.attacker if by_attacker else world.idp.key, how)
    return root


def _genuine(world: World, how: Signing) -> etree._Element:
    """Return a response with the right subject, signed by the provider as `how` says."""
    return world.sealed(world.unsigned(), how=how)


# The controls ----------------------------------------------------------------------------------------------


@BOOK.accepts("control-base")
def _(world: World, root: etree._Element) -> Bent:
    return root


@BOOK.accepts("control-resigned")
def _(world: World, root: etree._Element) -> Bent:
    assertion = assertion_of(root)
    assertion.remove(signature_of(assertion))
    sign(assertion, world.idp.key)
    return root


@BOOK.accepts("control-signed-both")
def _(world: World, root: etree._Element) -> Bent:
    return world.sealed(world.unsigned(), "both")


@BOOK.accepts("control-signed-assertion-only")
@BOOK.accepts("unsigned-response-signed-assertion")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing())


@BOOK.accepts("signature-at-the-end")
def _(world: World, root: etree._Element) -> Bent:
    # Some signers append the signature, not insert it after the Issuer.
    return _genuine(world, Signing(after=""))


@BOOK.accepts("prefix-list")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(prefixes="xs xsi saml"))


# The value and its elements -------------------------------------------------------------------------------


@BOOK.rejects("sigvalue-altered")
def _(world: World, root: etree._Element) -> Bent:
    value = child(assertion_of(root), f"{DS}Signature/{DS}SignatureValue")
    octets = bytearray(base64.b64decode(str(value.text)))
    octets[7] ^= 1
    value.text = base64.b64encode(octets).decode()
    return root


@BOOK.rejects("sigvalue-empty")
def _(world: World, root: etree._Element) -> Bent:
    child(assertion_of(root), f"{DS}Signature/{DS}SignatureValue").text = ""
    return root


@BOOK.rejects("sigvalue-not-base64")
def _(world: World, root: etree._Element) -> Bent:
    child(assertion_of(root), f"{DS}Signature/{DS}SignatureValue").text = "!!!!"
    return root


@BOOK.rejects("sig-empty-element")
def _(world: World, root: etree._Element) -> Bent:
    signature = signature_of(assertion_of(root))
    for part in list(signature):
        signature.remove(part)
    return root


@BOOK.rejects("signedinfo-missing")
def _(world: World, root: etree._Element) -> Bent:
    signature = signature_of(assertion_of(root))
    signature.remove(child(signature, f"{DS}SignedInfo"))
    return root


@BOOK.rejects("cve-2025-29774-two-signedinfo")
def _(world: World, root: etree._Element) -> Bent:
    signature = signature_of(assertion_of(root))
    second = copy.deepcopy(child(signature, f"{DS}SignedInfo"))
    child(second, f"{DS}Reference/{DS}DigestValue").text = digest_of(forged(assertion_of(root)))
    signature.insert(0, second)
    return root


@BOOK.rejects("cve-2024-45409-two-digests")
def _(world: World, root: etree._Element) -> Bent:
    reference = child(assertion_of(root), f"{DS}Signature/{DS}SignedInfo/{DS}Reference")
    second = copy.deepcopy(child(reference, f"{DS}DigestValue"))
    second.text = digest_of(forged(assertion_of(root)))
    reference.insert(2, second)
    return root


@BOOK.rejects("cve-2025-29775-digest-comment")
def _(world: World, root: etree._Element) -> Bent:
    digest = child(assertion_of(root), f"{DS}Signature/{DS}SignedInfo/{DS}Reference/{DS}DigestValue")
    comment = etree.Comment(digest_of(forged(assertion_of(root), identifier=None)))
    comment.tail, digest.text = digest.text, None
    digest.append(comment)
    return root


@BOOK.rejects("cve-2025-29775-digest-split")
def _(world: World, root: etree._Element) -> Bent:
    digest = child(assertion_of(root), f"{DS}Signature/{DS}SignedInfo/{DS}Reference/{DS}DigestValue")
    comment = etree.Comment("x")
    comment.tail = digest.text
    digest.text = digest_of(forged(assertion_of(root), identifier=None))
    digest.append(comment)
    return root


@BOOK.rejects("digest-of-another-element")
def _(world: World, root: etree._Element) -> Bent:
    return _evil(world, Signing(covered=assertion_of(root)), by_attacker=False)


# Keys ------------------------------------------------------------------------------------------------------


@BOOK.rejects("key-untrusted-keyvalue")
def _(world: World, root: etree._Element) -> Bent:
    return _evil(world, Signing(key_info=_KEY_INFO % _rsa_key_value(world)))


@BOOK.rejects("key-untrusted-both-kv-cert")
def _(world: World, root: etree._Element) -> Bent:
    shown = _rsa_key_value(world) + _X509 % world.idp.key.encoded
    return _evil(world, Signing(key_info=_KEY_INFO % shown))


@BOOK.rejects("key-untrusted-own-cert-shown")
def _(world: World, root: etree._Element) -> Bent:
    return _evil(world, Signing())


@BOOK.rejects("key-untrusted-trusted-cert-shown")
def _(world: World, root: etree._Element) -> Bent:
    return _evil(world, Signing(key_info=_KEY_INFO % (_X509 % world.idp.key.encoded)))


@BOOK.rejects("key-untrusted-cert-list2")
def _(world: World, root: etree._Element) -> Bent:
    both = f"{world.attacker.encoded}</ds:X509Certificate><ds:X509Certificate>{world.idp.key.encoded}"
    return _evil(world, Signing(key_info=_KEY_INFO % (_X509 % both)))


@BOOK.accepts("key-no-keyinfo")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(key_info=""))


@BOOK.rejects("key-no-keyinfo-untrusted")
def _(world: World, root: etree._Element) -> Bent:
    return _evil(world, Signing(key_info=""))


@BOOK.accepts("key-name-of-keycloak")
def _(world: World, root: etree._Element) -> Bent:
    name = "<ds:KeyName>FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE</ds:KeyName>"
    return _genuine(world, Signing(key_info=_KEY_INFO % name))


# A KeyInfo with a reference to an external key is refused, even beside a genuine signature.
@BOOK.rejects("key-keyname")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(key_info=_KEY_INFO % "<ds:KeyName>../../etc/passwd</ds:KeyName>"))


@BOOK.rejects("key-retrieval-file")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(key_info=_KEY_INFO % '<ds:RetrievalMethod URI="file:///etc/passwd"/>'))


@BOOK.rejects("key-retrieval-http")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(key_info=_KEY_INFO % f'<ds:RetrievalMethod URI="{_HREF}"/>'))


# HMAC: the public key as a secret --------------------------------------------------------------------------


def _public_materials(world: World) -> dict[str, bytes]:
    certificate = world.idp.key.certificate
    public = certificate.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "hmac-spki-pem": pem,
        "hmac-spki-der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "hmac-cert-pem": certificate.public_bytes(Encoding.PEM),
        "hmac-cert-der": certificate.public_bytes(Encoding.DER),
        "hmac-spki-pem-strip": pem.strip(),
        "hmac-empty": b"",
    }


@pytest.mark.parametrize(
    "name",
    ["hmac-spki-pem", "hmac-spki-der", "hmac-cert-pem", "hmac-cert-der", "hmac-spki-pem-strip", "hmac-empty"],
)
@pytest.mark.parametrize("method", ["hmac-sha256", "hmac-sha1"])
def test_a_public_key_is_no_secret(world: World, name: str, method: str) -> None:
    """An HMAC whose key is the public key is refused.

    The list of methods does not contain an HMAC.
    """
    how = Signing(method=method, secret=_public_materials(world)[name], key_info="")
    run(world, Attack(name, Verdict.REJECT, lambda world, _: _evil(world, how), "InvalidIdentityToken"))


@pytest.mark.parametrize("bits", ["0", "8"], ids=["hmac-trunc-0", "hmac-trunc-8"])
def test_an_hmac_cannot_be_cut_short(world: World, bits: str) -> None:
    """HMACOutputLength made an empty signature valid (CVE-2009-0217)."""
    length = f"<ds:HMACOutputLength>{bits}</ds:HMACOutputLength>"
    how = Signing(method="hmac-sha256", method_content=length, key_info="")
    run(world, Attack(bits, Verdict.REJECT, lambda world, _: _evil(world, how), "InvalidIdentityToken"))


# Algorithms ------------------------------------------------------------------------------------------------

_BY_METHOD = {
    "alg-rsa-sha1-digest-sha1": ("rsa-sha1", "sha1", "reject"),
    "alg-rsa-sha256-digest-sha1": ("rsa-sha256", "sha1", "reject"),
    "alg-rsa-sha1-digest-sha256": ("rsa-sha1", "sha256", "reject"),
    "alg-rsa-md5-digest-md5": ("rsa-md5", "md5", "reject"),
    "alg-rsa-sha256-digest-md5": ("rsa-sha256", "md5", "reject"),
    "alg-rsa-sha224-digest-sha224": ("rsa-sha224", "sha224", "reject"),
    "alg-rsa-sha384-digest-sha384": ("rsa-sha384", "sha384", "accept"),
    "alg-rsa-sha512-digest-sha512": ("rsa-sha512", "sha512", "accept"),
    "alg-rsa-pss-sha256-digest-sha256": ("rsa-pss-sha256", "sha256", "reject"),
}


@pytest.mark.parametrize("name", _BY_METHOD)
def test_only_listed_algorithms_count(world: World, name: str) -> None:
    """The provider's own signature by an unlisted algorithm is refused."""
    method, digest, outcome = _BY_METHOD[name]
    verdict = Verdict.REJECT if outcome == "reject" else Verdict.ACCEPT
    how = Signing(method=method, digest=digest)
    run(world, Attack(name, verdict, lambda world, _: _genuine(world, how), "InvalidIdentityToken"))


@pytest.mark.parametrize("method", ["rsa-sha1", "rsa-sha256"])
def test_sha1_counts_where_the_operator_allows_it(world: World, method: str) -> None:
    """An operator may allow SHA-1 for an old provider, and only that."""
    response = world.response(how=Signing(method=method, digest="sha1"))
    assert world.judge(response, allow_sha1=True).subject == "alice@example.org"


def test_md5_counts_for_nobody(world: World) -> None:
    """Allowing SHA-1 does not allow weaker algorithms."""
    response = world.response(how=Signing(method="rsa-md5", digest="md5"))
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(response, allow_sha1=True)


@pytest.mark.parametrize("kind", ["p-256", "p-384", "p-521"])
def test_ecdsa_is_verified_on_each_curve(world: World, kind: str) -> None:
    """Signatures of elliptic curve keys are verified on each curve.

    A bad signature is refused.
    """
    idp = SamlIdentityProvider(world.idp.entity_id, keys=[make_key_pair(kind)])
    metadata = parse_metadata(idp.metadata_xml(), now=NOW)
    here = replace(world, idp=idp, trust=replace(world.trust, metadata=metadata))
    how = Signing(method=f"ecdsa-sha{'512' if kind == 'p-521' else kind[2:]}")
    root = idp.unsigned_response(GOOD, now=NOW)
    idp.seal(root, signed="assertion", how=how)
    assert here.judge(root).subject == "alice@example.org"
    value = child(assertion_of(root), f"{DS}Signature/{DS}SignatureValue")
    for psychic in (bytes(64), b"\x00" * 132, base64.b64decode(str(value.text))[:-1]):
        value.text = base64.b64encode(psychic).decode()
        with pytest.raises(Fault, match="Response signature invalid"):
            here.judge(root)


@BOOK.rejects("alg-none")
def _(world: World, root: etree._Element) -> Bent:
    bent = _evil(world, Signing(claimed_method=f"{DS_NAME}none"))
    child(assertion_of(bent), f"{DS}Signature/{DS}SignatureValue").text = ""
    return bent


@BOOK.rejects("alg-mismatch-method")
def _(world: World, root: etree._Element) -> Bent:
    method = child(assertion_of(root), f"{DS}Signature/{DS}SignedInfo/{DS}SignatureMethod")
    method.set("Algorithm", f"{DS_NAME}rsa-sha1")
    return root


@BOOK.rejects("alg-dsa")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(claimed_method="http://www.w3.org/2009/xmldsig11#dsa-sha256"))


@BOOK.rejects("alg-ecdsa")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(claimed_method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"))


@BOOK.rejects("c14n-unknown")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(canonicalization="urn:example:c14n"))


@BOOK.accepts("c14n-withcomments")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(canonicalization=f"{EXCLUSIVE}WithComments"))


@BOOK.accepts("transform-withcomments")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=(ENVELOPED, f"{EXCLUSIVE}WithComments")))


@BOOK.accepts("both-withcomments")
def _(world: World, root: etree._Element) -> Bent:
    how = Signing(canonicalization=f"{EXCLUSIVE}WithComments", transforms=(ENVELOPED, f"{EXCLUSIVE}WithComments"))
    return _genuine(world, how)


@BOOK.rejects("withcomments-inclusive")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(canonicalization="http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"))


@BOOK.rejects("withcomments-other-fragment")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=(ENVELOPED, f"{EXCLUSIVE}withcomments")))


@BOOK.rejects("withcomments-comment-in-the-subject")
def _(world: World, root: etree._Element) -> Bent:
    # The digest covers the comment, which splits the value for some readers.
    return _commented(world, "alice@example.org<!---->.evil.example")


@BOOK.rejects("withcomments-comment-around")
def _(world: World, root: etree._Element) -> Bent:
    return _commented(world, "alice@example.org", "<!-- outside values -->")


def _commented(world: World, name: str, around: str = "") -> bytes:
    """Return a response that the provider signed with comments, and with a digest that covers them."""
    marker = "NAME-TO-REPLACE"
    root = world.unsigned(replace(GOOD, name_id=marker))
    text = etree.tostring(root).replace(f">{marker}<".encode(), f">{name}<".encode())
    text = text.replace(b"</saml:Assertion>", around.encode() + b"</saml:Assertion>")
    root = etree.fromstring(text)
    assertion = assertion_of(root)
    octets = etree.tostring(
        etree.fromstring(etree.tostring(assertion, with_tail=False)), method="c14n", exclusive=True, with_comments=True
    )
    how = Signing(canonicalization=f"{EXCLUSIVE}WithComments", transforms=(ENVELOPED, f"{EXCLUSIVE}WithComments"))
    digest = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    how = replace(how, signed_info=signed_info(f"#{assertion.get('ID')}", digest, how))
    return etree.tostring(world.sealed(root, how=how))


@BOOK.rejects("c14n-inclusive")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(canonicalization="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"))


# Transforms ------------------------------------------------------------------------------------------------

_XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
_XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
_FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"
_STYLE = (
    '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0">'
    '<xsl:template match="/">%s</xsl:template></xsl:stylesheet>'
)
_TRANSFORMS = {
    "transform-xslt-file": (_XSLT, _STYLE % "<xsl:copy-of select=\"document('file:///etc/passwd')\"/>"),
    "transform-xslt-http": (_XSLT, _STYLE % f"<xsl:copy-of select=\"document('{_HREF}')\"/>"),
    "transform-xslt-loop": (_XSLT, _STYLE % '<xsl:apply-templates select="/"/>'),
    "transform-xpath-attacker": (_XPATH, "<ds:XPath>true()</ds:XPath>"),
    "transform-xpath-dos": (_XPATH, "<ds:XPath>count(//*//*//*//*//*//*//*//*) &gt; 0</ds:XPath>"),
    "transform-xpath-nothing": (_XPATH, "<ds:XPath>false()</ds:XPath>"),
    "transform-filter2-subject": (
        _FILTER2,
        f"<f:XPath xmlns:f='{_FILTER2}' Filter='subtract'>//*[local-name()='Subject']</f:XPath>",
    ),
    "transform-base64": (f"{DS_NAME}base64", ""),
}


@pytest.mark.parametrize("name", _TRANSFORMS)
@pytest.mark.parametrize("place", ["instead", "between", "after"])
@pytest.mark.parametrize("signer", ["attacker", "provider"])
def test_only_two_transforms_are_done(world: World, name: str, place: str, signer: str) -> None:
    """Other transforms are refused before they are evaluated.

    This is true for every signer.
    """
    algorithm, content = _TRANSFORMS[name]
    chain = {
        "instead": (ENVELOPED, algorithm),
        "between": (ENVELOPED, algorithm, EXCLUSIVE),
        "after": (ENVELOPED, EXCLUSIVE, algorithm),
    }[place]
    how = Signing(transforms=chain, transform_content=content)

    def bend(world: World, _: etree._Element) -> Bent:
        return _evil(world, how, by_attacker=signer == "attacker")

    run(world, Attack(name, Verdict.REJECT, bend, "InvalidIdentityToken"))


@BOOK.rejects("transform-withcomments-after")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=(ENVELOPED, EXCLUSIVE, f"{EXCLUSIVE}WithComments")))


@BOOK.rejects("transform-many")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=(ENVELOPED, *[EXCLUSIVE] * 100)))


@BOOK.rejects("transform-no-enveloped")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=(EXCLUSIVE,)))


@BOOK.rejects("transform-none")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=()))


@BOOK.rejects("transform-order")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(transforms=(EXCLUSIVE, ENVELOPED)))


@BOOK.rejects("prefix-list-endless")
def _(world: World, root: etree._Element) -> Bent:
    return _genuine(world, Signing(prefixes=" ".join(f"p{number}" for number in range(1000))))


# References ------------------------------------------------------------------------------------------------

_REFERENCES = {
    "ref-empty-uri": "",
    "ref-xpointer": "#xpointer(id('%s'))",
    "ref-file": "file:///etc/passwd",
    "ref-http": _HREF,
    "ref-other-id": "#_nobody",
    "ref-bare-id": "%s",
    "ref-space": " #%s",
}


@pytest.mark.parametrize("name", _REFERENCES)
@pytest.mark.parametrize("signer", ["attacker", "provider"])
def test_the_reference_names_its_parent(world: World, name: str, signer: str) -> None:
    """The only valid reference is '#' and the parent's own identifier.

    External references are never fetched.
    """

    def bend(world: World, _: etree._Element) -> Bent:
        root = world.unsigned()
        assertion = assertion_of(root)
        uri = _REFERENCES[name].replace("%s", str(assertion.get("ID")))
        sign(assertion, world.attacker if signer == "attacker" else world.idp.key, Signing(uri=uri))
        return root

    run(world, Attack(name, Verdict.REJECT, bend, "InvalidIdentityToken"))


def _with_signed_info(world: World, edit: str, replacement: str, *, about: str) -> etree._Element:
    root = world.unsigned()
    assertion = assertion_of(root)
    child(assertion, f"{SAML}Subject/{SAML}NameID").text = about
    text = signed_info(f"#{assertion.get('ID')}", digest_of(assertion))
    start, end = text.index(edit), text.index("</ds:SignedInfo>")
    sign(assertion, world.idp.key, Signing(signed_info=text[:start] + replacement + text[end:]))
    return root


@BOOK.rejects("ref-no-uri")
def _(world: World, root: etree._Element) -> Bent:
    root = world.unsigned()
    assertion = assertion_of(root)
    text = signed_info("", digest_of(assertion)).replace(' URI=""', "")
    sign(assertion, world.idp.key, Signing(signed_info=text))
    return root


@BOOK.rejects("ref-none")
def _(world: World, root: etree._Element) -> Bent:
    return _with_signed_info(world, "<ds:Reference", "", about="alice@example.org")


@BOOK.rejects("ref-none-forged")
def _(world: World, root: etree._Element) -> Bent:
    return _with_signed_info(world, "<ds:Reference", "", about=EVIL)


@BOOK.rejects("ref-two")
def _(world: World, root: etree._Element) -> Bent:
    root = world.unsigned()
    assertion = assertion_of(root)
    once = signed_info(f"#{assertion.get('ID')}", digest_of(assertion))
    reference = once[once.index("<ds:Reference") : once.index("</ds:SignedInfo>")]
    sign(assertion, world.idp.key, Signing(extra_references=reference))
    return root


@BOOK.rejects("ref-id-quotes")
def _(world: World, root: etree._Element) -> Bent:
    root = world.unsigned()
    assertion_of(root).set("ID", "x'] | //*[@ID='y")
    return world.sealed(root)


@BOOK.rejects("id-missing-assertion")
def _(world: World, root: etree._Element) -> Bent:
    root = world.unsigned()
    del assertion_of(root).attrib["ID"]
    sign(assertion_of(root), world.idp.key, Signing(uri=""))
    return root


@BOOK.parametrize()
def test_signature(world: World, attack: Attack) -> None:
    """A signature must be the provider's, complete, and over its parent.

    Its algorithm must be on the list.
    """
    run(world, attack)


def test_a_retired_key_counts_no_more_and_a_new_one_does(world: World) -> None:
    """Either key signs while the metadata contains its certificate.

    Providers show both certificates during a rotation.
    """
    idp = SamlIdentityProvider(keys=[world.idp.key])
    old = idp.response(GOOD, now=NOW)
    idp.rotate(world.attacker)
    new = idp.response(GOOD, now=NOW)
    both = parse_metadata(idp.metadata_xml(), now=NOW)
    assert world.judge(old, metadata=both).subject == world.judge(new, metadata=both).subject
    idp.retire()
    only = parse_metadata(idp.metadata_xml(), now=NOW)
    assert world.judge(new, metadata=only).subject
    with pytest.raises(Fault, match="Response signature invalid"):
        world.judge(old, metadata=only)


def _rsa_key_value(world: World) -> str:
    numbers = world.attacker.certificate.public_key().public_numbers()  # type: ignore[union-attr] # RSA
    modulus = base64.b64encode(numbers.n.to_bytes(256)).decode()  # type: ignore[union-attr] # RSA
    return (
        f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
        "</ds:RSAKeyValue></ds:KeyValue>"
    )
