"""Ask an identity provider to sign somebody in: the AuthnRequest, and how it travels in an address.

Owns the document and the HTTP-Redirect binding. It is not signed: it asks for nothing but an answer at our own address,
which the provider knows from our metadata. Pure: identifier and time are arguments.
Rules: SAML core 3.4.1; SAML bindings 3.4.4.1.
"""

import base64
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from daypass.federation.saml.names import SAML, SAMLP

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class AuthnRequest:
    """A request of ours. `identifier` comes back as InResponseTo."""

    identifier: str
    issued: datetime
    entity_id: str
    consumer: str
    destination: str

    def to_xml(self) -> str:
        """Return the document."""
        return (
            f'<samlp:AuthnRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID={quoteattr(self.identifier)} '
            f'Version="2.0" IssueInstant="{self.issued.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" '
            f"Destination={quoteattr(self.destination)} AssertionConsumerServiceURL={quoteattr(self.consumer)} "
            f'ProtocolBinding="{POST}"><saml:Issuer>{escape(self.entity_id)}</saml:Issuer></samlp:AuthnRequest>'
        )

    def to_field(self) -> str:
        """Return the value of the SAMLRequest field, for the HTTP-POST binding."""
        return base64.b64encode(self.to_xml().encode()).decode()

    def to_url(self, relay_state: str) -> str:
        """Return the address to send the browser to, by the HTTP-Redirect binding."""
        squeezer = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
        squeezed = squeezer.compress(self.to_xml().encode()) + squeezer.flush()
        query = urlencode({"SAMLRequest": base64.b64encode(squeezed).decode(), "RelayState": relay_state})
        return f"{self.destination}{'&' if '?' in self.destination else '?'}{query}"
