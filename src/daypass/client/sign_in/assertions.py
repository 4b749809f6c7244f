"""Parse SAML responses that a person supplies.

Owns parsing for display and choice; STS verifies responses. XML is parsed without entities and network access, by
Python's own parser, so that the client needs no XML library.
"""

import base64
import binascii
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from urllib.parse import parse_qs

from daypass.client.problems import BadUsageError, ExpiredError

_MOST = 200_000
_SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_ROLE = "https://aws.amazon.com/SAML/Attributes/Role"
# The values that STS reads: a role and a provider of one account in either order, with ASCII white space around them.
# The name of a role may contain a comma.
_SPACE = r"[ \t\n\r\f\v]*"
_ROLE_ARN = r"(?P<role>arn:(?P<role_of>aws[a-z-]*:iam::[0-9]{12}):role/[A-Za-z0-9_+=,.@/-]{1,576}(?<!/))"
_PROVIDER_ARN = r"(?P<provider>arn:(?P<provider_of>aws[a-z-]*:iam::[0-9]{12}):saml-provider/[A-Za-z0-9._-]{1,128})"
_PAIR = re.compile(f"{_SPACE}{_ROLE_ARN}{_SPACE},{_SPACE}{_PROVIDER_ARN}{_SPACE}")
_REVERSED_PAIR = re.compile(f"{_SPACE}{_PROVIDER_ARN}{_SPACE},{_SPACE}{_ROLE_ARN}{_SPACE}")


@dataclass(frozen=True, slots=True)
class UnverifiedOffer:
    """A role that an assertion offers, with its SAML provider."""

    role_arn: str
    provider_arn: str


class _WithoutDoctype(ET.TreeBuilder):
    """Builds the tree, and rejects a DOCTYPE, without which the parser cannot expand entities."""

    def doctype(self, *_: object) -> None:
        """Raise ExpiredError. The parser calls it for each DOCTYPE."""
        raise ExpiredError("The SAML response has a DOCTYPE, which is not allowed.")


def clean_assertion(text: str) -> str:
    """Return the base64 of a pasted SAML response.

    The input is base64, a form body or XML. Raises ExpiredError.
    """
    text = text.strip()
    if len(text) > _MOST:
        raise ExpiredError("The input is too long for a SAML response. Copy only the form field SAMLResponse.")
    if "SAMLResponse=" in text:
        text = parse_qs(text, max_num_fields=20).get("SAMLResponse", [""])[0]
    if text.startswith("<"):
        return base64.b64encode(text.encode()).decode()
    text = "".join(text.split()).replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    try:
        if not base64.b64decode(text, validate=True).lstrip().startswith(b"<"):
            raise ExpiredError(
                "The input is base64, but not a SAML response. Copy the form field SAMLResponse of the sign-in page."
            )
    except (binascii.Error, ValueError) as error:
        raise ExpiredError("The input is not a SAML response. Copy the whole form field SAMLResponse.") from error
    return text


def offers(assertion: str) -> tuple[UnverifiedOffer, ...]:
    """Return the roles that a response offers.

    An encrypted response gives an empty tuple.
    """
    parser = ET.XMLParser(target=_WithoutDoctype())  # noqa: S314 - entities need a DOCTYPE, which is refused
    try:
        parser.feed(base64.b64decode(assertion))
        root: ET.Element = parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:
        raise ExpiredError("The SAML response is not valid XML. Copy the whole form field SAMLResponse.") from error
    found = []
    for attribute in root.iter(f"{_SAML}Attribute"):
        if attribute.get("Name") == _ROLE:
            values = ("".join(value.itertext()) for value in attribute.iter(f"{_SAML}AttributeValue"))
            found += [offer for offer in map(_read_pair, values) if offer is not None]
    return tuple(dict.fromkeys(found))


def _read_pair(text: str) -> UnverifiedOffer | None:
    found = _PAIR.fullmatch(text) or _REVERSED_PAIR.fullmatch(text)
    if found is None or found["role_of"] != found["provider_of"]:
        return None
    return UnverifiedOffer(found["role"], found["provider"])


def provider_for(assertion: str, role_arn: str) -> str:
    """Return the provider of a role in an assertion.

    Raises BadUsageError if the role is not offered.
    """
    found = [offer.provider_arn for offer in offers(assertion) if offer.role_arn == role_arn]
    if not found:
        raise BadUsageError(
            f"The assertion does not offer {role_arn}. `daypass roles --assertion-file FILE` lists the offered roles. "
            "If the assertion is encrypted, set --provider-arn."
        )
    return found[0]
