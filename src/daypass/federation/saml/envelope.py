"""The Response around an assertion.

Owns the Response's own attributes, its Issuer and its Status. They are signed only if the Response is. They can only
cause a refusal, and never become part of an identity.
"""

from datetime import datetime

import msgspec
from lxml import etree

from daypass.federation.saml.element_text import find_instant, read_name, require_attribute
from daypass.federation.saml.saml_faults import malformed, rejected
from daypass.federation.saml.xml_names import STATUS_SUCCESS, saml, samlp

_SHOWN = 120


class Envelope(msgspec.Struct, frozen=True):
    """The Response without its assertion."""

    issued: datetime
    issuer: str | None
    issuer_format: str | None
    destination: str | None
    in_response_to: str | None


def require_success(root: etree._Element) -> None:
    """Refuse a Response with a Status other than success."""
    if root.tag != samlp("Response"):
        raise malformed(f"the root is {root.tag!s:.200}, not a SAML 2.0 Response")
    codes = root.findall(f"{samlp('Status')}/{samlp('StatusCode')}")
    if len(codes) != 1:
        raise malformed("the Response has no Status")
    if codes[0].get("Value") == STATUS_SUCCESS:
        return
    nested = codes[0].find(samlp("StatusCode"))
    said = [code.get("Value") or "" for code in (codes[0], nested) if code is not None]
    raise rejected("the provider's status is " + ", ".join(value[:_SHOWN] for value in said))


def read_envelope(root: etree._Element) -> Envelope:
    """Return the values of the Response. Raises a Fault if it is malformed."""
    require_attribute(root, "ID")
    if root.get("Version") != "2.0":
        raise malformed("the Response is not of version 2.0")
    issued = find_instant(root, "IssueInstant")
    if issued is None:
        raise malformed("the Response has no IssueInstant")
    issuer = root.find(saml("Issuer"))
    return Envelope(
        issued=issued,
        issuer=None if issuer is None else read_name(issuer),
        issuer_format=None if issuer is None else issuer.get("Format"),
        destination=root.get("Destination"),
        in_response_to=root.get("InResponseTo") or None,
    )
