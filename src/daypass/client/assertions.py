"""SAML responses as a person hands them over: read, and asked which roles they offer.

Owns reading one for display and choice. Nothing is verified here, since STS does that; the XML is read without
entities, and without the network. The parser is Python's own, so that the client needs no XML library.
"""

import base64
import binascii
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from urllib.parse import parse_qs

from daypass.client.problems import BadUsage, Expired

_MOST = 200_000
_SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_ROLE = "https://aws.amazon.com/SAML/Attributes/Role"


@dataclass(frozen=True, slots=True)
class UnverifiedOffer:
    """A role that an assertion offers, with the provider through which."""

    role_arn: str
    provider_arn: str


class _WithoutDoctype(ET.TreeBuilder):
    """Builds the tree, and stops at a DOCTYPE: the parser expands no entity before it has read one."""

    def doctype(self, *_: object) -> None:
        """Raise Expired. The parser calls it with the name and the addresses of the DOCTYPE."""
        raise Expired("The SAML response has a DOCTYPE, which no honest one has.")


def clean_assertion(text: str) -> str:
    """Return the base64 of a response, from what people paste: base64, a form's body, or XML. Raises Expired."""
    text = text.strip()
    if len(text) > _MOST:
        raise Expired("That is longer than any SAML response; copy the field SAMLResponse alone.")
    if "SAMLResponse=" in text:
        text = parse_qs(text, max_num_fields=20).get("SAMLResponse", [""])[0]
    if text.startswith("<"):
        return base64.b64encode(text.encode()).decode()
    text = "".join(text.split()).replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    try:
        if not base64.b64decode(text, validate=True).lstrip().startswith(b"<"):
            raise Expired(
                "That is base64, but of no SAML response; copy the field SAMLResponse of the sign-in page's form."
            )
    except (binascii.Error, ValueError) as error:
        raise Expired("That is no SAML response; copy the whole field SAMLResponse.") from error
    return text


def offers(assertion: str) -> tuple[UnverifiedOffer, ...]:
    """Return the roles that a response offers; none where it is encrypted."""
    parser = ET.XMLParser(target=_WithoutDoctype())  # noqa: S314 - entities need a DOCTYPE, which is refused
    try:
        parser.feed(base64.b64decode(assertion))
        root: ET.Element = parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:
        raise Expired("The SAML response is no XML; copy the whole field SAMLResponse.") from error
    found = []
    for attribute in root.iter(f"{_SAML}Attribute"):
        if attribute.get("Name") == _ROLE:
            values = ("".join(value.itertext()) for value in attribute.iter(f"{_SAML}AttributeValue"))
            found += [offer for offer in map(_read_pair, values) if offer is not None]
    return tuple(dict.fromkeys(found))


def _read_pair(text: str) -> UnverifiedOffer | None:
    parts = [part.strip() for part in text.split(",")]
    roles = [part for part in parts if ":role/" in part]
    providers = [part for part in parts if ":saml-provider/" in part]
    return UnverifiedOffer(roles[0], providers[0]) if len(roles) == len(providers) == 1 else None


def provider_for(assertion: str, role_arn: str) -> str:
    """Return the provider through which an assertion offers a role. Raises BadUsage."""
    found = [offer.provider_arn for offer in offers(assertion) if offer.role_arn == role_arn]
    if not found:
        raise BadUsage(
            f"The assertion does not offer {role_arn}; `daypass roles --assertion-file FILE` lists what it offers, "
            "and --provider-arn names the provider of an encrypted one."
        )
    return found[0]
