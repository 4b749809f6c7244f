"""Our requests to providers, verified by other implementations."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, quote_plus, urlsplit

import pytest
import signxml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.federation.saml.conftest import NOW

from daypass.errors import Fault
from daypass.federation.saml.requests.authn_request import AuthnRequest
from daypass.federation.saml.requests.request_key import (
    RequestKeyPair,
    RequestSigner,
    UnusableKeyError,
    certificate_pem,
    make_key_pair,
)
from daypass.federation.saml.requests.request_signature import RSA_SHA256, sign_document
from daypass.federation.saml.signature import verify_element
from daypass.federation.saml.xml_names import ds, saml, samlp

ASKING = AuthnRequest(
    "_a1", NOW, "https://sts.example.net/a&b", "https://sts.example.net/saml", "https://idp/sso?a=1&b=2"
)
NAMES = ["SAMLRequest", "RelayState", "SigAlg", "Signature"]


@dataclass(frozen=True)
class Keys:
    """A key of ours, and a different key."""

    pair: RequestKeyPair
    signer: RequestSigner
    other: RequestKeyPair

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that the provider knows."""
        return x509.load_der_x509_certificate(self.pair.certificate)


@pytest.fixture(scope="module")
def keys() -> Keys:
    """Create both keys once."""
    pair = make_key_pair(NOW)
    return Keys(pair, RequestSigner(pair.private, pair.certificate), make_key_pair(NOW))


def verify_query(query: str, certificate: x509.Certificate) -> Mapping[str, str]:
    """Verify a query by the rules of SAML bindings 3.4.4.1.

    The signature covers the query exactly as it was sent.
    """
    signed, _, last = query.rpartition("&")
    fields = dict(parse_qsl(query, strict_parsing=True))
    assert [name for name, _ in parse_qsl(query)][-4:] == NAMES
    assert last.startswith("Signature=")
    assert fields["SigAlg"] == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    octets = signed[signed.index("SAMLRequest=") :].encode()
    key.verify(base64.b64decode(fields["Signature"]), octets, padding.PKCS1v15(), hashes.SHA256())
    return fields


def test_an_address_carries_its_signature(keys: Keys) -> None:
    """SAMLRequest, RelayState and SigAlg are signed in this order, as sent. The XML does not contain a signature."""
    url = ASKING.to_url("_relay", keys.signer)
    assert url.startswith("https://idp/sso?a=1&b=2&SAMLRequest=")
    fields = verify_query(urlsplit(url).query, keys.certificate)
    document = zlib.decompress(base64.b64decode(fields["SAMLRequest"]), -15)
    assert etree.fromstring(document).find(f".//{ds('Signature')}") is None
    assert document.decode() == ASKING.to_xml()
    assert fields["RelayState"] == "_relay"


_text = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(relay=_text, entity=_text)
def test_any_text_survives_the_signature(keys: Keys, relay: str, entity: str) -> None:
    """Percent-encoded characters are signed in their encoded form."""
    asking = AuthnRequest("_a1", NOW, entity, "https://x/saml", "https://idp/sso")
    fields = verify_query(urlsplit(asking.to_url(relay, keys.signer)).query, keys.certificate)
    assert fields["RelayState"] == relay


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_changed_address_does_not_verify(keys: Keys, name: str) -> None:
    """Request, relay state and algorithm cannot be changed on the way."""
    query = urlsplit(ASKING.to_url("_relay", keys.signer)).query
    value = dict(parse_qsl(query))[name]
    bent = query.replace(quote_plus(value), quote_plus(value[:-1]))
    assert bent != query
    with pytest.raises((InvalidSignature, AssertionError)):
        verify_query(bent, keys.certificate)


def signed_document(keys: Keys) -> etree._Element:
    """Return the document in a form."""
    return etree.fromstring(base64.b64decode(ASKING.to_field(keys.signer)))


def test_a_form_carries_its_signature_after_the_issuer(keys: Keys) -> None:
    """The schema is a sequence: Issuer, Signature, NameIDPolicy.

    Another implementation accepts it with the certificate alone.
    """
    root = signed_document(keys)
    assert [child.tag for child in root] == [saml("Issuer"), ds("Signature"), samlp("NameIDPolicy")]
    result = signxml.XMLVerifier().verify(
        etree.tostring(root), x509_cert=keys.certificate, expect_config=signxml.SignatureConfiguration(location="./")
    )
    assert result.signed_xml.tag == samlp("AuthnRequest")
    assert result.signed_xml.get("ID") == "_a1"
    assert root.findtext(f".//{ds('X509Certificate')}") == base64.b64encode(keys.pair.certificate).decode()
    method = root.find(f".//{ds('SignatureMethod')}")
    assert method is not None
    assert method.get("Algorithm") == RSA_SHA256


def test_a_provider_may_create_an_identifier() -> None:
    """SAML core 3.4.1.1: without AllowCreate, a provider refuses a new persistent identifier."""
    policy = etree.fromstring(ASKING.to_xml())[-1]
    assert (policy.tag, policy.get("AllowCreate")) == (samlp("NameIDPolicy"), "true")


def test_our_own_verifier_agrees(keys: Keys) -> None:
    """It returns the request as it was before signing."""
    key = keys.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    back = verify_element(signed_document(keys), [key], allow_sha1=False)
    assert etree.tostring(back, method="c14n", exclusive=True) == etree.tostring(
        etree.fromstring(ASKING.to_xml()), method="c14n", exclusive=True
    )


def test_a_changed_form_does_not_verify(keys: Keys) -> None:
    """A changed address, or another key, does not verify."""
    root = signed_document(keys)
    other = x509.load_der_x509_certificate(keys.other.certificate)
    with pytest.raises(signxml.exceptions.InvalidSignature):
        signxml.XMLVerifier().verify(etree.tostring(root), x509_cert=other)
    root.set("AssertionConsumerServiceURL", "https://evil.example.org/saml")
    with pytest.raises(signxml.exceptions.InvalidSignature):
        signxml.XMLVerifier().verify(etree.tostring(root), x509_cert=keys.certificate)
    key = other.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    with pytest.raises(Fault):
        verify_element(signed_document(keys), [key], allow_sha1=False)


def test_a_request_without_an_issuer_is_not_signed(keys: Keys) -> None:
    """There is no place for the signature."""
    with pytest.raises(ValueError, match="Issuer"):
        sign_document("<a/>", keys.signer)


def test_a_new_key_is_large_and_vouches_for_itself(keys: Keys) -> None:
    """The key is RSA with 3,072 bits, and its certificate is self-signed.

    The certificate begins a day ago, for slow clocks, and lasts ten years.
    """
    certificate = keys.certificate
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 3_072
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3_650)
    assert x509.load_pem_x509_certificate(certificate_pem(keys.pair.certificate).encode()) == certificate
    assert keys.pair.id == certificate.fingerprint(hashes.SHA256()).hex()[:16]
    assert repr(keys.pair) == repr(keys.signer) == "<secret>"


@pytest.mark.parametrize("case", ["another key", "no key", "no certificate", "nothing"])
def test_a_key_that_cannot_sign_for_its_certificate_is_none(keys: Keys, case: str) -> None:
    """Daypass does not send a request that a provider would refuse."""
    private, certificate = {
        "another key": (keys.other.private, keys.pair.certificate),
        "no key": (keys.pair.private[:-7], keys.pair.certificate),
        "no certificate": (keys.pair.private, keys.pair.certificate[:-7]),
        "nothing": (b"", b""),
    }[case]
    with pytest.raises(UnusableKeyError):
        RequestSigner(private, certificate)
