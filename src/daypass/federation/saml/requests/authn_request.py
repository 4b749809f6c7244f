"""The AuthnRequest that asks an identity provider to sign a user in.

Owns the document and its bindings HTTP-Redirect (in a URL) and HTTP-POST (in a form). Leaves the signature, which every
request has, to request_signature.py. Pure: identifier, time and key are arguments.
Rules: SAML core 3.4.1; SAML bindings 3.4.4.1 and 3.5.4.
"""

import base64
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from daypass.federation.saml.requests.request_key import RequestSigner
from daypass.federation.saml.requests.request_signature import sign_document, sign_query
from daypass.federation.saml.xml_names import SAML, SAMLP

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class AuthnRequest:
    """An AuthnRequest. The response repeats `identifier` as InResponseTo."""

    identifier: str
    issued: datetime
    entity_id: str
    consumer: str
    destination: str

    def to_xml(self) -> str:
        """Return the document, without a signature."""
        return (
            f'<samlp:AuthnRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID={quoteattr(self.identifier)} '
            f'Version="2.0" IssueInstant="{self.issued.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" '
            f"Destination={quoteattr(self.destination)} AssertionConsumerServiceURL={quoteattr(self.consumer)} "
            f'ProtocolBinding="{POST}"><saml:Issuer>{escape(self.entity_id)}</saml:Issuer>'
            # Without it, Lasso (LemonLDAP::NG) may not create the persistent identifier of a person's first sign-in.
            '<samlp:NameIDPolicy AllowCreate="true"/></samlp:AuthnRequest>'
        )

    def to_field(self, signer: RequestSigner) -> str:
        """Return the value of the SAMLRequest field for the HTTP-POST binding.

        The signature is in the document.
        """
        return base64.b64encode(sign_document(self.to_xml(), signer).encode()).decode()

    def to_url(self, relay_state: str, signer: RequestSigner) -> str:
        """Return the URL for the browser, by the HTTP-Redirect binding.

        The signature is in the query.
        """
        squeezer = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
        squeezed = squeezer.compress(self.to_xml().encode()) + squeezer.flush()
        message = (("SAMLRequest", base64.b64encode(squeezed).decode()), ("RelayState", relay_state))
        return f"{self.destination}{'&' if '?' in self.destination else '?'}{sign_query(message, signer)}"
