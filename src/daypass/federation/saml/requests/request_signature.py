"""Sign a request to an identity provider, in a URL or in the document.

Owns both forms, one for each binding. Leaves the choice of the key to its caller.
Rules: SAML bindings 3.4.4.1 (DEFLATE encoding) and 3.5.4; SAML core 5.4; XML Signature 1.1; Exclusive XML
Canonicalization 1.0.
"""

import base64
from collections.abc import Sequence
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from lxml import etree

from daypass.federation.saml.requests.request_key import RequestSigner
from daypass.federation.saml.xml_names import DS, ENVELOPED, EXCLUSIVE_C14N, XENC, saml

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256 = f"{XENC}sha256"


def sign_query(message: Sequence[tuple[str, str]], signer: RequestSigner) -> str:
    """Return a query with its signature.

    `message` is SAMLRequest and RelayState in this order. The signature covers the exact percent-encoded string in the
    URL.
    """
    signed = urlencode([*message, ("SigAlg", RSA_SHA256)])
    return f"{signed}&{urlencode({'Signature': signer.sign(signed.encode('ascii'))})}"


def sign_document(document: str, signer: RequestSigner) -> str:
    """Return a request with an enveloped signature.

    The signature follows the Issuer, as the schema requires.
    """
    root = etree.fromstring(document.encode())
    issuer = root.find(saml("Issuer"))
    if issuer is None:
        raise ValueError("the request does not have an Issuer")
    signature = etree.fromstring(_signature(root.get("ID") or "", _digest(root), signer))
    issuer.addnext(signature)
    return etree.tostring(root, encoding="unicode")


def _signature(identifier: str, digest: str, signer: RequestSigner) -> str:
    """Return a Signature element.

    SignedInfo is signed in its canonical form inside the element.
    """
    info = _canonical(etree.fromstring(_signed_info(identifier, digest)))
    return (
        f'<ds:Signature xmlns:ds="{DS}">{info.decode()}<ds:SignatureValue>{signer.sign(info)}</ds:SignatureValue>'
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{signer.certificate}</ds:X509Certificate></ds:X509Data>"
        "</ds:KeyInfo></ds:Signature>"
    )


def _signed_info(identifier: str, digest: str) -> str:
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"/>'
        f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"/><ds:Reference URI="#{identifier}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXCLUSIVE_C14N}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{_SHA256}"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>'
        "</ds:SignedInfo>"
    )


def _digest(root: etree._Element) -> str:
    hashed = hashes.Hash(hashes.SHA256())
    hashed.update(_canonical(root))
    return base64.b64encode(hashed.finalize()).decode()


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
